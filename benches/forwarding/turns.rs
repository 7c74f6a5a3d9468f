//! Two costs, measured in turns, and their ratio.

use crate::cpu::spread;
use std::time::Duration;

/// The turns so far, in nanoseconds per packet.
#[derive(Default)]
pub(crate) struct Turns {
    forwarding: Vec<f64>,
    floor: Vec<f64>,
    ratio: Vec<f64>,
}

impl Turns {
    /// Notes a turn of each, of `packets` packets.
    pub(crate) fn note(&mut self, packets: u64, forwarding: Duration, floor: Duration) {
        let per_packet = |duration: Duration| duration.as_nanos() as f64 / packets as f64;
        self.forwarding.push(per_packet(forwarding));
        self.floor.push(per_packet(floor));
        self.ratio.push(forwarding.as_secs_f64() / floor.as_secs_f64());
    }

    /// Prints the medians, and between which values eight of ten turns lie.
    pub(crate) fn report(&mut self, name: &str, datagrams_per_message: f64) {
        if self.ratio.is_empty() {
            return;
        }
        println!("{name}, CPU time per forwarded packet, 10th percentile, median, 90th percentile");
        println!(
            "  forwarding  {:.0?} ns, {datagrams_per_message:.2} datagrams in a message",
            spread(&mut self.forwarding)
        );
        println!("  floor       {:.0?} ns", spread(&mut self.floor));
        println!("  ratio       {:.2?}", spread(&mut self.ratio));
    }
}
