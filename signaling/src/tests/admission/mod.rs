//! Who gets in, who waits, and what hosts do.

mod door;
mod invites;
mod lobby;
mod moderation;
mod people;
mod races;
mod tokens;

use super::house::{Client, House, Member, with_policy};
use crate::access::{Grant, Identity, KeySources, Keys, PublishGrant, Role};
use crate::protocol::RoomCode;
use crate::{Policy, tests::house};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A `join-room` with these fields besides.
pub(super) fn join(room: &str, fields: Value) -> Value {
    let mut message = json!({"type": "join-room", "roomId": room, "id": "j"});
    for (name, value) in fields.as_object().unwrap() {
        message[name] = value.clone();
    }
    message
}

/// The host secret of an `Authorization`.
pub(super) fn secret(authorization: &str) -> &str {
    authorization.strip_prefix("Bearer ").unwrap()
}

/// Sends a `join-room`, and returns the client and what it was answered.
pub(super) async fn arrive(house: &House, room: &str, fields: Value) -> (Client, Value) {
    let mut client = house.client();
    client.send(join(room, fields)).await;
    let answer = client.next();
    (client, answer)
}

/// The same for one that gets in, with its `room-joined`.
pub(super) async fn inside(house: &House, room: &str, fields: Value) -> (Member, Value) {
    let (client, joined) = arrive(house, room, fields).await;
    assert_eq!(joined["type"], "room-joined", "{joined}");
    let text = |name: &str| joined[name].as_str().unwrap().to_owned();
    (Member { client, id: text("participantId"), token: text("resumeToken") }, joined)
}

/// Why somebody does not get in.
pub(super) async fn refusal(house: &House, room: &str, fields: Value) -> Value {
    let (_, answer) = arrive(house, room, fields).await;
    assert_eq!((&answer["type"], &answer["id"]), (&json!("error"), &json!("j")), "{answer}");
    answer["code"].clone()
}

/// A house that has keys.
pub(super) fn keyed() -> House {
    let sources = KeySources {
        secrets: vec![("app".to_owned(), "0123456789abcdef0123456789abcdef".to_owned())],
        jwks: None,
        leeway: Duration::from_secs(10),
        max_lifetime: Duration::from_secs(24 * 3600),
    };
    House::with(with_policy(Policy { keys: Arc::new(Keys::read(sources).unwrap()), ..Policy::default() }), 256)
}

/// A grant for a room, good for an hour.
pub(super) fn grant(room: &str, identity: &str, role: Role) -> Grant {
    Grant {
        identity: Identity::parse(identity).unwrap(),
        name: None,
        room: RoomCode::parse(room),
        role,
        publish: PublishGrant::ALL,
        chat: true,
        hidden: false,
        admin: false,
        create_rooms: false,
        expires_at: house::wall_clock() + Duration::from_secs(3600),
    }
}

/// The token of a grant.
pub(super) fn sign(house: &House, grant: &Grant) -> String {
    house.board().policy().keys.sign(grant, house::wall_clock()).unwrap().expose().to_owned()
}

/// The `Authorization` of somebody who administers the server.
pub(super) fn admin(house: &House) -> String {
    format!("Bearer {}", sign(house, &Grant { room: None, admin: true, ..grant("any", "root", Role::Speaker) }))
}

/// A room of a house with keys.
pub(super) async fn create_keyed(house: &House, body: Value) {
    let (status, body) = house.request_as(&admin(house), "POST", "/api/rooms", Some(body)).await;
    assert_eq!(status.as_u16(), 201, "{body}");
}
