//! Messages on their way into one system call, and everything that their headers point at.

use crate::net::control::Control;
use crate::net::sources::Sources;
use crate::net::udp::UdpEndpoint;
use parlor_media::outbox::Class;
use parlor_media::path::Path;
use socket2::SockAddr;

/// Messages in one `sendmmsg`; beyond some 16 the call's own cost is gone.
pub(super) const MESSAGES: usize = 64;

/// The kernel's `UDP_MAX_SEGMENTS` since 4.18.
pub(super) const MAX_SEGMENTS: usize = 64;

/// Payload of one GSO message: below the 65,535 bytes of an IP packet, headers included.
const MAX_MESSAGE_BYTES: usize = 65_000;

/// Datagrams that leave together.
#[derive(Clone, Copy)]
pub(super) struct Message {
    path: Path,
    slot: u32,
    /// The first of its datagrams in `Batch::datagrams`.
    first: usize,
    pub(super) count: usize,
    /// The first of its vectors in `Batch::vectors`, and how many there are.
    first_vector: usize,
    vectors: usize,
    pub(super) bytes: usize,
    /// Size of its first datagram, and of all others but the last.
    segment: usize,
    /// A shorter datagram has ended it.
    ended: bool,
}

impl Message {
    /// Whether a datagram of `len` may follow; an empty one cannot, since the kernel sees only the bytes of all together.
    fn takes(&self, len: usize) -> bool {
        let fits = (1..=self.segment).contains(&len) && self.bytes + len <= MAX_MESSAGE_BYTES;
        fits && !self.ended && self.count < MAX_SEGMENTS
    }
}

/// Where a datagram goes, and what it is.
#[derive(Clone, Copy)]
pub(super) struct Destination<'a> {
    pub(super) path: &'a Path,
    pub(super) slot: u32,
}

/// See the module's text. Holds pointers into an outbox from the first [`Batch::append`] until [`Batch::clear`].
pub(super) struct Batch {
    messages: Vec<Message>,
    datagrams: Vec<libc::iovec>,
    /// Of each of `datagrams`.
    classes: Vec<Class>,
    /// The datagrams of each message in as few pieces as they lie in: the kernel is slow at picking up many small ones.
    vectors: Vec<libc::iovec>,
    addresses: Vec<SockAddr>,
    controls: Box<[Control]>,
    headers: Box<[libc::mmsghdr]>,
}

impl Batch {
    pub(super) fn new() -> Self {
        // SAFETY: `mmsghdr` is a plain C structure, for which zeros are a valid value.
        let header = unsafe { std::mem::zeroed::<libc::mmsghdr>() };
        Self {
            messages: Vec::with_capacity(MESSAGES),
            datagrams: Vec::with_capacity(MESSAGES * MAX_SEGMENTS),
            vectors: Vec::with_capacity(MESSAGES * MAX_SEGMENTS),
            classes: Vec::with_capacity(MESSAGES * MAX_SEGMENTS),
            addresses: Vec::with_capacity(MESSAGES),
            controls: vec![Control::new(); MESSAGES].into_boxed_slice(),
            headers: vec![header; MESSAGES].into_boxed_slice(),
        }
    }

    pub(super) fn messages(&self) -> &[Message] {
        &self.messages
    }

    pub(super) fn is_full(&self) -> bool {
        self.messages.len() == MESSAGES
    }

    /// Whether the last message takes a datagram of `len`, whose destination is its own.
    pub(super) fn last_takes(&self, len: usize) -> bool {
        self.messages.last().is_some_and(|message| message.takes(len))
    }

    /// Adds a datagram to the last message, which must take it.
    pub(super) fn join(&mut self, datagram: &[u8], class: Class) {
        let (Some(message), Some(last)) = (self.messages.last_mut(), self.vectors.last_mut()) else { return };
        message.count += 1;
        message.bytes += datagram.len();
        message.ended = datagram.len() < message.segment;
        let end = last.iov_base.cast::<u8>().cast_const().wrapping_add(last.iov_len);
        if end == datagram.as_ptr() {
            last.iov_len += datagram.len();
        } else {
            message.vectors += 1;
            self.vectors.push(vector_of(datagram));
        }
        self.push(datagram, class);
    }

