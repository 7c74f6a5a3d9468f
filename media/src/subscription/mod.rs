//! Egress state: what one participant receives.
//!
//! An [`Outgoing`] is one RTP stream towards a participant. A [`Subscription`], here, lends it to a track for a while: what the
//! subscriber wants of it, and which source it is sent.

mod delivery;
mod draft;
mod equal;
mod outgoing;
mod pictures;
mod redundancy;
mod rewriter;
mod selector;
mod sequencer;
mod skips;
mod thinning;

pub(crate) use draft::{DraftKey, Drafts};
pub(crate) use outgoing::{Outgoing, Purpose};
pub(crate) use pictures::{Picture, Tier};
pub(crate) use selector::{ALIVE_FOR, MAX_ENCODINGS};

use crate::allocation::Layer;
use crate::allocation::dwell::Dwell;
use crate::command::View;
use crate::drop_reason::DropReason;
use crate::formats::{Extension, FormatId};
use crate::negotiation::{ForwardPlan, SendLine};
use crate::numbering::Numbering;
use crate::publication::{Encoding, Replay};
use crate::rtp::header::RtpHeader;
use crate::rtp::red::primary_block;
use delivery::Delivery;
use redundancy::{Primary, Redundant};
use rewriter::Epoch;
use selector::Selector;
use thinning::Thinning;

/// What is known of a decrypted media packet on its way to the subscribers of its publication.
pub(crate) struct Incoming {
    pub(crate) header: RtpHeader,
    /// Extended sequence number in its encoding.
    pub(crate) sequence: u64,
    pub(crate) encoding: usize,
    /// Changes when the encoding's sender starts over with other numbers.
    pub(crate) generation: u8,
    pub(crate) format: FormatId,
    /// A decoder can start here.
    pub(crate) begins: bool,
    /// The numbers of its picture, where it has any.
    pub(crate) picture: Option<Picture>,
    /// How many bytes longer than this one the longest packet of its frame is that leaves with it: [`SLACK`] until that is known.
    ///
    /// [`SLACK`]: crate::rtp::padding::SLACK
    pub(crate) growth: u16,
    /// What its drafts are found by: of [`Drafts::begin`], for this packet alone.
    pub(crate) key: DraftKey,
}

/// A track's turn on an outgoing stream.
pub(crate) struct Subscription {
    /// Key of the publication in the room.
    pub(crate) publication: usize,
    pub(crate) selector: Selector,
    thinning: Thinning,
    pub(crate) delivery: Delivery,
    plan: ForwardPlan,
    /// Outgoing id of the dependency descriptor, 0 if it is not forwarded.
    descriptor_id: u8,
    /// The generation of the encoding that is forwarded.
    generation: u8,
    /// The latest two sources, for retransmissions.
    sources: [Option<Upstream>; 2],
    /// Whether a key picture is to make good what a full path loses of a larger picture that was left.
    renewal: Renewal,
    /// The client was told that it cannot decode this.
    pub(crate) refused: bool,
    /// How the client shows it.
    pub(crate) view: View,
    /// The highest encoding that the client wants; `None` for the best there is.
    pub(crate) limit: Option<usize>,
    /// The layer that it was last allocated; `None` for nothing.
    pub(crate) layer: Option<Layer>,
    /// What it is about to begin with, once that has its turn.
    pub(crate) replay: Option<PendingReplay>,
    /// How its layers have changed of late.
    pub(crate) dwell: Dwell,
    /// The client was told that it is paused.
    pub(crate) is_paused: bool,
}

impl Subscription {
    /// A subscription of a publication from `publisher`, as the plan between the two has it.
    pub(crate) fn new(publication: usize, publisher: &Numbering, line: &SendLine) -> Self {
        Self {
            publication,
            selector: Selector::default(),
            thinning: Thinning::default(),
            delivery: Delivery::default(),
            plan: ForwardPlan::new(publisher, line),
            descriptor_id: line.id(Extension::DependencyDescriptor).unwrap_or(0),
            generation: 0,
            sources: [None; 2],
            renewal: Renewal::None,
            refused: false,
            view: View::UNKNOWN,
            limit: None,
            layer: None,
            replay: None,
            dwell: Dwell::default(),
            is_paused: false,
        }
    }

    /// Aims at a layer: its encoding, or a larger picture of the same, with the next key frame, its frame rate as soon as may be.
    pub(crate) fn aim(&mut self, layer: Layer) {
        self.selector.aim(layer.encoding);
        self.thinning.aim(layer.spatial, layer.temporal);
    }

    /// The same, and nothing of a better encoding is forwarded meanwhile. A smaller picture of the same one goes on without a key picture,
    /// but what is lost of the larger one on a path that is full of it would have to be sent again for that: so one is asked for.
    pub(crate) fn leave_for(&mut self, layer: Layer) {
        let is_smaller = |spatial| self.thinning.spatial_limit().is_none_or(|limit| spatial < limit);
        if self.selector.current() == Some(layer.encoding) && layer.spatial.is_some_and(is_smaller) {
            self.renewal = Renewal::Awaited;
        }
        self.selector.leave_for(layer.encoding);
        self.thinning.aim(layer.spatial, layer.temporal);
    }

