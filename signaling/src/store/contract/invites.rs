//! Invites: links that admit one person once.

use super::*;

pub(in crate::store) async fn are_used_once(store: AnyStore) {
    opened(&store, 1).await;
    let invite = InviteRecord { role: Role::Host, expires_at: Some(at(100)), ..an_invite(1, 1) };
    store.add_invites(std::slice::from_ref(&invite)).await.unwrap();
    assert!(is_missing(store.redeem_invite(RoomUid(1), Secret([9; 32]), at(1)).await));
    assert_eq!(store.redeem_invite(RoomUid(1), invite.secret, at(1)).await.unwrap(), invite);
    assert!(is_missing(store.redeem_invite(RoomUid(1), invite.secret, at(1)).await));
    assert!(is_missing(store.remove_invite(RoomUid(1), invite.id).await));
    assert_eq!(store.invites(RoomUid(1), 10, at(1)).await.unwrap(), []);
}

pub(in crate::store) async fn belong_to_a_room(store: AnyStore) {
    opened(&store, 1).await;
    opened(&store, 2).await;
    assert!(is_missing(store.add_invites(&[an_invite(99, 1)]).await));
    store.add_invites(&[an_invite(1, 1)]).await.unwrap();
    assert!(is_missing(store.redeem_invite(RoomUid(2), Secret([1; 32]), at(1)).await));
    assert!(is_missing(store.redeem_invite(RoomUid(99), Secret([1; 32]), at(1)).await));
    assert!(is_missing(store.remove_invite(RoomUid(2), an_invite(1, 1).id).await));
    assert_eq!(store.invites(RoomUid(2), 10, at(1)).await.unwrap(), []);
    store.redeem_invite(RoomUid(1), Secret([1; 32]), at(1)).await.unwrap();
}

pub(in crate::store) async fn can_be_withdrawn(store: AnyStore) {
    opened(&store, 1).await;
    store.add_invites(&[an_invite(1, 1), an_invite(1, 2)]).await.unwrap();
    store.remove_invite(RoomUid(1), an_invite(1, 1).id).await.unwrap();
    assert!(is_missing(store.remove_invite(RoomUid(1), an_invite(1, 1).id).await));
    assert!(is_missing(store.redeem_invite(RoomUid(1), Secret([1; 32]), at(1)).await));
    assert_eq!(store.invites(RoomUid(1), 10, at(1)).await.unwrap(), [an_invite(1, 2)]);
}

pub(in crate::store) async fn are_listed_while_good(store: AnyStore) {
    opened(&store, 1).await;
    let mut all: Vec<InviteRecord> = (1..=100).map(|number| an_invite(1, number)).collect();
    all[0].expires_at = Some(at(10));
    store.add_invites(&all).await.unwrap();
    assert_eq!(store.invites(RoomUid(1), 200, at(9)).await.unwrap(), all);
    assert_eq!(store.invites(RoomUid(1), 3, at(9)).await.unwrap(), all[..3]);
    assert_eq!(store.invites(RoomUid(1), 3, at(10)).await.unwrap(), all[1..4]);
    assert!(is_missing(store.redeem_invite(RoomUid(1), all[0].secret, at(10)).await));
    store.redeem_invite(RoomUid(1), all[0].secret, at(9)).await.unwrap();
}

pub(in crate::store) async fn entering_again_is_harmless(store: AnyStore) {
    opened(&store, 1).await;
    let all = [an_invite(1, 1), an_invite(1, 2)];
    store.add_invites(&all[..1]).await.unwrap();
    store.add_invites(&all).await.unwrap();
    store.add_invites(&[]).await.unwrap();
    assert_eq!(store.invites(RoomUid(1), 10, at(1)).await.unwrap(), all);
}
