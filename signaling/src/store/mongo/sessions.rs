//! Stays of participants as documents.

use super::fields::{Fields, optional_time, time, uid};
use super::{Archive, RoomUid, SessionRecord, StoreError, rooms};
use crate::protocol::Timestamp;
use mongodb::bson::{Document, doc};

pub(super) const COLLECTION: &str = "sessions";

pub(super) async fn page(
    archive: &Archive,
    room: RoomUid,
    skip: u64,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<SessionRecord>, StoreError> {
    if !rooms::is_open(archive, room, now).await? {
        return Ok(Vec::new());
    }
    // Those who joined at the same time are in the order of being written: the driver's ids grow.
    let order = doc! { "joinedAt": 1, "_id": 1 };
    let found = archive.list(COLLECTION, doc! { "room": uid(room) }, order, skip, limit).await?;
    found.into_iter().map(read).collect()
}

pub(super) async fn close_all(archive: &Archive, left_at: Timestamp, reason: &str) -> Result<u64, StoreError> {
    let closed = archive.collection(COLLECTION).update_many(doc! { "leftAt": null }, closing(left_at, reason)).await?;
    Ok(closed.modified_count)
}

/// The change that closes a session.
pub(super) fn closing(left_at: Timestamp, reason: &str) -> Document {
    doc! { "$set": { "leftAt": time(left_at), "reason": reason } }
}

pub(super) fn write(session: &SessionRecord) -> Document {
    doc! {
        "room": uid(session.room),
        "participant": session.participant.to_string(),
        "identity": session.identity.as_str(),
        "displayName": session.display_name.as_deref(),
        "role": session.role.as_str(),
        "joinedAt": time(session.joined_at),
        "leftAt": optional_time(session.left_at),
        "reason": session.reason.as_deref(),
    }
}

fn read(mut fields: Fields) -> Result<SessionRecord, StoreError> {
    Ok(SessionRecord {
        room: fields.uid("room")?,
        participant: fields.take("participant")?,
        identity: fields.take("identity")?,
        display_name: fields.take("displayName")?,
        role: fields.take("role")?,
        joined_at: fields.time("joinedAt")?,
        left_at: fields.optional_time("leftAt")?,
        reason: fields.take("reason")?,
    })
}
