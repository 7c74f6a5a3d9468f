//! One-time invites as documents. One that is used or withdrawn is removed: that it is there is what makes it good.

use super::fields::{self, Fields, not_over, optional_time, time, uid};
use super::{Archive, COMMAND_TIMEOUT, InviteRecord, RoomUid, Secret, StoreError, rooms};
use crate::protocol::Timestamp;
use mongodb::bson::{Document, doc};
use std::collections::BTreeSet;

pub(super) const COLLECTION: &str = "invites";

pub(super) async fn add(archive: &Archive, invites: &[InviteRecord]) -> Result<(), StoreError> {
    let rooms: BTreeSet<RoomUid> = invites.iter().map(|invite| invite.room).collect();
    let (_guard, open) = archive.open_rooms(&rooms).await?;
    if open != rooms {
        return Err(StoreError::Missing);
    }
    let documents: Vec<Document> = invites.iter().map(write).collect();
    archive.insert_missing(COLLECTION, &documents).await
}

pub(super) async fn all(
    archive: &Archive,
    room: RoomUid,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<InviteRecord>, StoreError> {
    if !rooms::is_open(archive, room, now).await? {
        return Ok(Vec::new());
    }
    let filter = doc! { "room": uid(room), "$or": not_over(now) };
    let found = archive.list(COLLECTION, filter, doc! { "createdAt": 1, "_id": 1 }, 0, limit).await?;
    found.into_iter().map(read).collect()
}

pub(super) async fn redeem(
    archive: &Archive,
    room: RoomUid,
    secret: Secret,
    now: Timestamp,
) -> Result<InviteRecord, StoreError> {
    if !rooms::is_open(archive, room, now).await? {
        return Err(StoreError::Missing);
    }
    let filter = doc! { "room": uid(room), "secret": fields::secret(secret), "$or": not_over(now) };
    let removed = archive.collection(COLLECTION).find_one_and_delete(filter).max_time(COMMAND_TIMEOUT).await?;
    read(Fields::new(COLLECTION, removed.ok_or(StoreError::Missing)?))
}

pub(super) async fn remove(archive: &Archive, room: RoomUid, id: u64) -> Result<(), StoreError> {
    let filter = doc! { "room": uid(room), "id": fields::number(id) };
    match archive.collection(COLLECTION).delete_one(filter).await?.deleted_count {
        0 => Err(StoreError::Missing),
        _ => Ok(()),
    }
}

fn write(invite: &InviteRecord) -> Document {
    doc! {
        "room": uid(invite.room),
        "id": fields::number(invite.id),
        "secret": fields::secret(invite.secret),
        "role": invite.role.as_str(),
        "createdAt": time(invite.created_at),
        "expiresAt": optional_time(invite.expires_at),
    }
}

fn read(mut fields: Fields) -> Result<InviteRecord, StoreError> {
    Ok(InviteRecord {
        room: fields.uid("room")?,
        id: fields.number("id")?,
        secret: fields.secret("secret")?,
        role: fields.take("role")?,
        created_at: fields.time("createdAt")?,
        expires_at: fields.optional_time("expiresAt")?,
    })
}
