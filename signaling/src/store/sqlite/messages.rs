//! Messages in SQL, and the batches that change them.

use super::rows::{self, signed, stored};
use super::{failure, rooms, sessions};
use crate::protocol::{MessageId, Timestamp};
use crate::store::{MessageRecord, Page, Reaction, Reader, RoomUid, StoreError, Write};
use rusqlite::{Connection, OptionalExtension, named_params, params};

const COLUMNS: &str = "room, seq, id, sender, identity, display_name, sent_at, text, reply_to, recipient, file, edited_at, \
                       deleted_at, reactions";

/// Does a batch, leaving out what is about rooms that are gone or ending.
pub(super) fn write(connection: &Connection, batch: &[Write]) -> Result<(), StoreError> {
    let mut known: Option<(RoomUid, bool)> = None;
    for write in batch {
        let room = write.room();
        let is_there = match known {
            Some((uid, is_there)) if uid == room => is_there,
            _ => rooms::is_there(connection, room)?,
        };
        known = Some((room, is_there));
        if is_there {
            apply(connection, write)?;
        }
    }
    Ok(())
}

fn apply(connection: &Connection, write: &Write) -> Result<(), StoreError> {
    match write {
        Write::Message(message) => insert(connection, message),
        Write::Edit { room, id, text, at } => {
            let sql =
                "UPDATE messages SET text = ?3, edited_at = ?4 WHERE room = ?1 AND id = ?2 AND deleted_at IS NULL";
            run(connection, sql, params![signed(room.0), signed(id.0), text, rows::time(*at)])
        }
        Write::Erase { room, id, at } => {
            let sql =
                "UPDATE messages SET text = '', file = NULL, reactions = NULL, deleted_at = coalesce(deleted_at, ?3)
                WHERE room = ?1 AND id = ?2";
            run(connection, sql, params![signed(room.0), signed(id.0), rows::time(*at)])
        }
        Write::React { room, id, reaction, on } => react(connection, *room, *id, reaction, *on),
        Write::Joined(session) => sessions::insert(connection, session),
        Write::Left { room, participant, at, reason } => sessions::close(connection, *room, *participant, *at, reason),
    }
}

fn insert(connection: &Connection, message: &MessageRecord) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO messages (room, seq, id, sender, identity, display_name, sent_at, text, reply_to, recipient, file,
            edited_at, deleted_at, reactions)
        VALUES (:room, :seq, :id, :sender, :identity, :display_name, :sent_at, :text, :reply_to, :recipient, :file,
            :edited_at, :deleted_at, :reactions)
        ON CONFLICT DO NOTHING";
    let values = named_params! {
        ":room": signed(message.room.0),
        ":seq": stored(message.seq)?,
        ":id": signed(message.id.0),
        ":sender": signed(message.sender.0.0),
        ":identity": message.identity.as_str(),
        ":display_name": message.display_name,
        ":sent_at": rows::time(message.sent_at),
        ":text": message.text,
        ":reply_to": message.reply_to.map(|id| signed(id.0)),
        ":recipient": message.to.as_ref().map(crate::access::Identity::as_str),
        ":file": message.file.map(|id| signed(id.0)),
        ":edited_at": message.edited_at.map(rows::time),
        ":deleted_at": message.deleted_at.map(rows::time),
        ":reactions": rows::written(&message.reactions)?,
    };
    run(connection, sql, values)
}

fn react(
    connection: &Connection,
    room: RoomUid,
    id: MessageId,
    reaction: &Reaction,
    on: bool,
) -> Result<(), StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM messages WHERE room = ?1 AND id = ?2 AND deleted_at IS NULL");
    let key = params![signed(room.0), signed(id.0)];
    let mut statement = connection.prepare_cached(&sql).map_err(failure)?;
    let message = statement.query_row(key, rows::message).optional().map_err(failure)?;
    let Some(mut message) = message else { return Ok(()) };
    if message.react(reaction, on) {
        let sql = "UPDATE messages SET reactions = ?3 WHERE room = ?1 AND id = ?2";
        run(connection, sql, params![signed(room.0), signed(id.0), rows::written(&message.reactions)?])?;
    }
    Ok(())
}

