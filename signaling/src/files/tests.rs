//! Storages: what is not the same in all of them, and the clouds' protocols against a server of this process.

use super::*;
use crate::access::Identity;
use crate::session::lock;
use crate::tests::wall_clock;
use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use object_store::aws::AmazonS3Builder;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{ClientConfigKey, PutPayload};
use std::collections::BTreeMap;
use std::sync::Mutex;

fn files(storage: FileStorage) -> Files {
    Files::new(FileSettings { storage, ..FileSettings::default() }, &Arc::default())
}

async fn put(files: &Files, room: RoomUid, file: u64, content: &'static [u8]) {
    let path = files.path(room, FileId(file));
    files.store().unwrap().put(&path, PutPayload::from_static(content)).await.unwrap();
}

async fn keys(files: &Files) -> Vec<String> {
    use futures_util::TryStreamExt;
    let listing = files.store().unwrap().list(None).map_ok(|object| object.location.to_string());
    let mut keys: Vec<_> = listing.try_collect().await.unwrap();
    keys.sort();
    keys
}

fn record(room: RoomUid, id: u64, size: u64) -> FileRecord {
    FileRecord {
        room,
        id: FileId(id),
        name: "a".to_owned(),
        size,
        content_type: "text/plain".to_owned(),
        uploader: Identity::parse("ana").unwrap(),
        uploaded_at: wall_clock(),
    }
}

#[tokio::test]
async fn keys_are_made_of_numbers_alone() {
    let files = files(FileStorage::memory());
    put(&files, RoomUid(5), 9, b"x").await;
    assert_eq!(keys(&files).await, ["rooms/r0000000000005/f0000000000009"]);
    assert_eq!(storage::parse_room_name("r0000000000005"), Some(RoomUid(5)));
    for other in ["r5", "rooms", "..", "f0000000000005", ""] {
        assert_eq!(storage::parse_room_name(other), None, "{other}");
    }
}

#[tokio::test]
async fn a_room_is_emptied_and_its_neighbours_are_not() {
    let directory = tempfile::tempdir().unwrap();
    for storage in [FileStorage::memory(), FileStorage::local(directory.path()).unwrap()] {
        let files = files(storage);
        for file in 0..5 {
            put(&files, RoomUid(1), file, b"x").await;
        }
        put(&files, RoomUid(2), 7, b"y").await;
        files.remove_room(RoomUid(1)).await.unwrap();
        assert_eq!(keys(&files).await, ["rooms/r0000000000002/f0000000000007"]);
        files.remove_room(RoomUid(1)).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_crash_left_of_an_upload_goes_with_its_room() {
    let directory = tempfile::tempdir().unwrap();
    let files = files(FileStorage::local(directory.path()).unwrap());
    put(&files, RoomUid(1), 1, b"x").await;
    let room = directory.path().join("rooms/r0000000000001");
    std::fs::write(room.join("f0000000000002#1"), b"half").unwrap();
    assert_eq!(keys(&files).await.len(), 1, "no listing shows it");
    files.remove_room(RoomUid(1)).await.unwrap();
    assert!(!room.exists());
}

#[test]
fn storages_name_themselves_without_secrets() {
    let key = "AKIDSECRET";
    let builder = AmazonS3Builder::new().with_access_key_id("id").with_secret_access_key(key);
    let storage = FileStorage::s3_from(builder, "bucket", "a/b").unwrap();
    assert_eq!(storage.name(), "s3://bucket/a/b");
    assert!(!format!("{storage:?}").contains(key));
    let azure = object_store::azure::MicrosoftAzureBuilder::new().with_account("account").with_access_key("c2VjcmV0");
    assert_eq!(FileStorage::azure_from(azure, "box", "").unwrap().name(), "az://box/");
}

/// As much of the XML interface that S3 and Google Cloud Storage share as is used.
#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, Bytes>,
    parts: BTreeMap<u32, Bytes>,
    requests: Vec<String>,
}

impl Bucket {
    fn answer(&mut self, method: &Method, key: &str, query: &str, range: Option<&str>, body: Bytes) -> Response {
        self.requests.push(format!("{method} {}", query.split('=').next().unwrap_or_default()));
        let value = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.replace("%2F", "/"))
        };
        let etag = [("etag", "\"1\"")];
        let xml = |text: String| (etag, text).into_response();
        match (method.as_str(), key) {
            ("GET", "") => {
                let prefix = value("prefix").unwrap_or_default();
                let keys = self.objects.iter().filter(|(key, _)| key.starts_with(&prefix));
                let entry = |(key, object): (&String, &Bytes)| {
                    let size = object.len();
                    format!(
                        "<Contents><Key>{key}</Key><Size>{size}</Size><LastModified>2026-11-22T18:44:22.000Z</LastModified></Contents>"
                    )
                };
                xml(format!("<ListBucketResult>{}</ListBucketResult>", keys.map(entry).collect::<String>()))
            }
            ("POST", _) if query.starts_with("delete") => {
                let text = String::from_utf8(body.to_vec()).unwrap();
                let named = text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
                let gone: Vec<_> = named.filter(|key| self.objects.remove(*key).is_some()).collect();
                let entry = |key: &&str| format!("<Deleted><Key>{key}</Key></Deleted>");
                xml(format!("<DeleteResult>{}</DeleteResult>", gone.iter().map(entry).collect::<String>()))
            }
            ("POST", _) if query.starts_with("uploads") => {
                xml("<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>".to_owned())
            }
            ("POST", _) => {
                let whole: Vec<u8> = std::mem::take(&mut self.parts).into_values().flatten().collect();
                self.objects.insert(key.to_owned(), whole.into());
                xml("<CompleteMultipartUploadResult><ETag>\"1\"</ETag></CompleteMultipartUploadResult>".to_owned())
            }
            ("PUT", _) => {
                match value("partNumber") {
                    Some(number) => self.parts.insert(number.parse().unwrap(), body),
                    None => self.objects.insert(key.to_owned(), body),
                };
                etag.into_response()
            }
            ("DELETE", _) if value("uploadId").is_some() => {
                self.parts.clear();
                StatusCode::NO_CONTENT.into_response()
            }
            ("DELETE", _) => match self.objects.remove(key) {
                Some(_) => StatusCode::NO_CONTENT.into_response(),
                None => StatusCode::NOT_FOUND.into_response(),
            },
            _ => {
                let Some(object) = self.objects.get(key) else { return StatusCode::NOT_FOUND.into_response() };
                let last_modified = ("last-modified", "Sun, 22 Nov 2026 18:44:22 GMT".to_owned());
                let Some((first, last)) = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) else {
                    return (etag, [last_modified], object.clone()).into_response();
                };
                let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
                let content_range = ("content-range", format!("bytes {first}-{last}/{}", object.len()));
                let part = object.slice(first..=last);
                (StatusCode::PARTIAL_CONTENT, etag, [last_modified, content_range], part).into_response()
            }
        }
    }
}