    /// The encoding whose key frame is needed before anything, or anything better, can be shown.
    pub(crate) fn wants_keyframe_of(&self) -> Option<usize> {
        let nothing = || (self.selector.current().is_none() && !self.selector.is_stopped()).then_some(0);
        self.selector.awaited().or_else(nothing)
    }

    /// The encoding whose key frame is needed, also for a larger picture of the encoding that is forwarded: it has so many spatial layers.
    pub(crate) fn awaits_keyframe_of(&self, spatial_layers: impl FnOnce(usize) -> u8) -> Option<usize> {
        self.wants_keyframe_of().or_else(|| {
            let current = self.selector.current()?;
            let awaits = self.renewal == Renewal::Awaited || self.thinning.awaits_key(spatial_layers(current));
            awaits.then_some(current)
        })
    }

    /// The layers of a packet, if it is of the source that is forwarded and tells of them.
    fn tier_of_current(&self, incoming: &Incoming) -> Option<Tier> {
        let is_current = self.selector.current() == Some(incoming.encoding) && self.generation == incoming.generation;
        incoming.picture.as_ref().and_then(|picture| picture.tier).filter(|_| is_current)
    }

    /// The highest spatial layer of its encoding that is forwarded at present; `None` for all.
    pub(crate) fn spatial_limit(&self) -> Option<u8> {
        self.thinning.spatial_limit()
    }

    /// The format in which the client gets what is published in `format`; `None` where it cannot decode it.
    pub(crate) fn forwarded_as(&self, format: FormatId) -> Option<FormatId> {
        let accepted = |format: &FormatId| self.plan.media(*format).is_some();
        Some(format)
            .filter(accepted)
            .or_else(|| Some(FormatId::OPUS).filter(|opus| format == FormatId::RED && accepted(opus)))
    }

    /// The payload type and payload under which the client takes a packet. A client without RED gets the Opus inside.
    fn accepted<'a>(&self, format: FormatId, payload: &'a [u8]) -> Result<(u8, &'a [u8]), DropReason> {
        if let Some(payload_type) = self.plan.media(format) {
            return Ok((payload_type, payload));
        }
        let opus = self.plan.media(FormatId::OPUS).filter(|_| format == FormatId::RED);
        let block = primary_block(payload);
        opus.zip(block).map(|(opus, block)| (opus, block.payload)).ok_or(DropReason::UnsupportedCodec)
    }

    /// How many copies of earlier packets leave with one of an encoding's, of `most` that may.
    pub(crate) fn copies(&self, encoding: &Encoding, most: u8) -> u8 {
        if self.plan.redundant().is_some() && Redundant::is_of_use_to(encoding) { most } else { 0 }
    }

    /// A packet of sound with up to `most` copies of what was just before it; `since` is the first of its source.
    fn redundant<'a>(
        &self,
        encodings: &'a [Encoding],
        incoming: &Incoming,
        payload: &'a [u8],
        since: Option<u64>,
        most: u8,
    ) -> Option<Redundant<'a>> {
        if most == 0 {
            return None;
        }
        let types = self.plan.redundant()?;
        let encoding =
            encodings.get(incoming.encoding).filter(|encoding| encoding.generation == incoming.generation)?;
        let primary = Primary { sequence: incoming.sequence, timestamp: incoming.header.timestamp, payload };
        Redundant::choose(types, encoding, primary, since?, most)
    }

    /// Whether what was lost need not be sent again: a packet of a source of such a number.
    fn is_renewed_since(&self, upstream: Upstream, sequence: u64) -> bool {
        let is_latest = self.sources[0].is_some_and(|latest| latest.epoch == upstream.epoch);
        match self.renewal {
            Renewal::None => false,
            Renewal::Awaited => true,
            Renewal::Since(first) => !is_latest || sequence < first,
        }
    }

    /// The source before the present one, if the packet belongs to it.
    fn late_upstream(&self, incoming: &Incoming) -> Option<Upstream> {
        self.sources[1].filter(|o| (o.encoding, o.generation) == (incoming.encoding, incoming.generation))
    }

    /// Whether a lower encoding of the same track has followed this one.
    fn has_fallen_from(&self, upstream: Upstream) -> bool {
        self.sources[0].is_some_and(|latest| latest.epoch != upstream.epoch && latest.encoding < upstream.encoding)
    }

    fn upstream_of(&self, epoch: Epoch) -> Option<Upstream> {
        self.sources.iter().flatten().find(|upstream| upstream.epoch == epoch).copied()
    }
}

/// See [`Subscription::leave_for`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Renewal {
    None,
    Awaited,
    /// The number of the key picture's first packet.
    Since(u64),
}

/// Packets of an encoding's ring with which a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PendingReplay {
    pub(crate) encoding: usize,
    pub(crate) generation: u8,
    pub(crate) replay: Replay,
    /// The first that does not wait for its turn yet.
    pub(crate) next: u64,
}

impl PendingReplay {
    fn begins_with(&self, incoming: &Incoming) -> bool {
        (self.encoding, self.generation, self.replay.first)
            == (incoming.encoding, incoming.generation, incoming.sequence)
    }
}

/// The stream that the packets of a source came from. The same numbers mean other packets once the generation has changed.
#[derive(Clone, Copy)]
struct Upstream {
    epoch: Epoch,
    encoding: usize,
    generation: u8,
}
