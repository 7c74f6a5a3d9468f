//! What the sockets count.

use parlor_media::histogram::Histogram;
use parlor_media::outbox::Class;
use std::io;

/// Datagrams in a batch or a message: from one to as many as there may be.
static DATAGRAM_BOUNDS: [u64; 7] = [1, 2, 4, 8, 16, 32, 64];

/// Why the system did not take a datagram. Its discriminant indexes [`SendFailure::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendFailure {
    BufferFull,
    NoMemory,
    Unreachable,
    Forbidden,
    TooLong,
    Other,
}

impl SendFailure {
    pub(crate) const ALL: [Self; 6] =
        [Self::BufferFull, Self::NoMemory, Self::Unreachable, Self::Forbidden, Self::TooLong, Self::Other];

    /// What the system's error means for one datagram.
    pub(crate) fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EAGAIN) => Self::BufferFull,
            Some(libc::ENOBUFS | libc::ENOMEM) => Self::NoMemory,
            Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::ENETDOWN | libc::EADDRNOTAVAIL) => Self::Unreachable,
            Some(libc::EPERM | libc::EACCES) => Self::Forbidden,
            Some(libc::EMSGSIZE) => Self::TooLong,
            _ => Self::Other,
        }
    }

    /// Its name in metrics, and what it means.
    pub(crate) fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::BufferFull => ("send_buffer_full", "The socket's send buffer was full: see `net.core.wmem_max`."),
            Self::NoMemory => ("no_memory", "The kernel had no memory for it, or the network device's queue was full."),
            Self::Unreachable => ("unreachable", "No route leads to its destination, or its source address is gone."),
            Self::Forbidden => ("forbidden", "A firewall or policy of this host forbids it."),
            Self::TooLong => ("too_long", "It was too long for the network path."),
            Self::Other => ("send_error", "Any other error of the system's on sending."),
        }
    }
}

/// What the sending side has done since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EgressStats {
    /// Datagrams handed to the kernel.
    pub(crate) datagrams: u64,
    /// Their payload bytes.
    pub(crate) bytes: u64,
    /// The messages they were sent in, by how many each carried: one without GSO.
    pub(crate) messages: Histogram<7>,
    /// System calls.
    pub(crate) calls: u64,
    /// By [`SendFailure`]: datagrams that the kernel did not take.
    pub(crate) dropped: [u64; SendFailure::ALL.len()],
    /// The same by [`Class`].
    pub(crate) unsent: [u64; Class::COUNT],
    /// Datagrams that were kept for the socket to become writable again.
    pub(crate) held: u64,
    /// GSO messages that the kernel refused and that went out plainly.
    pub(crate) gso_refused: u64,
    /// Whether GSO is in use.
    pub(crate) gso: bool,
}

impl Default for EgressStats {
    fn default() -> Self {
        Self {
            datagrams: 0,
            bytes: 0,
            messages: Histogram::new(&DATAGRAM_BOUNDS),
            calls: 0,
            dropped: [0; SendFailure::ALL.len()],
            unsent: [0; Class::COUNT],
            held: 0,
            gso_refused: 0,
            gso: false,
        }
    }
}

impl EgressStats {
    /// Counts a message that the kernel took.
    pub(super) fn sent(&mut self, datagrams: usize, bytes: usize) {
        self.messages.observe(datagrams as u64);
        self.datagrams += datagrams as u64;
        self.bytes += bytes as u64;
    }

    /// Counts a datagram that was dropped, since the kernel did not take it.
    pub(super) fn failed(&mut self, failure: SendFailure, class: Class) {
        self.dropped[failure as usize] += 1;
        self.unsent[class as usize] += 1;
    }
}

/// What the receiving side has done since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IngressStats {
    /// Datagrams received.
    pub(crate) datagrams: u64,
    /// Their payload bytes.
    pub(crate) bytes: u64,
    /// System calls that brought any, by how many each brought.
    pub(crate) batches: Histogram<7>,
    /// The messages they came in, by how many each carried: one unless the kernel had joined several of one sender.
    pub(crate) messages: Histogram<7>,
    /// Datagrams longer than [`MAX_RECEIVED`](super::MAX_RECEIVED), dropped.
    pub(crate) oversize: u64,
    /// Datagrams that the kernel dropped before they could be received, where it tells.
    pub(crate) kernel_drops: u64,
    /// Errors of the socket.
    pub(crate) errors: u64,
}

impl Default for IngressStats {
    fn default() -> Self {
        Self {
            datagrams: 0,
            bytes: 0,
            batches: Histogram::new(&DATAGRAM_BOUNDS),
            messages: Histogram::new(&DATAGRAM_BOUNDS),
            oversize: 0,
            kernel_drops: 0,
            errors: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_index_their_list_and_have_distinct_names() {
        for (index, failure) in SendFailure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, index);
        }
        let names: std::collections::HashSet<_> = SendFailure::ALL.iter().map(|failure| failure.names().0).collect();
        assert_eq!(names.len(), SendFailure::ALL.len());
    }

    #[test]
    fn what_a_host_lacks_is_told_from_what_it_forbids() {
        let of = |code| SendFailure::of(&io::Error::from_raw_os_error(code));
        assert_eq!(of(libc::ENETUNREACH), SendFailure::Unreachable);
        assert_eq!(of(libc::EPERM), SendFailure::Forbidden);
        assert_eq!(of(libc::ENOBUFS), SendFailure::NoMemory);
        assert_eq!(of(libc::EBADF), SendFailure::Other);
    }
}
