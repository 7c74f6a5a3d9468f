//! What is really in the database, and what becomes of what should not be there.

use super::super::MongoStore;
use super::*;
use crate::protocol::FileId;
use crate::store::{FileRecord, InviteRecord, Page, Reader, Secret, StoreError};
use futures_util::TryStreamExt;
use mongodb::Database;
use mongodb::bson::{Bson, DateTime, Document, doc};

/// Everything in a database, by collection.
async fn everything(database: &Database) -> Vec<(String, Document)> {
    let mut all = Vec::new();
    for name in database.list_collection_names().await.unwrap() {
        let cursor = database.collection::<Document>(&name).find(doc! {}).await.unwrap();
        let documents: Vec<Document> = cursor.try_collect().await.unwrap();
        all.extend(documents.into_iter().map(|document| (name.clone(), document)));
    }
    all
}

async fn furnish(store: &dyn Store, room: RoomUid, code: &str) {
    store.create_room(&a_room(room, code), now()).await.unwrap();
    let message = a_message(room, 1, "the secret of the attic");
    store.write(&[Write::Message(Box::new(message)), Write::Joined(Box::new(a_session(room)))]).await.unwrap();
    let (created_at, expires_at) = (now(), None);
    let invite = InviteRecord { room, id: 5, secret: Secret([9; 32]), role: Role::Host, created_at, expires_at };
    store.add_invites(&[invite]).await.unwrap();
    let (name, content_type) = ("attic.pdf".into(), "application/pdf".into());
    let file = FileRecord { room, id: FileId(3), name, size: 1, content_type, uploader: ann(), uploaded_at: now() };
    store.add_file(&file).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_raw_database_holds_nothing_of_a_purged_room() {
    let Some((store, lent)) = Lent::with_store(Kind::Standalone).await else { return };
    furnish(&store, ROOM, "attic").await;
    furnish(&store, RoomUid(2), "cellar").await;
    assert_eq!(everything(&lent.database).await.len(), 10, "five documents of each room");
    store.end_room(ROOM).await.unwrap();
    store.purge(ROOM).await.unwrap();
    let left = everything(&lent.database).await;
    assert_eq!(left.len(), 5);
    let is_of_the_other =
        |document: &Document| document.get("room").or_else(|| document.get("_id")).and_then(Bson::as_i64) == Some(2);
    assert!(left.iter().all(|(_, document)| is_of_the_other(document)), "{left:?}");
    store.purge(RoomUid(2)).await.unwrap();
    assert_eq!(everything(&lent.database).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_room_that_is_gone_is_due_at_the_next_start() {
    let Some((store, lent)) = Lent::with_store(Kind::Standalone).await else { return };
    furnish(&store, ROOM, "attic").await;
    furnish(&store, RoomUid(2), "cellar").await;
    // As the server itself does in the end with a room that nobody purges.
    lent.database.collection::<Document>("rooms").delete_one(doc! { "_id": 1_i64 }).await.unwrap();
    assert_eq!(store.due(now(), 10).await.unwrap(), []);
    let again = MongoStore::open(&lent.url).await.unwrap();
    assert_eq!(again.due(now(), 0).await.unwrap(), []);
    assert_eq!(again.due(now(), 10).await.unwrap(), [ROOM]);
    again.purge(ROOM).await.unwrap();
    assert_eq!(again.due(now(), 10).await.unwrap(), []);
    assert_eq!(everything(&lent.database).await.len(), 5, "the other room is whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_cannot_be_read_keeps_no_other_from_being_served() {
    let Some((store, lent)) = Lent::with_store(Kind::Standalone).await else { return };
    let whole = a_room(RoomUid(99), "whole");
    store.create_room(&whole, now()).await.unwrap();
    let rooms = lent.database.collection::<Document>("rooms");
    let good = rooms.find_one(doc! {}).await.unwrap().unwrap();
    let far = DateTime::from_millis(i64::MAX);
    for (number, (field, odd)) in [
        ("version", Bson::from("one")),
        ("version", Bson::Int64(-1)),
        ("settings", Bson::Null),
        ("settings", Bson::from("{}")),
        ("createdAt", Bson::Null),
        ("createdAt", Bson::DateTime(DateTime::from_millis(-1))),
        ("expiresAt", Bson::DateTime(far)),
        ("hostSecret", Bson::from("host_secret")),
        ("banned", Bson::from(vec!["not an identity"])),
        ("banned", doc! { "$ne": 1 }.into()),
        ("password", Bson::Double(f64::NAN)),
    ]
    .into_iter()
    .enumerate()
    {
        let mut bad = good.clone();
        let code = format!("odd-{number}");
        bad.extend(doc! { "_id": number as i64, "code": &code, field: odd.clone() });
        rooms.insert_one(bad).await.unwrap();
        let result = store.room(&RoomCode::parse(&code).unwrap(), now()).await;
        let Err(StoreError::Failed(text)) = result else { panic!("{field} may not be {odd}: {result:?}") };
        assert_eq!(text, format!("a document's `rooms.{field}` cannot be read"));
    }
    // Not even its number can be read.
    let mut bad = good.clone();
    bad.extend(doc! { "_id": "a text", "code": "not a code" });
    rooms.insert_one(bad).await.unwrap();
    assert_eq!(store.rooms(now(), 100).await.unwrap(), [whole]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_in_a_room_is_an_error_that_tells_nothing_of_it() {
    let Some((store, lent)) = Lent::with_store(Kind::Standalone).await else { return };
    furnish(&store, ROOM, "attic").await;
    let odd = [
        ("messages", "text", Bson::from(vec!["the secret of the attic"])),
        ("messages", "id", Bson::from("the secret of the attic")),
        ("messages", "seq", Bson::Double(1.5)),
        ("messages", "reactions", Bson::from(vec![doc! { "identity": "ann@example" }])),
        ("sessions", "role", Bson::from("emperor")),
        ("invites", "secret", Bson::from("the secret of the attic")),
        ("files", "size", Bson::Int64(-1)),
    ];
    for (collection, field, odd) in odd {
        let documents = lent.database.collection::<Document>(collection);
        let good = documents.find_one(doc! {}).await.unwrap().unwrap();
        documents.update_one(doc! {}, doc! { "$set": { field: odd } }).await.unwrap();
        let result = match collection {
            "messages" => store.messages(ROOM, &Reader::Public, Page::Latest, 9, now()).await.map(|page| page.len()),
            "sessions" => store.sessions(ROOM, 0, 9, now()).await.map(|page| page.len()),
            "invites" => store.invites(ROOM, 9, now()).await.map(|page| page.len()),
            _ => store.files(ROOM, 0, 9, now()).await.map(|page| page.len()),
        };
        let field = if field == "reactions" { "emoji" } else { field };
        let Err(StoreError::Failed(text)) = result else { panic!("{collection}.{field}: {result:?}") };
        assert_eq!(text, format!("a document's `{collection}.{field}` cannot be read"));
        documents.replace_one(doc! {}, good).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_indexes_are_there_and_opening_again_changes_nothing() {
    let Some((_store, lent)) = Lent::with_store(Kind::Standalone).await else { return };
    let indexes = async || {
        let mut all = Vec::new();
        for name in lent.database.list_collection_names().await.unwrap() {
            let cursor = lent.database.collection::<Document>(&name).list_indexes().await.unwrap();
            let models: Vec<_> = cursor.try_collect().await.unwrap();
            all.extend(models.into_iter().map(|model| {
                let options = model.options.unwrap();
                (
                    name.clone(),
                    model.keys,
                    options.unique.unwrap_or(false),
                    options.expire_after.map(|after| after.as_secs()),
                )
            }));
        }
        all.sort_by_key(|(name, keys, ..)| (name.clone(), keys.to_string()));
        all
    };
    let first = indexes().await;
    let has = |index: (&str, Document, bool, Option<u64>)| {
        let (name, keys, is_unique, after) = index;
        assert!(first.contains(&(name.to_owned(), keys.clone(), is_unique, after)), "{name} {keys}: {first:?}");
    };
    has(("rooms", doc! { "code": 1 }, true, None));
    has(("rooms", doc! { "expiresAt": 1 }, false, Some(30 * 86_400)));
    has(("messages", doc! { "room": 1, "seq": 1 }, true, None));
    has(("messages", doc! { "room": 1, "id": 1 }, true, None));
    has(("invites", doc! { "expiresAt": 1 }, false, Some(0)));
    MongoStore::open(&lent.url).await.unwrap();
    assert_eq!(indexes().await, first);

    // Another application's database.
    let rooms = lent.database.collection::<Document>("rooms");
    rooms.drop_index("expiresAt_1").await.unwrap();
    rooms.create_index(mongodb::IndexModel::builder().keys(doc! { "expiresAt": 1 }).build()).await.unwrap();
    let Err(StoreError::Failed(text)) = MongoStore::open(&lent.url).await else { panic!("it must not be opened") };
    assert!(text.contains("IndexOptionsConflict"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_a_large_room_are_found_by_an_index() {
    let Some((store, lent)) = Lent::with_store(Kind::Standalone).await else { return };
    store.create_room(&a_room(ROOM, "attic"), now()).await.unwrap();
    for batch in 0..4 {
        store.write(&(1..=500).map(|n| said(batch * 500 + n)).collect::<Vec<_>>()).await.unwrap();
    }
    let explained = lent
        .database
        .run_command(doc! {
            "explain": { "find": "messages", "filter": { "room": 1_i64, "seq": { "$lt": 1000_i64 }, "to": null }, "sort": { "seq": -1 }, "limit": 50 },
            "verbosity": "executionStats",
        })
        .await
        .unwrap();
    let examined = explained.get_document("executionStats").unwrap().get_i32("totalDocsExamined").unwrap();
    assert_eq!(examined, 50);
}
