//! The types of what the server says, for who counts.

use super::server::ServerMessage;
use crate::stats::words;

impl ServerType {
    /// Whether it may reach the client a moment later, together with others: who comes and goes is news to everybody in a room,
    /// and nothing is done in answer. The order of messages is kept all the same.
    pub(crate) fn may_wait(self) -> bool {
        matches!(self, Self::UserJoined | Self::UserLeft)
    }
}

macro_rules! types {
    ($($variant:ident = $name:literal;)*) => {
        words! {
            /// The types of what the server says.
            ServerType { $(#[doc = concat!("`", $name, "`")] $variant = $name;)* }
        }

        impl ServerMessage {
            /// The message's `type`.
            #[must_use]
            pub fn message_type(&self) -> ServerType {
                match self { $(Self::$variant { .. } => ServerType::$variant,)* }
            }
        }
    };
}

types! {
    Hello = "hello";
    RoomJoined = "room-joined";
    Resumed = "resumed";
    LobbyWaiting = "lobby-waiting";
    LobbyJoined = "lobby-joined";
    LobbyLeft = "lobby-left";
    RoleChanged = "role-changed";
    RightsChanged = "rights-changed";
    TokenRenewed = "token-renewed";
    UserJoined = "user-joined";
    UserLeft = "user-left";
    RoomLeft = "room-left";
    RoomUpdated = "room-updated";
    ServerDraining = "server-draining";
    RoomClosed = "room-closed";
    FileRemoved = "file-removed";
    MessageReceived = "message-received";
    MessageEdited = "message-edited";
    MessageDeleted = "message-deleted";
    MessageReacted = "message-reacted";
    Messages = "messages";
    MessagesSaved = "messages-saved";
    MessagesLost = "messages-lost";
    Typing = "typing";
    AnswerReceived = "answer-received";
    OfferReceived = "offer-received";
    IceCandidateReceived = "ice-candidate-received";
    TrackState = "track-state";
    TrackPublished = "track-published";
    PublishRefused = "publish-refused";
    TrackUnpublished = "track-unpublished";
    SubscriptionBound = "subscription-bound";
    SubscriptionUnbound = "subscription-unbound";
    SubscriptionFailed = "subscription-failed";
    SubscriptionPaused = "subscription-paused";
    SubscriptionResumed = "subscription-resumed";
    LayerChanged = "layer-changed";
    EncodingsWanted = "encodings-wanted";
    ActiveSpeakers = "active-speakers";
    Quality = "quality";
    MediaState = "media-state";
    Pong = "pong";
    Error = "error";
}
