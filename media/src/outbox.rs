//! Datagrams waiting to be sent, grouped by destination as they are written.
//!
//! The outbox owns one slab of memory for its whole life. Packets are rewritten and sealed in place in it, and chained
//! per destination into *runs*, so that the socket layer can hand each run to the kernel as few GSO messages as possible
//! without copying or sorting anything. It is emptied as a whole by [`Outbox::clear`].

use crate::path::Path;

/// The largest datagram that is ever sent: an Ethernet frame less the IPv6 and UDP headers.
pub const MAX_DATAGRAM: usize = 1452;

/// Slab size. 4 MiB hold one packet of full size for 2,900 subscribers, and a fan-out of a whole receive batch in small rooms.
const SLAB_BYTES: usize = 4 << 20;

/// From this fill on the driver should flush before it hands in the next datagram.
const FLUSH_AT_BYTES: usize = SLAB_BYTES / 2;

/// Segments per flush; at 160-byte audio packets the slab would hold 26,000.
const MAX_SEGMENTS: usize = 16_384;

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Segment {
    offset: u32,
    len: u32,
    next: u32,
}

struct Run {
    path: Path,
    slot: u32,
    head: u32,
    tail: u32,
    count: u32,
}

/// The shard's send buffer. See the module's text.
pub struct Outbox {
    slab: Box<[u8]>,
    used: usize,
    segments: Vec<Segment>,
    runs: Vec<Run>,
    /// Index of the latest run of a participant slot; checked against the run itself, so stale entries are harmless.
    latest: Vec<u32>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Outbox {
    /// An empty outbox with its slab allocated.
    #[must_use]
    pub fn new() -> Self {
        Self {
            slab: vec![0; SLAB_BYTES].into_boxed_slice(),
            used: 0,
            segments: Vec::with_capacity(MAX_SEGMENTS),
            runs: Vec::with_capacity(256),
            latest: Vec::new(),
        }
    }

    /// Whether nothing waits to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// How many datagrams wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// Whether the driver should flush before handing in more work.
    #[must_use]
    pub fn needs_flush(&self) -> bool {
        self.used >= FLUSH_AT_BYTES || self.segments.len() >= MAX_SEGMENTS / 2
    }

    /// Room for one datagram of at most [`MAX_DATAGRAM`] bytes, to be kept by [`Self::commit`] or given up by not calling it.
    ///
    /// `None` when the outbox is full; the caller counts the drop.
    #[inline]
    pub fn reserve(&mut self) -> Option<&mut [u8]> {
        if self.segments.len() >= MAX_SEGMENTS {
            return None;
        }
        self.slab.get_mut(self.used..self.used + MAX_DATAGRAM)
    }

    /// Appends the first `len` bytes of the last [`Self::reserve`] to the run of `slot` (the participant's index in its shard) along `path`.
    #[inline]
    pub fn commit(&mut self, slot: u32, path: &Path, len: usize) {
        debug_assert!(len <= MAX_DATAGRAM && self.segments.len() < MAX_SEGMENTS);
        let segment = self.segments.len() as u32;
        self.segments.push(Segment { offset: self.used as u32, len: len as u32, next: NONE });
        self.used += len;
        if self.latest.len() <= slot as usize {
            self.latest.resize(slot as usize + 1, NONE);
        }
        let latest = &mut self.latest[slot as usize];
        match self.runs.get_mut(*latest as usize) {
            Some(run) if run.slot == slot && run.path == *path => {
                self.segments[run.tail as usize].next = segment;
                run.tail = segment;
                run.count += 1;
            }
            _ => {
                *latest = self.runs.len() as u32;
                self.runs.push(Run { path: *path, slot, head: segment, tail: segment, count: 1 });
            }
        }
    }

    /// Copies one finished datagram in. Returns whether there was room; oversize datagrams are refused too.
    pub fn push(&mut self, slot: u32, path: &Path, datagram: &[u8]) -> bool {
        let Some(room) = self.reserve().and_then(|buffer| buffer.get_mut(..datagram.len())) else {
            return false;
        };
        room.copy_from_slice(datagram);
        self.commit(slot, path, datagram.len());
        true
    }

    /// The waiting datagrams, one run per destination, in the order of each destination's first packet.
    pub fn runs(&self) -> impl Iterator<Item = (Path, Datagrams<'_>)> {
        self.runs.iter().map(|run| (run.path, Datagrams { outbox: self, next: run.head, left: run.count }))
    }

    /// Forgets everything that waits.
    pub fn clear(&mut self) {
        self.used = 0;
        self.segments.clear();
        self.runs.clear();
    }
}

/// The datagrams of one run, in order.
pub struct Datagrams<'a> {
    outbox: &'a Outbox,
    next: u32,
    left: u32,
}

impl<'a> Iterator for Datagrams<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let segment = *self.outbox.segments.get(self.next as usize)?;
        self.next = segment.next;
        self.left -= 1;
        let start = segment.offset as usize;
        self.outbox.slab.get(start..start + segment.len as usize)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Datagrams<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Protocol;

    fn path(port: u16) -> Path {
        let loopback = std::net::Ipv4Addr::LOCALHOST;
        Path { protocol: Protocol::Udp, remote: (loopback, port).into(), local: loopback.into() }
    }

    #[test]
    fn datagrams_are_grouped_by_destination_in_order() {
        let mut outbox = Outbox::new();
        for i in 0..6u8 {
            assert!(outbox.push(u32::from(i % 2), &path(1000 + u16::from(i % 2)), &[i; 3]));
        }
        let runs: Vec<_> = outbox.runs().map(|(p, d)| (p.remote.port(), d.map(|d| d[0]).collect::<Vec<_>>())).collect();
        assert_eq!(runs, [(1000, vec![0, 2, 4]), (1001, vec![1, 3, 5])]);
        outbox.clear();
        assert!(outbox.is_empty() && outbox.runs().next().is_none());
        assert!(outbox.push(1, &path(7), &[9]));
        assert_eq!(outbox.runs().count(), 1);
    }

    #[test]
    fn a_new_path_of_the_same_participant_starts_a_new_run() {
        let mut outbox = Outbox::new();
        for port in [1, 1, 2, 1] {
            assert!(outbox.push(0, &path(port), &[0]));
        }
        assert_eq!(
            outbox.runs().map(|(p, d)| (p.remote.port(), d.len())).collect::<Vec<_>>(),
            [(1, 2), (2, 1), (1, 1)]
        );
    }

    #[test]
    fn a_full_outbox_and_an_oversize_datagram_are_refused() {
        let mut outbox = Outbox::new();
        assert!(!outbox.push(0, &path(1), &[0; MAX_DATAGRAM + 1]));
        let pushed = (0..usize::MAX).take_while(|_| outbox.push(0, &path(1), &[0; 1200])).count();
        assert_eq!(pushed, (SLAB_BYTES - MAX_DATAGRAM) / 1200 + 1);
        assert!(outbox.needs_flush());
        outbox.clear();
        let pushed = (0..usize::MAX).take_while(|_| outbox.push(0, &path(1), &[0])).count();
        assert_eq!(pushed, MAX_SEGMENTS);
    }
}
