//! The engine's boundary with the control plane: commands in, events out.

use crate::ids::{ParticipantId, RoomId, TrackId};
use crate::path::Protocol;
use crate::quality::Quality;
use crate::relay::ShardSet;
use crate::room_stats::RoomStats;
use crate::sdp::RemoteDescription;
use bytes::Bytes;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// What the control plane asks of a shard. Commands for unknown rooms or participants are ignored: they crossed a departure.
#[derive(Debug)]
pub enum Command {
    /// Opens a room on this shard.
    OpenRoom {
        /// The new room; opening it twice is a no-op.
        room: RoomId,
    },
    /// Tells a part of a room which shards have parts of it: what is published in one is mirrored in the others.
    LinkRoom {
        /// The room.
        room: RoomId,
        /// The shard that says who speaks.
        home: u16,
        /// All shards with a part of the room, this one among them or not.
        shards: ShardSet,
    },
    /// Closes a room and every transport in it. No event follows.
    CloseRoom {
        /// The room.
        room: RoomId,
    },
    /// Asks how a room does; always answered, by [`Event::RoomRead`]. In the largest rooms it takes about a millisecond, in which
    /// nothing is forwarded: to be asked at a human pace.
    ReadRoom {
        /// Echoed in the answer.
        request: u64,
        /// The room.
        room: RoomId,
    },
    /// Adds a participant, whose transport then waits for its first offer.
    Join {
        /// The room.
        room: RoomId,
        /// The new participant.
        participant: ParticipantId,
        /// How it takes part.
        settings: ParticipantSettings,
    },
    /// Removes a participant and what it published. No [`Event::Closed`] follows.
    Leave {
        /// Who leaves.
        participant: ParticipantId,
    },
    /// The client's offer; answered by [`Event::Answered`].
    Offer {
        /// Who offers.
        participant: ParticipantId,
        /// Echoed in the answer.
        request: u64,
        /// The parsed offer.
        offer: Box<RemoteDescription>,
        /// What the client says of the tracks it offers, by mid. A sending m-line without an entry gets defaults by its kind.
        tracks: Vec<TrackDescription>,
    },
    /// The client's answer to [`Event::Offered`].
    Answer {
        /// Who answers.
        participant: ParticipantId,
        /// The offer that is answered; `None` means the one outstanding.
        negotiation: Option<u32>,
        /// The parsed answer.
        answer: Box<RemoteDescription>,
    },
    /// Marks a track of the participant's own as muted or not; muted tracks are not counted as speakers.
    SetMuted {
        /// Its publisher. Other participants' tracks are left alone.
        participant: ParticipantId,
        /// The track.
        track: TrackId,
        /// The new state. Unmuting ends a [`Command::Silence`].
        muted: bool,
    },
    /// Stops forwarding what a participant publishes, whatever its client sends, until it unmutes the track itself.
    Silence {
        /// The publisher.
        participant: ParticipantId,
        /// One track of its own; `None` for all.
        track: Option<TrackId>,
    },
    /// Gives a participant other rights. What it publishes without a right ends, as [`Event::Unpublished`] tells; what it may
    /// publish from now on follows from its next offer.
    SetRights {
        /// Whose.
        participant: ParticipantId,
        /// All of them.
        rights: Rights,
    },
    /// Subscribes to a track; a no-op when subscribed.
    Subscribe {
        /// The subscriber.
        participant: ParticipantId,
        /// The track.
        track: TrackId,
    },
    /// Ends a subscription; a no-op when there is none.
    Unsubscribe {
        /// The subscriber.
        participant: ParticipantId,
        /// The track.
        track: TrackId,
    },
    /// Limits the encodings of a simulcast track that a subscriber receives. Which of them it is follows from what its path carries and
    /// how the track is shown.
    SetLayer {
        /// The subscriber.
        participant: ParticipantId,
        /// The track.
        track: TrackId,
        /// The rid of the best encoding that is wanted; `None` for the best there is.
        rid: Option<Rid>,
    },
    /// Says how a subscriber shows a track, which decides how good a picture is of use to it.
    SetView {
        /// The subscriber.
        participant: ParticipantId,
        /// The track.
        track: TrackId,
        /// How it is shown. Before the first one it counts as [`View::UNKNOWN`].
        view: View,
    },
    /// Sends one message on a participant's data channel. When it cannot be sent, [`Event::DataRefused`] says so, and nothing
    /// more is sent on this opening: of what is handed to an opening the client gets a first part without gaps.
    SendData {
        /// The recipient.
        participant: ParticipantId,
        /// Which channel.
        channel: Channel,
        /// Of [`Event::ChannelOpened`]. What is for an earlier opening is left out.
        opening: u32,
        /// The message, UTF-8; shared between recipients.
        text: Bytes,
    },
}

