//! Shared files over REST, on memory and on a directory.

use super::house::{House, Member, answer, pass, with_policy};
use crate::access::Role;
use crate::files::FileSettings;
use crate::limits::Rates;
use crate::rate::Rate;
use crate::session::Token;
use crate::{FileStorage, Policy, Settings};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::io;
use std::path::Path;
use tempfile::TempDir;
use tower::ServiceExt;

fn house(files: FileSettings) -> House {
    House::with(Settings { files, ..Settings::default() }, 256)
}

/// On a directory of its own, with a room `abc`.
pub(super) async fn on_disk(settings: FileSettings) -> (House, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let storage = FileStorage::local(directory.path()).unwrap();
    let house = house(FileSettings { storage, ..settings });
    house.create(json!({"roomId": "abc"})).await;
    (house, directory)
}

/// Everything below a directory that is not a directory.
fn left(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(left(&entry.path()));
        } else {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

fn set_role(house: &House, member: &Member, role: Role) {
    let room = house.board().directory.room_of(member.participant()).unwrap();
    room.lock().member(member.participant()).unwrap().role = role;
}

pub(super) fn token(house: &House, member: &Member) -> String {
    let room = house.board().directory.room_of(member.participant()).unwrap();
    let token: Token = room.lock().member(member.participant()).unwrap().access;
    format!("Bearer {}", token.written("access_").expose())
}

async fn send(house: &House, request: Request<Body>) -> (StatusCode, HeaderMap, Bytes) {
    let response = house.signaling.router().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
}

fn post(token: &str, query: &str, body: impl Into<Body>) -> Request<Body> {
    let uri = format!("/api/rooms/abc/files{query}");
    Request::post(uri).header("authorization", token).body(body.into()).unwrap()
}

pub(super) async fn upload(house: &House, token: &str, query: &str, body: impl Into<Body>) -> (StatusCode, Value) {
    let (status, _, body) = answer(house.signaling.router(), post(token, query, body)).await;
    (status, body)
}

/// Uploads, and returns the file's path.
async fn shared(house: &House, token: &str, name: &str, body: impl Into<Body>) -> String {
    let (status, body) = upload(house, token, &format!("?name={name}"), body).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    format!("/api/rooms/abc/files/{}", body["file"]["fileId"].as_str().unwrap())
}

fn get(token: &str, path: &str) -> axum::http::request::Builder {
    Request::get(path).header("authorization", token)
}

async fn fetch(house: &House, token: &str, path: &str) -> (StatusCode, HeaderMap, Bytes) {
    send(house, get(token, path).body(Body::empty()).unwrap()).await
}

async fn delete(house: &House, token: &str, path: &str) -> (StatusCode, Value) {
    let request = Request::delete(path).header("authorization", token).body(Body::empty()).unwrap();
    let (status, _, body) = answer(house.signaling.router(), request).await;
    (status, body)
}

#[tokio::test]
async fn a_file_is_shared_listed_fetched_and_removed() {
    let (house, directory) = on_disk(FileSettings::default()).await;
    let (mut ana, mut bo) = (house.joined("abc", "Ana").await, house.joined("abc", "Bo").await);
    let (ana_token, bo_token) = (token(&house, &ana), token(&house, &bo));
    let (status, body) = upload(&house, &ana_token, "?name=Gr%C3%BC%C3%9Fe+1.txt", "hello").await;
    assert_eq!((status, &body["success"]), (StatusCode::CREATED, &json!(true)));
    let file = &body["file"];
    assert_eq!((&file["name"], &file["size"]), (&json!("Grüße 1.txt"), &json!(5)));
    assert_eq!(file["contentType"], "text/plain");
    assert_eq!(file["uploader"], format!("guest-{}", &ana.id[1..]));
    let path = format!("/api/rooms/abc/files/{}", file["fileId"].as_str().unwrap());

    let (status, _, list) = fetch(&house, &bo_token, "/api/rooms/abc/files").await;
    let list: Value = serde_json::from_slice(&list).unwrap();
    assert_eq!((status, &list["files"]), (StatusCode::OK, &json!([file])));
    let (status, headers, content) = fetch(&house, &bo_token, &path).await;
    assert_eq!((status, &content[..]), (StatusCode::OK, &b"hello"[..]));
    assert_eq!(headers["content-length"], "5");
    assert_eq!(headers["content-type"], "text/plain");
    assert_eq!(
        headers["content-disposition"],
        "attachment; filename=\"Gr__e 1.txt\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%201.txt"
    );
    assert_eq!(headers["content-security-policy"], "sandbox; default-src 'none'");
    assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["cache-control"], "no-store");

    assert_eq!(delete(&house, &bo_token, &path).await.1["code"], "forbidden");
    ana.all();
    bo.all();
    assert_eq!(delete(&house, &ana_token, &path).await, (StatusCode::OK, json!({"success": true})));
    for member in [&mut ana, &mut bo] {
        assert_eq!(member.all(), [json!({"type": "file-removed", "fileId": file["fileId"]})]);
    }
    assert_eq!(fetch(&house, &ana_token, &path).await.0, StatusCode::NOT_FOUND);
    assert!(left(directory.path()).is_empty());
    assert_eq!(house.signaling.stats().files.shared, 1);
}

