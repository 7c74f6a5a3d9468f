//! Servers that are not there, die, or hang.

use super::super::MongoStore;
use super::super::mongod::{Mongod, found, free_port};
use super::*;
use crate::protocol::FileId;
use crate::store::{Page, Reader, Secret, StoreError};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A server of the test's own over a folder that outlives it.
async fn server(folder: &TempDir, port: u16) -> Option<Mongod> {
    let server = found(Mongod::start(Some(folder.path()), port, &[]))?;
    server.is_up().await;
    Some(server)
}

/// Every message of the room, page by page.
async fn history(store: &MongoStore) -> Vec<MessageRecord> {
    let mut all: Vec<MessageRecord> = Vec::new();
    loop {
        let after = Page::After(all.last().map_or(0, |message| message.seq));
        match store.messages(ROOM, &Reader::Public, after, 200, now()).await.unwrap() {
            page if page.is_empty() => return all,
            page => all.extend(page),
        }
    }
}

/// Asserts that every call fails as one that may be repeated.
async fn nothing_is_available(store: &MongoStore) {
    let room = a_room(RoomUid(2), "other");
    let batch = [said(1)];
    let unavailable = |result: Result<(), StoreError>| {
        assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
    };
    let calls = tokio::join!(
        store.ping(),
        store.create_room(&room, now()),
        async { store.rooms(now(), 1).await.map(drop) },
        async { store.due(now(), 1).await.map(drop) },
        store.end_room(ROOM),
        store.purge(ROOM),
        store.write(&batch),
        async { store.messages(ROOM, &Reader::Public, Page::Latest, 1, now()).await.map(drop) },
        async { store.redeem_invite(ROOM, Secret([1; 32]), now()).await.map(drop) },
        async { store.file(ROOM, FileId(1), now()).await.map(drop) },
        async { store.close_sessions(now(), "server-lost").await.map(drop) },
    );
    let (a, b, c, d, e, f, g, h, i, j, k) = calls;
    [a, b, c, d, e, f, g, h, i, j, k].into_iter().for_each(unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_messages_outlive_kills_and_repeated_batches_double_nothing() {
    const BATCHES: u64 = 90;
    const PER_BATCH: u64 = 10;
    let (folder, port) = (TempDir::new().unwrap(), free_port());
    let Some(mut mongod) = server(&folder, port).await else { return };
    let store = Arc::new(MongoStore::open(&mongod.url()).await.unwrap());
    store.create_room(&a_room(ROOM, "attic"), now()).await.unwrap();
    let batch = |number: u64| (1..=PER_BATCH).map(|n| said(number * PER_BATCH + n)).collect::<Vec<_>>();

    // As the journal does: a batch is repeated until it is acknowledged, and then never written again.
    let (acknowledged, mut progress) = mpsc::unbounded_channel();
    let writer = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in 0..BATCHES {
                while let Err(error) = store.write(&batch(number)).await {
                    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
                }
                acknowledged.send(number).unwrap();
            }
        })
    };
    for kill_at in [BATCHES / 4, BATCHES / 2] {
        while progress.recv().await.unwrap() < kill_at {}
        mongod.kill();
        // What is written from here on meets a server that is dead: the driver repeats it, or the writer does.
        assert!(!writer.is_finished(), "the kill came too late: the test has shown nothing");
        mongod = server(&folder, port).await.unwrap();
    }
    writer.await.unwrap();

    let all: Vec<_> = (1..=BATCHES * PER_BATCH).map(|seq| a_message(ROOM, seq, &format!("message {seq}"))).collect();
    assert_eq!(history(&store).await, all);
    for number in 0..BATCHES {
        store.write(&batch(number)).await.unwrap();
    }
    assert_eq!(history(&store).await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_away_calls_fail_as_ones_to_repeat_and_then_go_on() {
    let (folder, port) = (TempDir::new().unwrap(), free_port());
    let Some(mongod) = server(&folder, port).await else { return };
    let url = mongod.watched_url();
    let store = MongoStore::open(&url).await.unwrap();
    store.create_room(&a_room(ROOM, "attic"), now()).await.unwrap();
    store.write(&[said(1)]).await.unwrap();
    mongod.kill();
    nothing_is_available(&store).await;
    let Err(StoreError::Unavailable(text)) = MongoStore::open(&url).await else { panic!("there is no server") };
    assert!(!text.contains("mongodb://"), "{text}");
    let _mongod = server(&folder, port).await.unwrap();
    store.ping().await.unwrap();
    assert_eq!(history(&store).await, [a_message(ROOM, 1, "message 1")]);
    store.write(&[said(1), said(2)]).await.unwrap();
    assert_eq!(store.last_seq(ROOM).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_holds_nobody_longer_than_promised() {
    let (folder, port) = (TempDir::new().unwrap(), free_port());
    let Some(mongod) = server(&folder, port).await else { return };
    let opened = MongoStore::open_with_patience(&mongod.watched_url(), Duration::from_secs(1)).await;
    let store = Arc::new(opened.unwrap());
    while store.create_room(&a_room(ROOM, "attic"), now()).await.is_err() {}
    mongod.signal("-STOP");
    // More than there may be at a time.
    let calls = (0..100).map(|_| Arc::clone(&store)).map(|store| async move {
        let done = timeout(Duration::from_secs(60), store.write(&[said(1)])).await;
        assert!(matches!(done.expect("no end"), Err(StoreError::Unavailable(_))));
    });
    futures_util::future::join_all(calls).await;
    mongod.signal("-CONT");
    while store.write(&[said(1)]).await.is_err() {}
    assert_eq!(history(&store).await, [a_message(ROOM, 1, "message 1")]);
}
