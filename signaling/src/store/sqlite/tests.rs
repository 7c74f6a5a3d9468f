//! The suite of all stores, and what is SQLite's own: durability, deletion, locks, threads.

use super::*;
use crate::store::contract::store_contract;
use tempfile::TempDir;

async fn fresh() -> Option<(Arc<dyn Store>, TempDir)> {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("data/parlor.db")).unwrap();
    Some((Arc::new(store), directory))
}

mod suite {
    use super::*;

    store_contract!(fresh);
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_ms(1_795_373_062_007 + seconds * 1000)
}

fn room(uid: u64) -> RoomRecord {
    let settings = serde_json::json!({
        "maxParticipants": 10, "history": "keep", "locked": false, "lobby": false, "joinAs": "speaker",
        "publish": {}, "chat": "everyone", "metadata": { "marked": marker(uid, 0) },
    });
    RoomRecord {
        uid: RoomUid(uid),
        code: RoomCode::parse(&format!("code-{uid:04}")).unwrap(),
        version: 1,
        created_at: at(0),
        expires_at: None,
        settings: serde_json::from_value(settings).unwrap(),
        host_secret: None,
        password: None,
        banned: Vec::new(),
    }
}

/// Text that is found again in a file: that of a room begins with `<uid>#`.
fn marker(uid: u64, seq: u64) -> String {
    format!("room<{uid}>#{seq} ")
}

fn message(uid: u64, seq: u64, length: usize) -> MessageRecord {
    MessageRecord {
        room: RoomUid(uid),
        id: MessageId(seq),
        seq,
        sender: crate::protocol::ParticipantRef(parlor_media::ids::ParticipantId(1)),
        identity: crate::access::Identity::parse(&format!("room.{uid}.ann")).unwrap(),
        display_name: Some(marker(uid, seq)),
        sent_at: at(seq),
        text: marker(uid, seq).repeat(1 + length / 12),
        reply_to: None,
        to: seq.is_multiple_of(3).then(|| crate::access::Identity::parse(&format!("room.{uid}.bob")).unwrap()),
        file: None,
        edited_at: None,
        deleted_at: None,
        reactions: Vec::new(),
    }
}

fn said(uid: u64, seq: u64, length: usize) -> Write {
    Write::Message(Box::new(message(uid, seq, length)))
}

/// A store in a directory that is there until the test ends.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("parlor.db")
    }

    fn open(&self) -> Result<SqliteStore, StoreError> {
        SqliteStore::open(&self.path())
    }

    /// The names of the files that hold some of `texts`.
    fn files_with(&self, texts: &[String]) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().path());
        let holds = |path: &PathBuf| {
            let bytes = std::fs::read(path).unwrap();
            texts.iter().any(|text| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
        };
        entries.filter(holds).map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    }
}

/// A generator of the kind that needs no crate: splitmix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// Rooms whose messages lie among one another, are edited and erased, and of which one after another goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_of_a_purged_room_is_left() {
    const ROOMS: u64 = 12;
    let place = Place::new();
    let store = place.open().unwrap();
    let mut dice = Dice(7);
    let marks = |uid: u64| [format!("room<{uid}>"), format!("room.{uid}."), format!("code-{uid:04}")];
    for uid in 1..=ROOMS {
        store.create_room(&room(uid), at(0)).await.unwrap();
    }
    let mut open: Vec<u64> = (1..=ROOMS).collect();
    let mut seq = 0;
    while open.len() > 1 {
        let mut batch = Vec::new();
        for _ in 0..300 {
            seq += 1;
            let uid = open[dice.roll(open.len() as u64) as usize];
            let old = MessageId(1 + dice.roll(seq));
            let room = RoomUid(uid);
            batch.push(match dice.roll(8) {
                0 => Write::Edit { room, id: old, text: marker(uid, seq).repeat(dice.roll(60) as usize), at: at(1) },
                1 => Write::Erase { room, id: old, at: at(1) },
                2 => {
                    let identity = message(uid, 1, 0).identity;
                    let reaction = super::super::Reaction { identity, emoji: marker(uid, seq) };
                    Write::React { room, id: old, reaction, on: true }
                }
                3 => said(uid, seq, 5000),
                _ => said(uid, seq, dice.roll(200) as usize),
            });
        }
        store.write(&batch).await.unwrap();
        let gone = open.swap_remove(dice.roll(open.len() as u64) as usize);
        assert_ne!(place.files_with(&marks(gone)), [] as [&str; 0], "it would be found");
        store.end_room(RoomUid(gone)).await.unwrap();
        store.purge(RoomUid(gone)).await.unwrap();
        assert_eq!(place.files_with(&marks(gone)), [] as [&str; 0], "room {gone}, with {} left", open.len());
    }
    let last = store.messages(RoomUid(open[0]), &Reader::Public, Page::Latest, 200, at(1)).await.unwrap();
    assert!(!last.is_empty());
    drop(store);
    let connection = Connection::open(place.path()).unwrap();
    let report: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(report, "ok");
}

