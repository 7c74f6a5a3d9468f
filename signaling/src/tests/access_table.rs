//! The table of who may do what, cell by cell against the server: each action is asked for by each standing, over REST or the
//! socket, in a fresh room.

use super::admission::{admin, arrive, create_keyed, grant, inside, join, keyed, sign};
use super::house::{Client, House};
use crate::access::{Action, Grant, Identity, Role, Standing, may};
use crate::protocol::FileId;
use crate::protocol::RoomCode;
use crate::store::FileRecord;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

const STANDINGS: [Standing; 6] = [
    Standing::Admin,
    Standing::Member(Role::Host),
    Standing::Member(Role::Speaker),
    Standing::Member(Role::Listener),
    Standing::Lobby,
    Standing::Stranger,
];

/// How an action is asked for.
enum Way {
    /// Method, path below the room, body.
    Rest(&'static str, &'static str, Value),
    /// A message of the socket.
    Socket(Value),
}

fn way(action: Action) -> Way {
    let rest = |method, path| Way::Rest(method, path, Value::Null);
    let message = |mut message: Value| {
        message["roomId"] = json!("abc");
        Way::Socket(message)
    };
    match action {
        Action::SeeRoom => rest("GET", ""),
        Action::SeeUsers => rest("GET", "/users"),
        Action::ReadMessages => rest("GET", "/messages"),
        Action::Chat => message(json!({"type": "send-message", "text": "Hello"})),
        Action::EditOwnMessage => message(json!({"type": "edit-message", "messageId": "OWN", "text": "Bye"})),
        Action::DeleteMessage => message(json!({"type": "delete-message", "messageId": "OTHERS"})),
        Action::UploadFile => Way::Rest("POST", "/files?name=a.txt", json!({})),
        Action::DownloadFile => rest("GET", "/files/f0000000000001"),
        Action::DeleteFile => rest("DELETE", "/files/f0000000000001"),
        Action::Publish => message(json!({"type": "track-state", "trackId": "TRACK", "muted": false})),
        Action::Subscribe => message(json!({"type": "subscribe", "trackIds": []})),
        Action::ChangeRoom => Way::Rest("PATCH", "", json!({"name": "Call"})),
        Action::DeleteRoom => rest("DELETE", ""),
        Action::EndRoom => rest("POST", "/end"),
        Action::Kick => rest("POST", "/users/HOST/kick"),
        Action::Moderate => rest("POST", "/users/HOST/mute"),
        Action::ManageLobby => rest("GET", "/lobby"),
        Action::Invite => rest("GET", "/invites"),
        Action::SeeSessions => rest("GET", "/sessions"),
        Action::SeeStats => rest("GET", "/stats"),
    }
}

/// Somebody of a standing: by what credential it asks over REST, and its socket.
struct Somebody {
    authorization: Option<String>,
    client: Client,
}

/// A room with a lobby and somebody of that standing in regard to it, beside a host.
async fn scene(house: &House, standing: Standing) -> (Somebody, String) {
    create_keyed(house, json!({"roomId": "abc", "lobby": true})).await;
    let token = |identity: &str, role| json!({"token": sign(house, &grant("abc", identity, role))});
    let (host, _) = inside(house, "abc", token("boss", Role::Host)).await;
    let bearer = |token: &Value| Some(format!("Bearer {}", token.as_str().unwrap()));
    let somebody = match standing {
        Standing::Admin => Somebody { authorization: Some(admin(house)), client: house.client() },
        Standing::Loopback => unreachable!("it is for open servers: see `tests::stats`"),
        Standing::Stranger => Somebody { authorization: None, client: house.client() },
        Standing::Lobby => {
            let token = token("bo", Role::Speaker);
            let (client, waiting) = arrive(house, "abc", token.clone()).await;
            assert_eq!(waiting["type"], "lobby-waiting");
            Somebody { authorization: bearer(&token["token"]), client }
        }
        Standing::Member(role) => {
            let (mut client, mut answer) = arrive(house, "abc", token("ana", role)).await;
            if role != Role::Host {
                let path = format!("/api/rooms/abc/lobby/{}/admit", answer["participantId"].as_str().unwrap());
                assert_eq!(house.request_as(&admin(house), "POST", &path, None).await.0.as_u16(), 200);
                answer = client.next();
            }
            Somebody { authorization: bearer(&answer["accessToken"]), client }
        }
    };
    (somebody, host.id.clone())
}

async fn by_rest(house: &House, somebody: &Somebody, method: &str, path: &str, body: &Value) -> bool {
    let path = format!("/api/rooms/abc{path}");
    let headers: Vec<_> = somebody.authorization.iter().map(|value| ("authorization", value.as_str())).collect();
    let body = (!body.is_null()).then(|| body.clone());
    allowed(method, &path, house.request_with(method, &path, &headers, body).await)
}

