//! What a shard's thread drives: the media engine as seen from its sockets.

use parlor_media::command::{Command, Event};
use parlor_media::outbox::Outbox;
use parlor_media::path::Path;
use parlor_media::relay::RelayBatch;
use parlor_media::{Shard, ShardStats};
use std::time::Instant;

/// Sends and clears an outbox. The engine calls it in the middle of its work, as often as the outbox fills.
pub(crate) type Flush<'a> = &'a mut dyn FnMut(&mut Outbox);

/// A pure engine: it is handed datagrams, commands and the time, and polled for everything else.
///
/// After any `handle_*` the caller polls the outbox, the events, the closed paths and the next deadline.
pub(crate) trait Engine {
    /// Applies one command.
    fn handle_command(&mut self, now: Instant, command: Command);
    /// Takes one datagram, which it may decrypt in place; see [`Shard::gather_datagram`].
    fn gather_datagram(&mut self, now: Instant, path: &Path, datagram: &mut [u8], flush: Flush<'_>);
    /// Transport feedback will come along these paths; see [`Shard::expect_feedback`].
    fn expect_feedback(&self, _paths: &[Path]) {}
    /// Forwards what was gathered; see [`Shard::forward`].
    fn forward(&mut self, now: Instant, flush: Flush<'_>);
    /// A TCP connection has ended.
    fn handle_path_closed(&mut self, now: Instant, path: &Path);
    /// Does what is due; see [`Shard::handle_timeout`].
    fn handle_timeout(&mut self, now: Instant, flush: Flush<'_>);
    /// Does a little of what costs much and may wait until media has been sent.
    fn handle_deferred(&mut self, now: Instant);
    /// Whether [`Self::handle_deferred`] has something to do.
    fn has_deferred(&self) -> bool;
    /// When [`Self::handle_timeout`] is to be called at the latest.
    fn poll_timeout(&self) -> Option<Instant>;
    /// Whether it has something to do already; see [`Shard::is_due`].
    fn is_due(&self, now: Instant) -> bool {
        self.poll_timeout().is_some_and(|due| due <= now)
    }
    /// The next event for the control plane.
    fn poll_event(&mut self) -> Option<Event>;
    /// A TCP connection that is no longer wanted.
    fn poll_closed_path(&mut self) -> Option<Path>;
    /// What waits to be sent.
    fn outbox(&mut self) -> &mut Outbox;
    /// Its counters.
    fn stats(&self) -> ShardStats;
    /// Whether it has something for other shards.
    fn has_relay(&self) -> bool;
    /// What that is; see [`Shard::take_relay`].
    fn take_relay(&mut self, batch: &mut RelayBatch);
    /// Takes what another shard has for it; see [`Shard::handle_relay`].
    fn handle_relay(&mut self, now: Instant, batch: &RelayBatch, flush: Flush<'_>);
    /// What it had for a shard did not get there.
    fn relay_refused(&mut self, now: Instant, batch: &RelayBatch, to: u16);
}

impl Engine for Shard {
    fn handle_command(&mut self, now: Instant, command: Command) {
        self.handle_command(now, command);
    }

    fn gather_datagram(&mut self, now: Instant, path: &Path, datagram: &mut [u8], flush: Flush<'_>) {
        self.gather_datagram(now, path, datagram, flush);
    }

    fn expect_feedback(&self, paths: &[Path]) {
        self.expect_feedback(paths);
    }

    fn forward(&mut self, now: Instant, flush: Flush<'_>) {
        self.forward(now, flush);
    }

    fn handle_path_closed(&mut self, now: Instant, path: &Path) {
        self.handle_path_closed(now, path);
    }

    fn handle_timeout(&mut self, now: Instant, flush: Flush<'_>) {
        self.handle_timeout(now, flush);
    }

    fn handle_deferred(&mut self, now: Instant) {
        self.handle_deferred(now);
    }

    fn has_deferred(&self) -> bool {
        self.has_deferred()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.poll_timeout()
    }

    fn is_due(&self, now: Instant) -> bool {
        self.is_due(now)
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.poll_event()
    }

    fn poll_closed_path(&mut self) -> Option<Path> {
        self.poll_closed_path()
    }

    fn outbox(&mut self) -> &mut Outbox {
        self.outbox()
    }

    fn stats(&self) -> ShardStats {
        self.stats()
    }

    fn has_relay(&self) -> bool {
        self.has_relay()
    }

    fn take_relay(&mut self, batch: &mut RelayBatch) {
        self.take_relay(batch);
    }

    fn handle_relay(&mut self, now: Instant, batch: &RelayBatch, flush: Flush<'_>) {
        self.handle_relay(now, batch, flush);
    }

    fn relay_refused(&mut self, now: Instant, batch: &RelayBatch, to: u16) {
        self.relay_refused(now, batch, to);
    }
}