#[tokio::test]
async fn a_role_has_its_rights() {
    let house = house(FileSettings::default());
    house.create(json!({"roomId": "abc"})).await;
    let (ana, bo) = (house.joined("abc", "Ana").await, house.joined("abc", "Bo").await);
    let (ana_token, bo_token) = (token(&house, &ana), token(&house, &bo));
    let path = shared(&house, &ana_token, "a", "hello").await;
    set_role(&house, &bo, Role::Listener);
    assert_eq!(upload(&house, &bo_token, "?name=b", "x").await.1["code"], "forbidden");
    assert_eq!(fetch(&house, &bo_token, &path).await.0, StatusCode::OK);
    assert_eq!(delete(&house, &bo_token, &path).await.0, StatusCode::FORBIDDEN);
    set_role(&house, &bo, Role::Host);
    assert_eq!(delete(&house, &bo_token, &path).await.0, StatusCode::OK);
}

#[tokio::test]
async fn strangers_and_those_who_left_get_nothing() {
    let (house, directory) = on_disk(FileSettings::default()).await;
    let mut ana = house.joined("abc", "Ana").await;
    let ana_token = token(&house, &ana);
    let path = shared(&house, &ana_token, "a", "hello").await;
    for path in ["/api/rooms/abc/files", &path] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(send(&house, request).await.0, StatusCode::UNAUTHORIZED, "{path}");
    }
    let request = Request::post("/api/rooms/abc/files?name=x").body(Body::from("x")).unwrap();
    assert_eq!(send(&house, request).await.0, StatusCode::UNAUTHORIZED);
    let request = Request::delete(&path).body(Body::empty()).unwrap();
    assert_eq!(send(&house, request).await.0, StatusCode::UNAUTHORIZED);

    // Somebody of another room, with this room's file id.
    house.create(json!({"roomId": "other"})).await;
    let eve = house.joined("other", "Eve").await;
    let eve_token = token(&house, &eve);
    assert_eq!(fetch(&house, &eve_token, &path).await.0, StatusCode::UNAUTHORIZED);
    let elsewhere = path.replace("/abc/", "/other/");
    assert_eq!(fetch(&house, &eve_token, &elsewhere).await.0, StatusCode::NOT_FOUND);
    assert_eq!(delete(&house, &eve_token, &elsewhere).await.0, StatusCode::NOT_FOUND);

    ana.send(json!({"type": "leave-room", "roomId": "abc"})).await;
    assert_eq!(fetch(&house, &ana_token, &path).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(upload(&house, &ana_token, "?name=x", "x").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(left(directory.path()).len(), 1);
}

#[tokio::test]
async fn names_lead_nowhere() {
    let (house, directory) = on_disk(FileSettings::default()).await;
    let ana = house.joined("abc", "Ana").await;
    let ana_token = token(&house, &ana);
    for name in ["..%2f..%2fetc%2fpasswd", "C%3A%5Cwin.ini", "..", "%00", "a%E2%80%AEb", "", "%20", &"x".repeat(256)] {
        let (status, body) = upload(&house, &ana_token, &format!("?name={name}"), "x").await;
        assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!("name-invalid")), "{name}");
        assert_eq!(body["field"], "name");
    }
    for query in ["", "?nom=a", "?name=a&name=b", "?name=a&path=/etc"] {
        let (status, body) = upload(&house, &ana_token, query, "x").await;
        assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!("bad-message")), "{query}");
    }
    assert!(left(directory.path()).is_empty());
    for id in ["..%2f..%2fetc", "%2e%2e", "f000000000000", "F0000000000000", "f0000000000000%2f..", "r0000000000001"] {
        let (status, _, _) = fetch(&house, &ana_token, &format!("/api/rooms/abc/files/{id}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{id}");
    }
    // Names are for people: a name that a file system would mind is only shown.
    shared(&house, &ana_token, "CON", "x").await;
    assert!(left(directory.path())[0].ends_with(char::is_alphanumeric) && !left(directory.path())[0].contains("CON"));
}

