//! How the association comes about, on networks that lose packets too.
//!
//! Browsers open it. But their timers start at a second and double, so two lost packets cost three seconds. Therefore,
//! if it is not up [`OPEN_AFTER`] after DTLS, this side opens one as well: RFC 9260 section 5.2 obliges the client to
//! take part, and this side's packets can be repeated at the pace of the call.
//!
//! Which one counts must be the same on both sides. The client follows our COOKIE-ECHO whenever it sees one. So: until
//! ours is sent, the client's association may win, and ours is dropped; from then on ours alone counts ([`committed`]).
//!
//! [`committed`]: Handshake::committed

use bytes::Bytes;
use rtc::sctp::AssociationHandle;
use std::time::{Duration, Instant};

/// A client without losses has needed two round trips and no timer by now.
const OPEN_AFTER: Duration = Duration::from_millis(1000);

/// Distance between repetitions of our INIT and COOKIE-ECHO.
const REPEAT: Duration = Duration::from_millis(150);

/// Repetitions of either; from then on SCTP's own timers have it.
const REPEATS: u32 = 40;

/// Repetitions of COOKIE-ACK, which only the client's silence tells lost.
const ACK_REPEATS: u32 = 4;

/// INITs answered in a transport's life: rtc-sctp keeps a little of each for good.
const MAX_INITS: u32 = 16;

/// Associations half open at a time: one for each INIT that the client repeats before it hears an answer.
const MAX_HALF_OPEN: usize = 4;

/// The first chunk of an SCTP packet (RFC 9260 section 3.3), as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    Init,
    CookieEcho,
    CookieAck,
    /// Selective acknowledgement, advertising so many bytes of room.
    Sack {
        window: u32,
    },
    Other,
}

impl Chunk {
    /// `None` if the packet is too short for one.
    pub(super) fn first_of(packet: &[u8]) -> Option<Self> {
        let chunk = packet.get(12..)?;
        Some(match *chunk.first_chunk::<4>()? {
            [1, ..] => Self::Init,
            [10, ..] => Self::CookieEcho,
            [11, ..] => Self::CookieAck,
            [3, ..] => {
                let window = chunk.get(8..12)?;
                Self::Sack { window: u32::from_be_bytes([window[0], window[1], window[2], window[3]]) }
            }
            _ => Self::Other,
        })
    }
}

/// A packet of ours that is sent again until the client reacts.
struct Repeat {
    packet: Bytes,
    next: Instant,
    left: u32,
}

/// See the module's text.
pub(super) struct Handshake {
    /// A browser: opens at once, repeats nothing.
    opening: bool,
    open_at: Option<Instant>,
    own: Option<AssociationHandle>,
    own_committed: bool,
    in_use: Option<AssociationHandle>,
    inits: u32,
    repeat: Option<Repeat>,
}

impl Handshake {
    /// Waits for the client to open.
    pub(super) fn answering() -> Self {
        Self { opening: false, open_at: None, own: None, own_committed: false, in_use: None, inits: 0, repeat: None }
    }

    #[cfg(test)]
    pub(super) fn opening() -> Self {
        Self { opening: true, ..Self::answering() }
    }

    /// DTLS is up.
    pub(super) fn start(&mut self, now: Instant) {
        self.open_at = Some(if self.opening { now } else { now + OPEN_AFTER });
    }

    /// Whether a received packet may go to the library. An INIT on an established association would make it open
    /// another, or kill the first.
    pub(super) fn admits(&mut self, chunk: Chunk) -> bool {
        match chunk {
            Chunk::Init if self.in_use.is_some() || (self.own_committed && !self.opening) => false,
            Chunk::Init => {
                self.inits += 1;
                self.inits <= MAX_INITS
            }
            // The client still waits for the COOKIE-ACK.
            Chunk::CookieEcho => true,
            _ => {
                if self.in_use.is_some() {
                    self.repeat = None;
                }
                true
            }
        }
    }

    /// The half-open association to drop for a new one.
    pub(super) fn surplus(&self, known: impl ExactSizeIterator<Item = AssociationHandle>) -> Option<AssociationHandle> {
        let full = known.len() >= MAX_HALF_OPEN;
        known.into_iter().find(|handle| full && Some(*handle) != self.own)
    }

    /// Whether to open an association now. Says so once.
    pub(super) fn must_open(&mut self, now: Instant) -> bool {
        let due = self.open_at.is_some_and(|at| now >= at);
        if due {
            self.open_at = None;
        }
        due && self.in_use.is_none()
    }

    /// This side has opened an association.
    pub(super) fn opened(&mut self, handle: AssociationHandle) {
        self.own = Some(handle);
    }

    /// An association is up. Returns whether it is the one to use.
    pub(super) fn connected(&mut self, handle: AssociationHandle) -> bool {
        let beaten = self.own_committed && !self.opening && self.own != Some(handle);
        if self.in_use.is_some() || beaten {
            return false;
        }
        self.in_use = Some(handle);
        self.open_at = None;
        self.repeat = None;
        true
    }

    pub(super) fn in_use(&self) -> Option<AssociationHandle> {
        self.in_use
    }

    /// The association that alone counts from now on, if that is settled.
    pub(super) fn committed(&self) -> Option<AssociationHandle> {
        self.in_use.or(self.own.filter(|_| self.own_committed && !self.opening))
    }

    /// A packet is being sent.
    pub(super) fn on_transmit(&mut self, now: Instant, handle: AssociationHandle, packet: &Bytes) {
        let chunk = Chunk::first_of(packet);
        let own = self.own == Some(handle);
        self.own_committed |= own && chunk == Some(Chunk::CookieEcho);
        let left = match chunk {
            Some(Chunk::Init | Chunk::CookieEcho) if own && self.in_use.is_none() => REPEATS,
            Some(Chunk::CookieAck) if self.in_use == Some(handle) => ACK_REPEATS,
            _ => return,
        };
        if !self.opening {
            self.repeat = Some(Repeat { packet: packet.clone(), next: now + REPEAT, left });
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.open_at, self.repeat.as_ref().map(|repeat| repeat.next)].into_iter().flatten().min()
    }

    /// The packet to send again, if it is time.
    pub(super) fn poll_repeat(&mut self, now: Instant) -> Option<Bytes> {
        let repeat = self.repeat.as_mut().filter(|repeat| now >= repeat.next)?;
        if repeat.left == 0 {
            self.repeat = None;
            return None;
        }
        repeat.left -= 1;
        repeat.next = now + REPEAT;
        Some(repeat.packet.clone())
    }
}
