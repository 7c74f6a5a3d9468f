//! Sessions in SQL.

use super::rows::{self, signed};
use super::{failure, rooms};
use crate::protocol::{ParticipantRef, Timestamp};
use crate::store::{RoomUid, SessionRecord, StoreError};
use rusqlite::{Connection, params};

pub(super) fn insert(connection: &Connection, session: &SessionRecord) -> Result<(), StoreError> {
    let sql = "INSERT INTO sessions (room, participant, identity, display_name, role, joined_at, left_at, reason)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING";
    let values = params![
        signed(session.room.0),
        signed(session.participant.0.0),
        session.identity.as_str(),
        session.display_name,
        session.role.as_str(),
        rows::time(session.joined_at),
        session.left_at.map(rows::time),
        session.reason,
    ];
    connection.prepare_cached(sql).and_then(|mut s| s.execute(values)).map_err(failure)?;
    Ok(())
}

pub(super) fn close(
    connection: &Connection,
    room: RoomUid,
    participant: ParticipantRef,
    at: Timestamp,
    reason: &str,
) -> Result<(), StoreError> {
    let sql = "UPDATE sessions SET left_at = ?3, reason = ?4 WHERE room = ?1 AND participant = ?2 AND left_at IS NULL";
    let values = params![signed(room.0), signed(participant.0.0), rows::time(at), reason];
    connection.prepare_cached(sql).and_then(|mut s| s.execute(values)).map_err(failure)?;
    Ok(())
}

pub(super) fn close_all(connection: &Connection, at: Timestamp, reason: &str) -> Result<u64, StoreError> {
    let sql = "UPDATE sessions SET left_at = ?1, reason = ?2 WHERE left_at IS NULL";
    connection.execute(sql, params![rows::time(at), reason]).map(|closed| closed as u64).map_err(failure)
}

pub(super) fn page(
    connection: &Connection,
    room: RoomUid,
    skip: u64,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<SessionRecord>, StoreError> {
    if !rooms::is_open(connection, room, now)? {
        return Ok(Vec::new());
    }
    let sql = "SELECT room, participant, identity, display_name, role, joined_at, left_at, reason FROM sessions
        WHERE room = ?1 ORDER BY number LIMIT ?2 OFFSET ?3";
    rows::all(connection, sql, params![signed(room.0), rows::count(limit), rows::bound(skip)], rows::session)
}
