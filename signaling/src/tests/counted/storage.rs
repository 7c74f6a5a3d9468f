//! The store, its queue, and shared files.

use super::super::files::{on_disk, token, upload};
use super::super::house::{House, pass};
use super::counted;
use crate::files::FileSettings;
use crate::stats::{Direction, Limit};
use crate::store::{Backend, Operation, Outcome};
use crate::tests::FlakyStore;
use crate::{Settings, Storage};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn what_waits_for_the_store_and_what_it_does_is_counted() {
    let store = Arc::new(FlakyStore::default());
    let house = House::over(Settings::default(), 256, Storage(Arc::clone(&store) as _));
    let host = house.create(json!({"roomId": "abc"})).await;
    house.run_journal();
    store.set_down(true);
    let _ana = house.joined("abc", "Ana").await;
    pass(30.0).await;
    let _bo = house.joined("abc", "Bo").await;
    let away = house.signaling.stats().store;
    assert_eq!((away.backend, away.available, away.queued, away.writes_lost), (Backend::Other, false, 2, 0));
    assert!(away.queued_bytes > "AnaBo".len());
    assert_eq!(away.oldest, Duration::from_secs(30));
    assert_eq!(away.calls.of((Operation::CreateRoom, Outcome::Ok)), 1);
    assert!(away.calls.of((Operation::Write, Outcome::Unavailable)) > 3);

    store.set_down(false);
    pass(10.0).await;
    let back = house.signaling.stats().store;
    assert_eq!((back.available, back.queued, back.queued_bytes, back.oldest), (true, 0, 0, Duration::ZERO));
    assert!(back.calls.of((Operation::Write, Outcome::Ok)) >= 1);

    // A room that has ended is pending until the store has forgotten it.
    store.set_down(true);
    assert_eq!(house.request_as(&host, "DELETE", "/api/rooms/abc", None).await.0, 503);
    store.set_down(false);
    assert_eq!(house.request_as(&host, "DELETE", "/api/rooms/abc", None).await.0, 200);
    assert_eq!(house.signaling.stats().purges_pending, 1);
    let purges = house.signaling.clone();
    tokio::spawn(async move { purges.run_purges().await });
    pass(1.0).await;
    let stats = house.signaling.stats();
    assert_eq!((stats.purges_pending, stats.store.calls.of((Operation::Purge, Outcome::Ok))), (0, 1));
}

#[tokio::test]
async fn files_are_counted_in_bytes_both_ways() {
    let (house, _directory) = on_disk(FileSettings { max_bytes: 8, ..FileSettings::default() }).await;
    let ana = house.joined("abc", "Ana").await;
    let token = token(&house, &ana);
    let (status, body) = upload(&house, &token, "?name=a.txt", "hello").await;
    assert_eq!(status, 201, "{body}");
    let path = format!("/api/rooms/abc/files/{}", body["file"]["fileId"].as_str().unwrap());
    house.request_as(&token, "GET", &path, None).await;
    assert_eq!(upload(&house, &token, "?name=b.txt", "far too much").await.0, 413);
    let stats = house.signaling.stats();
    assert_eq!((stats.files.shared, stats.files.storage_errors), (1, 0));
    assert_eq!(counted(&stats.files.bytes), [(Direction::In, 5 + 12), (Direction::Out, 5)]);
    assert_eq!(counted(&stats.limits), [(Limit::FileBytes, 1)]);
}

#[tokio::test]
async fn a_full_room_is_counted_by_which_limit_it_is() {
    let (house, _directory) = on_disk(FileSettings { max_per_room: 1, ..FileSettings::default() }).await;
    let ana = house.joined("abc", "Ana").await;
    let credential = token(&house, &ana);
    assert_eq!(upload(&house, &credential, "?name=a.txt", "hello").await.0, 201);
    assert_eq!(upload(&house, &credential, "?name=b.txt", "hello").await.0, 507);
    assert_eq!(counted(&house.signaling.stats().limits), [(Limit::FilesPerRoom, 1)]);

    let (house, _directory) = on_disk(FileSettings { max_room_bytes: 4, ..FileSettings::default() }).await;
    let ana = house.joined("abc", "Ana").await;
    assert_eq!(upload(&house, &token(&house, &ana), "?name=a.txt", "hello").await.0, 507);
    assert_eq!(counted(&house.signaling.stats().limits), [(Limit::FileBytesPerRoom, 1)]);
}

#[tokio::test]
async fn a_storage_that_fails_is_counted() {
    let (house, directory) = on_disk(FileSettings::default()).await;
    let ana = house.joined("abc", "Ana").await;
    // Where the directory of rooms should be is a file.
    std::fs::write(directory.path().join("rooms"), "in the way").unwrap();
    assert_eq!(upload(&house, &token(&house, &ana), "?name=a.txt", "hello").await.0, 503);
    let files = house.signaling.stats().files;
    assert_eq!((files.shared, files.storage_errors), (0, 1));
}
