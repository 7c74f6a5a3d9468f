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
}

impl Exit {
    pub(super) fn new(egress: Egress, clock: Clock) -> Self {
        Self { egress, clock, times: ForwardingTimes::default() }
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
        if outbox.is_empty() {
            return;
        }
        self.egress.flush(udp, outbox);
        if let Some(tcp) = tcp {
            tcp.flush(outbox);
        }
        outbox.clear();
        if caused > 0 {
            let took = self.clock.now().saturating_duration_since(since);
            self.times.0.observe_many(took.as_micros() as u64, caused as u64);
        }
    }

    pub(super) fn stats(&self) -> EgressStats {
        self.egress.stats()
    }

    /// From a tick's beginning to the flush, by datagrams.
    pub(super) fn times(&self) -> ForwardingTimes {
        self.times
    }
}
