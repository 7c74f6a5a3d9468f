//! Records of shared files as documents; the files themselves are elsewhere.

use super::fields::{self, Fields, time, uid};
use super::{Archive, FileId, FileRecord, RoomUid, StoreError, rooms};
use crate::protocol::Timestamp;
use mongodb::bson::{Document, doc};
use std::collections::BTreeSet;

pub(super) const COLLECTION: &str = "files";

pub(super) async fn add(archive: &Archive, file: &FileRecord) -> Result<(), StoreError> {
    let (_guard, open) = archive.open_rooms(&BTreeSet::from([file.room])).await?;
    if open.is_empty() {
        return Err(StoreError::Missing);
    }
    archive.insert_missing(COLLECTION, &[write(file)?]).await
}

pub(super) async fn one(
    archive: &Archive,
    room: RoomUid,
    id: FileId,
    now: Timestamp,
) -> Result<Option<FileRecord>, StoreError> {
    if !rooms::is_open(archive, room, now).await? {
        return Ok(None);
    }
    archive.find_one(COLLECTION, doc! { "room": uid(room), "id": id.to_string() }).await?.map(read).transpose()
}

pub(super) async fn page(
    archive: &Archive,
    room: RoomUid,
    skip: u64,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<FileRecord>, StoreError> {
    if !rooms::is_open(archive, room, now).await? {
        return Ok(Vec::new());
    }
    let order = doc! { "uploadedAt": 1, "_id": 1 };
    let found = archive.list(COLLECTION, doc! { "room": uid(room) }, order, skip, limit).await?;
    found.into_iter().map(read).collect()
}

pub(super) async fn remove(archive: &Archive, room: RoomUid, id: FileId) -> Result<(), StoreError> {
    let filter = doc! { "room": uid(room), "id": id.to_string() };
    Ok(archive.collection(COLLECTION).delete_one(filter).await.map(drop)?)
}

fn write(file: &FileRecord) -> Result<Document, StoreError> {
    Ok(doc! {
        "room": uid(file.room),
        "id": file.id.to_string(),
        "name": &file.name,
        "size": fields::count("files.size", file.size)?,
        "contentType": &file.content_type,
        "uploader": file.uploader.as_str(),
        "uploadedAt": time(file.uploaded_at),
    })
}

fn read(mut fields: Fields) -> Result<FileRecord, StoreError> {
    Ok(FileRecord {
        room: fields.uid("room")?,
        id: fields.take("id")?,
        name: fields.take("name")?,
        size: fields.take("size")?,
        content_type: fields.take("contentType")?,
        uploader: fields.take("uploader")?,
        uploaded_at: fields.time("uploadedAt")?,
    })
}