#[tokio::test]
async fn content_is_what_it_is_and_nothing_runs() {
    let house = house(FileSettings::default());
    house.create(json!({"roomId": "abc"})).await;
    let ana = house.joined("abc", "Ana").await;
    let ana_token = token(&house, &ana);
    for (name, content, expected, inline) in [
        ("photo.png", &b"\x89PNG\r\n\x1a\n\0"[..], "image/png", true),
        ("photo.png", b"<!doctype html><script>alert(1)</script>", "text/plain", false),
        ("logo.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "text/plain", false),
        ("a.gif", b"GIF89a/*\0*/=1;alert(1)//", "image/gif", true),
        ("page.html", b"%PDF-1.7", "application/pdf", false),
        ("x.exe", b"MZ\x90\0", "application/octet-stream", false),
    ] {
        let request = Request::post(format!("/api/rooms/abc/files?name={name}"))
            .header("authorization", &ana_token)
            .header("content-type", "image/png")
            .body(Body::from(content))
            .unwrap();
        let (status, _, body) = answer(house.signaling.router(), request).await;
        assert_eq!(status, StatusCode::CREATED);
        let path = format!("/api/rooms/abc/files/{}", body["file"]["fileId"].as_str().unwrap());
        for query in ["", "?inline=1"] {
            let (_, headers, _) = fetch(&house, &ana_token, &format!("{path}{query}")).await;
            assert_eq!(headers["content-type"], expected, "{name}");
            let kind = if inline && query == "?inline=1" { "inline;" } else { "attachment;" };
            assert!(headers["content-disposition"].to_str().unwrap().starts_with(kind), "{name}{query}");
            assert_eq!(headers["content-security-policy"], "sandbox; default-src 'none'");
            assert_eq!(headers["x-content-type-options"], "nosniff");
        }
    }
}

#[tokio::test]
async fn sizes_are_bounded() {
    let limits = FileSettings { max_bytes: 1000, max_room_bytes: 2500, max_per_room: 4, ..FileSettings::default() };
    let (house, directory) = on_disk(limits).await;
    let ana = house.joined("abc", "Ana").await;
    let ana_token = token(&house, &ana);
    shared(&house, &ana_token, "empty", "").await;
    let first = shared(&house, &ana_token, "a", vec![1; 1000]).await;
    let (status, body) = upload(&house, &ana_token, "?name=b", vec![1; 1001]).await;
    assert_eq!((status, &body["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("file-too-large")));
    // What is declared too large is refused without a byte of it.
    let silent = Body::from_stream(stream::pending::<io::Result<Bytes>>());
    let mut request = post(&ana_token, "?name=b", silent);
    request.headers_mut().insert("content-length", "1001".parse().unwrap());
    assert_eq!(send(&house, request).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    shared(&house, &ana_token, "c", vec![1; 1000]).await;
    let chunks = || Body::from_stream(stream::iter([&[1_u8; 100][..]; 6].map(io::Result::Ok)));
    let (status, body) = upload(&house, &ana_token, "?name=d", chunks()).await;
    assert_eq!((status, &body["code"]), (StatusCode::INSUFFICIENT_STORAGE, &json!("files-full")));
    assert_eq!(left(directory.path()).len(), 3);
    shared(&house, &ana_token, "e", vec![1; 500]).await;
    assert_eq!(upload(&house, &ana_token, "?name=f", "").await.1["code"], "files-full");
    assert_eq!(delete(&house, &ana_token, &first).await.0, StatusCode::OK);
    shared(&house, &ana_token, "g", chunks()).await;
}

#[tokio::test]
async fn what_a_room_holds_is_learnt_from_the_store() {
    let limits = FileSettings { max_room_bytes: 10, ..FileSettings::default() };
    let house = house(limits);
    house.create(json!({"roomId": "abc"})).await;
    let ana = house.joined("abc", "Ana").await;
    let room = house.board().directory.room_of(ana.participant()).unwrap();
    let record = crate::store::FileRecord {
        room: room.uid,
        id: crate::protocol::FileId(1),
        name: "earlier".to_owned(),
        size: 8,
        content_type: "text/plain".to_owned(),
        uploader: crate::access::Identity::parse("ana").unwrap(),
        uploaded_at: crate::tests::wall_clock(),
    };
    house.board().store.add_file(&record).await.unwrap();
    assert_eq!(upload(&house, &token(&house, &ana), "?name=a", "abc").await.1["code"], "files-full");
    shared(&house, &token(&house, &ana), "a", "ab").await;
}

#[tokio::test]
async fn only_listed_types_are_taken() {
    let types = vec!["image/*".to_owned(), "text/plain".to_owned()];
    let (house, directory) = on_disk(FileSettings { types, ..FileSettings::default() }).await;
    let ana = house.joined("abc", "Ana").await;
    let ana_token = token(&house, &ana);
    shared(&house, &ana_token, "a", "text").await;
    for content in [&b"%PDF-1.7"[..], &[0; 2000]] {
        let (status, body) = upload(&house, &ana_token, "?name=b", content).await;
        assert_eq!((status, &body["code"]), (StatusCode::UNSUPPORTED_MEDIA_TYPE, &json!("file-type-refused")));
    }
    assert_eq!(left(directory.path()).len(), 1);
}

#[tokio::test]
async fn uploads_that_break_off_leave_nothing() {
    let (house, directory) = on_disk(FileSettings::default()).await;
    let ana = house.joined("abc", "Ana").await;
    let ana_token = token(&house, &ana);
    for bytes in [10, 6 << 20] {
        let broken = stream::iter([Ok(Bytes::from(vec![1; bytes])), Err(io::Error::other("reset"))]);
        assert_eq!(upload(&house, &ana_token, "?name=a", Body::from_stream(broken)).await.0, StatusCode::BAD_REQUEST);
    }
    let mut request = post(&ana_token, "?name=a", "short");
    request.headers_mut().insert("content-length", "6".parse().unwrap());
    assert_eq!(send(&house, request).await.0, StatusCode::BAD_REQUEST);
    assert!(left(directory.path()).is_empty());
    let (_, _, list) = fetch(&house, &ana_token, "/api/rooms/abc/files").await;
    assert_eq!(serde_json::from_slice::<Value>(&list).unwrap()["files"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn silent_clients_and_those_who_go_away_leave_nothing() {
    let (house, directory) = on_disk(FileSettings::default()).await;
    let ana = house.joined("abc", "Ana").await;
    let ana_token = token(&house, &ana);
    let silent = || {
        let begun = stream::iter([io::Result::Ok(Bytes::from(vec![1; 6 << 20]))]);
        Body::from_stream(begun.chain(stream::pending()))
    };
    let (status, body) = upload(&house, &ana_token, "?name=a", silent()).await;
    assert_eq!((status, &body["detail"]), (StatusCode::BAD_REQUEST, &json!("no bytes came for 30 seconds")));

    let router = house.signaling.router();
    let request = tokio::spawn(router.oneshot(post(&ana_token, "?name=a", silent())));
    pass(1.0).await;
    assert_eq!(left(directory.path()).len(), 1, "it is under way");
    request.abort();
    pass(1.0).await;
    assert!(left(directory.path()).is_empty());
    // Its place is free again, and its bytes.
    for _ in 0..5 {
        shared(&house, &ana_token, "a", vec![0; 10]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn uploads_at_a_time_are_bounded() {
    let house = house(FileSettings::default());
    house.create(json!({"roomId": "abc"})).await;
    let mut tokens = Vec::new();
    let mut members = Vec::new();
    for _ in 0..6 {
        let member = house.joined("abc", "Ana").await;
        tokens.push(token(&house, &member));
        members.push(member);
    }
    let silent = || Body::from_stream(stream::pending::<io::Result<Bytes>>());
    let begin = |token: &String| tokio::spawn(house.signaling.router().oneshot(post(token, "?name=a", silent())));
    let mut requests: Vec<_> = (0..3).map(|_| begin(&tokens[0])).collect();
    pass(1.0).await;
    assert_eq!(upload(&house, &tokens[0], "?name=a", "x").await.1["code"], "rate-limited");
    requests.extend((0..13).map(|number| begin(&tokens[1 + number % 5])));
    pass(1.0).await;
    assert_eq!(upload(&house, &tokens[5], "?name=a", "x").await.1["code"], "server-busy");
    requests.iter().for_each(|request| request.abort());
    pass(1.0).await;
    assert_eq!(upload(&house, &tokens[0], "?name=a", "x").await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn ranges_are_served() {
    let (house, _directory) = on_disk(FileSettings::default()).await;
    let ana = house.joined("abc", "Ana").await;
    let ana_token = token(&house, &ana);
    let content: Vec<u8> = (0..100_000_u32).map(|index| (index % 251) as u8).collect();
    let path = shared(&house, &ana_token, "a.bin", content.clone()).await;
    let etag = fetch(&house, &ana_token, &path).await.1["etag"].to_str().unwrap().to_owned();
    for (range, if_range, status, expected) in [
        ("bytes=0-0", None, 206, Some(0..1)),
        ("bytes=10-19", None, 206, Some(10..20)),
        ("bytes=99990-", None, 206, Some(99_990..100_000)),
        ("bytes=-5", None, 206, Some(99_995..100_000)),
        ("bytes=99999-200000", None, 206, Some(99_999..100_000)),
        ("bytes=0-9", Some(etag.as_str()), 206, Some(0..10)),
        ("bytes=0-9", Some("\"other\""), 200, Some(0..100_000)),
        ("bytes=0-1,5-6", None, 200, Some(0..100_000)),
        ("bytes=100000-", None, 416, None),
        ("bytes=-0", None, 416, None),
    ] {
        let mut request = get(&ana_token, &path).header("range", range);
        if let Some(if_range) = if_range {
            request = request.header("if-range", if_range);
        }
        let (got, headers, body) = send(&house, request.body(Body::empty()).unwrap()).await;
        assert_eq!(got.as_u16(), status, "{range}");
        match expected {
            None => assert_eq!(headers["content-range"], "bytes */100000"),
            Some(expected) => {
                assert!(body == content[expected.clone()], "{range}");
                assert_eq!(headers["content-length"], expected.len().to_string());
                assert_eq!(headers["accept-ranges"], "bytes");
                let told = headers.get("content-range").map(|value| value.to_str().unwrap().to_owned());
                let whole = format!("bytes {}-{}/100000", expected.start, expected.end - 1);
                assert_eq!(told, (status == 206).then_some(whole));
            }
        }
    }
    let unchanged = get(&ana_token, &path).header("if-none-match", format!("\"x\", W/{etag}"));
    let (status, _, body) = send(&house, unchanged.body(Body::empty()).unwrap()).await;
    assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
    let head = Request::head(&path).header("authorization", &ana_token).body(Body::empty()).unwrap();
    let (status, headers, body) = send(&house, head).await;
    assert_eq!((status, &headers["content-length"], body.len()), (StatusCode::OK, &"100000".parse().unwrap(), 0));
}

#[tokio::test]
async fn the_list_is_paged() {
    let house = house(FileSettings::default());
    house.create(json!({"roomId": "abc"})).await;
    let ana = house.joined("abc", "Ana").await;
    let ana_token = token(&house, &ana);
    for number in 0..5 {
        shared(&house, &ana_token, &number.to_string(), "x").await;
    }
    let names = |body: Bytes| -> Vec<String> {
        let body: Value = serde_json::from_slice(&body).unwrap();
        body["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect()
    };
    let (_, _, page) = fetch(&house, &ana_token, "/api/rooms/abc/files?skip=1&limit=2").await;
    assert_eq!(names(page), ["1", "2"]);
    for query in ["limit=0", "limit=201", "limit=x", "skip=-1", "page=1", "limit[$gt]=1"] {
        let (status, _, _) = fetch(&house, &ana_token, &format!("/api/rooms/abc/files?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn a_server_without_files_says_so() {
    let house = house(FileSettings { storage: FileStorage::off(), ..FileSettings::default() });
    house.create(json!({"roomId": "abc"})).await;
    let ana = house.joined("abc", "Ana").await;
    let (status, body) = upload(&house, &token(&house, &ana), "?name=a", "x").await;
    assert_eq!((status, &body["detail"]), (StatusCode::NOT_FOUND, &json!("files cannot be shared on this server")));
    house.signaling.remove_orphaned_files().await;
}

#[tokio::test]
async fn files_of_rooms_that_are_gone_are_removed_at_the_start() {
    let (house, directory) = on_disk(FileSettings::default()).await;
    let ana = house.joined("abc", "Ana").await;
    let path = shared(&house, &token(&house, &ana), "a", "hello").await;
    let orphan = directory.path().join("rooms/r0000000000001");
    std::fs::create_dir_all(&orphan).unwrap();
    std::fs::write(orphan.join("f0000000000001"), "old").unwrap();
    // What is no room's is not ours to remove.
    std::fs::create_dir_all(directory.path().join("rooms/photos")).unwrap();
    std::fs::write(directory.path().join("rooms/photos/a.jpg"), "mine").unwrap();
    house.signaling.remove_orphaned_files().await;
    assert!(!orphan.exists());
    assert_eq!(left(directory.path()).len(), 2);
    assert_eq!(fetch(&house, &token(&house, &ana), &path).await.0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_a_room_that_ended() {
    let (house, directory) = on_disk(FileSettings::default()).await;
    let signaling = house.signaling.clone();
    tokio::spawn(async move { signaling.run_purges().await });
    let ana = house.joined("abc", "Ana").await;
    let ana_token = token(&house, &ana);
    let path = shared(&house, &ana_token, "a", "hello").await;
    shared(&house, &ana_token, "b", vec![1; 6 << 20]).await;
    let room = house.board().directory.room_of(ana.participant()).unwrap();
    house.board().delete_room(&room, crate::protocol::server::Departure::RoomClosed).await.unwrap();
    pass(60.0).await;
    assert!(left(directory.path()).is_empty());
    assert_eq!(std::fs::read_dir(directory.path().join("rooms")).map_or(0, Iterator::count), 0);
    assert_eq!(fetch(&house, &ana_token, &path).await.0, StatusCode::NOT_FOUND);
}

#[test]
fn only_uploads_set_their_own_pace() {
    use crate::sets_its_own_pace;
    use axum::http::Method;
    assert!(sets_its_own_pace(&Method::POST, "/api/rooms/abc/files"));
    for (method, path) in [
        (Method::GET, "/api/rooms/abc/files"),
        (Method::POST, "/api/rooms/abc/files/f1"),
        (Method::POST, "/api/rooms/abc"),
        (Method::POST, "/api/rooms//files"),
        (Method::POST, "/api/rooms"),
        (Method::POST, "/x/api/rooms/abc/files"),
    ] {
        assert!(!sets_its_own_pace(&method, path), "{method} {path}");
    }
}

#[tokio::test(start_paused = true)]
async fn uploads_count_for_people_and_never_for_the_hosts_of_other_rooms() {
    let rates = Rates { uploads: Rate::per_minute(1), ..Rates::default() };
    let house = House::with(with_policy(Policy { rates, ..Policy::default() }), 256);
    let host = house.create(json!({"roomId": "abc"})).await;
    let ana = token(&house, &house.joined("abc", "Ana").await);
    assert_eq!(upload(&house, &ana, "?name=a", "a").await.0, StatusCode::CREATED);
    let (status, problem) = upload(&house, &ana, "?name=b", "b").await;
    assert_eq!((status, &problem["code"]), (StatusCode::TOO_MANY_REQUESTS, &json!("rate-limited")));
    // A host secret is of a room, so it is not one person over rooms: those requests count for their addresses alone.
    for name in ["?name=c", "?name=d"] {
        assert_eq!(upload(&house, &host, name, "c").await.0, StatusCode::CREATED);
    }
}
