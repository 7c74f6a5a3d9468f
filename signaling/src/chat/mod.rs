//! Chat: one order per room, whatever carries it.
//!
//! Messages come by socket or data channel and go out by data channel where one is open, else by socket; what is said about
//! them (changes, reactions) goes by socket. Their place in the order is given under the room's lock; a client sorts messages by
//! `seq`, since the two ways may overtake each other, and drops an id that it has seen.
//!
//! What always holds:
//! - A change of a message reaches nobody by socket before the message itself has been sent there or was counted on the channel.
//! - What is stored follows the order of the room's lock ([`crate::store::Journal`]).
//! - A message for one person's eyes is shown, told of and found by that person and its sender only.

mod change;
mod channel;
mod history;
mod line;
mod member;
mod state;
mod typing;

pub(crate) use history::asked_page;
pub(crate) use member::MemberChat;
pub(crate) use state::{ChatState, History};

use crate::access::{Action, Identity, Role, Standing, require};
use crate::gate::Who;
use crate::limits::Kind;
use crate::membership::parse_display_name;
use crate::protocol::FileId;
use crate::protocol::chat::{ChatMessage, SendMessage};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::file::SharedFile;
use crate::protocol::ids::{MessageId, ParticipantRef};
use crate::protocol::server::ServerMessage;
use crate::protocol::text::{TextError, parse_text};
use crate::rate::Rate;
use crate::room::{Encoded, Member, Room, RoomState, encode};
use crate::room_settings::{Allowed, History as Policy};
use crate::session::Place;
use crate::shards::Shard;
use crate::spreading::Reserved;
use crate::stats::{Carrier, Counters};
use crate::store::{MessageRecord, Notice, Reader, Write};
use crate::switchboard::{Switchboard, entropy};
use crate::webhooks::Event;
use parlor_media::command::{Channel, Command};

impl Switchboard {
    /// Says something on a member's socket; a file that comes along is looked up first.
    pub(crate) async fn send_message(&self, place: &Place, request: SendMessage) -> Result<(), Refusal> {
        let file = match request.file_id {
            Some(id) => Some(self.shared_file(&place.room, id).await?),
            None => None,
        };
        self.say(place, request, file)
    }

    async fn shared_file(&self, room: &Room, id: FileId) -> Result<SharedFile, Refusal> {
        let file = self.store.file(room.uid, id, self.wall_clock()).await?;
        let missing = || Refusal::new(ErrorCode::FileNotFound, format!("there is no file {id} in this room"));
        Ok(file.ok_or_else(|| missing().with_field("fileId"))?.into())
    }

    /// Relays a chat message to everyone it is for, its sender included.
    pub(crate) fn say(&self, place: &Place, request: SendMessage, file: Option<SharedFile>) -> Result<(), Refusal> {
        // A file may go without words.
        let text = if file.is_some() && request.text.trim().is_empty() { "" } else { self.parse_text(&request.text)? };
        let name = parse_display_name(request.display_name.as_deref())?;
        let id = MessageId(u64::from_le_bytes(entropy()?));

        let mut state = place.room.lock();
        let member = state.member_ref(place.participant)?;
        require_chat(member, &state)?;
        if let Some(nonce) = &request.nonce
            && let Some(message) = said_before(&place.room, &state, member, nonce, text)
        {
            member.tell(&ServerMessage::MessageReceived(message));
            return Ok(());
        }
        let identity = member.identity.clone();
        let to = request.to.map(|to| recipient(&state, to)).transpose()?;
        check_reply(&state, &identity, request.reply_to, to.as_ref())?;
        self.count_message(&identity)?;
        let record = MessageRecord {
            room: place.room.uid,
            id,
            seq: state.chat.last_seq() + 1,
            sender: ParticipantRef(place.participant),
            display_name: member.display_name.clone().or(name),
            identity,
            sent_at: self.wall_clock(),
            text: text.to_owned(),
            reply_to: request.reply_to,
            to,
            file: request.file_id,
            edited_at: None,
            deleted_at: None,
            reactions: Vec::new(),
        };
        self.place_message(place, &mut state, record, file, request.nonce);
        drop(state);
        self.counters.chat_messages.count();
        Ok(())
    }