/// What a process leaves behind that is killed: the files as they are, without a goodbye.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_a_crash() {
    let (place, after) = (Place::new(), Place::new());
    let store = place.open().unwrap();
    store.create_room(&room(1), at(0)).await.unwrap();
    for seq in 1..=50 {
        store.write(&[said(1, seq, 100)]).await.unwrap();
        if seq % 10 == 0 {
            for name in ["parlor.db", "parlor.db-wal"] {
                std::fs::copy(place.directory.path().join(name), after.directory.path().join(name)).unwrap();
            }
            let reopened = after.open().unwrap();
            assert_eq!(reopened.rooms(at(0), 10).await.unwrap(), [room(1)]);
            assert_eq!(reopened.last_seq(RoomUid(1)).await.unwrap(), seq);
            let public = reopened.messages(RoomUid(1), &Reader::Public, Page::Latest, 200, at(0)).await.unwrap();
            assert_eq!(public.len() as u64, seq - seq / 3);
        }
    }
    let level: i32 = store.change(|c| rows::value(c, "PRAGMA synchronous", [])).await.unwrap();
    assert_eq!(level, 2, "each commit is synced");
}

#[tokio::test]
async fn it_is_there_again_after_a_restart_and_one_process_has_it() {
    let place = Place::new();
    let store = place.open().unwrap();
    store.create_room(&room(1), at(0)).await.unwrap();
    let refused = place.open().unwrap_err();
    assert!(matches!(refused, StoreError::Failed(_)));
    assert!(refused.to_string().contains("in use by another process"), "{refused}");
    drop(store);
    let store = place.open().unwrap();
    assert_eq!(store.rooms(at(0), 10).await.unwrap(), [room(1)]);
    assert_eq!(store.name(), format!("sqlite:{}", place.path().display()));
}

