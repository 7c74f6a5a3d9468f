//! Messages as documents, one each. Ids of messages, files and participants are written as they are on the wire, for those who
//! look into the database; the order is that of `seq`.

use super::fields::{self, Fields, clamped, optional_time, time, uid};
use super::{Archive, COMMAND_TIMEOUT, MessageRecord, Page, Reader, RoomUid, StoreError, rooms};
use crate::protocol::{MessageId, Timestamp};
use crate::store::Reaction;
use mongodb::bson::{Bson, Document, doc};

pub(super) const COLLECTION: &str = "messages";

pub(super) async fn last_seq(archive: &Archive, room: RoomUid) -> Result<u64, StoreError> {
    let messages = archive.collection(COLLECTION);
    let find = messages.find_one(doc! { "room": uid(room) }).sort(doc! { "seq": -1 });
    let last = find.projection(doc! { "seq": 1 }).max_time(COMMAND_TIMEOUT).await?;
    last.map_or(Ok(0), |document| Fields::new(COLLECTION, document).take("seq"))
}

pub(super) async fn page(
    archive: &Archive,
    room: RoomUid,
    reader: &Reader,
    page: Page,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<MessageRecord>, StoreError> {
    if !rooms::is_open(archive, room, now).await? {
        return Ok(Vec::new());
    }
    let mut filter = doc! { "room": uid(room) };
    let order = match page {
        Page::Latest => -1,
        Page::Before(seq) => {
            filter.insert("seq", doc! { "$lt": clamped(seq) });
            -1
        }
        Page::After(seq) => {
            filter.insert("seq", doc! { "$gt": clamped(seq) });
            1
        }
    };
    match reader {
        Reader::Public => filter.insert("to", Bson::Null),
        Reader::Person(identity) => {
            let who = identity.as_str();
            filter.insert("$or", vec![doc! { "to": null }, doc! { "to": who }, doc! { "identity": who }])
        }
    };
    let found = archive.list(COLLECTION, filter, doc! { "seq": order }, 0, limit).await?;
    let mut messages = found.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    if order < 0 {
        messages.reverse();
    }
    Ok(messages)
}

pub(super) async fn one(
    archive: &Archive,
    room: RoomUid,
    id: MessageId,
    now: Timestamp,
) -> Result<Option<MessageRecord>, StoreError> {
    if !rooms::is_open(archive, room, now).await? {
        return Ok(None);
    }
    archive.find_one(COLLECTION, doc! { "room": uid(room), "id": id.to_string() }).await?.map(read).transpose()
}

pub(super) fn write(message: &MessageRecord) -> Result<Document, StoreError> {
    let reactions: Vec<Document> = message.reactions.iter().map(reaction).collect();
    Ok(doc! {
        "room": uid(message.room),
        "seq": fields::count("messages.seq", message.seq)?,
        "id": message.id.to_string(),
        "sender": message.sender.to_string(),
        "identity": message.identity.as_str(),
        "displayName": message.display_name.as_deref(),
        "sentAt": time(message.sent_at),
        "text": &message.text,
        "replyTo": message.reply_to.map(|id| id.to_string()),
        "to": message.to.as_ref().map(|to| to.as_str()),
        "file": message.file.map(|file| file.to_string()),
        "editedAt": optional_time(message.edited_at),
        "deletedAt": optional_time(message.deleted_at),
        "reactions": reactions,
    })
}

pub(super) fn reaction(reaction: &Reaction) -> Document {
    doc! { "identity": reaction.identity.as_str(), "emoji": &reaction.emoji }
}

fn read(mut fields: Fields) -> Result<MessageRecord, StoreError> {
    Ok(MessageRecord {
        room: fields.uid("room")?,
        id: fields.take("id")?,
        seq: fields.take("seq")?,
        sender: fields.take("sender")?,
        identity: fields.take("identity")?,
        display_name: fields.take("displayName")?,
        sent_at: fields.time("sentAt")?,
        text: fields.take("text")?,
        reply_to: fields.take("replyTo")?,
        to: fields.take("to")?,
        file: fields.take("file")?,
        edited_at: fields.optional_time("editedAt")?,
        deleted_at: fields.optional_time("deletedAt")?,
        reactions: fields.take_all("reactions")?.into_iter().map(read_reaction).collect::<Result<_, _>>()?,
    })
}

fn read_reaction(mut fields: Fields) -> Result<Reaction, StoreError> {
    Ok(Reaction { identity: fields.take("identity")?, emoji: fields.take("emoji")? })
}
