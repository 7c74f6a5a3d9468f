//! Records of files.

use super::*;

pub(in crate::store) async fn are_listed_and_found(store: AnyStore) {
    opened(&store, 1).await;
    opened(&store, 2).await;
    let all: Vec<FileRecord> = (1..=5).map(|number| a_file(1, number)).collect();
    for file in &all {
        store.add_file(file).await.unwrap();
    }
    let page = async |skip, limit| store.files(RoomUid(1), skip, limit, at(1)).await.unwrap();
    assert_eq!(page(0, 200).await, all);
    assert_eq!(page(1, 2).await, all[1..3]);
    assert_eq!(page(4, 2).await, all[4..]);
    assert_eq!(page(5, 2).await, []);
    assert_eq!(page(u64::MAX, 2).await, []);
    assert_eq!(store.file(RoomUid(1), FileId(3), at(1)).await.unwrap(), Some(a_file(1, 3)));
    assert_eq!(store.file(RoomUid(1), FileId(9), at(1)).await.unwrap(), None);
    assert_eq!(store.file(RoomUid(2), FileId(3), at(1)).await.unwrap(), None);
    assert_eq!(store.files(RoomUid(2), 0, 10, at(1)).await.unwrap(), []);
}

pub(in crate::store) async fn are_removed(store: AnyStore) {
    opened(&store, 1).await;
    for number in 1..=2 {
        store.add_file(&a_file(1, number)).await.unwrap();
    }
    store.remove_file(RoomUid(2), FileId(1)).await.unwrap();
    for _ in 0..2 {
        store.remove_file(RoomUid(1), FileId(2)).await.unwrap();
    }
    assert_eq!(store.files(RoomUid(1), 0, 10, at(1)).await.unwrap(), [a_file(1, 1)]);
}

pub(in crate::store) async fn entering_a_file_again_is_harmless(store: AnyStore) {
    opened(&store, 1).await;
    for _ in 0..2 {
        store.add_file(&a_file(1, 1)).await.unwrap();
    }
    assert_eq!(store.files(RoomUid(1), 0, 10, at(1)).await.unwrap(), [a_file(1, 1)]);
}

pub(in crate::store) async fn need_a_room_that_is_not_ending(store: AnyStore) {
    assert!(is_missing(store.add_file(&a_file(1, 1)).await));
    opened(&store, 1).await;
    store.end_room(RoomUid(1)).await.unwrap();
    assert!(is_missing(store.add_file(&a_file(1, 1)).await));
}
