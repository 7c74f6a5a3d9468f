//! Rooms: entering, finding, changing.

use super::*;
use crate::protocol::SecretText;
use serde_json::json;

pub(in crate::store) async fn is_found_by_its_code(store: AnyStore) {
    assert!(!store.name().is_empty());
    store.ping().await.unwrap();
    assert_eq!(store.room(&code("room-1"), at(0)).await.unwrap(), None);
    let room = opened(&store, 1).await;
    opened(&store, 2).await;
    assert_eq!(store.room(&code("Room-1"), at(0)).await.unwrap(), Some(room));
    assert_eq!(store.room(&code("room-"), at(0)).await.unwrap(), None);
}

pub(in crate::store) async fn keeps_every_field(store: AnyStore) {
    let plain = a_room(1, "plain");
    let everything = RoomRecord {
        version: 7,
        expires_at: Some(at(1000)),
        settings: RoomSettings {
            name: Some("Friday's call".to_owned()),
            max_participants: 12,
            not_before: Some(at(500)),
            empty_timeout_seconds: None,
            history: History::Keep,
            locked: true,
            lobby: true,
            join_as: Role::Listener,
            publish: PublishPolicy { audio: Allowed::Everyone, video: Allowed::Hosts, screen: Allowed::Nobody },
            chat: Allowed::Nobody,
            metadata: json!({ "order": 17, "tags": ["a", null] }).as_object().unwrap().clone(),
        },
        host_secret: Some(Secret([0xfe; 32])),
        password: Some(SecretText::new("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA")),
        banned: vec![identity("mallory"), identity("guest-0")],
        ..a_room(2, "everything")
    };
    for room in [&plain, &everything] {
        store.create_room(room, at(0)).await.unwrap();
    }
    for room in [plain, everything] {
        assert_eq!(store.room(&room.code, at(0)).await.unwrap(), Some(room));
    }
}

pub(in crate::store) async fn a_code_is_given_once(store: AnyStore) {
    let first = opened(&store, 1).await;
    assert!(is_conflict(store.create_room(&a_room(2, "room-1"), at(0)).await));
    assert_eq!(store.room(&first.code, at(0)).await.unwrap(), Some(first));
    assert_eq!(store.rooms(at(0), 10).await.unwrap().len(), 1);
}

/// After an error nobody knows whether it was done.
pub(in crate::store) async fn creating_again_is_harmless(store: AnyStore) {
    let room = opened(&store, 1).await;
    store.create_room(&room, at(0)).await.unwrap();
    let changed = RoomRecord { version: 2, ..room.clone() };
    store.update_room(&changed, 1).await.unwrap();
    store.create_room(&room, at(0)).await.unwrap();
    assert_eq!(store.rooms(at(0), 10).await.unwrap(), [changed]);
}

pub(in crate::store) async fn a_code_is_free_once_its_time_is_over(store: AnyStore) {
    let first = RoomRecord { expires_at: Some(at(10)), ..a_room(1, "again") };
    store.create_room(&first, at(0)).await.unwrap();
    store.write(&[said(a_message(1, 1))]).await.unwrap();
    let second = RoomRecord { created_at: at(10), ..a_room(2, "again") };
    assert!(is_conflict(store.create_room(&second, at(9)).await));
    store.create_room(&second, at(10)).await.unwrap();
    assert_eq!(store.room(&code("again"), at(10)).await.unwrap(), Some(second));
    assert_eq!(store.last_seq(RoomUid(2)).await.unwrap(), 0);
    assert_eq!(everything(&store, 2).await, [], "what was said in the first is not said in the second");
    assert_eq!(store.due(at(10), 10).await.unwrap(), [RoomUid(1)]);
    store.purge(RoomUid(1)).await.unwrap();
    assert_eq!(store.room(&code("again"), at(10)).await.unwrap().map(|room| room.uid), Some(RoomUid(2)));
}

pub(in crate::store) async fn a_code_is_free_once_its_room_is_ending(store: AnyStore) {
    for uid in 1..=4 {
        let room = a_room(uid, "again");
        store.create_room(&room, at(0)).await.unwrap();
        assert_eq!(store.room(&room.code, at(0)).await.unwrap(), Some(room));
        store.end_room(RoomUid(uid)).await.unwrap();
        assert_eq!(store.room(&code("again"), at(0)).await.unwrap(), None);
    }
    assert_eq!(store.due(at(0), 10).await.unwrap().len(), 4);
}