/// How a participant takes part.
#[derive(Clone, Debug)]
pub struct ParticipantSettings {
    /// What is advertised to the client, in order of preference.
    pub candidates: Arc<[Candidate]>,
    /// The client follows [`Event::Bound`], so that pooled m-lines may change their track without renegotiation.
    pub follows_bindings: bool,
    /// Subscribe to every track of the room, present and future.
    pub auto_subscribe: bool,
    /// What it may publish.
    pub rights: Rights,
}

/// What a participant may publish.
///
/// Audio and video are told apart by what is sent. That a video is a screen's is the client's word: who may share a screen
/// but not a camera can show a camera as a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Microphones.
    pub audio: bool,
    /// Cameras.
    pub video: bool,
    /// Screens and their sound.
    pub screen: bool,
}

impl Rights {
    /// Everything.
    pub const ALL: Self = Self { audio: true, video: true, screen: true };
    /// Nothing.
    pub const NONE: Self = Self { audio: false, video: false, screen: false };

    /// Whether a track may be published.
    #[must_use]
    pub const fn allow(self, kind: MediaKind, source: Source) -> bool {
        match (kind, source) {
            (MediaKind::Video, Source::Screen) | (MediaKind::Audio, Source::ScreenAudio) => self.screen,
            (MediaKind::Audio, _) => self.audio,
            (MediaKind::Video, _) => self.video,
        }
    }
}

/// A host candidate of this shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// UDP, or passive TCP.
    pub protocol: Protocol,
    /// The address that clients reach.
    pub address: SocketAddr,
}

/// A data channel that the server knows by its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// `chat`: reliable and ordered; carries protocol messages to and from the server.
    Chat,
}

impl Channel {
    /// The channel's DCEP label (RFC 8832).
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Chat => "chat",
        }
    }

    /// The channel of that label.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        (label == "chat").then_some(Self::Chat)
    }
}

/// How a subscriber shows a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Whether it can be seen at all: a video that cannot is not sent.
    pub visible: bool,
    /// Width and height of the picture on the screen, in device pixels; `None` where the client does not say.
    pub size: Option<(u16, u16)>,
    /// The viewer has singled it out: it gets bandwidth before others.
    pub pinned: bool,
}

impl View {
    /// Of a client that says nothing: visible, as large as it comes.
    pub const UNKNOWN: Self = Self { visible: true, size: None, pinned: false };
}

/// Why a subscriber is not sent a track that it has subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseReason {
    /// Not even its lowest layer fits what the subscriber's connection carries, beside what is more important.
    Bandwidth,
}

/// A simulcast stream's identifier (RFC 8851): 1 to 16 ASCII letters, digits, `-` or `_`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rid {
    bytes: [u8; 16],
    len: u8,
}

impl Rid {
    /// `None` unless `text` is a valid rid.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        Self::from_bytes(text.as_bytes())
    }

    /// The same from the bytes of a header extension.
    #[must_use]
    pub fn from_bytes(text: &[u8]) -> Option<Self> {
        let valid = (1..=16).contains(&text.len())
            && text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        valid.then(|| {
            let mut bytes = [0; 16];
            bytes[..text.len()].copy_from_slice(text);
            Self { bytes, len: text.len() as u8 }
        })
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl fmt::Debug for Rid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Audio or video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MediaKind {
    /// `m=audio`
    Audio,
    /// `m=video`
    Video,
}

/// What a track shows or plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A microphone.
    Microphone,
    /// A camera.
    Camera,
    /// A shared screen, window or tab.
    Screen,
    /// The sound of a shared screen.
    ScreenAudio,
}

