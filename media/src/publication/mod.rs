//! Ingress state: what a participant publishes.
//!
//! A publication is one track; it has one encoding, or with simulcast several, each its own RTP stream with its own
//! numbers, packet ring and feedback. Encodings are ordered by quality, the lowest first.

mod cost;
mod encoding;
mod layers;
mod mirror;
mod replay;
mod streams;
mod structures;
mod watching;

pub(crate) use encoding::{Encoding, Received, Stored};
pub(crate) use mirror::{Mirror, Publisher};
pub(crate) use replay::Replay;
pub(crate) use streams::{Stream, Streams};
pub(crate) use watching::Watching;

use crate::command::{MediaKind, Rid, Source, TrackInfo};
use crate::feedback::keyframe::SIBLING_INTERVAL;
use crate::ids::{ParticipantId, TrackId};
use crate::negotiation::ReceiveLine;
use crate::numbering::Numbering;
use crate::relay::{ShardSet, SharedTrack};
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
    pub(crate) publisher: Publisher,
    pub(crate) mid: Mid,
    pub(crate) kind: MediaKind,
    pub(crate) source: Source,
    pub(crate) muted: bool,
    /// Its voice among the room's speakers, if it is a microphone.
    pub(crate) voice: Option<VoiceKey>,
    pub(crate) encodings: Vec<Encoding>,
    pub(crate) subscribers: Vec<Subscriber>,
    /// Which encodings are watched, as its publisher is told.
    pub(crate) watching: Watching,
    /// The shards that each encoding is relayed to.
    pub(crate) wanted_by: [ShardSet; MAX_ENCODINGS],
}

impl Publication {
    /// The publication of a line on which a client sends.
    pub(crate) fn new(track: TrackId, publisher: usize, line: &ReceiveLine, source: Source, muted: bool) -> Self {
        Self {
            track,
            publisher: Publisher::Member(publisher),
            mid: line.mid,
            kind: line.kind,
            source,
            muted,
            voice: None,
            encodings: encodings(line.kind, &line.rids),
            subscribers: Vec::new(),
            watching: Watching::default(),
            wanted_by: [ShardSet::EMPTY; MAX_ENCODINGS],
        }
    }

    /// The mirror of a track that is published on another shard.
    pub(crate) fn mirror(mirror: Mirror) -> Self {
        let SharedTrack { track, mid, kind, source, muted, .. } = *mirror.shared;
        Self {
            track,
            mid,
            kind,
            source,
            muted,
            voice: None,
            encodings: encodings(kind, &mirror.shared.rids),
            publisher: Publisher::Elsewhere(Box::new(mirror)),
            subscribers: Vec::new(),
            watching: Watching::default(),
            wanted_by: [ShardSet::EMPTY; MAX_ENCODINGS],
        }
    }

    /// The index of its publisher among the room's participants, if it is here.
    pub(crate) fn member(&self) -> Option<usize> {
        match self.publisher {
            Publisher::Member(index) => Some(index),
            Publisher::Elsewhere(_) => None,
        }
    }

    /// Where it is mirrored from, if it is.
    pub(crate) fn origin(&self) -> Option<&Mirror> {
        match &self.publisher {
            Publisher::Member(_) => None,
            Publisher::Elsewhere(mirror) => Some(mirror),
        }
    }

    /// The same, to change it.
    pub(crate) fn origin_mut(&mut self) -> Option<&mut Mirror> {
        match &mut self.publisher {
            Publisher::Member(_) => None,
            Publisher::Elsewhere(mirror) => Some(mirror),
        }
    }

    /// As other shards mirror it; `publisher` is who publishes it, with these numbers.
    pub(crate) fn shared(&self, publisher: ParticipantId, numbering: &Numbering) -> SharedTrack {
        SharedTrack {
            track: self.track,
            publisher,
            mid: self.mid,
            kind: self.kind,
            source: self.source,
            muted: self.muted,
            silenced: self.is_silenced(),
            rids: self.encodings.iter().filter_map(|encoding| encoding.rid).collect(),
            numbering: numbering.clone(),
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
        self.encodings.iter_mut().for_each(Encoding::end_silence);
        silenced
    }

    pub(crate) fn is_silenced(&self) -> bool {
        self.encodings.iter().any(|encoding| encoding.silent_from.is_some())
    }

    /// Whether its publisher would hear a request for a key frame: it makes none so soon after another.
    pub(crate) fn may_ask_for_keyframe(&self, now: Instant) -> bool {
        let asked = self.encodings.iter().filter_map(|encoding| encoding.keyframes.last_sent()).max();
        asked.is_none_or(|at| now.saturating_duration_since(at) >= SIBLING_INTERVAL)
    }

    /// Whether an encoding is sent at present.
    pub(crate) fn is_alive(&self, now: Instant, encoding: usize) -> bool {
        self.encodings.get(encoding).is_some_and(|encoding| encoding.is_alive(now))
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

/// An encoding for each rid, or one for all.
fn encodings(kind: MediaKind, rids: &[Rid]) -> Vec<Encoding> {
    let named = rids.iter().take(MAX_ENCODINGS).map(|rid| Encoding::new(kind, Some(*rid)));
    let mut encodings: Vec<Encoding> = named.collect();
    if encodings.is_empty() {
        encodings.push(Encoding::new(kind, None));
    }
    encodings
}
