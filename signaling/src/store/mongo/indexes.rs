//! The indexes: what must be unique, what is looked for, and what the server removes by itself should nobody else.

use super::{Archive, StoreError, files, invites, messages, options, rooms, sessions};
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use std::time::Duration;

/// How long after its end a room's document stays if it was never purged: only where Parlor itself has long not run. What was
/// in such a room is removed at the next start.
const ROOM_GRACE: Duration = Duration::from_secs(30 * 86_400);

/// Creates what is missing. An index that is there with other properties is refused by the server, never silently kept.
///
/// # Errors
/// When the server cannot be reached, or refuses.
pub(super) async fn create(archive: &Archive) -> Result<(), StoreError> {
    let of = |collection| move |models: Vec<IndexModel>| (collection, models);
    let all = [
        of(rooms::COLLECTION)(vec![
            // A room that is ending has given its code away.
            unique(doc! { "code": 1 }, Some(doc! { "ending": false })),
            plain(doc! { "ending": 1, "createdAt": 1, "_id": 1 }),
            removed_after(ROOM_GRACE),
        ]),
        of(messages::COLLECTION)(vec![
            unique(doc! { "room": 1, "seq": 1 }, None),
            unique(doc! { "room": 1, "id": 1 }, None),
        ]),
        of(sessions::COLLECTION)(vec![
            unique(doc! { "room": 1, "participant": 1 }, None),
            plain(doc! { "room": 1, "joinedAt": 1, "_id": 1 }),
            plain(doc! { "leftAt": 1 }),
        ]),
        of(invites::COLLECTION)(vec![
            unique(doc! { "room": 1, "id": 1 }, None),
            plain(doc! { "room": 1, "secret": 1 }),
            removed_after(Duration::ZERO),
        ]),
        of(files::COLLECTION)(vec![
            unique(doc! { "room": 1, "id": 1 }, None),
            plain(doc! { "room": 1, "uploadedAt": 1, "_id": 1 }),
        ]),
    ];
    for (collection, models) in all {
        archive.collection(collection).create_indexes(models).write_concern(options::write_concern()).await?;
    }
    Ok(())
}

/// Unique among the documents that `filter` finds.
fn unique(keys: Document, filter: Option<Document>) -> IndexModel {
    built(keys, IndexOptions::builder().unique(true).partial_filter_expression(filter).build())
}

fn built(keys: Document, options: IndexOptions) -> IndexModel {
    IndexModel::builder().keys(keys).options(options).build()
}

fn plain(keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).build()
}

/// The server removes documents that long after their `expiresAt`, once a minute.
fn removed_after(grace: Duration) -> IndexModel {
    built(doc! { "expiresAt": 1 }, IndexOptions::builder().expire_after(grace).build())
}