/// A client's words about one of its tracks.
#[derive(Clone, Debug)]
pub struct TrackDescription {
    /// The m-line it belongs to.
    pub mid: String,
    /// What it shows.
    pub source: Source,
    /// Whether it starts muted.
    pub muted: bool,
}

/// A publication as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackInfo {
    /// The track.
    pub track: TrackId,
    /// The publisher's m-line.
    pub mid: String,
    /// Audio or video.
    pub kind: MediaKind,
    /// What it shows.
    pub source: Source,
    /// Whether its publisher muted it.
    pub muted: bool,
    /// The simulcast rids, lowest first; empty without simulcast.
    pub rids: Vec<Rid>,
}

/// What a shard tells the control plane.
#[derive(Debug)]
pub enum Event {
    /// The answer to [`Command::Offer`].
    Answered {
        /// Who offered.
        participant: ParticipantId,
        /// The request's number.
        request: u64,
        /// The answer's SDP, or why there is none. After an error the earlier state stands.
        result: Result<String, NegotiationError>,
    },
    /// The server offers; the client answers with [`Command::Answer`].
    Offered {
        /// To whom.
        participant: ParticipantId,
        /// The offer's number, counted per participant.
        negotiation: u32,
        /// The offer's SDP.
        sdp: String,
    },
    /// The client's answer could not be applied. The offer stays withdrawn until something changes.
    AnswerRefused {
        /// Whose answer.
        participant: ParticipantId,
        /// Why.
        error: NegotiationError,
    },
    /// ICE and DTLS are up: media flows.
    Connected {
        /// Whose transport.
        participant: ParticipantId,
        /// Over UDP or TCP.
        protocol: Protocol,
    },
    /// The transport ended, and with it the participant and all it published.
    Closed {
        /// Whose.
        participant: ParticipantId,
        /// Why.
        reason: CloseReason,
    },
    /// A track can be subscribed to.
    Published {
        /// The publisher.
        participant: ParticipantId,
        /// The track.
        info: TrackInfo,
    },
    /// An m-line is not published: the participant has no right to. Its packets are dropped.
    PublishRefused {
        /// Whose.
        participant: ParticipantId,
        /// The m-line.
        mid: String,
        /// What it would show.
        source: Source,
    },
    /// A track ended. Not sent for those of a participant who leaves.
    Unpublished {
        /// The publisher.
        participant: ParticipantId,
        /// The track.
        track: TrackId,
    },
    /// From now on the m-line `mid` of the subscriber's connection carries this track.
    Bound {
        /// The subscriber.
        participant: ParticipantId,
        /// The m-line.
        mid: String,
        /// The track it carries.
        track: TrackId,
        /// Its publisher.
        publisher: ParticipantId,
    },
    /// The m-line `mid` carries nothing any more.
    Unbound {
        /// The subscriber.
        participant: ParticipantId,
        /// The m-line.
        mid: String,
        /// The track it carried.
        track: TrackId,
    },
    /// A subscription cannot be served.
    SubscriptionFailed {
        /// The subscriber.
        participant: ParticipantId,
        /// The track.
        track: TrackId,
        /// Why.
        reason: SubscriptionError,
    },
    /// A subscriber receives another simulcast encoding from the next frame on.
    LayerChanged {
        /// The subscriber.
        participant: ParticipantId,
        /// The track.
        track: TrackId,
        /// The encoding's rid.
        rid: Rid,
    },
    /// A subscription is sent nothing for a while.
    SubscriptionPaused {
        /// The subscriber.
        participant: ParticipantId,
        /// The track.
        track: TrackId,
        /// Why.
        reason: PauseReason,
    },
    /// A paused subscription goes on: its picture follows.
    SubscriptionResumed {
        /// The subscriber.
        participant: ParticipantId,
        /// The track.
        track: TrackId,
    },
    /// Which encodings of a participant's own track anybody watches. What nobody watches need not be sent; what is watched again
    /// is awaited from the moment of this event on. All encodings are wanted before the first one.
    EncodingsWanted {
        /// The publisher.
        participant: ParticipantId,
        /// The publisher's m-line.
        mid: String,
        /// The track.
        track: TrackId,
        /// Every encoding, the lowest first, and whether it is wanted. Without simulcast there is one, which no rid names.
        encodings: Vec<(Option<Rid>, bool)>,
    },
    /// Who speaks, loudest first. Sent when it changes and while someone speaks.
    Speakers {
        /// The room.
        room: RoomId,
        /// Level in -dBov: 0 is the loudest, 127 is silence (RFC 6464).
        speakers: Vec<(ParticipantId, u8)>,
    },
    /// Participants of one shard whose level of quality has changed, as many as are told at once.
    Quality {
        /// The room.
        room: RoomId,
        /// Each once.
        participants: Vec<(ParticipantId, Quality)>,
    },
    /// The answer to [`Command::ReadRoom`].
    RoomRead {
        /// The request's number.
        request: u64,
        /// How the room does.
        stats: Box<RoomStats>,
    },
    /// A data channel opened: [`Command::SendData`] works from now on.
    ChannelOpened {
        /// Whose.
        participant: ParticipantId,
        /// Which.
        channel: Channel,
        /// How often this participant has opened it; the channel of an earlier opening is closed.
        opening: u32,
    },
    /// A data channel closed.
    ChannelClosed {
        /// Whose.
        participant: ParticipantId,
        /// Which.
        channel: Channel,
    },
    /// A text message arrived on a data channel.
    Data {
        /// From whom.
        participant: ParticipantId,
        /// On which channel.
        channel: Channel,
        /// The message; not yet validated as UTF-8.
        text: Bytes,
    },
    /// [`Command::SendData`] found no open channel, or one whose send buffer is full: use the fallback. Told once an opening.
    DataRefused {
        /// The recipient.
        participant: ParticipantId,
        /// Which channel.
        channel: Channel,
        /// The opening, which is of no use any more.
        opening: u32,
    },
}

