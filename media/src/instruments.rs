//! What benchmarks measure of the engine by itself: what a path carries, the choice of layers by that, and sealing. The feature of this name
//! is for them alone.

use crate::allocation::{Decision, Offer, Rise, Scratch, Wish, allocate};
use crate::command::{Source, View};
use crate::congestion::{Congestion, Demand};
use crate::subscription::MAX_ENCODINGS;
use crate::transport::sealing::{Numbers, SealingKey};

/// The encodings of the cameras that are chosen of: bits per second, and the picture's height.
const ENCODINGS: [(u64, u16); 3] = [(150_000, 180), (500_000, 360), (1_500_000, 720)];

/// The estimate of one participant's path. All is as on the engine's own estimator, which it is. Times are in µs since any epoch.
pub struct Estimator {
    congestion: Congestion,
    demand: Demand,
}

impl Estimator {
    /// Of somebody who is sent so many bits per second, and wants no more.
    #[must_use]
    pub fn new(now_us: i64, sending_bps: u64) -> Self {
        let demand = Demand { sending_bps, next_bps: sending_bps, wanted_bps: sending_bps };
        Self { congestion: Congestion::new(now_us), demand }
    }

    /// The number of the next packet.
    #[must_use]
    pub fn next_sequence(&self) -> u16 {
        self.congestion.next_sequence()
    }

    /// The next packet leaves, with so many bytes.
    #[inline]
    pub fn on_sent(&mut self, now_us: i64, bytes: usize) {
        self.congestion.on_sent(now_us, bytes, None);
    }

    /// Takes transport-wide feedback; whether it could be read.
    #[inline]
    pub fn on_feedback(&mut self, now_us: i64, packet: &[u8]) -> bool {
        self.congestion.on_feedback(now_us, packet).is_ok()
    }

    /// A turn of the clock.
    #[inline]
    pub fn handle_timeout(&mut self, now_us: i64) {
        self.congestion.handle_timeout(now_us, self.demand);
        self.congestion.poll_probe(now_us);
    }

    /// What the path carries, in bits per second.
    #[must_use]
    pub fn estimate_bps(&self) -> u64 {
        self.congestion.estimate_bps()
    }
}

/// The choice between cameras in three encodings, each shown at the middle one's size.
#[derive(Default)]
pub struct Chooser {
    wishes: Vec<Wish>,
    scratch: Scratch,
    decisions: Vec<Decision>,
}

impl Chooser {
    /// Between so many.
    #[must_use]
    pub fn new(cameras: u32) -> Self {
        Self { wishes: (0..cameras).map(wish).collect(), ..Self::default() }
    }

    /// Spends a budget on them. What that comes to, in bits per second.
    pub fn choose(&mut self, budget_bps: u64) -> u64 {
        let Self { wishes, scratch, decisions } = self;
        let outcome = allocate(Some(budget_bps).into(), wishes, scratch, decisions);
        for (wish, decision) in wishes.iter_mut().zip(decisions.iter()) {
            wish.current = decision.layer();
        }
        outcome.sending_bps
    }
}

fn wish(order: u32) -> Wish {
    let mut offers = [Offer::default(); MAX_ENCODINGS];
    for (offer, (bitrate_bps, height)) in offers.iter_mut().zip(ENCODINGS) {
        *offer = Offer { bitrate_bps, height: Some(height), is_available: true, ..Offer::default() };
    }
    Wish {
        offers,
        count: ENCODINGS.len(),
        is_layered: false,
        limit: None,
        view: View { size: Some((640, 360)), ..View::UNKNOWN },
        source: Source::Camera,
        speaks: order == 0,
        current: None,
        was_paused: false,
        rise: Rise::Free,
        order,
    }
}

/// What seals one participant's packets.
pub struct Sealer(SealingKey);

impl Sealer {
    /// By the fastest code that runs here, as the engine does. `None` if the key is refused.
    #[must_use]
    pub fn new(key: &[u8; 16]) -> Option<Self> {
        SealingKey::new(key).map(Self)
    }

    /// By ring. `None` if the key is refused.
    #[must_use]
    pub fn of_ring(key: &[u8; 16]) -> Option<Self> {
        SealingKey::of_ring(key).map(Self)
    }

    /// Encrypts `content` in place; the tag of that and `header`, or `None` if it is too long. A number is good for one packet.
    #[inline]
    pub fn seal(&self, number: u64, header: &[u8], content: &mut [u8]) -> Option<[u8; 16]> {
        self.0.seal(Numbers { first: number, last: 0 }, header, content, &[])
    }
}
