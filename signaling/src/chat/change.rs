//! What is said about a message: that it reads differently, is deleted, is liked.
//!
//! A message in memory changes under the room's lock at once. An older one is read from the store first; of those, one changes
//! at a time in a room, so that what was read is what is changed.

use super::state::Change;
use super::{not_found, require_chat};
use crate::access::{Action, Identity, Standing, require};
use crate::protocol::Timestamp;
use crate::protocol::chat::{EditMessage, React};
use crate::protocol::emoji::parse_emoji;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::ids::MessageId;
use crate::protocol::server::ServerMessage;
use crate::room::{Member, Room, RoomState, encode};
use crate::session::Place;
use crate::store::{MAX_REACTIONS, MessageRecord, Reaction, Reader, Write};
use crate::switchboard::Switchboard;

impl Switchboard {
    /// Changes the text of a message of the member's own.
    pub(crate) async fn edit_message(&self, place: &Place, request: EditMessage) -> Result<(), Refusal> {
        let text = self.parse_text(&request.text)?.to_owned();
        self.change(place, request.message_id, Change::Edit(text)).await
    }

    /// Deletes a message.
    pub(crate) async fn delete_message(&self, place: &Place, id: MessageId) -> Result<(), Refusal> {
        self.change(place, id, Change::Erase).await
    }

    /// Reacts to a message, or takes that back.
    pub(crate) async fn react(&self, place: &Place, request: React) -> Result<(), Refusal> {
        let emoji = parse_emoji(&request.emoji).map_err(|message| Refusal::field("emoji", message))?.to_owned();
        self.change(place, request.message_id, Change::React { emoji, on: request.on }).await
    }

    async fn change(&self, place: &Place, id: MessageId, change: Change) -> Result<(), Refusal> {
        let room = &place.room;
        {
            let mut state = room.lock();
            if let Some(recent) = state.chat.find(id) {
                let (mut record, kept) = (recent.record.clone(), recent.kept);
                return self.apply(place, &mut state, &mut record, kept, &change);
            }
            state.member_ref(place.participant)?;
        }
        let _alone = room.old_messages.write().await;
        self.journal.flushed().await?;
        let record = self.store.message(room.uid, id, self.wall_clock()).await?;
        let mut record = record.ok_or_else(|| not_found(id).with_field("messageId"))?;
        self.apply(place, &mut room.lock(), &mut record, true, &change)
    }

    /// Changes a message, stores that and tells it, if the member may.
    fn apply(
        &self,
        place: &Place,
        state: &mut RoomState,
        record: &mut MessageRecord,
        kept: bool,
        change: &Change,
    ) -> Result<(), Refusal> {
        let member = state.member_ref(place.participant)?;
        check(member, state, record, change)?;
        let (by, at) = (member.identity.clone(), self.wall_clock());
        if !change.apply(record, &by, at) {
            return Ok(());
        }
        self.count_message(&by)?;
        if kept {
            self.journal.push_change(record.seq, write(&place.room, record, change, at, &by));
        }
        state.chat.change(record.id, |recent| {
            change.apply(recent, &by, at);
        });
        let text = encode(&tell(record, change, at, by));
        for member in &mut state.members {
            if Reader::Person(member.identity.clone()).sees(record) {
                member.chat.line.repeat(record.id, &member.session);
                member.session.post(text.clone());
            }
        }
        Ok(())
    }
}

/// Whether a member may change a message like that.
fn check(member: &Member, state: &RoomState, record: &MessageRecord, change: &Change) -> Result<(), Refusal> {
    let is_visible = Reader::Person(member.identity.clone()).sees(record);
    // Deleting again is harmless: the first request's answer may have been lost.
    if !is_visible || (record.deleted_at.is_some() && *change != Change::Erase) {
        return Err(not_found(record.id).with_field("messageId"));
    }
    let (standing, is_own) = (Standing::Member(member.role), record.identity == member.identity);
    match change {
        Change::Edit(_) if !is_own => {
            Err(Refusal::new(ErrorCode::Forbidden, "only its sender may edit a message").with_field("messageId"))
        }
        Change::Edit(_) => {
            require(standing, Action::EditOwnMessage)?;
            require_chat(member, state)
        }
        Change::Erase if is_own => require(standing, Action::EditOwnMessage),
        Change::Erase => require(standing, Action::DeleteMessage),
        Change::React { on, .. } => {
            require_chat(member, state)?;
            if *on && record.reactions.len() >= MAX_REACTIONS {
                let message = format!("the message has {MAX_REACTIONS} reactions, which is the most");
                return Err(Refusal::field("emoji", message));
            }
            Ok(())
        }
    }
}

fn write(room: &Room, record: &MessageRecord, change: &Change, at: Timestamp, by: &Identity) -> Write {
    let (room, id) = (room.uid, record.id);
    match change {
        Change::Edit(text) => Write::Edit { room, id, text: text.clone(), at },
        Change::Erase => Write::Erase { room, id, at },
        Change::React { emoji, on } => {
            Write::React { room, id, reaction: Reaction { identity: by.clone(), emoji: emoji.clone() }, on: *on }
        }
    }
}

fn tell(record: &MessageRecord, change: &Change, at: Timestamp, by: Identity) -> ServerMessage {
    let (id, seq) = (record.id, record.seq);
    match change {
        Change::Edit(text) => ServerMessage::MessageEdited { id, seq, text: text.clone(), edited_at: at },
        Change::Erase => ServerMessage::MessageDeleted { id, seq, deleted_at: at },
        Change::React { emoji, on } => {
            ServerMessage::MessageReacted { id, seq, emoji: emoji.clone(), identity: by, on: *on }
        }
    }
}
