//! Datagrams waiting to be sent, grouped by destination as they are written.
//!
//! The outbox owns one slab of memory for its whole life. Packets are rewritten and sealed in place in it, and chained
//! per destination into *runs*, so that the socket layer can hand each run to the kernel as few GSO messages as possible
//! without copying or sorting anything. It is emptied as a whole by [`Outbox::clear`].
//!
//! Each datagram has a [`Class`], which says what it is worth where not all can be sent. A run also knows the size that
//! further video packets should have to leave in the same GSO message: see [`Outbox::open_segment`].

mod class;

pub use class::{Class, Classes};

use crate::path::{Path, Protocol};

/// The largest datagram that is ever sent: an Ethernet frame less the IPv6 and UDP headers.
pub const MAX_DATAGRAM: usize = 1452;

/// Slab size. 4 MiB hold one packet of full size for 2,900 subscribers, and a fan-out of a whole receive batch in small rooms.
const SLAB_BYTES: usize = 4 << 20;

/// From this fill on it should be sent and cleared before more is written: so much stays in a core's own cache until the
/// kernel has copied it.
const FLUSH_AT_BYTES: usize = 512 << 10;

/// Segments per flush; at 160-byte audio packets the slab would hold 26,000.
const MAX_SEGMENTS: usize = 16_384;

/// What follows a datagram of somebody else starts at a multiple of this, a cache line. What follows one of the same participant touches
/// it: the kernel copies what lies in one piece in half the time.
const ALIGNMENT: usize = 64;

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Segment {
    offset: u32,
    len: u16,
    class: Class,
    next: u32,
}

struct Run {
    path: Path,
    slot: u32,
    head: u32,
    tail: u32,
    count: u32,
    classes: Classes,
    /// The size of the video packets that the next may join; 0 when a shorter one has ended them, or there is none.
    open: u16,
}

impl Run {
    /// Follows what becomes of GSO messages: all datagrams of one have the size of its first, but for a shorter last one.
    fn note(&mut self, len: u16, class: Class) {
        self.classes = self.classes.with(class);
        if class == Class::Video {
            self.open = if len < self.open { 0 } else { len };
        }
    }
}

