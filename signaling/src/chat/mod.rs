//! Chat: one order per room, whatever carries it.
//!
//! Messages come by socket or data channel and go out by data channel where one is open, else by socket. Their place in the
//! order is given under the room's lock; a client sorts by `seq`, since the two ways may overtake each other.

use crate::membership::parse_display_name;
use crate::protocol::client::SendMessage;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::ids::{MessageId, ParticipantRef};
use crate::protocol::server::ServerMessage;
use crate::protocol::text::{TextError, parse_text};
use crate::protocol::{ClientFrame, ClientMessage, RoomCode};
use crate::rate::Verdict;
use crate::room::{Member, Room, encode};
use crate::session::{Place, Session};
use crate::shards::Shard;
use crate::stats::count;
use crate::store::Notice;
use crate::switchboard::{Switchboard, entropy};
use crate::webhooks::Event;
use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use parlor_media::command::{Channel, Command};
use parlor_media::ids::ParticipantId;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Who was said to write is shown as writing for no longer than this without another word.
const TYPING_TIMEOUT: Duration = Duration::from_secs(6);

impl Switchboard {
    /// Relays a chat message to everyone in the room, its sender included.
    pub(crate) fn say(&self, place: &Place, request: SendMessage) -> Result<(), Refusal> {
        let text = parse_text(&request.text, self.settings.max_text_bytes).map_err(|error| {
            let code = match error {
                TextError::Empty => ErrorCode::TextEmpty,
                TextError::TooLarge { .. } => ErrorCode::TextTooLarge,
                TextError::Control(_) => ErrorCode::BadMessage,
            };
            Refusal::new(code, error.to_string()).with_field("text")
        })?;
        let name = parse_display_name(request.display_name.as_deref())?;
        let id = MessageId(u64::from_le_bytes(entropy()?));
        let shard = self.shard_of(&place.room);

        let mut state = place.room.lock();
        let member = state.member(place.participant).ok_or_else(Refusal::not_joined)?;
        let was_typing = member.typing_until.take().is_some();
        let display_name = member.display_name.clone().or(name);
        let identity = member.identity.clone();
        state.seq += 1;
        self.webhooks.emit(&Event::MessageSent {
            room_id: &place.room.code,
            message_id: id,
            seq: state.seq,
            participant_id: ParticipantRef(place.participant),
            identity: &identity,
            to: None,
            text: self.webhooks.text(text),
        });
        let message = |nonce| {
            encode(&ServerMessage::MessageReceived {
                id,
                seq: state.seq,
                text: text.to_owned(),
                sender: ParticipantRef(place.participant),
                timestamp: self.wall_clock(),
                room_id: place.room.code.clone(),
                reply_to: request.reply_to,
                display_name: display_name.clone(),
                nonce,
            })
        };
        if was_typing {
            tell_typing(shard, &state.members, place.participant, false);
        }
        let (to_others, to_sender) = (message(None), message(request.nonce));
        relay(
            shard,
            state
                .members
                .iter()
                .map(|member| (member, if member.participant == place.participant { &to_sender } else { &to_others })),
            Session::post,
        );
        drop(state);
        count(&self.counters.chat_messages);
        Ok(())
    }

    /// Shows or hides that a participant writes.
    pub(crate) fn typing(&self, place: &Place, typing: bool) -> Result<(), Refusal> {
        let mut state = place.room.lock();
        let member = state.member(place.participant).ok_or_else(Refusal::not_joined)?;
        let until = typing.then(|| Instant::now() + TYPING_TIMEOUT);
        let was_typing = std::mem::replace(&mut member.typing_until, until).is_some();
        if was_typing != typing {
            tell_typing(self.shard_of(&place.room), &state.members, place.participant, typing);
        }
        Ok(())
    }

    /// Hides those that were shown as writing for too long.
    pub(crate) fn expire_typing(&self, room: &Room, now: Instant) {
        let mut state = room.lock();
        let is_over = |member: &&mut Member| member.typing_until.is_some_and(|until| now >= until);
        let over: Vec<_> = state
            .members
            .iter_mut()
            .filter(is_over)
            .map(|member| {
                member.typing_until = None;
                member.participant
            })
            .collect();
        over.into_iter().for_each(|participant| tell_typing(self.shard_of(room), &state.members, participant, false));
    }

