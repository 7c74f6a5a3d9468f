//! Invites in SQL.

use super::rows::{self, signed};
use super::{failure, rooms};
use crate::protocol::Timestamp;
use crate::store::{InviteRecord, RoomUid, Secret, StoreError};
use rusqlite::{Connection, OptionalExtension, params};

const COLUMNS: &str = "room, id, secret, role, created_at, expires_at";

pub(super) fn add(connection: &Connection, invites: &[InviteRecord]) -> Result<(), StoreError> {
    let sql = "INSERT INTO invites (room, id, secret, role, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT DO NOTHING";
    for invite in invites {
        if !rooms::is_there(connection, invite.room)? {
            return Err(StoreError::Missing);
        }
        let values = params![
            signed(invite.room.0),
            signed(invite.id),
            invite.secret.0,
            invite.role.as_str(),
            rows::time(invite.created_at),
            invite.expires_at.map(rows::time),
        ];
        connection.prepare_cached(sql).and_then(|mut s| s.execute(values)).map_err(failure)?;
    }
    Ok(())
}

pub(super) fn list(
    connection: &Connection,
    room: RoomUid,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<InviteRecord>, StoreError> {
    if !rooms::is_open(connection, room, now)? {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM invites WHERE room = ?1 AND (expires_at IS NULL OR expires_at > ?2) ORDER BY number LIMIT ?3"
    );
    rows::all(connection, &sql, params![signed(room.0), rows::time(now), rows::count(limit)], rows::invite)
}

pub(super) fn redeem(
    connection: &Connection,
    room: RoomUid,
    secret: Secret,
    now: Timestamp,
) -> Result<InviteRecord, StoreError> {
    if !rooms::is_open(connection, room, now)? {
        return Err(StoreError::Missing);
    }
    let sql = format!(
        "DELETE FROM invites WHERE room = ?1 AND secret = ?2 AND (expires_at IS NULL OR expires_at > ?3)
         RETURNING {COLUMNS}"
    );
    let values = params![signed(room.0), secret.0, rows::time(now)];
    connection.query_row(&sql, values, rows::invite).optional().map_err(failure)?.ok_or(StoreError::Missing)
}

pub(super) fn remove(connection: &Connection, room: RoomUid, id: u64) -> Result<(), StoreError> {
    let sql = "DELETE FROM invites WHERE room = ?1 AND id = ?2";
    match connection.execute(sql, params![signed(room.0), signed(id)]).map_err(failure)? {
        0 => Err(StoreError::Missing),
        _ => Ok(()),
    }
}
