//! Credentials over REST: who stands for what, tokens made by hosts, limits, and what proxies say.

use super::house::{House, answer, with_policy};
use crate::access::{Action, Caller, KeySources, Keys, Role, Standing};
use crate::limits::Rates;
use crate::protocol::{Refusal, SecretText};
use crate::rate::Rate;
use crate::room::Room;
use crate::session::Token;
use crate::{Policy, Settings, TokenRequest};
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub(super) const SECRET: &str = "a-secret-that-is-long-enough-for-sha-256";

pub(super) fn keyed() -> Settings {
    let secrets = vec![("app".to_owned(), SECRET.to_owned())];
    let (leeway, max_lifetime) = (Duration::from_secs(30), Duration::from_secs(24 * 3600));
    let keys = Keys::read(KeySources { secrets, jwks: None, leeway, max_lifetime }).unwrap();
    with_policy(Policy { keys: Arc::new(keys), ..Policy::default() })
}

/// A token of the house's first key.
pub(super) fn token(house: &House, request: TokenRequest) -> String {
    house.board().policy().keys.make_token(&request, house.board().wall_clock()).unwrap()
}

pub(super) fn for_room(room: &str, role: Role) -> TokenRequest {
    let role = Some(role.as_str().to_owned());
    TokenRequest { room: Some(room.to_owned()), identity: "ana".to_owned(), role, ..TokenRequest::default() }
}

fn bearer(credential: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {credential}").parse().unwrap())])
}

/// A request with a credential.
pub(super) async fn ask(
    house: &House,
    method: &str,
    path: &str,
    credential: &str,
    body: Option<Value>,
) -> (StatusCode, HeaderMap, Value) {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost:8080");
    if !credential.is_empty() {
        request = request.header(AUTHORIZATION, format!("Bearer {credential}"));
    }
    let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
    answer(house.signaling.router(), request.header("content-type", "application/json").body(body).unwrap()).await
}

fn room(house: &House, code: &str) -> Arc<Room> {
    house.board().room(&code.parse_code()).unwrap()
}

trait ParseCode {
    fn parse_code(&self) -> crate::protocol::RoomCode;
}

impl ParseCode for str {
    fn parse_code(&self) -> crate::protocol::RoomCode {
        crate::protocol::RoomCode::parse(self).unwrap()
    }
}

/// A house with keys and the rooms `abc` and `def`.
async fn house() -> House {
    let house = House::with(keyed(), 256);
    for code in ["abc", "def"] {
        house.board().create_room(super::record(code)).await.unwrap();
    }
    house
}

/// Who makes a request of these headers.
fn caller(house: &House, headers: &HeaderMap) -> Result<Caller, Refusal> {
    let (mut request, ()) = Request::new(()).into_parts();
    request.headers = headers.clone();
    Caller::of(house.board(), &request)
}

fn standing(house: &House, code: &str, credential: &str) -> Standing {
    let room = room(house, code);
    let caller = caller(house, &bearer(credential)).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    let state = room.lock();
    caller.standing(&room, &state)
}

#[tokio::test(start_paused = true)]
async fn a_token_stands_for_its_role_in_its_room_and_nothing_elsewhere() {
    let house = house().await;
    for &role in Role::ALL {
        let token = token(&house, for_room("abc", role));
        assert_eq!(standing(&house, "abc", &token), Standing::Member(role));
        assert_eq!(standing(&house, "def", &token), Standing::Stranger);
    }
    let admin = token(&house, TokenRequest { identity: "root".into(), admin: true, ..TokenRequest::default() });
    assert_eq!(standing(&house, "abc", &admin), Standing::Admin);
    let creator = token(&house, TokenRequest { identity: "app".into(), create_rooms: true, ..TokenRequest::default() });
    assert_eq!(standing(&house, "abc", &creator), Standing::Stranger);
}

