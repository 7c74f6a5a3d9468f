//! Sessions: who was there, from when to when.

use super::*;

pub(in crate::store) async fn come_in_the_order_of_joining(store: AnyStore) {
    opened(&store, 1).await;
    opened(&store, 2).await;
    let mut all: Vec<SessionRecord> = (1..=9).map(|number| a_session(1, number)).collect();
    all[3].role = Role::Host;
    all[4].role = Role::Listener;
    all[5].display_name = None;
    let batch: Vec<Write> = all.iter().cloned().map(joined).chain([joined(a_session(2, 1))]).collect();
    store.write(&batch).await.unwrap();
    let page = async |skip, limit| store.sessions(RoomUid(1), skip, limit, at(1)).await.unwrap();
    assert_eq!(page(0, 200).await, all);
    assert_eq!(page(2, 3).await, all[2..5]);
    assert_eq!(page(8, 3).await, all[8..]);
    assert_eq!(page(9, 3).await, []);
    assert_eq!(page(u64::MAX, 3).await, []);
}

pub(in crate::store) async fn are_closed_once(store: AnyStore) {
    opened(&store, 1).await;
    let left = |number, seconds, reason: &str| Write::Left {
        room: RoomUid(1),
        participant: participant(number),
        at: at(seconds),
        reason: reason.to_owned(),
    };
    let batch = [joined(a_session(1, 1)), joined(a_session(1, 2)), left(1, 10, "kicked"), left(1, 11, "left")];
    store.write(&batch).await.unwrap();
    // The same stay: it does not begin again.
    store.write(&[joined(a_session(1, 1))]).await.unwrap();
    let closed = SessionRecord { left_at: Some(at(10)), reason: Some("kicked".to_owned()), ..a_session(1, 1) };
    assert_eq!(store.sessions(RoomUid(1), 0, 10, at(1)).await.unwrap(), [closed, a_session(1, 2)]);
}

/// What a process that died left behind.
pub(in crate::store) async fn those_left_open_are_closed(store: AnyStore) {
    opened(&store, 1).await;
    opened(&store, 2).await;
    let left = Write::Left { room: RoomUid(1), participant: participant(1), at: at(5), reason: "left".to_owned() };
    let batch = [joined(a_session(1, 1)), left, joined(a_session(1, 2)), joined(a_session(2, 3))];
    store.write(&batch).await.unwrap();
    assert_eq!(store.close_sessions(at(20), "server-lost").await.unwrap(), 2);
    assert_eq!(store.close_sessions(at(30), "server-lost").await.unwrap(), 0);
    let all = [
        store.sessions(RoomUid(1), 0, 10, at(1)).await.unwrap(),
        store.sessions(RoomUid(2), 0, 10, at(1)).await.unwrap(),
    ];
    let ends: Vec<_> = all.iter().flatten().map(|s| (s.participant, s.left_at, s.reason.as_deref())).collect();
    let lost = |number| (participant(number), Some(at(20)), Some("server-lost"));
    assert_eq!(ends, [(participant(1), Some(at(5)), Some("left")), lost(2), lost(3)]);
}