/// Whether an answer says that it was allowed.
fn allowed(method: &str, path: &str, (status, _, problem): (StatusCode, HeaderMap, Value)) -> bool {
    assert!(!status.is_server_error() || problem["code"].is_string(), "{method} {path}: {status}");
    match status.as_u16() {
        401 => {
            assert_eq!(problem["code"], "unauthorized", "{method} {path}");
            false
        }
        403 => {
            assert_eq!(problem["code"], "forbidden", "{method} {path}");
            false
        }
        _ => true,
    }
}

/// The first answer to a message, without what others are told.
async fn by_socket(somebody: &mut Somebody, message: Value) -> bool {
    somebody.client.all();
    somebody.client.send(message.clone()).await;
    let refused = somebody.client.all().into_iter().find(|told| told["type"] == "error");
    match refused.map(|error| error["code"].clone()) {
        None => true,
        Some(code) => {
            let refused = code == "forbidden" || code == "not-joined";
            assert!(refused || code == "unknown-track" || code == "message-not-found", "{message}: {code}");
            !refused
        }
    }
}

/// The id of a message that somebody says, who may.
async fn said(client: &mut Client) -> Value {
    client.all();
    client.send(json!({"type": "send-message", "roomId": "abc", "text": "x"})).await;
    client
        .all()
        .into_iter()
        .find(|told| told["type"] == "message-received")
        .map_or(json!("m0000000000001"), |m| m["id"].clone())
}

#[tokio::test(start_paused = true)]
async fn every_cell_of_the_table_is_what_the_server_does() {
    let mut cells = 0;
    for &action in Action::ALL {
        for standing in STANDINGS {
            let house = keyed();
            let (mut somebody, host) = scene(&house, standing).await;
            // A server with keys shows strangers nothing at all; see the next test.
            let expected = may(standing, action) && standing != Standing::Stranger;
            let got = match way(action) {
                Way::Rest(method, path, body) => {
                    share_file(&house).await;
                    by_rest(&house, &somebody, method, &path.replace("HOST", &host), &body).await
                }
                // Administrators have no socket in a room.
                Way::Socket(_) if standing == Standing::Admin => continue,
                Way::Socket(mut message) => {
                    let place = somebody.client.session.place();
                    if action == Action::Publish {
                        message["trackId"] = publish(&house, &mut somebody.client);
                    }
                    match message["messageId"].as_str() {
                        Some("OWN") => message["messageId"] = said(&mut somebody.client).await,
                        Some("OTHERS") => {
                            let token = sign(&house, &Grant { ..grant("abc", "other", Role::Host) });
                            let mut other = house.client();
                            other.send(join("abc", json!({ "token": token }))).await;
                            message["messageId"] = said(&mut other).await;
                        }
                        _ => {}
                    }
                    assert_eq!(place.is_some(), matches!(standing, Standing::Member(_)));
                    by_socket(&mut somebody, message).await
                }
            };
            assert_eq!(got, expected, "{standing:?}: {}", action.name());
            cells += 1;
        }
    }
    assert!(cells > 90, "{cells}");
}

/// The record of a file of somebody else's.
async fn share_file(house: &House) {
    let room = house.board().room(&RoomCode::parse("abc").unwrap()).unwrap();
    let file = FileRecord {
        room: room.uid,
        id: FileId(1),
        name: "a.txt".to_owned(),
        size: 1,
        content_type: "text/plain".to_owned(),
        uploader: Identity::parse("other").unwrap(),
        uploaded_at: house.board().wall_clock(),
    };
    house.board().store.add_file(&file).await.unwrap();
}

/// A track of somebody's, as if the shard had let it be published.
fn publish(house: &House, client: &mut Client) -> Value {
    let Some(place) = client.session.place() else { return json!("t0000000000007") };
    house.event(super::negotiation::published(place.participant, 7, "0"));
    client.all().into_iter().find(|told| told["type"] == "track-published").unwrap()["track"]["trackId"].clone()
}

#[tokio::test(start_paused = true)]
async fn on_an_open_server_its_host_does_what_the_table_says() {
    for &action in Action::ALL {
        let Way::Rest(method, path, body) = way(action) else { continue };
        let house = House::new();
        house.create(json!({"roomId": "abc"})).await;
        let member = house.joined("abc", "Ana").await;
        let path = format!("/api/rooms/abc{}", path.replace("HOST", &member.id));
        let body = (!body.is_null()).then(|| body.clone());
        let got = allowed(method, &path, house.request_on_loopback(method, &path, body).await);
        assert_eq!(got, may(Standing::Loopback, action), "{}", action.name());
    }
}

#[tokio::test(start_paused = true)]
async fn on_an_open_server_strangers_see_rooms_and_change_nothing() {
    for &action in Action::ALL {
        let Way::Rest(method, path, body) = way(action) else { continue };
        let house = House::new();
        house.create(json!({"roomId": "abc", "lobby": true})).await;
        let nobody = Somebody { authorization: None, client: house.client() };
        let path = path.replace("HOST", "p0000000000001");
        let got = by_rest(&house, &nobody, method, &path, &body).await;
        assert_eq!(got, may(Standing::Stranger, action), "{}", action.name());
    }
}
