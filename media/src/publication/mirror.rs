//! Whose packets a publication has: a participant's of this shard, or those that another shard relays.

use crate::relay::SharedTrack;
use crate::subscription::MAX_ENCODINGS;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an encoding is relayed after it was last wanted: what was lost of it on the way to the server comes until then
/// (see [`MAX_AGE`](crate::feedback::nack::MAX_AGE)), and subscribers that have changed over wait for it.
const LINGER: Duration = crate::feedback::nack::MAX_AGE;

/// See the module's text.
pub(crate) enum Publisher {
    /// Index among the room's participants.
    Member(usize),
    /// A participant on another shard.
    Elsewhere(Box<Mirror>),
}

/// A track that is published on another shard, as seen from here.
pub(crate) struct Mirror {
    /// The shard.
    pub(crate) shard: u16,
    /// Its latest word about the track.
    pub(crate) shared: Arc<SharedTrack>,
    /// When subscribers here last wanted each encoding.
    wanted_at: [Option<Instant>; MAX_ENCODINGS],
    /// What that shard was last told to be wanted; `None` when it may not have heard it.
    told: Option<u8>,
}

impl Mirror {
    pub(crate) fn new(shard: u16, shared: Arc<SharedTrack>) -> Self {
        Self { shard, shared, wanted_at: [None; MAX_ENCODINGS], told: Some(0) }
    }

    /// Takes note of the encodings that subscribers want at present, as bits.
    pub(crate) fn note_wanted(&mut self, now: Instant, wanted: u8) {
        let wanted_at = self.wanted_at.iter_mut().enumerate();
        wanted_at.filter(|(encoding, _)| wanted >> encoding & 1 == 1).for_each(|(_, at)| *at = Some(now));
    }

    /// The encodings to be relayed, `always` among them, if that is not what the other shard knows; it then counts as told.
    pub(crate) fn news(&mut self, now: Instant, always: u8) -> Option<u8> {
        let lingers = |at: &Option<Instant>| at.is_some_and(|at| now.saturating_duration_since(at) < LINGER);
        let wanted = self.wanted_at.iter().enumerate().filter(|(_, at)| lingers(at));
        let wanted = wanted.fold(always, |bits, (encoding, _)| bits | 1 << encoding);
        (self.told.replace(wanted) != Some(wanted)).then_some(wanted)
    }

    /// The other shard may not know what it was told.
    pub(crate) fn forget_told(&mut self) {
        self.told = None;
    }
}