#[tokio::test(start_paused = true)]
async fn a_token_alone_does_not_pass_a_rooms_door() {
    let house = house().await;
    let doors: [fn(&mut crate::store::RoomRecord); 4] = [
        |record| record.settings.lobby = true,
        |record| record.settings.locked = true,
        |record| record.password = Some(SecretText::new("$argon2id$…")),
        |record| record.settings.not_before = Some(record.created_at + Duration::from_secs(60)),
    ];
    for door in doors {
        door(&mut room(&house, "abc").lock().record);
        for role in [Role::Speaker, Role::Listener] {
            let token = token(&house, for_room("abc", role));
            assert_eq!(standing(&house, "abc", &token), Standing::Lobby);
        }
        let host = token(&house, for_room("abc", Role::Host));
        assert_eq!(standing(&house, "abc", &host), Standing::Member(Role::Host));
        room(&house, "abc").lock().record = super::record("abc");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_banned_is_a_stranger_whatever_the_token_says() {
    let house = house().await;
    let token = token(&house, for_room("abc", Role::Host));
    room(&house, "abc").lock().record.banned.push(crate::access::Identity::parse("ana").unwrap());
    assert_eq!(standing(&house, "abc", &token), Standing::Stranger);
}

#[tokio::test(start_paused = true)]
async fn each_mode_takes_its_own_credentials() {
    let (open, keyed) = (House::new(), house().await);
    let secret = format!("host_{}", "ab".repeat(32));
    let token = token(&keyed, for_room("abc", Role::Host));
    let refused = |house: &House, headers: &HeaderMap| {
        caller(house, headers).err().map(|refusal| refusal.message).unwrap_or_default()
    };
    assert_eq!(refused(&open, &bearer(&secret)), "");
    assert_eq!(refused(&keyed, &bearer(&secret)), "this server takes no host secrets: it has keys, show a token");
    assert_eq!(refused(&open, &bearer(&token)), "the token is refused: this server has no keys to verify it by");
    assert_eq!(refused(&keyed, &bearer(&token)), "");
    let never_given = format!("access_{}", "cd".repeat(32));
    assert_eq!(refused(&keyed, &bearer(&never_given)), "the access token is not that of a participant");
    let mut twice = bearer(&token);
    twice.append(AUTHORIZATION, "Bearer x".parse().unwrap());
    let basic = HeaderMap::from_iter([(AUTHORIZATION, "Basic YTpi".parse().unwrap())]);
    for headers in [twice, basic] {
        assert_eq!(refused(&keyed, &headers), "`Authorization` must be there once, as `Bearer` and a token");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_secret_is_that_of_one_room() {
    let house = House::new();
    let secret = Token::from_entropy([7; 32]);
    let mut record = super::record("abc");
    record.host_secret = Some(secret.digest());
    house.board().create_room(record).await.unwrap();
    house.board().create_room(super::record("def")).await.unwrap();
    let credential = secret.written("host_").expose().to_owned();
    assert_eq!(standing(&house, "abc", &credential), Standing::Member(Role::Host));
    assert_eq!(standing(&house, "def", &credential), Standing::Stranger);
}

#[tokio::test(start_paused = true)]
async fn who_may_create_rooms_is_in_the_token() {
    let (open, keyed) = (House::new(), house().await);
    assert!(Caller::Nobody.may_create_rooms(open.board()).is_ok());
    let code = |request: Option<TokenRequest>| {
        let headers = request.map(|request| bearer(&token(&keyed, request))).unwrap_or_default();
        let caller = caller(&keyed, &headers).unwrap();
        caller.may_create_rooms(keyed.board()).err().map(|refusal| refusal.code.as_str())
    };
    assert_eq!(code(None), Some("unauthorized"));
    assert_eq!(code(Some(for_room("abc", Role::Host))), Some("forbidden"));
    let who = || TokenRequest { identity: "app".into(), ..TokenRequest::default() };
    assert_eq!(code(Some(TokenRequest { create_rooms: true, ..who() })), None);
    assert_eq!(code(Some(TokenRequest { admin: true, ..who() })), None);
}

#[tokio::test(start_paused = true)]
async fn a_server_with_keys_shows_strangers_nothing() {
    let house = house().await;
    let room = room(&house, "abc");
    let state = room.lock();
    for &action in Action::ALL {
        let refusal = Caller::Nobody.require(house.board(), &room, &state, action).unwrap_err();
        assert_eq!(refusal.code.as_str(), "unauthorized");
    }
}

#[tokio::test(start_paused = true)]
async fn hosts_make_tokens_for_their_room_and_no_more() {
    let house = house().await;
    let host = token(&house, for_room("abc", Role::Host));
    let path = "/api/rooms/abc/tokens";
    let body = json!({"identity": "bo", "displayName": "Bo", "role": "listener", "publish": [], "chat": false,
        "hidden": true, "expiresInSeconds": 60});
    let (status, _, made) = ask(&house, "POST", path, &host, Some(body)).await;
    assert_eq!((status, &made["success"]), (StatusCode::CREATED, &json!(true)), "{made}");
    let grant = house.board().verify(made["token"].as_str().unwrap()).unwrap();
    assert_eq!((grant.identity.as_str(), grant.name.as_deref()), ("bo", Some("Bo")));
    assert_eq!((grant.room.as_ref().map(ToString::to_string), grant.role), (Some("abc".to_owned()), Role::Listener));
    assert_eq!((grant.publish.names().len(), grant.chat, grant.hidden), (0, false, true));
    assert_eq!((grant.admin, grant.create_rooms), (false, false));
    assert_eq!(made["expiresAt"], json!(grant.expires_at));

    let speaker = token(&house, for_room("abc", Role::Speaker));
    let other_host = token(&house, for_room("def", Role::Host));
    let admin = token(&house, TokenRequest { identity: "root".into(), admin: true, ..TokenRequest::default() });
    for (credential, status, code) in [
        ("", 401, json!("unauthorized")),
        ("nonsense", 401, json!("token-invalid")),
        (&other_host, 401, json!("unauthorized")),
        (&speaker, 403, json!("forbidden")),
        (&admin, 201, Value::Null),
    ] {
        let (got, headers, answer) = ask(&house, "POST", path, credential, Some(json!({"identity": "bo"}))).await;
        assert_eq!((got.as_u16(), &answer["code"]), (status, &code), "{answer}");
        assert_eq!(headers.contains_key(WWW_AUTHENTICATE), status == 401);
    }
    for (body, field) in [
        (json!({}), Value::Null),
        (json!({"identity": "a b"}), json!("identity")),
        (json!({"identity": {"$gt": ""}}), json!("identity")),
        (json!({"identity": "bo", "role": "admin"}), json!("role")),
        (json!({"identity": "bo", "publish": ["smell"]}), json!("publish")),
        (json!({"identity": "bo", "expiresInSeconds": 86_401}), json!("expiresInSeconds")),
        (json!({"identity": "bo", "expiresInSeconds": 0}), json!("expiresInSeconds")),
        // What reaches beyond the room is not to be had of a host, nor here at all.
        (json!({"identity": "bo", "admin": true}), Value::Null),
        (json!({"identity": "bo", "createRooms": true}), Value::Null),
        (json!({"identity": "bo", "room": "def"}), Value::Null),
    ] {
        let (status, _, problem) = ask(&house, "POST", path, &host, Some(body.clone())).await;
        assert_eq!((status, &problem["field"]), (StatusCode::BAD_REQUEST, &field), "{body}: {problem}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_server_makes_no_tokens() {
    let house = House::new();
    house.create(json!({"roomId": "abc"})).await;
    let (status, _, problem) = ask(&house, "POST", "/api/rooms/abc/tokens", "", Some(json!({"identity": "bo"}))).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("no-keys")));
}

/// Creates a room from an address, perhaps through what is said to be a proxy.
async fn create_from(house: &House, peer: &str, forwarded_for: Option<&str>) -> (StatusCode, HeaderMap, Value) {
    let mut request = Request::post("/api/rooms").header("host", "a.example");
    if let Some(forwarded_for) = forwarded_for {
        request = request.header("x-forwarded-for", forwarded_for);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 4711)));
    answer(house.signaling.router(), request).await
}

fn limited_to_two() -> Settings {
    let rates = Rates { room_creations: Rate::per_minute(2), ..Rates::default() };
    let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    with_policy(Policy { rates, trusted_proxies, ..Policy::default() })
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_told_with_the_time_when_it_is_over() {
    let house = House::with(limited_to_two(), 64);
    for _ in 0..2 {
        assert_eq!(create_from(&house, "192.0.2.1", None).await.0, StatusCode::CREATED);
    }
    let (status, headers, problem) = create_from(&house, "192.0.2.1", None).await;
    assert_eq!((status, &problem["code"]), (StatusCode::TOO_MANY_REQUESTS, &json!("rate-limited")));
    assert_eq!(headers[RETRY_AFTER], "30");
    let told = problem["detail"].as_str().unwrap();
    assert!(told.contains("limits.room_creations_per_minute") && told.contains("30 s"), "{told}");
    assert_eq!(create_from(&house, "192.0.2.2", None).await.0, StatusCode::CREATED);
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(create_from(&house, "192.0.2.1", None).await.0, StatusCode::CREATED);
}

#[tokio::test(start_paused = true)]
async fn rooms_count_for_the_tokens_identity_wherever_it_comes_from() {
    let rates = Rates { room_creations: Rate::per_minute(2), ..Rates::default() };
    let house = House::with(with_policy(Policy { rates, ..keyed().first_policy }), 64);
    let of = |identity: &str| {
        token(&house, TokenRequest { identity: identity.into(), create_rooms: true, ..TokenRequest::default() })
    };
    let (app, other) = (of("app"), of("other"));
    // Loopback and no address at all have no limit of their own.
    for expected in [StatusCode::CREATED, StatusCode::CREATED, StatusCode::TOO_MANY_REQUESTS] {
        let (status, _, body) = ask(&house, "POST", "/api/rooms", &app, None).await;
        assert_eq!(status, expected, "{body}");
    }
    assert_eq!(ask(&house, "POST", "/api/rooms", &other, None).await.0, StatusCode::CREATED);
}

#[tokio::test(start_paused = true)]
async fn headers_do_not_get_around_a_limit() {
    // A stranger who claims to be a proxy; one who writes in front of what the proxy appends; one whose header the proxy
    // passes on as it is, beyond all bounds.
    let junk = "x,".repeat(10_000);
    for (peer, around) in
        [("192.0.2.1", ""), ("10.0.0.1", ", 203.0.113.9"), ("10.0.0.1", ",127.0.0.1,203.0.113.9, 10.0.0.2")]
    {
        let house = House::with(limited_to_two(), 64);
        let mut created = 0;
        for number in 0..20 {
            let spoofed = if number % 5 == 4 { junk.clone() } else { format!("198.51.100.{number}") };
            created += usize::from(create_from(&house, peer, Some(&format!("{spoofed}{around}"))).await.0 == 201);
        }
        assert_eq!(created, 2, "{peer} {around}");
    }
    let house = House::with(limited_to_two(), 64);
    for client in ["198.51.100.1", "198.51.100.2", "198.51.100.3"] {
        // Behind the proxy each has a limit of its own.
        assert_eq!(create_from(&house, "10.0.0.1", Some(client)).await.0, StatusCode::CREATED);
    }
}
