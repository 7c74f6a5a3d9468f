//! Ingress state: what a participant publishes.
//!
//! A publication is one track; it has one encoding, or with simulcast several, each its own RTP stream with its own
//! numbers, packet ring and feedback. Encodings are ordered by quality, the lowest first.

mod encoding;
mod streams;

pub(crate) use encoding::{Encoding, Stored};
pub(crate) use streams::{Stream, Streams};

use crate::command::{MediaKind, Rid, Source, TrackInfo};
use crate::ids::TrackId;
use crate::negotiation::ReceiveLine;
use crate::sdp::Mid;
use crate::speakers::VoiceKey;
use crate::subscription::MAX_ENCODINGS;
use std::time::Instant;

/// Who receives a publication: a participant of the room and its sending m-line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscriber {
    /// Index among the room's participants.
    pub(crate) participant: usize,
    /// Index among that participant's outgoing streams.
    pub(crate) line: usize,
}

/// See the module's text.
pub(crate) struct Publication {
    pub(crate) track: TrackId,
    /// Index of its publisher among the room's participants.
    pub(crate) publisher: usize,
    pub(crate) mid: Mid,
    pub(crate) kind: MediaKind,
    pub(crate) source: Source,
    pub(crate) muted: bool,
    /// Its voice among the room's speakers, if it is a microphone.
    pub(crate) voice: Option<VoiceKey>,
    pub(crate) encodings: Vec<Encoding>,
    pub(crate) subscribers: Vec<Subscriber>,
}

impl Publication {
    /// The publication of a line on which a client sends.
    pub(crate) fn new(track: TrackId, publisher: usize, line: &ReceiveLine, source: Source, muted: bool) -> Self {
        let mut encodings: Vec<Encoding> =
            line.rids.iter().take(MAX_ENCODINGS).map(|rid| Encoding::new(line.kind, Some(*rid))).collect();
        if encodings.is_empty() {
            encodings.push(Encoding::new(line.kind, None));
        }
        Self {
            track,
            publisher,
            mid: line.mid,
            kind: line.kind,
            source,
            muted,
            voice: None,
            encodings,
            subscribers: Vec::new(),
        }
    }

    /// Muted by somebody else: nothing new is forwarded until its publisher unmutes it.
    pub(crate) fn silence(&mut self) {
        self.muted = true;
        self.encodings.iter_mut().for_each(Encoding::silence);
    }

    /// Ends that; whether it was so.
    pub(crate) fn end_silence(&mut self) -> bool {
        let silenced = self.is_silenced();
        self.encodings.iter_mut().for_each(|encoding| encoding.silent_from = None);
        silenced
    }

    pub(crate) fn is_silenced(&self) -> bool {
        self.encodings.iter().any(|encoding| encoding.silent_from.is_some())
    }

    /// When each encoding was last heard; entries beyond the number of encodings are empty.
    pub(crate) fn last_heard(&self) -> [Option<Instant>; MAX_ENCODINGS] {
        let mut heard = [None; MAX_ENCODINGS];
        for (heard, encoding) in heard.iter_mut().zip(&self.encodings) {
            *heard = encoding.last_heard;
        }
        heard
    }

    /// The encoding of a rid; without simulcast there is one, which no rid names.
    pub(crate) fn encoding_of(&self, rid: Option<Rid>) -> Option<usize> {
        self.encodings.iter().position(|encoding| encoding.rid == rid)
    }

    /// As others see it.
    pub(crate) fn info(&self) -> TrackInfo {
        TrackInfo {
            track: self.track,
            mid: self.mid.as_str().to_owned(),
            kind: self.kind,
            source: self.source,
            muted: self.muted,
            rids: self.encodings.iter().filter_map(|encoding| encoding.rid).collect(),
        }
    }
}
