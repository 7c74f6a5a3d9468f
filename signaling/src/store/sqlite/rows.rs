//! Records as rows, and back.
//!
//! Numbers of 64 bits are stored as SQLite's signed ones of the same bits; points in time as milliseconds since 1970.

use super::failure;
use crate::access::{Identity, Role};
use crate::protocol::{MessageId, ParticipantRef, RoomCode, SecretText, Timestamp};
use crate::store::{
    FileId, FileRecord, InviteRecord, MessageRecord, Reaction, RoomRecord, RoomUid, Secret, SessionRecord, StoreError,
};
use parlor_media::ids::ParticipantId;
use rusqlite::types::{FromSql, Type};
use rusqlite::{Connection, Params, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The bits of an id.
pub(super) fn signed(id: u64) -> i64 {
    id.cast_signed()
}

/// A number whose order matters.
pub(super) fn stored(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Failed(format!("{number} is too large for the database")))
}

/// A bound of a search, beyond which there is nothing.
pub(super) fn bound(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn time(time: Timestamp) -> i64 {
    bound(time.as_ms())
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Failed(error.to_string()))
}

/// All rows of a query.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    record: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(failure)?;
    let rows = statement.query_map(values, record).map_err(failure)?;
    rows.collect::<Result<_, _>>().map_err(failure)
}

/// See the order of columns in `rooms.rs`.
pub(super) fn room(row: &Row<'_>) -> rusqlite::Result<RoomRecord> {
    Ok(RoomRecord {
        uid: RoomUid(id(row, 0)?),
        code: parsed(row, 1, RoomCode::parse)?,
        version: id(row, 2)?,
        created_at: timestamp(row, 3)?,
        expires_at: timestamp_or_none(row, 4)?,
        settings: from_json(row, 5)?,
        host_secret: row.get::<_, Option<[u8; 32]>>(6)?.map(Secret),
        password: row.get::<_, Option<String>>(7)?.map(SecretText::new),
        banned: from_json(row, 8)?,
    })
}

/// See the order of columns in `messages.rs`.
pub(super) fn message(row: &Row<'_>) -> rusqlite::Result<MessageRecord> {
    Ok(MessageRecord {
        room: RoomUid(id(row, 0)?),
        seq: id(row, 1)?,
        id: MessageId(id(row, 2)?),
        sender: ParticipantRef(ParticipantId(id(row, 3)?)),
        identity: parsed(row, 4, Identity::parse)?,
        display_name: row.get(5)?,
        sent_at: timestamp(row, 6)?,
        text: row.get(7)?,
        reply_to: id_or_none(row, 8)?.map(MessageId),
        to: row.get::<_, Option<String>>(9)?.map(|_| parsed(row, 9, Identity::parse)).transpose()?,
        file: id_or_none(row, 10)?.map(FileId),
        edited_at: timestamp_or_none(row, 11)?,
        deleted_at: timestamp_or_none(row, 12)?,
        reactions: reactions(row, 13)?,
    })
}

/// Pairs of identity and emoji.
pub(super) fn reactions(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<Reaction>> {
    if row.get_ref(column)?.data_type() == Type::Null {
        return Ok(Vec::new());
    }
    let pairs: Vec<(Identity, String)> = from_json(row, column)?;
    Ok(pairs.into_iter().map(|(identity, emoji)| Reaction { identity, emoji }).collect())
}

/// The inverse of [`reactions`].
pub(super) fn written(reactions: &[Reaction]) -> Result<Option<String>, StoreError> {
    if reactions.is_empty() {
        return Ok(None);
    }
    let pairs: Vec<_> = reactions.iter().map(|reaction| (&reaction.identity, &reaction.emoji)).collect();
    json(&pairs).map(Some)
}

/// See the order of columns in `sessions.rs`.
pub(super) fn session(row: &Row<'_>) -> rusqlite::Result<SessionRecord> {
    Ok(SessionRecord {
        room: RoomUid(id(row, 0)?),
        participant: ParticipantRef(ParticipantId(id(row, 1)?)),
        identity: parsed(row, 2, Identity::parse)?,
        display_name: row.get(3)?,
        role: role(row, 4)?,
        joined_at: timestamp(row, 5)?,
        left_at: timestamp_or_none(row, 6)?,
        reason: row.get(7)?,
    })
}

/// See the order of columns in `invites.rs`.
pub(super) fn invite(row: &Row<'_>) -> rusqlite::Result<InviteRecord> {
    Ok(InviteRecord {
        room: RoomUid(id(row, 0)?),
        id: id(row, 1)?,
        secret: Secret(row.get(2)?),
        role: role(row, 3)?,
        created_at: timestamp(row, 4)?,
        expires_at: timestamp_or_none(row, 5)?,
    })
}

/// See the order of columns in `files.rs`.
pub(super) fn file(row: &Row<'_>) -> rusqlite::Result<FileRecord> {
    Ok(FileRecord {
        room: RoomUid(id(row, 0)?),
        id: FileId(id(row, 1)?),
        name: row.get(2)?,
        size: id(row, 3)?,
        content_type: row.get(4)?,
        uploader: parsed(row, 5, Identity::parse)?,
        uploaded_at: timestamp(row, 6)?,
    })
}

fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

fn id_or_none(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(i64::cast_unsigned))
}

fn timestamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    id(row, column).map(Timestamp::from_ms)
}

fn timestamp_or_none(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(id_or_none(row, column)?.map(Timestamp::from_ms))
}

fn role(row: &Row<'_>, column: usize) -> rusqlite::Result<Role> {
    parsed(row, column, |text| Role::ALL.iter().copied().find(|role| role.as_str() == text))
}

/// A text that must have some form. An error quotes nothing of it.
fn parsed<T>(row: &Row<'_>, column: usize, parse: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    parse(text).ok_or_else(|| unreadable(column, "it is not what Parlor writes there".into()))
}

fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| unreadable(column, error.into()))
}

fn unreadable(column: usize, error: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error)
}

/// A single value.
pub(super) fn value<T: FromSql>(connection: &Connection, sql: &str, values: impl Params) -> Result<T, StoreError> {
    connection.prepare_cached(sql).and_then(|mut s| s.query_row(values, |row| row.get(0))).map_err(failure)
}