    /// Begins a message; the batch must not be full.
    pub(super) fn append(&mut self, to: Destination<'_>, datagram: &[u8], class: Class) {
        self.messages.push(Message {
            path: *to.path,
            slot: to.slot,
            first: self.datagrams.len(),
            count: 1,
            first_vector: self.vectors.len(),
            vectors: 1,
            bytes: datagram.len(),
            segment: datagram.len(),
            ended: false,
        });
        self.vectors.push(vector_of(datagram));
        self.push(datagram, class);
    }

    fn push(&mut self, datagram: &[u8], class: Class) {
        self.datagrams.push(vector_of(datagram));
        self.classes.push(class);
    }

    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.datagrams.clear();
        self.classes.clear();
        self.vectors.clear();
        self.addresses.clear();
    }

    /// Fills a header for each message.
    pub(super) fn prepare(&mut self, endpoint: &UdpEndpoint, sources: &Sources) {
        self.addresses.extend(self.messages.iter().map(|message| SockAddr::from(endpoint.wire(message.path.remote))));
        let parts = self.messages.iter().zip(&self.addresses).zip(&mut self.controls).zip(&mut self.headers);
        for (((message, address), control), header) in parts {
            control.clear();
            push_source(control, message, endpoint, sources);
            if message.count > 1 {
                control.push_segment_size(message.segment as u16);
            }
            let header = &mut header.msg_hdr;
            header.msg_name = address.as_ptr().cast_mut().cast();
            header.msg_namelen = address.len();
            header.msg_iov = &raw mut self.vectors[message.first_vector];
            header.msg_iovlen = message.vectors as _;
            header.msg_flags = 0;
            control.attach(header);
        }
    }

    /// The prepared headers from message `first` on.
    pub(super) fn headers(&mut self, first: usize) -> &mut [libc::mmsghdr] {
        &mut self.headers[first..self.messages.len()]
    }

    /// Takes the segment size from the prepared header of message `index`. It is then good for its datagrams, one by one:
    /// see [`Self::header_of`].
    pub(super) fn break_up(&mut self, index: usize, endpoint: &UdpEndpoint, sources: &Sources) {
        let control = &mut self.controls[index];
        control.clear();
        push_source(control, &self.messages[index], endpoint, sources);
        control.attach(&mut self.headers[index].msg_hdr);
    }

    /// The header of a broken-up message for its datagram `number` alone.
    pub(super) fn header_of(&mut self, index: usize, number: usize) -> libc::mmsghdr {
        let mut header = self.headers[index];
        header.msg_hdr.msg_iov = &raw mut self.datagrams[self.messages[index].first + number];
        header.msg_hdr.msg_iovlen = 1;
        header
    }

    /// Where a message goes.
    pub(super) fn destination(&self, index: usize) -> Destination<'_> {
        let message = &self.messages[index];
        Destination { path: &message.path, slot: message.slot }
    }

    /// Datagram `number` of message `index`.
    ///
    /// # Safety
    /// The outbox that it was appended from must still hold it.
    pub(super) unsafe fn datagram<'a>(&self, index: usize, number: usize) -> (Class, &'a [u8]) {
        let at = self.messages[index].first + number;
        let vector = self.datagrams[at];
        // SAFETY: pointer and length are those of the slice that was appended, which still exists as the caller promises.
        (self.classes[at], unsafe { std::slice::from_raw_parts(vector.iov_base.cast_const().cast(), vector.iov_len) })
    }
}

fn vector_of(datagram: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: datagram.as_ptr().cast_mut().cast(), iov_len: datagram.len() }
}

/// Names the source of a message, where the kernel would not pick it by itself.
fn push_source(control: &mut Control, message: &Message, endpoint: &UdpEndpoint, sources: &Sources) {
    if !sources.pick(message.path.local, message.path.remote.ip()) {
        control.push_source(message.path.local, endpoint.dual_stack);
    }
}
