//! What a store keeps.
//!
//! Rooms are keyed by [`RoomUid`], not by their code: a code may be given again to another room, whose people must not see
//! what was said in the first.

use crate::access::{Identity, Role};
use crate::protocol::{FileId, MessageId, ParticipantRef, RoomCode, SecretText, Timestamp};
use crate::room_settings::RoomSettings;
use std::fmt;

/// One life of a room; 63 random bits, so that every database has an integer for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RoomUid(pub(crate) u64);

impl RoomUid {
    pub(crate) fn from_entropy(bytes: [u8; 8]) -> Self {
        Self(u64::from_le_bytes(bytes) >> 1)
    }
}

/// The SHA-256 of a secret that was given out: of 256 random bits no slow hash is needed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Secret(pub(crate) [u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A room.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RoomRecord {
    pub(crate) uid: RoomUid,
    pub(crate) code: RoomCode,
    /// Grows by one with each change.
    pub(crate) version: u64,
    pub(crate) created_at: Timestamp,
    /// When its time is over.
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) settings: RoomSettings,
    /// Of the host secret that its creator got.
    pub(crate) host_secret: Option<Secret>,
    /// As argon2 writes it (PHC string), 256 bytes at most.
    pub(crate) password: Option<SecretText>,
    /// Identities that may not come back; 1024 at most.
    pub(crate) banned: Vec<Identity>,
}

/// A chat message in its latest form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MessageRecord {
    pub(crate) room: RoomUid,
    pub(crate) id: MessageId,
    /// Its place in the room's order.
    pub(crate) seq: u64,
    pub(crate) sender: ParticipantRef,
    pub(crate) identity: Identity,
    pub(crate) display_name: Option<String>,
    pub(crate) sent_at: Timestamp,
    /// Empty once deleted.
    pub(crate) text: String,
    pub(crate) reply_to: Option<MessageId>,
    /// For one person's eyes, and the sender's.
    pub(crate) to: Option<Identity>,
    pub(crate) file: Option<FileId>,
    pub(crate) edited_at: Option<Timestamp>,
    pub(crate) deleted_at: Option<Timestamp>,
    /// In the order of reacting; one of an identity and emoji, 256 at most.
    pub(crate) reactions: Vec<Reaction>,
}

/// Who reacted to a message, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reaction {
    pub(crate) identity: Identity,
    /// An emoji, 32 bytes at most.
    pub(crate) emoji: String,
}

/// A participant's stay in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionRecord {
    pub(crate) room: RoomUid,
    pub(crate) participant: ParticipantRef,
    pub(crate) identity: Identity,
    pub(crate) display_name: Option<String>,
    pub(crate) role: Role,
    pub(crate) joined_at: Timestamp,
    pub(crate) left_at: Option<Timestamp>,
    /// A word of `room-left`, or `server-lost`.
    pub(crate) reason: Option<String>,
}

/// A link that admits one person once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InviteRecord {
    pub(crate) room: RoomUid,
    /// 63 random bits, to withdraw it by.
    pub(crate) id: u64,
    pub(crate) secret: Secret,
    pub(crate) role: Role,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
}

/// A shared file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileRecord {
    pub(crate) room: RoomUid,
    pub(crate) id: FileId,
    /// For people; never a path.
    pub(crate) name: String,
    /// In bytes.
    pub(crate) size: u64,
    /// As recognised by the server, never as claimed.
    pub(crate) content_type: String,
    pub(crate) uploader: Identity,
    pub(crate) uploaded_at: Timestamp,
}

/// A change that is written in the background, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Write {
    /// A message; one of that room and `seq` that is there stays.
    Message(Box<MessageRecord>),
    /// A message has another text. A deleted one stays deleted.
    Edit { room: RoomUid, id: MessageId, text: String, at: Timestamp },
    /// A message's text, file and reactions are gone; its place stays.
    Erase { room: RoomUid, id: MessageId, at: Timestamp },
    /// A reaction comes, or goes.
    React { room: RoomUid, id: MessageId, reaction: Reaction, on: bool },
    /// Somebody joined.
    Joined(Box<SessionRecord>),
    /// Somebody left; a session that is closed stays as it is.
    Left { room: RoomUid, participant: ParticipantRef, at: Timestamp, reason: String },
}

/// Who reads messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Sees what was said to everybody.
    Public,
    /// Sees besides what it said to one person, and what was said to it.
    Person(Identity),
}

/// Which messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// The last ones.
    Latest,
    /// The last ones before that `seq`.
    Before(u64),
    /// The first ones after that `seq`.
    After(u64),
}

/// The most reactions of one message.
pub(crate) const MAX_REACTIONS: usize = 256;

impl MessageRecord {
    /// Removes everything that was said; the place stays.
    pub(crate) fn erase(&mut self, at: Timestamp) {
        self.text.clear();
        self.file = None;
        self.reactions.clear();
        self.deleted_at.get_or_insert(at);
    }

    /// Adds a reaction, unless there are [`MAX_REACTIONS`], or removes it. Whether that changed anything.
    pub(crate) fn react(&mut self, reaction: &Reaction, on: bool) -> bool {
        let position = self.reactions.iter().position(|there| there == reaction);
        match position {
            Some(position) if !on => {
                self.reactions.remove(position);
                true
            }
            None if on && self.reactions.len() < MAX_REACTIONS => {
                self.reactions.push(reaction.clone());
                true
            }
            _ => false,
        }
    }
}

impl SessionRecord {
    /// It ended.
    pub(crate) fn close(&mut self, left_at: Timestamp, reason: &str) {
        self.left_at = Some(left_at);
        self.reason = Some(reason.to_owned());
    }
}

impl InviteRecord {
    /// Whether its time is not over.
    pub(crate) fn is_good(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

impl Write {
    /// The room that it is about.
    pub(crate) fn room(&self) -> RoomUid {
        match self {
            Self::Message(message) => message.room,
            Self::Joined(session) => session.room,
            Self::Edit { room, .. } | Self::Erase { room, .. } | Self::React { room, .. } | Self::Left { room, .. } => {
                *room
            }
        }
    }
}

impl Reader {
    /// Whether a message is for its eyes.
    pub(crate) fn sees(&self, message: &MessageRecord) -> bool {
        match (&message.to, self) {
            (None, _) => true,
            (Some(_), Self::Public) => false,
            (Some(to), Self::Person(identity)) => identity == to || *identity == message.identity,
        }
    }
}
