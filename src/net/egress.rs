//! Flushing an outbox: few system calls, and with UDP GSO few messages.
//!
//! A run's datagrams go to one destination. Stretches of it in which every datagram has the size of the first (the last may
//! be shorter) become one GSO message each, gathered from the outbox without copying; messages of all runs are sent in
//! batches by `sendmmsg`. Video goes before audio within a run, so that a packet of audio rides along as the shorter end of a
//! message. Sends never block. What the kernel does not take at once is dropped by its [`Class`] and counted, as the network
//! would have done, but for audio and what all else depends on: those wait a little ([`held`]).
//!
//! Whether the kernel has GSO is probed at the start. A device or path that refuses a GSO message gets it plainly.

mod batch;
mod held;
mod kernel;

use super::sources::Sources;
use super::udp::UdpEndpoint;
use super::{EgressStats, SendFailure};
use batch::{Batch, Destination};
use held::Held;
use kernel::{Kernel, System};
use parlor_media::outbox::{Class, Classes, Outbox};
use parlor_media::path::Protocol;
use std::io;
use std::time::Instant;

/// GSO messages refused in a row, each of which went out plainly, after which GSO is given up for good. One destination
/// behind a narrow path must not decide for all.
const MAX_REFUSALS: u32 = 32;

/// In which order a run's datagrams leave. Within each group their order stays, and so within every stream.
const GROUPS: [Classes; 3] = [Classes::only(Class::Video), Classes::only(Class::Repair), Classes::PRECIOUS];

/// The sending side of one shard. Lives in the shard's thread.
pub(crate) struct Egress<K = System> {
    kernel: K,
    /// Points into an outbox only within [`Egress::flush`].
    batch: Batch,
    held: Held,
    /// What is being sent has waited already.
    resends: bool,
    sources: Sources,
    refusals: u32,
    stats: EgressStats,
}

impl Egress {
    /// A sender that uses GSO if `gso` allows and the kernel has it.
    pub(crate) fn new(endpoint: &UdpEndpoint, gso: bool) -> Self {
        let sources = Sources::of_host();
        Self::with_kernel(System, gso && kernel::has_gso(endpoint), sources)
    }
}

impl<K: Kernel> Egress<K> {
    fn with_kernel(kernel: K, gso: bool, sources: Sources) -> Self {
        Self {
            kernel,
            batch: Batch::new(),
            held: Held::default(),
            resends: false,
            sources,
            refusals: 0,
            stats: EgressStats { gso, ..EgressStats::default() },
        }
    }

    pub(crate) fn stats(&self) -> EgressStats {
        self.stats
    }

    /// Looks at the host's addresses again.
    pub(crate) fn note_addresses(&mut self) {
        self.sources = Sources::of_host();
    }

    /// Whether something waits until the socket can be written to: then [`Self::flush`] is to be called, with whatever.
    pub(crate) fn is_blocked(&self) -> bool {
        !self.held.is_empty()
    }

    /// Sends what waits, and every UDP run of `outbox`. Leaves clearing it to the caller, who has the TCP runs to send too.
    pub(crate) fn flush(&mut self, now: Instant, endpoint: &UdpEndpoint, outbox: &Outbox) {
        // What a panic may have left points into an outbox that is gone.
        self.batch.clear();
        if self.is_blocked() {
            self.send_held(now, endpoint);
        }
        if self.is_blocked() {
            // There is little room if any: the precious get it.
            self.send_classes(now, endpoint, outbox, Classes::PRECIOUS);
            self.send_classes(now, endpoint, outbox, Classes::PRECIOUS.others());
        } else {
            self.send_classes(now, endpoint, outbox, Classes::ALL);
        }
    }

    fn send_held(&mut self, now: Instant, endpoint: &UdpEndpoint) {
        let Some((waiting, classes)) = self.held.take(now) else { return };
        for (_, datagrams) in waiting.runs() {
            for (class, _) in datagrams.of(classes.others()) {
                self.stats.failed(SendFailure::BufferFull, class);
            }
        }
        self.resends = true;
        self.send_classes(now, endpoint, &waiting, classes);
        self.resends = false;
        self.held.give_back(waiting);
    }

    /// Sends the datagrams of `classes`.
    fn send_classes(&mut self, now: Instant, endpoint: &UdpEndpoint, outbox: &Outbox, classes: Classes) {
        for (path, datagrams) in outbox.runs().filter(|(path, _)| path.protocol == Protocol::Udp) {
            let to = Destination { path: &path, slot: datagrams.slot() };
            let present = datagrams.classes().and(classes);
            let mut open = false;
            for group in GROUPS.map(|group| group.and(present)).into_iter().filter(|group| !group.is_empty()) {
                for (class, datagram) in datagrams.of(group) {
                    if open && self.stats.gso && self.batch.last_takes(datagram.len()) {
                        self.batch.join(datagram, class);
                        continue;
                    }
                    if self.batch.is_full() {
                        self.transmit(now, endpoint);
                    }
                    self.batch.append(to, datagram, class);
                    open = true;
                }
            }
        }
        self.transmit(now, endpoint);
    }