fn run(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<(), StoreError> {
    connection.prepare_cached(sql).and_then(|mut s| s.execute(values)).map_err(failure)?;
    Ok(())
}

pub(super) fn last_seq(connection: &Connection, room: RoomUid) -> Result<u64, StoreError> {
    let sql = "SELECT coalesce(max(seq), 0) FROM messages WHERE room = ?1";
    rows::value::<i64>(connection, sql, [signed(room.0)]).map(i64::cast_unsigned)
}

pub(super) fn one(
    connection: &Connection,
    room: RoomUid,
    id: MessageId,
    now: Timestamp,
) -> Result<Option<MessageRecord>, StoreError> {
    if !rooms::is_open(connection, room, now)? {
        return Ok(None);
    }
    let sql = format!("SELECT {COLUMNS} FROM messages WHERE room = ?1 AND id = ?2");
    let mut statement = connection.prepare_cached(&sql).map_err(failure)?;
    statement.query_row(params![signed(room.0), signed(id.0)], rows::message).optional().map_err(failure)
}

pub(super) fn page(
    connection: &Connection,
    room: RoomUid,
    reader: &Reader,
    page: Page,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<MessageRecord>, StoreError> {
    if !rooms::is_open(connection, room, now)? {
        return Ok(Vec::new());
    }
    let (bound, forwards) = match page {
        Page::Latest => (i64::MAX, false),
        Page::Before(seq) => (rows::bound(seq), false),
        Page::After(seq) => (rows::bound(seq), true),
    };
    let person = match reader {
        Reader::Public => None,
        Reader::Person(identity) => Some(identity.as_str()),
    };
    let sql = page_sql(forwards, person.is_some());
    let (room, limit) = (signed(room.0), rows::count(limit));
    let mut messages = match person {
        None => rows::all(connection, &sql, params![room, bound, limit], rows::message)?,
        Some(person) => rows::all(connection, &sql, params![room, bound, limit, person], rows::message)?,
    };
    if !forwards {
        messages.reverse();
    }
    Ok(messages)
}

/// Each kind of message that the reader may see has an index of its own, of which `limit` entries are read at most; the places
/// are merged, and only then the messages are fetched.
fn page_sql(forwards: bool, person: bool) -> String {
    let (side, order) = if forwards { (">", "ASC") } else { ("<", "DESC") };
    let part = |kind: &str| {
        format!(
            "SELECT seq FROM (SELECT seq FROM messages WHERE room = ?1 AND {kind} AND seq {side} ?2
             ORDER BY seq {order} LIMIT ?3)"
        )
    };
    let mut parts = vec![part("recipient IS NULL")];
    if person {
        parts.push(part("recipient IS NOT NULL AND recipient = ?4"));
        parts.push(part("recipient IS NOT NULL AND identity = ?4"));
    }
    let columns: Vec<String> = COLUMNS.split(", ").map(|column| format!("m.{column}")).collect();
    format!(
        "SELECT {} FROM (SELECT seq FROM ({}) ORDER BY seq {order} LIMIT ?3) AS place
         CROSS JOIN messages AS m ON m.room = ?1 AND m.seq = place.seq ORDER BY place.seq {order}",
        columns.join(", "),
        parts.join(" UNION "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::schema;

    /// What SQLite would do for a statement, a line each.
    fn plan(connection: &Connection, sql: &str) -> Vec<String> {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let values = rusqlite::params_from_iter(std::iter::repeat_n(1, statement.parameter_count()));
        statement.query_map(values, |row| row.get(3)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// A page costs as much as it shows, not as much as the room holds.
    #[test]
    fn a_page_is_read_from_indexes_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::prepare_writer(&mut connection).unwrap();
        for (forwards, person) in [(false, false), (true, false), (false, true), (true, true)] {
            let plan = plan(&connection, &page_sql(forwards, person));
            let uses =
                |index: &str| plan.iter().any(|step| step.starts_with("SEARCH messages USING") && step.contains(index));
            assert!(uses("messages_public (room=? AND seq"), "{plan:#?}");
            assert_eq!(uses("messages_to (room=? AND recipient=? AND seq"), person, "{plan:#?}");
            assert_eq!(uses("messages_from (room=? AND identity=? AND seq"), person, "{plan:#?}");
            assert!(plan.iter().any(|step| step.contains("messages_seq (room=? AND seq=?)")), "{plan:#?}");
            assert!(!plan.iter().any(|step| step.starts_with("SCAN m")), "{plan:#?}");
        }
    }
}