/// Why a transport ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The client closed its connection (DTLS close_notify).
    #[error("the client closed its media connection")]
    ClosedByClient,
    /// No consent for 30 s (RFC 7675).
    #[error("the client's media connection has not been heard of for 30 seconds")]
    ConsentExpired,
    /// DTLS was not up in time.
    #[error("the DTLS handshake did not complete within {seconds} seconds")]
    HandshakeTimeout {
        /// The deadline.
        seconds: u64,
    },
    /// The client's certificate is not the one its SDP announced.
    #[error("the DTLS certificate does not match the fingerprint in the SDP")]
    FingerprintMismatch,
    /// DTLS failed otherwise.
    #[error("DTLS failed: {0}")]
    Dtls(String),
}

/// Why an offer or answer was refused. The text names what was wrong and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NegotiationError {
    /// An offer of the server's is outstanding: answer it first, then offer again (perfect negotiation's impolite side).
    #[error("an offer of the server is outstanding: answer it first, then offer again")]
    Glare,
    /// An answer to nothing.
    #[error("there is no outstanding offer with that number")]
    NoOffer,
    /// The description does not fit the session so far.
    #[error("{0}")]
    Invalid(String),
}

/// Why a subscription cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscriptionError {
    /// No such track in the room, or it is the participant's own.
    #[error("there is no such track to subscribe to")]
    NoTrack,
    /// The subscriber's client cannot decode what is published.
    #[error("this client cannot decode the track's codec")]
    Codec,
    /// The subscriber's answer refused the m-line.
    #[error("the client refused the m-line that was offered for the track")]
    Refused,
    /// The subscriber has too many subscriptions.
    #[error("too many subscriptions")]
    TooMany,
}
