//! How rooms go, and that nothing of them stays.

use super::*;

/// A room with something of every kind in it.
async fn furnished(store: &AnyStore, uid: u64) {
    opened(store, uid).await;
    let mut batch: Vec<Write> = (1..=20).map(|seq| said(a_message(uid, seq))).collect();
    batch.extend([said(from_to(uid, 21, "ann", "bob")), joined(a_session(uid, 1))]);
    store.write(&batch).await.unwrap();
    store.add_invites(&[an_invite(uid, 1), an_invite(uid, 2)]).await.unwrap();
    store.add_file(&a_file(uid, 1)).await.unwrap();
}

/// How much of each kind there is: messages, sessions, invites, files.
async fn contents(store: &AnyStore, uid: u64) -> [usize; 4] {
    let (room, bob) = (RoomUid(uid), Reader::Person(identity("bob")));
    [
        store.messages(room, &bob, Page::Latest, 200, at(1)).await.unwrap().len(),
        store.sessions(room, 0, 200, at(1)).await.unwrap().len(),
        store.invites(room, 200, at(1)).await.unwrap().len(),
        store.files(room, 0, 200, at(1)).await.unwrap().len(),
    ]
}

pub(in crate::store) async fn an_ending_room_is_hidden_and_due(store: AnyStore) {
    furnished(&store, 1).await;
    assert_eq!(store.due(at(1), 10).await.unwrap(), []);
    assert_eq!(contents(&store, 1).await, [21, 1, 2, 1]);
    for _ in 0..2 {
        store.end_room(RoomUid(1)).await.unwrap();
    }
    assert_eq!(contents(&store, 1).await, [0; 4]);
    assert_eq!(store.room(&code("room-1"), at(1)).await.unwrap(), None);
    assert_eq!(store.rooms(at(1), 10).await.unwrap(), []);
    assert_eq!(store.message(RoomUid(1), a_message(1, 1).id, at(1)).await.unwrap(), None);
    assert_eq!(store.file(RoomUid(1), FileId(1), at(1)).await.unwrap(), None);
    assert!(is_missing(store.redeem_invite(RoomUid(1), Secret([1; 32]), at(1)).await));
    assert!(is_missing(store.update_room(&RoomRecord { version: 2, ..a_room(1, "room-1") }, 1).await));
    assert_eq!(store.due(at(1), 10).await.unwrap(), [RoomUid(1)]);
}

pub(in crate::store) async fn a_room_whose_time_is_over_is_due(store: AnyStore) {
    for uid in 1..=5 {
        let room = RoomRecord { expires_at: Some(at(uid * 10)), ..a_room(uid, &format!("room-{uid}")) };
        store.create_room(&room, at(0)).await.unwrap();
    }
    opened(&store, 6).await;
    let due = async |now, limit| {
        let mut due = store.due(at(now), limit).await.unwrap();
        due.sort();
        due.into_iter().map(|uid| uid.0).collect::<Vec<_>>()
    };
    assert_eq!(due(9, 10).await, [0; 0]);
    assert_eq!(due(10, 10).await, [1]);
    assert_eq!(due(39, 10).await, [1, 2, 3]);
    assert_eq!(due(39, 2).await.len(), 2);
    store.end_room(RoomUid(6)).await.unwrap();
    assert_eq!(due(39, 10).await, [1, 2, 3, 6]);
    for uid in [1, 2, 3, 6] {
        store.purge(RoomUid(uid)).await.unwrap();
    }
    assert_eq!(due(39, 10).await, [0; 0]);
}

/// A room of the same uid is entered again, to look into what cannot be seen without one.
pub(in crate::store) async fn a_purge_leaves_nothing(store: AnyStore) {
    furnished(&store, 1).await;
    store.end_room(RoomUid(1)).await.unwrap();
    store.purge(RoomUid(1)).await.unwrap();
    assert_eq!(store.due(at(1), 10).await.unwrap(), []);
    assert_eq!(store.last_seq(RoomUid(1)).await.unwrap(), 0);
    assert_eq!(store.close_sessions(at(9), "server-lost").await.unwrap(), 0);
    opened(&store, 1).await;
    assert_eq!(contents(&store, 1).await, [0; 4]);
    assert!(is_missing(store.redeem_invite(RoomUid(1), Secret([1; 32]), at(1)).await));
    assert_eq!(store.message(RoomUid(1), a_message(1, 1).id, at(1)).await.unwrap(), None);
}

pub(in crate::store) async fn a_purge_leaves_others_alone(store: AnyStore) {
    for uid in 1..=3 {
        furnished(&store, uid).await;
    }
    store.purge(RoomUid(2)).await.unwrap();
    for uid in [1, 3] {
        assert_eq!(contents(&store, uid).await, [21, 1, 2, 1]);
        assert_eq!(store.last_seq(RoomUid(uid)).await.unwrap(), 21);
    }
    assert_eq!(store.rooms(at(1), 10).await.unwrap().len(), 2);
}

pub(in crate::store) async fn repeating_is_harmless(store: AnyStore) {
    store.end_room(RoomUid(1)).await.unwrap();
    store.purge(RoomUid(1)).await.unwrap();
    furnished(&store, 1).await;
    for _ in 0..2 {
        store.end_room(RoomUid(1)).await.unwrap();
    }
    for _ in 0..2 {
        store.purge(RoomUid(1)).await.unwrap();
    }
    store.end_room(RoomUid(1)).await.unwrap();
    assert_eq!(store.due(at(1), 10).await.unwrap(), []);
}

/// Else what is written late would outlive the purge.
pub(in crate::store) async fn an_ending_room_takes_nothing(store: AnyStore) {
    opened(&store, 1).await;
    store.write(&[said(a_message(1, 1))]).await.unwrap();
    store.end_room(RoomUid(1)).await.unwrap();
    let late = [said(a_message(1, 2)), joined(a_session(1, 1)), edit(1, a_message(1, 1).id, "late", 5)];
    store.write(&late).await.unwrap();
    assert_eq!(store.last_seq(RoomUid(1)).await.unwrap(), 1);
    assert_eq!(store.close_sessions(at(9), "server-lost").await.unwrap(), 0);
    assert!(is_missing(store.add_invites(&[an_invite(1, 1)]).await));
    store.purge(RoomUid(1)).await.unwrap();
    store.write(&late).await.unwrap();
    assert_eq!(store.last_seq(RoomUid(1)).await.unwrap(), 0);
    assert_eq!(store.close_sessions(at(9), "server-lost").await.unwrap(), 0);
}