/// Whoever still holds the first room cannot prolong it next to the second.
pub(in crate::store) async fn a_displaced_room_stays_ended(store: AnyStore) {
    let first = RoomRecord { expires_at: Some(at(10)), ..a_room(1, "again") };
    store.create_room(&first, at(0)).await.unwrap();
    let second = a_room(2, "again");
    store.create_room(&second, at(10)).await.unwrap();
    assert!(is_missing(store.update_room(&RoomRecord { version: 2, expires_at: None, ..first }, 1).await));
    assert_eq!(store.rooms(at(5), 10).await.unwrap(), [second]);
}

pub(in crate::store) async fn a_change_needs_the_version(store: AnyStore) {
    let room = opened(&store, 1).await;
    let second = RoomRecord { version: 2, password: Some(SecretText::new("$argon2id$")), ..room.clone() };
    store.update_room(&second, 1).await.unwrap();
    assert!(is_conflict(store.update_room(&RoomRecord { version: 2, ..room.clone() }, 1).await));
    assert!(is_conflict(store.update_room(&RoomRecord { version: 4, ..room.clone() }, 3).await));
    assert_eq!(store.room(&room.code, at(0)).await.unwrap(), Some(second.clone()));
    let third = RoomRecord { version: 3, expires_at: Some(at(10)), ..second };
    store.update_room(&third, 2).await.unwrap();
    assert_eq!(store.room(&room.code, at(9)).await.unwrap(), Some(third));
    assert_eq!(store.room(&room.code, at(10)).await.unwrap(), None);
    assert!(is_missing(store.update_room(&a_room(2, "never-was"), 1).await));
}

pub(in crate::store) async fn a_change_repeated_is_harmless(store: AnyStore) {
    let room = opened(&store, 1).await;
    let second = RoomRecord { version: 2, banned: vec![identity("mallory")], ..room };
    for _ in 0..3 {
        store.update_room(&second, 1).await.unwrap();
    }
    assert_eq!(store.rooms(at(0), 10).await.unwrap(), [second]);
}

pub(in crate::store) async fn rooms_come_in_the_order_of_creation(store: AnyStore) {
    for (uid, created) in [(5, 3), (4, 1), (9, 2), (2, 4), (7, 4)] {
        let room = RoomRecord { created_at: at(created), ..a_room(uid, &format!("room-{uid}")) };
        store.create_room(&room, at(4)).await.unwrap();
    }
    let listed = |rooms: Vec<RoomRecord>| rooms.iter().map(|room| room.uid.0).collect::<Vec<_>>();
    assert_eq!(listed(store.rooms(at(4), 10).await.unwrap()), [4, 9, 5, 2, 7]);
    assert_eq!(listed(store.rooms(at(4), 2).await.unwrap()), [4, 9]);
    store.end_room(RoomUid(9)).await.unwrap();
    assert_eq!(listed(store.rooms(at(4), 2).await.unwrap()), [4, 5]);
}

/// Nothing has been swept in between.
pub(in crate::store) async fn what_is_over_is_hidden_at_once(store: AnyStore) {
    let room = RoomRecord { expires_at: Some(at(10)), ..a_room(1, "brief") };
    store.create_room(&room, at(0)).await.unwrap();
    let message = a_message(1, 1);
    store.write(&[said(message.clone()), joined(a_session(1, 1))]).await.unwrap();
    store.add_invites(&[an_invite(1, 1), an_invite(1, 2)]).await.unwrap();
    store.add_file(&a_file(1, 1)).await.unwrap();
    let uid = RoomUid(1);
    for (now, there) in [(at(9), 1), (at(10), 0), (at(11), 0)] {
        assert_eq!(store.rooms(now, 10).await.unwrap().len(), there);
        assert_eq!(store.room(&room.code, now).await.unwrap().iter().count(), there);
        assert_eq!(store.messages(uid, &Reader::Public, Page::Latest, 10, now).await.unwrap().len(), there);
        assert_eq!(store.message(uid, message.id, now).await.unwrap().iter().count(), there);
        assert_eq!(store.sessions(uid, 0, 10, now).await.unwrap().len(), there);
        assert_eq!(store.invites(uid, 1, now).await.unwrap().len(), there);
        assert_eq!(store.files(uid, 0, 10, now).await.unwrap().len(), there);
        assert_eq!(store.file(uid, FileId(1), now).await.unwrap().iter().count(), there);
        assert_eq!(store.due(now, 10).await.unwrap().len(), 1 - there);
    }
    assert!(is_missing(store.redeem_invite(uid, Secret([1; 32]), at(10)).await));
    store.redeem_invite(uid, Secret([1; 32]), at(9)).await.unwrap();
}