    /// Handles a message of the data channel `chat`.
    pub(crate) fn handle_data(&self, place: &Place, text: &Bytes) {
        let session = {
            let mut state = place.room.lock();
            let Some(member) = state.member(place.participant) else { return };
            Arc::clone(&member.session)
        };
        count(&self.counters.messages);
        let verdict = session.judge(Instant::now());
        if verdict != Verdict::Pass {
            count(&self.counters.messages_dropped);
        }
        let refusal = match verdict {
            Verdict::Pass => self.handle_chat_frame(place, text).err(),
            Verdict::DropAndWarn => Some(rate_limited()),
            Verdict::Drop | Verdict::Close => None,
        };
        if let Some(refusal) = refusal {
            let error = self.error(refusal);
            let mut state = place.room.lock();
            if let Some(member) = state.member(place.participant) {
                relay(self.shard_of(&place.room), [(&*member, &error)].into_iter(), Session::post);
            }
        }
    }

    fn handle_chat_frame(&self, place: &Place, text: &Bytes) -> Result<(), Refusal> {
        if text.len() > self.settings.max_frame_bytes {
            let message = format!("at most {} bytes are allowed", self.settings.max_frame_bytes);
            return Err(Refusal::new(ErrorCode::FrameTooLarge, message));
        }
        let text = std::str::from_utf8(text)
            .map_err(|error| Refusal::new(ErrorCode::BadFrame, format!("the message is not UTF-8: {error}")))?;
        let ClientFrame { id, message } = ClientFrame::parse(text)?;
        let in_room = |room: &RoomCode| {
            if place.room.code == *room { Ok(()) } else { Err(Refusal::wrong_room(room, &place.room.code)) }
        };
        let result = match message {
            ClientMessage::SendMessage(message) => in_room(&message.room_id).and_then(|()| self.say(place, message)),
            ClientMessage::Typing(typing) => in_room(&typing.room_id).and_then(|()| self.typing(place, typing.typing)),
            other => {
                let name = other.type_name();
                let message = format!("`{name}` is not taken on the data channel: send-message and typing are allowed");
                Err(Refusal::new(ErrorCode::NotAllowedHere, message).with_field("type"))
            }
        };
        result.map_err(|refusal| refusal.with_id(id))
    }
}

impl Switchboard {
    /// Tells a room what became of the writes of its messages.
    pub(crate) fn on_notice(&self, notice: Notice) {
        tracing::trace!(?notice);
    }
}

/// What a client is told whose messages come too fast.
pub(crate) fn rate_limited() -> Refusal {
    Refusal::new(ErrorCode::RateLimited, "too many messages: some were dropped, send fewer per second")
}

fn tell_typing(shard: &Shard, members: &[Member], participant: ParticipantId, typing: bool) {
    let text = encode(&ServerMessage::Typing { participant_id: ParticipantRef(participant), typing });
    let others = members.iter().filter(|member| member.participant != participant);
    relay(shard, others.map(|member| (member, &text)), Session::post_ephemeral);
}

/// Sends to each by its data channel, or by `fallback` where none is open. The shard is not waited for: when its channel
/// cannot take all, everyone gets the fallback.
fn relay<'a>(
    shard: &Shard,
    recipients: impl Iterator<Item = (&'a Member, &'a Utf8Bytes)> + Clone,
    fallback: fn(&Session, Utf8Bytes),
) {
    let channels = recipients.clone().filter(|(member, _)| member.chat_open).count();
    let mut permits = if channels > 0 { shard.try_reserve(channels).ok() } else { None };
    for (member, text) in recipients {
        match &mut permits {
            Some(permits) if member.chat_open => permits.send(Command::SendData {
                participant: member.participant,
                channel: Channel::Chat,
                text: text.clone().into(),
            }),
            _ => fallback(&member.session, text.clone()),
        }
    }
}
