//! The m-lines on which the server sends: a pool that grows in small batches and whose lines are used again.

use crate::command::MediaKind;
use crate::formats::{EXTENSION_COUNT, Extension, FORMAT_COUNT, FormatId};
use crate::numbering::PayloadTypes;
use crate::sdp::{Mid, RemoteExtension, RemoteFormat};
use rand::{Rng, RngExt};

/// Spare lines that come with a line that must be offered anyway, so that the next joins need no renegotiation.
pub(super) const SPARE_LINES: usize = 2;

/// A sending m-line of one participant, for the participant's life. Its position among the m-lines is another matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineIndex(pub(super) u16);

impl LineIndex {
    /// Position in the pool, counted from 0 without gaps.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A track's names in SDP: `a=msid:<stream> <track>` (RFC 8830).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Msid {
    /// Tracks of one stream are played in sync.
    pub stream: String,
    /// The track.
    pub track: String,
}

/// What a sending m-line has agreed on with the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendLine {
    /// Which one.
    pub index: LineIndex,
    /// Its identification.
    pub mid: Mid,
    /// Audio or video.
    pub kind: MediaKind,
    /// The SSRC of its media, fixed for the line's life.
    pub ssrc: u32,
    /// The SSRC of its retransmissions; `None` for audio.
    pub rtx_ssrc: Option<u32>,
    types: [Option<PayloadTypes>; FORMAT_COUNT],
    ids: [u8; EXTENSION_COUNT],
}

impl SendLine {
    /// The payload types under which the client takes exactly this format here.
    #[must_use]
    pub fn types(&self, format: FormatId) -> Option<PayloadTypes> {
        self.types[format.index()]
    }

    /// The payload types under which the client can decode a format here: its own, or that of a more capable decoder.
    #[must_use]
    pub fn accepting(&self, format: FormatId) -> Option<PayloadTypes> {
        format.accepted_as().find_map(|f| self.types(f))
    }

    /// The id of a header extension, where the client takes it here.
    #[must_use]
    pub fn id(&self, extension: Extension) -> Option<u8> {
        Some(self.ids[extension as usize]).filter(|id| *id != 0)
    }
}

/// What the client was last told of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signalled {
    pub(super) sends: bool,
    pub(super) msid: Option<Msid>,
}

/// One line of the pool.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) index: LineIndex,
    pub(super) mid: Mid,
    pub(super) kind: MediaKind,
    pub(super) ssrc: u32,
    pub(super) rtx_ssrc: Option<u32>,
    /// The track that it carries, or is to carry.
    pub(super) msid: Option<Msid>,
    /// What an answer has confirmed; `None` until the line is an m-line that both sides know.
    pub(super) signalled: Option<Signalled>,
    /// What the client takes on it; `None` while it takes nothing.
    pub(super) agreed: Option<SendLine>,
    /// The client refused it, or took its m-line for something else: it is never used again.
    pub(super) dead: bool,
}

impl Line {
    pub(super) fn new(index: LineIndex, mid: Mid, kind: MediaKind, rng: &mut impl Rng) -> Self {
        // 0 is legal, but some stacks take it for "none".
        let ssrc = rng.random_range(1..=u32::MAX);
        let rtx_ssrc = (kind == MediaKind::Video).then(|| {
            loop {
                let rtx = rng.random_range(1..=u32::MAX);
                if rtx != ssrc {
                    break rtx;
                }
            }
        });
        Self { index, mid, kind, ssrc, rtx_ssrc, msid: None, signalled: None, agreed: None, dead: false }
    }

    /// What the client is to be told of it. A client that follows bindings takes whatever comes on a line at any time.
    pub(super) fn wanted(&self, follows_bindings: bool) -> Signalled {
        Signalled { sends: follows_bindings || self.msid.is_some(), msid: self.msid.clone() }
    }

    /// Whether it waits for an offer, or for an answer that tells as much.
    pub(super) fn needs_offer(&self, follows_bindings: bool) -> bool {
        match &self.signalled {
            _ if self.dead => false,
            None => true,
            Some(signalled) => !follows_bindings && *signalled != self.wanted(follows_bindings),
        }
    }

    pub(super) fn agree(&mut self, formats: &[RemoteFormat], extensions: &[RemoteExtension]) {
        let mut types = [None; FORMAT_COUNT];
        for format in formats {
            types[format.id.index()] = Some(PayloadTypes { media: format.payload_type, rtx: format.rtx });
        }
        let mut ids = [0; EXTENSION_COUNT];
        let received = |e: &&RemoteExtension| e.direction.is_none_or(|d| d.receives());
        // Without an answer to them transport-wide numbers are of no use.
        let answers = formats.iter().any(|format| format.feedback.transport_cc);
        let sent =
            |e: &&RemoteExtension| e.extension.is_sent(self.kind) && (answers || e.extension != Extension::TransportCc);
        for known in extensions.iter().filter(sent).filter(received) {
            ids[known.extension as usize] = known.id;
        }
        let Self { index, mid, kind, ssrc, rtx_ssrc, .. } = *self;
        self.agreed = Some(SendLine { index, mid, kind, ssrc, rtx_ssrc, types, ids });
    }
}
