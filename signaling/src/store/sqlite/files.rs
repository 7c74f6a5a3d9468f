//! Records of files in SQL.

use super::rows::{self, signed, stored};
use super::{failure, rooms};
use crate::protocol::FileId;
use crate::protocol::Timestamp;
use crate::store::{FileRecord, RoomUid, StoreError};
use rusqlite::{Connection, OptionalExtension, params};

const COLUMNS: &str = "room, id, name, size, content_type, uploader, uploaded_at";

pub(super) fn add(connection: &Connection, file: &FileRecord) -> Result<(), StoreError> {
    if !rooms::is_there(connection, file.room)? {
        return Err(StoreError::Missing);
    }
    let sql = "INSERT INTO files (room, id, name, size, content_type, uploader, uploaded_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
    let values = params![
        signed(file.room.0),
        signed(file.id.0),
        file.name,
        stored(file.size)?,
        file.content_type,
        file.uploader.as_str(),
        rows::time(file.uploaded_at),
    ];
    connection.execute(sql, values).map_err(failure)?;
    Ok(())
}

pub(super) fn one(
    connection: &Connection,
    room: RoomUid,
    id: FileId,
    now: Timestamp,
) -> Result<Option<FileRecord>, StoreError> {
    if !rooms::is_open(connection, room, now)? {
        return Ok(None);
    }
    let sql = format!("SELECT {COLUMNS} FROM files WHERE room = ?1 AND id = ?2");
    connection.query_row(&sql, params![signed(room.0), signed(id.0)], rows::file).optional().map_err(failure)
}

pub(super) fn page(
    connection: &Connection,
    room: RoomUid,
    skip: u64,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<FileRecord>, StoreError> {
    if !rooms::is_open(connection, room, now)? {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT {COLUMNS} FROM files WHERE room = ?1 ORDER BY number LIMIT ?2 OFFSET ?3");
    rows::all(connection, &sql, params![signed(room.0), rows::count(limit), rows::bound(skip)], rows::file)
}

pub(super) fn remove(connection: &Connection, room: RoomUid, id: FileId) -> Result<(), StoreError> {
    let sql = "DELETE FROM files WHERE room = ?1 AND id = ?2";
    connection.execute(sql, params![signed(room.0), signed(id.0)]).map_err(failure)?;
    Ok(())
}