    /// Gives a message its place in the order.
    fn place_message(
        &self,
        place: &Place,
        state: &mut RoomState,
        record: MessageRecord,
        file: Option<SharedFile>,
        nonce: Option<String>,
    ) {
        let message = state::show(&record, file.clone(), &place.room.code);
        let to_others = encode(&ServerMessage::MessageReceived(message.clone()));
        let to_sender = match &nonce {
            Some(_) => encode(&ServerMessage::MessageReceived(ChatMessage { nonce: nonce.clone(), ..message })),
            None => to_others.clone(),
        };
        let kept = state.record.settings.history != Policy::None;
        if kept {
            self.journal.push(Write::Message(Box::new(record.clone())));
        }
        if let Some(sender) = state.member(place.participant) {
            if let Some(nonce) = nonce {
                sender.chat.remember(nonce, record.id, record.seq, record.sent_at);
            }
            if kept {
                sender.chat.wrote(record.seq);
            }
        }
        self.end_typing(state, place.participant);
        self.webhooks.emit(&Event::MessageSent {
            room_id: &place.room.code,
            message_id: record.id,
            seq: record.seq,
            participant_id: record.sender,
            identity: &record.identity,
            to: record.to.as_ref(),
            text: self.webhooks.text(&record.text),
        });
        let text = |member: &Member| if member.participant == place.participant { &to_sender } else { &to_others };
        relay((&self.shards, &state.parts), &self.counters, &mut state.members, &record, text);
        state.chat.add(record, file, kept);
    }

    /// Counts what a person says, or says about a message, over all its devices.
    fn count_message(&self, identity: &Identity) -> Result<(), Refusal> {
        let who = Who { identity: Some(identity), ..Who::default() };
        self.count(Kind::Message, who)
    }

    /// A chat text, or why not.
    pub(crate) fn parse_text<'a>(&self, text: &'a str) -> Result<&'a str, Refusal> {
        parse_text(text, self.settings.max_text_bytes).map_err(|error| {
            let code = match error {
                TextError::Empty => ErrorCode::TextEmpty,
                TextError::TooLarge { .. } => ErrorCode::TextTooLarge,
                TextError::Control(_) => ErrorCode::BadMessage,
            };
            Refusal::new(code, error.to_string()).with_field("text")
        })
    }

    /// Tells a room what became of the writes of its messages.
    pub(crate) fn on_notice(&self, notice: Notice) {
        let (Notice::Saved { room, .. } | Notice::Lost { room, .. }) = notice;
        let Some(room) = self.directory.room_by_uid(room) else { return };
        let mut state = room.lock();
        match notice {
            Notice::Saved { up_to, .. } => {
                let message = encode(&ServerMessage::MessagesSaved { up_to });
                let wrote = state.members.iter_mut().filter_map(|member| member.chat.saved(up_to).then_some(member));
                wrote.for_each(|member| member.session.post(message.clone()));
            }
            Notice::Lost { loss, .. } => {
                let (count, from_seq, to_seq) = (loss.count, loss.from_seq, loss.to_seq);
                state.tell_all(&ServerMessage::MessagesLost { count, from_seq, to_seq });
            }
        }
    }
}

/// Whether a member may write now.
///
/// # Errors
/// `forbidden`, by its role, the room's settings or its token.
pub(crate) fn require_chat(member: &Member, state: &RoomState) -> Result<(), Refusal> {
    require(Standing::Member(member.role), Action::Chat)?;
    if member.may_chat(&state.record.settings) {
        return Ok(());
    }
    let message = match state.record.settings.chat {
        Allowed::Nobody => "in this room nobody may write",
        Allowed::Hosts if member.role != Role::Host => "in this room only hosts may write",
        Allowed::Everyone | Allowed::Hosts => "your token does not allow to write",
    };
    Err(Refusal::new(ErrorCode::Forbidden, message))
}