    /// Sends the gathered messages and forgets them. The outbox that they were gathered from must still hold them.
    fn transmit(&mut self, now: Instant, endpoint: &UdpEndpoint) {
        self.batch.prepare(endpoint, &self.sources);
        let mut next = 0;
        while next < self.batch.messages().len() {
            next += match self.send(endpoint, next) {
                Ok(sent) => sent,
                Err(error) => self.on_error(now, endpoint, next, &error),
            };
        }
        self.batch.clear();
    }

    /// Sends messages from `first` on; how many the kernel took, at least one.
    fn send(&mut self, endpoint: &UdpEndpoint, first: usize) -> io::Result<usize> {
        self.stats.calls += 1;
        // SAFETY: each header was filled by `prepare` since the last change of the batch: its name, vectors and control point
        // into the batch, which nothing touches during the call, and the vectors into the outbox, which `flush` borrows.
        let sent = unsafe { self.kernel.send(endpoint, self.batch.headers(first)) }?;
        for message in &self.batch.messages()[first..first + sent] {
            self.stats.sent(message.count, message.bytes);
            if message.count > 1 {
                self.refusals = 0;
            }
        }
        Ok(sent)
    }

    /// Deals with the error of message `index`; how many messages are done with by that.
    fn on_error(&mut self, now: Instant, endpoint: &UdpEndpoint, index: usize, error: &io::Error) -> usize {
        match error.raw_os_error() {
            Some(libc::EINTR) => 0,
            Some(libc::EAGAIN) => {
                let left = index..self.batch.messages().len();
                left.clone().for_each(|message| self.refuse(now, message, SendFailure::BufferFull));
                left.len()
            }
            Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE) if self.batch.messages()[index].count > 1 => {
                self.send_plainly(now, endpoint, index, error);
                1
            }
            _ => {
                self.refuse(now, index, SendFailure::of(error));
                1
            }
        }
    }

    /// The kernel did not take a message.
    fn refuse(&mut self, now: Instant, index: usize, failure: SendFailure) {
        for number in 0..self.batch.messages()[index].count {
            self.refuse_datagram(now, index, number, failure);
        }
    }

    /// It is kept if another time may do, or dropped.
    fn refuse_datagram(&mut self, now: Instant, index: usize, number: usize, failure: SendFailure) {
        // SAFETY: `flush` borrows the outbox, or owns the one of what was held.
        let (class, datagram) = unsafe { self.batch.datagram(index, number) };
        let passing = matches!(failure, SendFailure::BufferFull | SendFailure::NoMemory);
        if passing && self.held.keep(now, self.batch.destination(index), datagram, class) {
            self.stats.held += u64::from(!self.resends);
        } else {
            self.stats.failed(failure, class);
        }
    }

    /// Sends the datagrams of a refused GSO message one by one. If they pass, GSO was what was wrong.
    fn send_plainly(&mut self, now: Instant, endpoint: &UdpEndpoint, index: usize, refusal: &io::Error) {
        self.stats.gso_refused += 1;
        self.batch.break_up(index, endpoint, &self.sources);
        let mut passed = false;
        for number in 0..self.batch.messages()[index].count {
            let mut header = [self.batch.header_of(index, number)];
            self.stats.calls += 1;
            // SAFETY: as in `send`: the header is a filled one, with one of its own vectors.
            match unsafe { self.kernel.send(endpoint, &mut header) } {
                Ok(_) => {
                    passed = true;
                    // SAFETY: as in `refuse_datagram`.
                    let (_, datagram) = unsafe { self.batch.datagram(index, number) };
                    self.stats.sent(1, datagram.len());
                }
                Err(error) => self.refuse_datagram(now, index, number, SendFailure::of(&error)),
            }
        }
        if passed {
            self.on_refusal(refusal);
        }
    }

    /// `EIO` means that the device cannot do it at all; the others may be this path's alone.
    fn on_refusal(&mut self, refusal: &io::Error) {
        self.refusals += 1;
        if self.stats.gso && (refusal.raw_os_error() == Some(libc::EIO) || self.refusals >= MAX_REFUSALS) {
            self.stats.gso = false;
            tracing::warn!(error = %refusal, "UDP GSO is refused: sending plainly from now on");
        }
    }
}

#[cfg(test)]
mod tests;
