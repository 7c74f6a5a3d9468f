//! Rooms as documents.
//!
//! `ending` is on every one: a room's code is unique among those that are not ending, so that its next room need not wait for
//! the purge.

use super::fields::{self, Fields, not_over, optional_time, time, uid};
use super::{Archive, COMMAND_TIMEOUT, RoomRecord, RoomUid, StoreError, files, invites, lock, messages, sessions};
use crate::access::Identity;
use crate::protocol::{RoomCode, SecretText, Timestamp};
use crate::room_settings::RoomSettings;
use mongodb::bson::{Bson, Document, doc};
use std::collections::BTreeSet;

pub(super) const COLLECTION: &str = "rooms";

/// Collections of what is in rooms.
const CONTENTS: [&str; 4] = [messages::COLLECTION, sessions::COLLECTION, invites::COLLECTION, files::COLLECTION];

pub(super) async fn create(archive: &Archive, room: &RoomRecord, now: Timestamp) -> Result<(), StoreError> {
    let rooms = archive.collection(COLLECTION);
    let id = uid(room.uid);
    let over =
        doc! { "_id": { "$ne": &id }, "code": room.code.as_str(), "ending": false, "expiresAt": { "$lte": time(now) } };
    // Its code is given again: no later change may bring it back.
    rooms.update_many(over, doc! { "$set": { "ending": true } }).await?;
    let mut document = changeable(room)?;
    document.insert("_id", &id);
    document.insert("code", room.code.as_str());
    document.insert("createdAt", time(room.created_at));
    document.insert("ending", false);
    match rooms.insert_one(document).await.map_err(StoreError::from) {
        // Of two rooms of a code the index lets one in. It may be this very room, from an attempt whose answer was lost.
        Err(StoreError::Conflict) if rooms.find_one(doc! { "_id": id }).await?.is_some() => Ok(()),
        result => result.map(drop),
    }
}

pub(super) async fn update(archive: &Archive, room: &RoomRecord, expected: u64) -> Result<(), StoreError> {
    let rooms = archive.collection(COLLECTION);
    let of_version = doc! { "_id": uid(room.uid), "ending": false, "version": fields::clamped(expected) };
    if rooms.update_one(of_version, doc! { "$set": changeable(room)? }).await?.matched_count == 1 {
        return Ok(());
    }
    let found = archive.find_one(COLLECTION, doc! { "_id": uid(room.uid), "ending": false }).await?;
    match found.map(read).transpose()? {
        None => Err(StoreError::Missing),
        // Repeated.
        Some(there) if there == *room => Ok(()),
        Some(_) => Err(StoreError::Conflict),
    }
}

pub(super) async fn all(archive: &Archive, now: Timestamp, limit: usize) -> Result<Vec<RoomRecord>, StoreError> {
    let filter = doc! { "ending": false, "$or": not_over(now) };
    let found = archive.list(COLLECTION, filter, doc! { "createdAt": 1, "_id": 1 }, 0, limit).await?;
    // One that cannot be read is left out: it must not keep the others from being served.
    Ok(found.into_iter().filter_map(readable).collect())
}

fn readable(mut fields: Fields) -> Option<RoomRecord> {
    let uid = match fields.uid("_id") {
        Ok(uid) => uid,
        Err(error) => {
            tracing::error!(%error, "a room is left out");
            return None;
        }
    };
    read_of(uid, fields).inspect_err(|error| tracing::error!(room = uid.0, %error, "a room is left out")).ok()
}

pub(super) async fn by_code(
    archive: &Archive,
    code: &RoomCode,
    now: Timestamp,
) -> Result<Option<RoomRecord>, StoreError> {
    let filter = doc! { "code": code.as_str(), "ending": false, "$or": not_over(now) };
    archive.find_one(COLLECTION, filter).await?.map(read).transpose()
}

/// Whether a room's contents may be shown.
pub(super) async fn is_open(archive: &Archive, room: RoomUid, now: Timestamp) -> Result<bool, StoreError> {
    let filter = doc! { "_id": uid(room), "ending": false, "$or": not_over(now) };
    let rooms = archive.collection(COLLECTION);
    let find = rooms.find_one(filter).projection(doc! { "_id": 1 });
    Ok(find.max_time(COMMAND_TIMEOUT).await?.is_some())
}