/// The message that a member said under a nonce before, as it was or is now.
fn said_before(room: &Room, state: &RoomState, member: &Member, nonce: &str, text: &str) -> Option<ChatMessage> {
    let said = member.chat.said(nonce)?;
    let nonce = Some(nonce.to_owned());
    if let Some(recent) = state.chat.find(said.id) {
        let mut message = ChatMessage { nonce, ..state::show(&recent.record, recent.file.clone(), &room.code) };
        if !recent.kept && recent.record.deleted_at.is_none() {
            text.clone_into(&mut message.text);
        }
        return Some(message);
    }
    // Long ago: its words are those of the repetition.
    Some(ChatMessage {
        id: said.id,
        seq: said.seq,
        text: text.to_owned(),
        sender: ParticipantRef(member.participant),
        identity: member.identity.clone(),
        timestamp: said.sent_at,
        room_id: room.code.clone(),
        reply_to: None,
        display_name: member.display_name.clone(),
        to: None,
        file: None,
        edited_at: None,
        deleted_at: None,
        reactions: Vec::new(),
        nonce,
    })
}

/// The person behind a participant.
fn recipient(state: &RoomState, to: ParticipantRef) -> Result<Identity, Refusal> {
    // Of those who are hidden nobody knows that they are there.
    let member = state.members.iter().find(|member| member.participant == to.0 && !member.grants.hidden);
    let missing = || Refusal::new(ErrorCode::UserNotFound, format!("there is no participant {to} in this room"));
    Ok(member.ok_or_else(|| missing().with_field("to"))?.identity.clone())
}

/// Whether the message replied to is one that the sender may see; what was said to one person stays between the two.
/// Messages that are not in memory are not looked for: their ids tell nothing.
fn check_reply(
    state: &RoomState,
    sender: &Identity,
    reply_to: Option<MessageId>,
    to: Option<&Identity>,
) -> Result<(), Refusal> {
    let Some(recent) = reply_to.and_then(|id| state.chat.find(id)) else { return Ok(()) };
    let record = &recent.record;
    if !Reader::Person(sender.clone()).sees(record) {
        return Err(not_found(record.id).with_field("replyTo"));
    }
    let within = |recipient: &Identity| Some(recipient) == record.to.as_ref() || *recipient == record.identity;
    if record.to.is_some() && !to.is_some_and(within) {
        let message = "a reply to a direct message must go `to` the other of the two";
        return Err(Refusal::field("replyTo", message));
    }
    Ok(())
}

pub(crate) fn not_found(id: MessageId) -> Refusal {
    Refusal::new(ErrorCode::MessageNotFound, format!("there is no message {id}, or it is deleted"))
}

/// What a client is told whose messages come too fast.
pub(crate) fn rate_limited(rate: Rate) -> Refusal {
    let Rate { per_second, burst } = rate;
    let message = format!("{per_second} messages a second are allowed, {burst} at once: some were dropped");
    Refusal::new(ErrorCode::RateLimited, message)
}

/// Sends a message to each that it is for: by the data channel where that takes it, else by the socket. Shards are not
/// waited for: when the channel of one cannot take all, everyone there gets it by the socket.
fn relay<'a>(
    (shards, parts): (&[Shard], &[usize]),
    counters: &Counters,
    members: &mut [Member],
    record: &MessageRecord,
    encoded: impl Fn(&Member) -> &'a Encoded,
) {
    let is_for = |member: &Member| Reader::Person(member.identity.clone()).sees(record);
    let takes = |member: &Member| member.chat.line.takes(encoded(member).text.len());
    let by_channel = |member: &&Member| is_for(member) && takes(member).is_some();
    let mut reserved = Reserved::default();
    for &part in parts {
        let channels = members.iter().filter(|member| member.shard == part).filter(by_channel).count();
        if channels > 0
            && let Ok(permits) = shards[part].try_reserve(channels)
        {
            reserved.add(part, permits);
        }
    }
    for member in members.iter_mut().filter(|member| is_for(member)) {
        let encoded = encoded(member).clone();
        match member.chat.line.takes(encoded.text.len()) {
            Some(opening) if reserved.has(member.shard) => {
                counters.messages_sent.count((Carrier::DataChannel, encoded.kind));
                member.chat.line.hold(record.id, encoded.clone());
                let (participant, channel) = (member.participant, Channel::Chat);
                let command = Command::SendData { participant, channel, opening, text: encoded.text.into() };
                reserved.send(member.shard, command);
            }
            _ => member.session.post(encoded),
        }
    }
}