/// A purge that was cut off between the deletion and the wiping is ended by the next start.
#[tokio::test]
async fn a_start_wipes_what_a_crash_left() {
    let (place, after) = (Place::new(), Place::new());
    let store = place.open().unwrap();
    store.create_room(&room(1), at(0)).await.unwrap();
    store.write(&[said(1, 1, 100)]).await.unwrap();
    while !store.change(|c| rooms::remove_slice(c, RoomUid(1))).await.unwrap() {}
    for name in ["parlor.db", "parlor.db-wal"] {
        std::fs::copy(place.directory.path().join(name), after.directory.path().join(name)).unwrap();
    }
    let texts = ["room<1>".to_owned()];
    assert_eq!(after.files_with(&texts), ["parlor.db-wal"]);
    let _reopened = after.open().unwrap();
    assert_eq!(after.files_with(&texts), [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_fails_takes_no_neighbour_with_it() {
    let place = Place::new();
    let store = Arc::new(place.open().unwrap());
    store.create_room(&room(1), at(0)).await.unwrap();
    // The writer is held, so that the calls after it are committed together.
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let (begin, begun) = oneshot::channel::<()>();
    let holder = Arc::clone(&store);
    let first = tokio::spawn(async move {
        let wait = move |_: &Connection| {
            let _ = begin.send(());
            held.recv().map_err(|_| StoreError::Missing)
        };
        holder.change(wait).await
    });
    begun.await.unwrap();
    let half = store.change(|connection| {
        messages::write(connection, &[said(1, 2, 10)])?;
        Err::<(), _>(StoreError::Conflict)
    });
    let (before, after) = ([said(1, 1, 10)], [said(1, 3, 10)]);
    let release = async {
        while store.queues().unwrap().writer.capacity() > writer::QUEUE - 3 {
            tokio::task::yield_now().await;
        }
        hold.send(()).unwrap();
    };
    let (first, a, half, b, ()) = tokio::join!(first, store.write(&before), half, store.write(&after), release);
    assert!(first.unwrap().is_ok() && a.is_ok() && b.is_ok());
    assert!(matches!(half, Err(StoreError::Conflict)));
    let reader = Reader::Person(message(1, 3, 0).to.unwrap());
    let page = store.messages(RoomUid(1), &reader, Page::Latest, 10, at(0)).await.unwrap();
    assert_eq!(page.iter().map(|message| message.seq).collect::<Vec<_>>(), [1, 3]);
}

/// Nothing is half written, and all goes on once there is space again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_survived() {
    let place = Place::new();
    let store = place.open().unwrap();
    store.create_room(&room(1), at(0)).await.unwrap();
    let pages =
        |count: u32| store.change(move |c| rows::value::<i64>(c, &format!("PRAGMA max_page_count = {count}"), []));
    pages(1).await.unwrap();
    let batch: Vec<Write> = (1..=100).map(|seq| said(1, seq, 8000)).collect();
    let error = store.write(&batch).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(text) if text.contains("full")), "{error}");
    assert_eq!(store.last_seq(RoomUid(1)).await.unwrap(), 0);
    pages(1_000_000).await.unwrap();
    store.write(&batch).await.unwrap();
    assert_eq!(store.last_seq(RoomUid(1)).await.unwrap(), 100);
}

#[tokio::test]
async fn what_cannot_be_opened_is_named() {
    let place = Place::new();
    std::fs::write(place.path(), "this is not a database, but it is longer than a hundred bytes: ".repeat(4)).unwrap();
    let error = place.open().unwrap_err().to_string();
    assert!(error.contains("not a database"), "{error}");
    let error = SqliteStore::open(&place.path().join("below/parlor.db")).unwrap_err().to_string();
    assert!(error.contains("cannot create the directory"), "{error}");

    let place = Place::new();
    drop(place.open().unwrap());
    Connection::open(place.path()).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let error = place.open().unwrap_err().to_string();
    assert!(error.contains("a later Parlor"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let path = place.directory.path().join("a/b/parlor.db");
    let store = SqliteStore::open(&path).unwrap();
    store.create_room(&room(1), at(0)).await.unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!([mode(&place.directory.path().join("a")), mode(&place.directory.path().join("a/b"))], [0o700; 2]);
    for name in ["parlor.db", "parlor.db-wal", "parlor.db-shm", "parlor.db.lock"] {
        assert_eq!(mode(&path.with_file_name(name)), 0o600, "{name}");
    }
}

/// Every queue is bounded: whoever finds it full waits, and is answered in time either way.
#[tokio::test(start_paused = true)]
async fn a_writer_that_hangs_is_not_waited_for() {
    let place = Place::new();
    let store = Arc::new(place.open().unwrap());
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let (begin, begun) = oneshot::channel::<()>();
    let hanging = {
        let store = Arc::clone(&store);
        let hang = move |_: &Connection| {
            let _ = begin.send(());
            held.recv().map_err(|_| StoreError::Missing)
        };
        tokio::spawn(async move { store.change(hang).await })
    };
    // From here on the writer takes nothing out of its queue.
    begun.await.unwrap();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..writer::QUEUE + 10 {
        let store = Arc::clone(&store);
        waiting.spawn(async move { store.end_room(RoomUid(1)).await });
    }
    for result in waiting.join_all().await {
        assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
    }
    assert!(matches!(hanging.await.unwrap(), Err(StoreError::Unavailable(_))));
    assert_eq!(store.queues().unwrap().writer.capacity(), 0);
    hold.send(()).unwrap();
}
