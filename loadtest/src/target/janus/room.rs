//! What is said to the VideoRoom plugin about rooms, and read of its answers (<https://janus.conf.meetecho.com/docs/videoroom.html>).

use crate::target::{RoomSize, TargetError};
use serde_json::{Value, json};

/// A room that is not kept, with Opus and VP8, in which nothing limits what publishers send.
pub(super) fn create(size: RoomSize) -> Value {
    json!({
        "request": "create",
        "description": "parlor-loadtest",
        "is_private": true,
        "permanent": false,
        "publishers": size.publishers.max(1),
        "bitrate": 0,
        "fir_freq": 0,
        "audiocodec": "opus",
        "videocodec": "vp8",
        "record": false,
    })
}

pub(super) fn destroy(room: u64) -> Value {
    json!({ "request": "destroy", "room": room })
}

/// As one who may publish, and who is told who else does.
pub(super) fn join(room: u64, name: &str) -> Value {
    json!({ "request": "join", "ptype": "publisher", "room": room, "display": name })
}

/// The handle's first subscriptions, in the name of the participant with this private id.
pub(super) fn join_as_subscriber(room: u64, private_id: u64, feeds: &[u64]) -> Value {
    json!({ "request": "join", "ptype": "subscriber", "room": room, "private_id": private_id, "streams": streams(feeds) })
}

/// More subscriptions.
pub(super) fn subscribe(feeds: &[u64]) -> Value {
    json!({ "request": "subscribe", "streams": streams(feeds) })
}

fn streams(feeds: &[u64]) -> Vec<Value> {
    feeds.iter().map(|feed| json!({ "feed": feed })).collect()
}

/// The room that an answer is about.
pub(super) fn number(data: &Value) -> Result<u64, TargetError> {
    data["room"].as_u64().ok_or_else(|| TargetError::Unexpected("Janus's answer has no room".to_owned()))
}

/// The name of a room, as it was made of its number.
pub(super) fn parse(name: &str) -> Result<u64, TargetError> {
    name.parse().map_err(|_| TargetError::Unexpected("a room of Janus is named by a number".to_owned()))
}

/// The publishers that an answer or an event lists.
pub(super) fn publishers(data: &Value) -> impl Iterator<Item = u64> {
    data["publishers"].as_array().into_iter().flatten().filter_map(|publisher| publisher["id"].as_u64())
}

/// Whether a request for subscriptions has changed nothing that an offer would have to tell. The event is the same as with an offer,
/// and without one here.
pub(super) fn needs_no_negotiation(data: &Value) -> bool {
    data["videoroom"] == "updated" || data["videoroom"] == "attached"
}

/// Why the participant is no longer in the room, when an event says so.
pub(super) fn removal(data: &Value) -> Option<&'static str> {
    if data["videoroom"] == "destroyed" {
        return Some("the room ended");
    }
    (data["leaving"] == "ok").then_some("kicked")
}
