//! The tables, and how a database comes to have them: by steps, each counted in `user_version`.

use super::failure;
use crate::store::StoreError;
use rusqlite::Connection;

/// Marks a file as Parlor's: "PRLR".
pub(crate) const APPLICATION_ID: i32 = 0x5052_4c52;

/// What leads from each version to the next. A step that was released is never changed: another is added.
///
/// Every index begins with the room. Messages have three besides their places and ids, so that no page needs to look at
/// messages that are not for the reader's eyes: what everybody may see, what was said to somebody, and what somebody said to one.
const STEPS: &[&str] = &["
    CREATE TABLE rooms (
        uid INTEGER PRIMARY KEY,
        code TEXT NOT NULL,
        version INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        ending INTEGER NOT NULL DEFAULT 0,
        settings TEXT NOT NULL,
        host_secret BLOB,
        password TEXT,
        banned TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX rooms_code ON rooms (code) WHERE ending = 0;
    CREATE INDEX rooms_ending ON rooms (ending) WHERE ending = 1;
    CREATE INDEX rooms_expiry ON rooms (expires_at) WHERE expires_at IS NOT NULL;

    CREATE TABLE messages (
        number INTEGER PRIMARY KEY,
        room INTEGER NOT NULL REFERENCES rooms,
        seq INTEGER NOT NULL,
        id INTEGER NOT NULL,
        sender INTEGER NOT NULL,
        identity TEXT NOT NULL,
        display_name TEXT,
        sent_at INTEGER NOT NULL,
        text TEXT NOT NULL,
        reply_to INTEGER,
        recipient TEXT,
        file INTEGER,
        edited_at INTEGER,
        deleted_at INTEGER,
        reactions TEXT
    ) STRICT;
    CREATE UNIQUE INDEX messages_seq ON messages (room, seq);
    CREATE UNIQUE INDEX messages_id ON messages (room, id);
    CREATE INDEX messages_public ON messages (room, seq) WHERE recipient IS NULL;
    CREATE INDEX messages_to ON messages (room, recipient, seq) WHERE recipient IS NOT NULL;
    CREATE INDEX messages_from ON messages (room, identity, seq) WHERE recipient IS NOT NULL;

    CREATE TABLE sessions (
        number INTEGER PRIMARY KEY,
        room INTEGER NOT NULL REFERENCES rooms,
        participant INTEGER NOT NULL,
        identity TEXT NOT NULL,
        display_name TEXT,
        role TEXT NOT NULL,
        joined_at INTEGER NOT NULL,
        left_at INTEGER,
        reason TEXT
    ) STRICT;
    CREATE UNIQUE INDEX sessions_participant ON sessions (room, participant);
    CREATE INDEX sessions_room ON sessions (room, number);
    CREATE INDEX sessions_open ON sessions (room) WHERE left_at IS NULL;

    CREATE TABLE invites (
        number INTEGER PRIMARY KEY,
        room INTEGER NOT NULL REFERENCES rooms,
        id INTEGER NOT NULL,
        secret BLOB NOT NULL,
        role TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER
    ) STRICT;
    CREATE UNIQUE INDEX invites_id ON invites (room, id);
    CREATE UNIQUE INDEX invites_secret ON invites (room, secret);

    CREATE TABLE files (
        number INTEGER PRIMARY KEY,
        room INTEGER NOT NULL REFERENCES rooms,
        id INTEGER NOT NULL,
        name TEXT NOT NULL,
        size INTEGER NOT NULL,
        content_type TEXT NOT NULL,
        uploader TEXT NOT NULL,
        uploaded_at INTEGER NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX files_id ON files (room, id);
    CREATE INDEX files_room ON files (room, number);
"];

/// What holds for every connection. Nothing is spilt into temporary files, which no purge would reach.
const CONNECTION: &str = "
    PRAGMA busy_timeout = 5000;
    PRAGMA foreign_keys = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;
";

/// What holds for the one that writes: whatever is committed survives a power cut, whatever is deleted is overwritten. The pages
/// are bounded by what [`super::scrub`] can tell apart: 128 GiB.
const WRITER: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA secure_delete = ON;
    PRAGMA max_page_count = 33554431;
";

/// Makes a connection the one that writes, and brings the tables up to date.
///
/// # Errors
/// [`StoreError::Failed`] for a file of another program, or of a later Parlor.
pub(super) fn prepare_writer(connection: &mut Connection) -> Result<(), StoreError> {
    connection.execute_batch(CONNECTION).map_err(failure)?;
    migrate(connection, STEPS)?;
    connection.execute_batch(WRITER).map_err(failure)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

pub(super) fn prepare_reader(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch(CONNECTION).map_err(failure)?;
    connection.execute_batch("PRAGMA query_only = ON").map_err(failure)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

fn migrate(connection: &mut Connection, steps: &[&str]) -> Result<(), StoreError> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failure)?;
    let number = |sql: &str| transaction.query_row(sql, [], |row| row.get::<_, i32>(0)).map_err(failure);
    let is_new = number("SELECT count(*) FROM sqlite_schema")? == 0;
    if !is_new && number("PRAGMA application_id")? != APPLICATION_ID {
        return Err(StoreError::Failed("it is the database of another program".to_owned()));
    }
    let version = number("PRAGMA user_version")?;
    let Some(missing) = usize::try_from(version).ok().and_then(|version| steps.get(version..)) else {
        return Err(StoreError::Failed(format!(
            "it was written by a later Parlor (schema {version}, this one knows up to {}): start that one, or restore a backup",
            steps.len()
        )));
    };
    for step in missing {
        transaction.execute_batch(step).map_err(failure)?;
    }
    let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}", steps.len());
    transaction.execute_batch(&marks).map_err(failure)?;
    transaction.commit().map_err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(connection: &Connection) -> i32 {
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn steps_are_taken_once_and_in_order() {
        let steps = ["CREATE TABLE a (x)", "ALTER TABLE a RENAME TO b", "INSERT INTO b VALUES (1)"];
        let mut connection = Connection::open_in_memory().unwrap();
        for (known, expected) in [(1, 1), (1, 1), (3, 3), (3, 3)] {
            migrate(&mut connection, &steps[..known]).unwrap();
            assert_eq!(version(&connection), expected);
        }
        assert_eq!(connection.query_row("SELECT count(*) FROM b", [], |row| row.get::<_, i32>(0)).unwrap(), 1);
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_before() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &["CREATE TABLE a (x)"]).unwrap();
        assert!(migrate(&mut connection, &["CREATE TABLE a (x)", "CREATE TABLE b (x)", "nonsense"]).is_err());
        assert_eq!(version(&connection), 1);
        migrate(&mut connection, &["CREATE TABLE a (x)", "CREATE TABLE b (x)"]).unwrap();
    }

    #[test]
    fn a_later_parlors_and_another_programs_database_are_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, STEPS).unwrap();
        connection.execute_batch("PRAGMA user_version = 99").unwrap();
        let error = migrate(&mut connection, STEPS).unwrap_err().to_string();
        assert!(error.contains("a later Parlor (schema 99, this one knows up to 1)"), "{error}");
        let mut other = Connection::open_in_memory().unwrap();
        other.execute_batch("CREATE TABLE theirs (x)").unwrap();
        let error = migrate(&mut other, STEPS).unwrap_err().to_string();
        assert!(error.contains("another program"), "{error}");
    }
}
