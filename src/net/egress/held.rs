//! What a full socket did not take and is worth waiting for: audio, and what all else depends on.
//!
//! It waits in an outbox of its own, and leaves before anything newer once the socket can be written to again.

use super::batch::Destination;
use parlor_media::outbox::{Class, Classes, MAX_DATAGRAM, Outbox};
use std::time::{Duration, Instant};

/// Bytes that wait at most: a packet of audio for each of 1,000 people. Allocated when a socket is full for the first time.
const HELD_BYTES: usize = 256 << 10;

/// How much of that audio may take: the rest is left for what all else depends on.
const AUDIO_BYTES: usize = HELD_BYTES / 4 * 3;

/// How long audio waits: by then its successor has come, and the listener has filled the gap.
const AUDIO_WAITS: Duration = Duration::from_millis(20);

/// See the module's text.
#[derive(Default)]
pub(super) struct Held {
    waiting: Option<Outbox>,
    /// The other one's memory, while that is being sent.
    spare: Option<Outbox>,
    since: Option<Instant>,
}

impl Held {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.as_ref().is_none_or(Outbox::is_empty)
    }

    /// Keeps a datagram, if it is worth it and there is room.
    pub(super) fn keep(&mut self, now: Instant, to: Destination<'_>, datagram: &[u8], class: Class) -> bool {
        if !Classes::PRECIOUS.contains(class) {
            return false;
        }
        let spare = &mut self.spare;
        let new = || spare.take().unwrap_or_else(|| Outbox::with_slab(HELD_BYTES + MAX_DATAGRAM));
        let waiting = self.waiting.get_or_insert_with(new);
        let limit = if class == Class::Audio { AUDIO_BYTES } else { HELD_BYTES };
        let kept = waiting.bytes() + datagram.len() <= limit && waiting.push_as(to.slot, to.path, datagram, class);
        if kept {
            self.since.get_or_insert(now);
        }
        kept
    }

    /// Everything that waits, to be sent now, and the classes that still are of use. What cannot be sent again may be kept
    /// again meanwhile; then the memory is to be given back by [`Self::give_back`].
    pub(super) fn take(&mut self, now: Instant) -> Option<(Outbox, Classes)> {
        let waiting = self.waiting.take()?;
        let late = self.since.is_some_and(|since| now.saturating_duration_since(since) > AUDIO_WAITS);
        if late {
            self.since = None;
        }
        Some((waiting, if late { Classes::only(Class::Control) } else { Classes::PRECIOUS }))
    }

    /// Takes back what [`Self::take`] gave.
    pub(super) fn give_back(&mut self, mut sent: Outbox) {
        sent.clear();
        self.spare = Some(sent);
        if self.is_empty() {
            self.since = None;
        }
    }
}
