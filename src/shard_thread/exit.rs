//! The way out of a shard: what waits in the outbox leaves by its sockets, and how long it took is noted.

use crate::clock::Clock;
use crate::net::tcp::TcpPaths;
use crate::net::udp::UdpEndpoint;
use crate::net::{Egress, EgressStats};
use crate::readings::ForwardingTimes;
use parlor_media::outbox::Outbox;
use std::time::Instant;

/// See the module.
pub(super) struct Exit {
    egress: Egress,
    clock: Clock,
    times: ForwardingTimes,
    video: Option<Instant>,
}

impl Exit {
    pub(super) fn new(egress: Egress, clock: Clock) -> Self {
        Self { egress, clock, times: ForwardingTimes::default(), video: None }
    }

    /// Sends and clears what is in the outbox. The first `caused` datagrams are what others that came in since the tick's beginning
    /// `since` have caused: their times are counted, at the price of one look at the clock.
    pub(super) fn flush(
        &mut self,
        since: Instant,
        caused: usize,
        udp: &UdpEndpoint,
        tcp: Option<&mut TcpPaths>,
        outbox: &mut Outbox,
    ) {
        if outbox.is_empty() && !self.egress.is_blocked() {
            return;
        }
        if outbox.video_len() > 0 {
            self.video = Some(since);
        }
        self.egress.flush(since, udp, outbox);
        if let Some(tcp) = tcp {
            tcp.flush(outbox);
        }
        outbox.clear();
        outbox.set_joins(self.egress.stats().gso);
        if caused > 0 {
            let took = self.clock.now().saturating_duration_since(since);
            self.times.0.observe_many(took.as_micros() as u64, caused as u64);
        }
    }

    /// Whether something waits until the UDP socket can be written to.
    pub(super) fn is_blocked(&self) -> bool {
        self.egress.is_blocked()
    }

    /// When video was last sent.
    pub(super) fn video(&self) -> Option<Instant> {
        self.video
    }

    /// Looks at the host's addresses again.
    pub(super) fn note_addresses(&mut self) {
        self.egress.note_addresses();
    }

    pub(super) fn stats(&self) -> EgressStats {
        self.egress.stats()
    }

    /// From a tick's beginning to the flush, by datagrams.
    pub(super) fn times(&self) -> ForwardingTimes {
        self.times
    }
}
