//! The sockets of a shard.
//!
//! These modules call `libc` directly: the standard library, mio and socket2 know neither batches (`recvmmsg`, `sendmmsg`)
//! nor the control messages that carry the local address (`IP_PKTINFO`) and the segment size (`UDP_SEGMENT`, `UDP_GRO`), and
//! the kernel's cost per datagram is the largest cost of all (see ARCHITECTURE.md). Each `unsafe` block says why it is sound.
//! Elsewhere single calls ask the system about itself ([`memory`](crate::memory), [`process`](crate::process),
//! [`doctor`](crate::doctor)); all else in the program is safe code.
//!
//! - [`udp`]: the socket. [`ingress`]: batches of datagrams in. [`egress`]: the outbox out.
//! - [`portable`]: the same two for systems other than Linux, a datagram at a time.
//! - [`tcp`]: passive ICE-TCP connections.

#[cfg(target_os = "linux")]
mod control;
#[cfg(target_os = "linux")]
pub(crate) mod egress;
#[cfg(target_os = "linux")]
pub(crate) mod ingress;
#[cfg(any(not(target_os = "linux"), test))]
pub(crate) mod portable;
#[cfg(target_os = "linux")]
mod sources;
pub(crate) mod stats;
pub(crate) mod tcp;
pub(crate) mod udp;

#[cfg(target_os = "linux")]
pub(crate) use self::{egress::Egress, ingress::Ingress};
#[cfg(not(target_os = "linux"))]
pub(crate) use self::{portable::Egress, portable::Ingress};
use parlor_media::path::Path;
pub(crate) use stats::{EgressStats, IngressStats, SendFailure};

/// Messages received in one system call, at most. Each is a datagram, or several that the kernel has joined.
pub(crate) const BATCH: usize = 16;

/// The largest datagram that is accepted. What a client may send is an Ethernet frame; jumbo frames are nobody's WebRTC.
pub(crate) const MAX_RECEIVED: usize = 2048;

/// What a batch is handed to.
pub(crate) trait Sink {
    /// The next datagrams have come along these paths, a few of them.
    fn expect(&mut self, _paths: &[Path]) {}

    /// Takes a datagram.
    fn take(&mut self, path: &Path, datagram: &mut [u8]);
}

impl<F: FnMut(&Path, &mut [u8])> Sink for F {
    fn take(&mut self, path: &Path, datagram: &mut [u8]) {
        self(path, datagram);
    }
}

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    /// The socket is empty: wait for the poll's next word.
    Empty,
    /// There may be more.
    More,
}