pub(super) async fn end(archive: &Archive, room: RoomUid) -> Result<(), StoreError> {
    let ending = doc! { "$set": { "ending": true } };
    Ok(archive.collection(COLLECTION).update_one(doc! { "_id": uid(room) }, ending).await.map(drop)?)
}

pub(super) async fn due(archive: &Archive, now: Timestamp, limit: usize) -> Result<Vec<RoomUid>, StoreError> {
    let mut due: Vec<RoomUid> = lock(&archive.leftovers).iter().copied().take(limit).collect();
    let filter = doc! { "$or": [{ "ending": true }, { "expiresAt": { "$lte": time(now) } }] };
    let found = archive.list(COLLECTION, filter, doc! { "_id": 1 }, 0, limit - due.len()).await?;
    for mut fields in found {
        due.push(fields.uid("_id")?);
    }
    Ok(due)
}

pub(super) async fn purge(archive: &Archive, room: RoomUid) -> Result<(), StoreError> {
    end(archive, room).await?;
    // Whoever found it open has written by then.
    drop(archive.doors.write().await);
    for contents in CONTENTS {
        archive.collection(contents).delete_many(doc! { "room": uid(room) }).await?;
    }
    archive.collection(COLLECTION).delete_one(doc! { "_id": uid(room) }).await?;
    lock(&archive.leftovers).remove(&room);
    Ok(())
}

/// Rooms that are gone although something of them is there: a write that the server took up only after the purge, or a room
/// that the server itself removed.
pub(super) async fn leftovers(archive: &Archive) -> Result<BTreeSet<RoomUid>, StoreError> {
    let mut left = BTreeSet::new();
    for contents in CONTENTS {
        let found = archive.collection(contents).distinct("room", doc! {}).await?;
        // What is not a room's uid is nothing that Parlor has written.
        left.extend(found.iter().filter_map(Bson::as_i64).map(|uid| RoomUid(uid.cast_unsigned())));
    }
    let there = archive.collection(COLLECTION).distinct("_id", doc! {}).await?;
    for uid in there.iter().filter_map(Bson::as_i64) {
        left.remove(&RoomUid(uid.cast_unsigned()));
    }
    Ok(left)
}

/// What an update replaces.
fn changeable(room: &RoomRecord) -> Result<Document, StoreError> {
    let banned: Vec<&str> = room.banned.iter().map(Identity::as_str).collect();
    Ok(doc! {
        "version": fields::count("rooms.version", room.version)?,
        "expiresAt": optional_time(room.expires_at),
        "settings": settings(&room.settings)?,
        "hostSecret": room.host_secret.map_or(Bson::Null, fields::secret),
        "password": room.password.as_ref().map(SecretText::expose),
        "banned": banned,
    })
}

/// As text: the keys of the metadata are an application's own, and may be what is an operator or a path to the database.
fn settings(settings: &RoomSettings) -> Result<String, StoreError> {
    serde_json::to_string(settings).map_err(|_| StoreError::Failed("a room's settings cannot be written".into()))
}

fn read_settings(fields: &mut Fields) -> Result<RoomSettings, StoreError> {
    let text: String = fields.take("settings")?;
    serde_json::from_str(&text).map_err(|_| fields.unreadable("settings"))
}

fn read(mut fields: Fields) -> Result<RoomRecord, StoreError> {
    let uid = fields.uid("_id")?;
    read_of(uid, fields)
}

fn read_of(uid: RoomUid, mut fields: Fields) -> Result<RoomRecord, StoreError> {
    Ok(RoomRecord {
        uid,
        code: fields.take("code")?,
        version: fields.take("version")?,
        created_at: fields.time("createdAt")?,
        expires_at: fields.optional_time("expiresAt")?,
        settings: read_settings(&mut fields)?,
        host_secret: fields.optional_secret("hostSecret")?,
        password: fields.take("password")?,
        banned: fields.take("banned")?,
    })
}
