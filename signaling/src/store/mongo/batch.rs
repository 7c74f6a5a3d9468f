//! What the journal brings, in four commands at most whatever its length.
//!
//! New messages and sessions go first, all at once: nothing in a batch is about a message before that message is in it. What
//! changes them follows in the batch's order, one command per collection, which stops at the first change that fails. Every
//! change says what it needs to find, so that a batch may be repeated from any point of it.

use super::fields::{time, uid};
use super::{Archive, COMMAND_TIMEOUT, StoreError, errors, messages, options, sessions};
use crate::protocol::{MessageId, Timestamp};
use crate::store::records::MAX_REACTIONS;
use crate::store::{Reaction, RoomUid, Write};
use mongodb::bson::{Bson, Document, doc, serialize_to_bson};
use std::collections::BTreeSet;

pub(super) async fn write(archive: &Archive, batch: &[Write]) -> Result<(), StoreError> {
    let rooms: BTreeSet<RoomUid> = batch.iter().map(Write::room).collect();
    let (_guard, open) = archive.open_rooms(&rooms).await?;
    let mut said = Vec::new();
    let mut joined = Vec::new();
    let mut message_changes = Vec::new();
    let mut session_changes = Vec::new();
    for write in batch.iter().filter(|write| open.contains(&write.room())) {
        match write {
            Write::Message(message) => said.push(messages::write(message)?),
            Write::Joined(session) => joined.push(sessions::write(session)),
            Write::Edit { room, id, text, at } => message_changes.push(edit(*room, *id, text, *at)),
            Write::Erase { room, id, at } => message_changes.push(erase(*room, *id, *at)),
            Write::React { room, id, reaction, on } => message_changes.push(react(*room, *id, reaction, *on)),
            Write::Left { room, participant, at, reason } => {
                let stay = doc! { "room": uid(*room), "participant": participant.to_string(), "leftAt": null };
                session_changes.push(change(stay, sessions::closing(*at, reason)));
            }
        }
    }
    archive.insert_missing(messages::COLLECTION, &said).await?;
    archive.insert_missing(sessions::COLLECTION, &joined).await?;
    update(archive, messages::COLLECTION, message_changes).await?;
    update(archive, sessions::COLLECTION, session_changes).await
}

/// Runs the changes in order. As a command of its own, since the driver's methods make one change at a time.
async fn update(archive: &Archive, collection: &'static str, changes: Vec<Document>) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let unwritable = |_| StoreError::Failed("the write concern cannot be written".into());
    let command = doc! {
        "update": collection,
        "updates": changes,
        "ordered": true,
        "writeConcern": serialize_to_bson(&options::write_concern()).map_err(unwritable)?,
        "maxTimeMS": Bson::Int64(i64::try_from(COMMAND_TIMEOUT.as_millis()).unwrap_or(i64::MAX)),
    };
    errors::of_answer(&archive.database.run_command(command).await?)
}

fn change(filter: Document, update: Document) -> Document {
    doc! { "q": filter, "u": update }
}

/// A message that is not deleted.
fn living(room: RoomUid, id: MessageId) -> Document {
    doc! { "room": uid(room), "id": id.to_string(), "deletedAt": null }
}

fn edit(room: RoomUid, id: MessageId, text: &str, at: Timestamp) -> Document {
    change(living(room, id), doc! { "$set": { "text": text, "editedAt": time(at) } })
}

fn erase(room: RoomUid, id: MessageId, at: Timestamp) -> Document {
    let nothing: Vec<Bson> = Vec::new();
    change(living(room, id), doc! { "$set": { "text": "", "file": null, "reactions": nothing, "deletedAt": time(at) } })
}

fn react(room: RoomUid, id: MessageId, reaction: &Reaction, on: bool) -> Document {
    let mut filter = living(room, id);
    let reaction = messages::reaction(reaction);
    if !on {
        return change(filter, doc! { "$pull": { "reactions": reaction } });
    }
    filter.insert("reactions", doc! { "$not": { "$elemMatch": reaction.clone() } });
    // There is room for one more.
    filter.insert(format!("reactions.{}", MAX_REACTIONS - 1), doc! { "$exists": false });
    change(filter, doc! { "$push": { "reactions": reaction } })
}
