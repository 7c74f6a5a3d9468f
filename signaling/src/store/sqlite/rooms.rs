//! Rooms in SQL.

use super::failure;
use super::rows::{self, signed, stored};
use crate::protocol::{RoomCode, SecretText, Timestamp};
use crate::store::{RoomRecord, RoomUid, StoreError};
use rusqlite::{Connection, OptionalExtension, named_params, params};

const COLUMNS: &str = "uid, code, version, created_at, expires_at, settings, host_secret, password, banned";

/// Rows of one kind that a slice of a purge removes: some milliseconds, so that others have their turn in between.
const SLICE: usize = 2000;

/// Whether a room is there and its time is not over.
pub(super) fn is_open(connection: &Connection, room: RoomUid, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM rooms WHERE uid = ?1 AND ending = 0 AND (expires_at IS NULL OR expires_at > ?2)";
    connection.prepare_cached(sql).and_then(|mut s| s.exists(params![signed(room.0), rows::time(now)])).map_err(failure)
}

/// Whether a room is there and not ending.
pub(super) fn is_there(connection: &Connection, room: RoomUid) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM rooms WHERE uid = ?1 AND ending = 0";
    connection.prepare_cached(sql).and_then(|mut s| s.exists([signed(room.0)])).map_err(failure)
}

pub(super) fn create(connection: &Connection, room: &RoomRecord, now: Timestamp) -> Result<(), StoreError> {
    let repeated = "SELECT 1 FROM rooms WHERE uid = ?1";
    if connection.prepare_cached(repeated).and_then(|mut s| s.exists([signed(room.uid.0)])).map_err(failure)? {
        return Ok(());
    }
    let displaced = "UPDATE rooms SET ending = 1 WHERE code = ?1 AND ending = 0 AND expires_at <= ?2";
    connection.execute(displaced, params![room.code.as_str(), rows::time(now)]).map_err(failure)?;
    let taken = "SELECT 1 FROM rooms WHERE code = ?1 AND ending = 0";
    if connection.prepare_cached(taken).and_then(|mut s| s.exists([room.code.as_str()])).map_err(failure)? {
        return Err(StoreError::Conflict);
    }
    let insert =
        "INSERT INTO rooms (uid, code, version, created_at, expires_at, settings, host_secret, password, banned)
        VALUES (:uid, :code, :version, :created_at, :expires_at, :settings, :host_secret, :password, :banned)";
    put(connection, insert, room)
}

pub(super) fn update(connection: &Connection, room: &RoomRecord, expected: u64) -> Result<(), StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM rooms WHERE uid = ?1 AND ending = 0");
    let there = connection.query_row(&sql, [signed(room.uid.0)], rows::room).optional().map_err(failure)?;
    match there {
        None => Err(StoreError::Missing),
        // Repeated.
        Some(there) if there == *room => Ok(()),
        Some(there) if there.version != expected => Err(StoreError::Conflict),
        Some(_) => {
            let sql = "UPDATE rooms SET code = :code, version = :version, created_at = :created_at,
                expires_at = :expires_at, settings = :settings, host_secret = :host_secret, password = :password,
                banned = :banned WHERE uid = :uid";
            put(connection, sql, room)
        }
    }
}

fn put(connection: &Connection, sql: &str, room: &RoomRecord) -> Result<(), StoreError> {
    let values = named_params! {
        ":uid": signed(room.uid.0),
        ":code": room.code.as_str(),
        ":version": stored(room.version)?,
        ":created_at": rows::time(room.created_at),
        ":expires_at": room.expires_at.map(rows::time),
        ":settings": rows::json(&room.settings)?,
        ":host_secret": room.host_secret.map(|secret| secret.0),
        ":password": room.password.as_ref().map(SecretText::expose),
        ":banned": rows::json(&room.banned)?,
    };
    connection.execute(sql, values).map_err(failure)?;
    Ok(())
}

pub(super) fn all(connection: &Connection, now: Timestamp, limit: usize) -> Result<Vec<RoomRecord>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM rooms WHERE ending = 0 AND (expires_at IS NULL OR expires_at > ?1)
         ORDER BY created_at, uid LIMIT ?2"
    );
    rows::all(connection, &sql, params![rows::time(now), rows::count(limit)], rows::room)
}

pub(super) fn by_code(
    connection: &Connection,
    code: &RoomCode,
    now: Timestamp,
) -> Result<Option<RoomRecord>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM rooms WHERE code = ?1 AND ending = 0 AND (expires_at IS NULL OR expires_at > ?2)"
    );
    connection.query_row(&sql, params![code.as_str(), rows::time(now)], rows::room).optional().map_err(failure)
}

pub(super) fn end(connection: &Connection, room: RoomUid) -> Result<(), StoreError> {
    connection.execute("UPDATE rooms SET ending = 1 WHERE uid = ?1", [signed(room.0)]).map_err(failure)?;
    Ok(())
}

pub(super) fn due(connection: &Connection, now: Timestamp, limit: usize) -> Result<Vec<RoomUid>, StoreError> {
    let sql = "SELECT uid FROM rooms WHERE ending = 1 OR expires_at <= ?1 LIMIT ?2";
    rows::all(connection, sql, params![rows::time(now), rows::count(limit)], |row| {
        Ok(RoomUid(row.get::<_, i64>(0)?.cast_unsigned()))
    })
}

/// Removes a part of what is in a room, or the room itself when it is empty. Whether it is gone.
///
/// It is ending from the first part on, so that nothing comes in beside, and an interrupted purge is found again.
pub(super) fn remove_slice(connection: &Connection, room: RoomUid) -> Result<bool, StoreError> {
    end(connection, room)?;
    for table in ["messages", "sessions", "invites", "files"] {
        let sql = format!("DELETE FROM {table} WHERE number IN (SELECT number FROM {table} WHERE room = ?1 LIMIT ?2)");
        let removed = connection.execute(&sql, params![signed(room.0), rows::count(SLICE)]).map_err(failure)?;
        if removed == SLICE {
            return Ok(false);
        }
    }
    connection.execute("DELETE FROM rooms WHERE uid = ?1", [signed(room.0)]).map_err(failure)?;
    Ok(true)
}