/// Serves a bucket named `bucket` on loopback. Returns its address.
async fn serve(bucket: Arc<Mutex<Bucket>>) -> String {
    let app = Router::new().fallback(move |request: Request| async move {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
        let key = parts.uri.path().strip_prefix("/bucket").unwrap().trim_start_matches('/').replace("%2F", "/");
        let range = parts.headers.get("range").map(|range| range.to_str().unwrap().to_owned());
        let query = parts.uri.query().unwrap_or_default();
        lock(&bucket).answer(&parts.method, &key, query, range.as_deref(), body)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

/// Small and large files come and go; what the bucket saw is returned.
async fn come_and_go(files: Files, bucket: &Mutex<Bucket>) -> Vec<String> {
    let board = crate::tests::board_with(files.settings.clone());
    let code = crate::protocol::RoomCode::parse("monday").unwrap();
    let room = board.create_room(crate::tests::record(code.as_str())).await.unwrap();
    let upload = |name: &str| Upload {
        room: Arc::clone(&room),
        uploader: Identity::parse("ana").unwrap(),
        name: name.to_owned(),
        declared: None,
    };
    let small = board.take_file(upload("a.txt"), "hello".into()).await.unwrap();
    let large: Vec<u8> = (0..upload::PART_BYTES * 2 + 1).map(|index| (index % 251) as u8).collect();
    let big = board.take_file(upload("b.bin"), large.clone().into()).await.unwrap();
    {
        let bucket = lock(bucket);
        let key = |id| format!("up/to/rooms/{}/{id}", storage::room_name(room.uid));
        assert_eq!(bucket.objects.keys().cloned().collect::<Vec<_>>().len(), 2);
        assert_eq!(bucket.objects[&key(small.file_id)], "hello");
        assert!(bucket.objects[&key(big.file_id)] == large);
    }
    let record = board.file(&room, big.file_id).await.unwrap();
    assert!(board.files.read(&record, None).await.unwrap().bytes().await.unwrap() == large);
    let part = board.files.read(&record, Some(3..7)).await.unwrap();
    assert_eq!(part.bytes().await.unwrap(), large[3..7]);
    // An upload that breaks off leaves no parts either.
    let broken = futures_util::stream::iter([Ok(Bytes::from(large)), Err(std::io::Error::other("gone"))]);
    board.take_file(upload("c"), axum::body::Body::from_stream(broken)).await.unwrap_err();
    assert!(lock(bucket).parts.is_empty());
    assert_eq!(lock(bucket).objects.len(), 2);

    board.remove_file(&room, small.file_id).await.unwrap();
    assert_eq!(lock(bucket).objects.len(), 1);
    board.files.remove_room(room.uid).await.unwrap();
    assert!(lock(bucket).objects.is_empty());
    assert_eq!(board.files.read(&record, None).await.unwrap_err().code, ErrorCode::FileNotFound);
    std::mem::take(&mut lock(bucket).requests)
}

#[tokio::test]
async fn s3_is_spoken_to_in_parts() {
    let bucket = Arc::new(Mutex::new(Bucket::default()));
    let builder = AmazonS3Builder::new()
        .with_endpoint(serve(Arc::clone(&bucket)).await)
        .with_access_key_id("id")
        .with_secret_access_key("key")
        .with_allow_http(true);
    let storage = FileStorage::s3_from(builder, "bucket", "up/to").unwrap();
    let requests = come_and_go(files(storage), &bucket).await;
    assert_eq!(requests.iter().filter(|request| *request == "PUT partNumber").count(), 3 + 2);
}

#[tokio::test]
async fn google_cloud_storage_is_spoken_to_in_parts() {
    let bucket = Arc::new(Mutex::new(Bucket::default()));
    let builder = GoogleCloudStorageBuilder::new()
        .with_base_url(&serve(Arc::clone(&bucket)).await)
        .with_bearer_token("token")
        .with_config(GoogleConfigKey::Client(ClientConfigKey::AllowHttp), "true");
    let storage = FileStorage::gcs_from(builder, "bucket", "up/to").unwrap();
    let requests = come_and_go(files(storage), &bucket).await;
    assert_eq!(requests.iter().filter(|request| *request == "PUT partNumber").count(), 3 + 2);
}

#[tokio::test]
async fn a_file_whose_bytes_are_gone_is_not_found() {
    let files = files(FileStorage::memory());
    let record = record(RoomUid(1), 1, 5);
    assert_eq!(files.read(&record, None).await.unwrap_err().code, ErrorCode::FileNotFound);
    files.delete(RoomUid(1), FileId(1)).await.unwrap();
}