/// The shard's send buffer. See the module's text.
pub struct Outbox {
    slab: Box<[u8]>,
    used: usize,
    segments: Vec<Segment>,
    runs: Vec<Run>,
    /// Index of the latest run of a participant slot; checked against the run itself, so stale entries are harmless.
    latest: Vec<u32>,
    /// Whose datagram was written last.
    last_slot: u32,
    joins: bool,
    video: usize,
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
        Self::with_slab(SLAB_BYTES)
    }

    /// An empty outbox whose datagrams take at most `bytes`, with room for a further one being written.
    #[must_use]
    pub fn with_slab(bytes: usize) -> Self {
        Self {
            slab: vec![0; bytes].into_boxed_slice(),
            used: 0,
            segments: Vec::new(),
            runs: Vec::new(),
            latest: Vec::new(),
            last_slot: NONE,
            joins: false,
            video: 0,
        }
    }

    /// Says whether the driver joins datagrams of equal size, so that it pays to make them equal.
    pub fn set_joins(&mut self, joins: bool) {
        self.joins = joins;
    }

    /// The size of sealed video packets that the next one of `slot` along `path` leaves together with if it has that size too;
    /// 0 where the next begins anew. `None` where nothing is joined.
    #[must_use]
    pub fn open_segment(&self, slot: u32, path: &Path) -> Option<usize> {
        if !self.joins || path.protocol != Protocol::Udp {
            return None;
        }
        Some(self.latest_run(slot, path).map_or(0, |run| usize::from(self.runs[run].open)))
    }

    #[inline]
    fn latest_run(&self, slot: u32, path: &Path) -> Option<usize> {
        let index = *self.latest.get(slot as usize)? as usize;
        self.runs.get(index).is_some_and(|run| run.slot == slot && run.path == *path).then_some(index)
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

    /// How many bytes of the slab they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.used
    }

    /// How many of them are video, sent for the first time.
    #[must_use]
    pub fn video_len(&self) -> usize {
        self.video
    }

    /// Whether it should be sent and cleared before more is written: by the driver between two inputs, by its `flush` in the middle of one.
    #[must_use]
    pub fn needs_flush(&self) -> bool {
        self.used >= FLUSH_AT_BYTES.min(self.slab.len() / 2) || self.segments.len() >= MAX_SEGMENTS / 2
    }

    /// Room for one datagram to `slot` (the participant's index in its shard) of at most [`MAX_DATAGRAM`] bytes, to be kept by
    /// [`Self::commit`] or given up by not calling it.
    ///
    /// `None` when the outbox is full; the caller counts the drop.
    #[inline]
    pub fn reserve(&mut self, slot: u32) -> Option<&mut [u8]> {
        if self.segments.len() >= MAX_SEGMENTS {
            return None;
        }
        if slot != self.last_slot {
            self.used = self.used.next_multiple_of(ALIGNMENT);
        }
        self.slab.get_mut(self.used..self.used + MAX_DATAGRAM)
    }

    /// Appends the first `len` bytes of the last [`Self::reserve`], which was for the same `slot`, to its run along `path`.
    #[inline]
    pub fn commit(&mut self, slot: u32, path: &Path, len: usize, class: Class) {
        debug_assert!(len <= MAX_DATAGRAM && self.segments.len() < MAX_SEGMENTS);
        let segment = self.segments.len() as u32;
        let len = len as u16;
        self.segments.push(Segment { offset: self.used as u32, len, class, next: NONE });
        self.used += usize::from(len);
        self.last_slot = slot;
        self.video += usize::from(class == Class::Video);
        if let Some(run) = self.latest_run(slot, path) {
            let run = &mut self.runs[run];
            self.segments[run.tail as usize].next = segment;
            run.tail = segment;
            run.count += 1;
            run.note(len, class);
            return;
        }
        if self.latest.len() <= slot as usize {
            self.latest.resize(slot as usize + 1, NONE);
        }
        self.latest[slot as usize] = self.runs.len() as u32;
        let mut run =
            Run { path: *path, slot, head: segment, tail: segment, count: 1, classes: Classes::default(), open: 0 };
        run.note(len, class);
        self.runs.push(run);
    }

    /// Copies one finished datagram of [`Class::Control`] in. Returns whether there was room; oversize ones are refused too.
    pub fn push(&mut self, slot: u32, path: &Path, datagram: &[u8]) -> bool {
        self.push_as(slot, path, datagram, Class::Control)
    }

    /// The same for any class.
    pub fn push_as(&mut self, slot: u32, path: &Path, datagram: &[u8], class: Class) -> bool {
        let Some(room) = self.reserve(slot).and_then(|buffer| buffer.get_mut(..datagram.len())) else {
            return false;
        };
        room.copy_from_slice(datagram);
        self.commit(slot, path, datagram.len(), class);
        true
    }

    /// The waiting datagrams, one run per destination, in the order of each destination's first packet.
    pub fn runs(&self) -> impl Iterator<Item = (Path, Datagrams<'_>)> {
        self.runs.iter().map(|run| {
            (
                run.path,
                Datagrams { outbox: self, next: run.head, left: run.count, slot: run.slot, classes: run.classes },
            )
        })
    }

    /// Forgets everything that waits.
    pub fn clear(&mut self) {
        self.used = 0;
        self.last_slot = NONE;
        self.segments.clear();
        self.runs.clear();
        self.video = 0;
    }
}

/// The datagrams of one run, in order.
#[derive(Clone, Copy)]
pub struct Datagrams<'a> {
    outbox: &'a Outbox,
    next: u32,
    left: u32,
    slot: u32,
    classes: Classes,
}

impl<'a> Datagrams<'a> {
    /// Whose run it is.
    #[must_use]
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// The classes that the run has datagrams of.
    #[must_use]
    pub fn classes(&self) -> Classes {
        self.classes
    }

    /// Those datagrams that are of `classes`, in order.
    pub fn of(self, classes: Classes) -> impl Iterator<Item = (Class, &'a [u8])> {
        let mut all = self;
        std::iter::from_fn(move || all.next_segment()).filter(move |(class, _)| classes.contains(*class))
    }

    fn next_segment(&mut self) -> Option<(Class, &'a [u8])> {
        let segment = *self.outbox.segments.get(self.next as usize)?;
        self.next = segment.next;
        self.left -= 1;
        let start = segment.offset as usize;
        let bytes = self.outbox.slab.get(start..start + usize::from(segment.len))?;
        Some((segment.class, bytes))
    }
}

impl<'a> Iterator for Datagrams<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.next_segment().map(|(_, datagram)| datagram)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Datagrams<'_> {}

#[cfg(test)]
mod tests;
