//! What every part of a shard may touch while it handles one input: the time, the way out, and the shared registers.

use crate::burst::Burst;
use crate::command::Event;
use crate::feedback::ntp::NtpClock;
use crate::handshakes::Handshakes;
use crate::ids::TrackId;
use crate::outbox::Outbox;
use crate::path::{Path, Protocol};
use crate::relay::{Note, RelayBatch, ShardSet};
use crate::room::Choosing;
use crate::sdp::Fingerprint;
use crate::stats::ShardStats;
use crate::subscription::{DraftKey, Drafts};
use crate::timers::Timers;
use crate::transport::Identity;
use rand::rngs::StdRng;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// Events that wait to be polled. Beyond it speaker levels and data messages are dropped and counted; what remains
/// is bounded by the commands and participants that cause it.
const MAX_EVENTS: usize = 65_536;

/// The shard's registers, owned by it and lent to rooms through a [`Context`].
pub(crate) struct Core {
    pub(crate) identity: Arc<Identity>,
    /// The certificate's fingerprint as session descriptions state it.
    pub(crate) fingerprint: Fingerprint,
    pub(crate) outbox: Outbox,
    /// Packets to be forwarded.
    pub(crate) burst: Burst,
    pub(crate) drafts: Drafts,
    pub(crate) events: VecDeque<Event>,
    pub(crate) stats: ShardStats,
    pub(crate) rng: StdRng,
    pub(crate) clock: NtpClock,
    /// The time of the latest input, and the same in µs since the shard began.
    pub(crate) moment: (Instant, i64),
    /// When transports have something to do, by their participants' slots.
    pub(crate) timers: Timers,
    /// When rooms may have their next turn, by their numbers.
    pub(crate) upkeep: Timers,
    /// When something that waits to be sent has its turn, by participants' slots.
    pub(crate) pacing: Timers,
    /// 4-tuples that ICE has validated, to the participant's slot.
    pub(crate) paths: HashMap<Path, u32>,
    /// Local ICE user fragments, to the participant's slot.
    pub(crate) ufrags: HashMap<String, u32>,
    /// DTLS datagrams of transports that are not up.
    pub(crate) handshakes: Handshakes,
    /// Slots of participants that the server owes an offer, each once.
    pub(crate) offers_due: VecDeque<u32>,
    /// TCP paths that nobody uses any more, to be closed by the socket layer.
    pub(crate) closed_paths: VecDeque<Path>,
    /// Scratch for RTCP being written.
    pub(crate) scratch: Vec<u8>,
    /// Scratch for the choice of layers.
    pub(crate) choosing: Choosing,
    /// Scratch for sequence numbers to ask for.
    pub(crate) missing: Vec<u16>,
    pub(crate) next_track: u64,
    /// The shard's number.
    pub(crate) index: u16,
    /// Whether sound is sent with copies where it gets lost.
    pub(crate) opus_red: bool,
    /// What the other shards are to have.
    pub(crate) relay: RelayBatch,
    /// Shards that may have missed something of what they were told.
    pub(crate) relay_lost: ShardSet,
    /// Tracks that are mirrored here: their room and publication.
    pub(crate) mirrors: HashMap<TrackId, (u32, usize)>,
}

impl Core {
    /// Lends everything for the handling of one input at `now`.
    pub(crate) fn at(&mut self, now: Instant) -> Context<'_> {
        if self.moment.0 != now {
            self.moment = (now, self.clock.micros_at(now));
        }
        Context { now, micros: self.moment.1, core: self }
    }

    /// Has the outbox sent and cleared if it should be before more is written.
    #[inline]
    pub(crate) fn flush_if_full(&mut self, flush: &mut dyn FnMut(&mut Outbox)) {
        if self.outbox.needs_flush() {
            flush(&mut self.outbox);
        }
    }

    /// The key to the drafts of the next packet of the burst.
    pub(crate) fn next_draft(&mut self) -> DraftKey {
        self.drafts.begin(self.burst.len())
    }

    /// Takes a participant's path out of the register, unless it has become somebody else's: a client that reloads may
    /// come back from the same port. A TCP connection has no other use and is to be closed.
    pub(crate) fn drop_path(&mut self, path: &Path, slot: u32) {
        if self.paths.get(path) != Some(&slot) {
            return;
        }
        self.paths.remove(path);
        if path.protocol == Protocol::Tcp {
            self.closed_paths.push_back(*path);
        }
    }
}

/// See the module's text.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    /// The same in µs since the shard began.
    pub(crate) micros: i64,
    pub(crate) core: &'a mut Core,
}

impl Context<'_> {
    /// Queues an event for the control plane.
    pub(crate) fn emit(&mut self, event: Event) {
        let droppable = matches!(event, Event::Speakers { .. } | Event::Data { .. });
        if droppable && self.core.events.len() >= MAX_EVENTS {
            self.core.stats.events_dropped += 1;
            return;
        }
        self.core.events.push_back(event);
    }

    /// Tells other shards something that they must know.
    pub(crate) fn relay(&mut self, to: ShardSet, note: Note) {
        if !to.is_empty() && !self.core.relay.push(to, note) {
            self.core.relay_lost = self.core.relay_lost.with(to);
        }
    }

    /// A fresh track id, unique in the process: its upper bits are the shard's.
    pub(crate) fn next_track(&mut self) -> TrackId {
        self.core.next_track += 1;
        TrackId(self.core.next_track)
    }
}
