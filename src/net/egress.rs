//! Flushing an outbox: few system calls, and with UDP GSO few messages.
//!
//! A run's datagrams go to one destination. Stretches of it in which every datagram has the size of the first (the last may
//! be shorter) become one GSO message each, gathered from the outbox without copying; messages of all runs are sent in
//! batches by `sendmmsg`. Sends never block: what the kernel does not take at once is dropped and counted, as the network
//! would have done.
//!
//! Whether the kernel has GSO is probed at the start. A device or path that refuses a GSO message gets it plainly.

use super::control::Control;
use super::udp::UdpEndpoint;
use super::{EgressStats, SendFailure};
use parlor_media::outbox::Outbox;
use parlor_media::path::{Path, Protocol};
use socket2::SockAddr;
use std::io;
use std::os::fd::AsRawFd;

/// Messages in one `sendmmsg`; beyond some 16 the call's own cost is gone.
const MESSAGES: usize = 64;

/// The kernel's `UDP_MAX_SEGMENTS` since 4.18.
const MAX_SEGMENTS: usize = 64;

/// Payload of one GSO message: below the 65,535 bytes of an IP packet, headers included.
const MAX_MESSAGE_BYTES: usize = 65_000;

/// GSO messages refused in a row, each of which went out plainly, after which GSO is given up for good. One destination
/// behind a narrow path must not decide for all.
const MAX_REFUSALS: u32 = 32;

#[derive(Clone, Copy)]
struct Message {
    path: Path,
    /// The first of its datagrams in `Egress::vectors`.
    first: usize,
    count: usize,
    bytes: usize,
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

/// The sending side of one shard. Lives in the shard's thread.
pub(crate) struct Egress {
    messages: Vec<Message>,
    /// The datagrams of `messages`. They point into the outbox, and are valid only within [`Egress::flush`].
    vectors: Vec<libc::iovec>,
    addresses: Vec<SockAddr>,
    controls: Box<[Control]>,
    headers: Box<[libc::mmsghdr]>,
    refusals: u32,
    stats: EgressStats,
}

impl Egress {
    /// A sender that uses GSO if `gso` allows and the kernel has it.
    pub(crate) fn new(endpoint: &UdpEndpoint, gso: bool) -> Self {
        // SAFETY: `mmsghdr` is a plain C structure, for which zeros are a valid value.
        let header = unsafe { std::mem::zeroed::<libc::mmsghdr>() };
        Self {
            messages: Vec::with_capacity(MESSAGES),
            vectors: Vec::with_capacity(MESSAGES * MAX_SEGMENTS),
            addresses: Vec::with_capacity(MESSAGES),
            controls: vec![Control::new(); MESSAGES].into_boxed_slice(),
            headers: vec![header; MESSAGES].into_boxed_slice(),
            refusals: 0,
            stats: EgressStats { gso: gso && kernel_has_gso(endpoint), ..EgressStats::default() },
        }
    }

    pub(crate) fn stats(&self) -> EgressStats {
        self.stats
    }

    /// Sends every UDP run of `outbox`. Leaves clearing it to the caller, who has the TCP runs to send too.
    pub(crate) fn flush(&mut self, endpoint: &UdpEndpoint, outbox: &Outbox) {
        // What a panic may have left points into an outbox that is gone.
        self.forget();
        for (path, datagrams) in outbox.runs().filter(|(path, _)| path.protocol == Protocol::Udp) {
            let mut open = false;
            for datagram in datagrams {
                open = self.append(endpoint, &path, datagram, open);
            }
        }
        self.transmit(endpoint);
    }

    /// Adds one datagram, to the last message if that is `open` for this run and takes it. Returns whether it is open now.
    fn append(&mut self, endpoint: &UdpEndpoint, path: &Path, datagram: &[u8], open: bool) -> bool {
        let vector = libc::iovec { iov_base: datagram.as_ptr().cast_mut().cast(), iov_len: datagram.len() };
        let gso = self.stats.gso;
        if let Some(message) = self.messages.last_mut().filter(|message| open && gso && message.takes(datagram.len())) {
            message.count += 1;
            message.bytes += datagram.len();
            message.ended = datagram.len() < message.segment;
            self.vectors.push(vector);
            return true;
        }
        if self.messages.len() == MESSAGES {
            self.transmit(endpoint);
        }
        self.messages.push(Message {
            path: *path,
            first: self.vectors.len(),
            count: 1,
            bytes: datagram.len(),
            segment: datagram.len(),
            ended: false,
        });
        self.vectors.push(vector);
        true
    }

    /// Sends the gathered messages and forgets them.
    fn transmit(&mut self, endpoint: &UdpEndpoint) {
        self.prepare(endpoint);
        let mut next = 0;
        while next < self.messages.len() {
            next += match self.send(endpoint, next) {
                Ok(sent) => sent,
                Err(error) => self.on_error(endpoint, next, &error),
            };
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.messages.clear();
        self.vectors.clear();
        self.addresses.clear();
    }

    /// Fills a header for each message.
    fn prepare(&mut self, endpoint: &UdpEndpoint) {
        self.addresses.extend(self.messages.iter().map(|message| SockAddr::from(endpoint.wire(message.path.remote))));
        let parts = self.messages.iter().zip(&self.addresses).zip(&mut self.controls).zip(&mut self.headers);
        for (((message, address), control), header) in parts {
            control.clear();
            control.push_source(message.path.local, endpoint.dual_stack);
            if message.count > 1 {
                control.push_segment_size(message.segment as u16);
            }
            let header = &mut header.msg_hdr;
            header.msg_name = address.as_ptr().cast_mut().cast();
            header.msg_namelen = address.len();
            header.msg_iov = &raw mut self.vectors[message.first];
            header.msg_iovlen = message.count as _;
            header.msg_flags = 0;
            control.attach(header);
        }
    }

    /// Sends messages from `first` on; how many the kernel took, at least one.
    fn send(&mut self, endpoint: &UdpEndpoint, first: usize) -> io::Result<usize> {
        let headers = &mut self.headers[first..self.messages.len()];
        self.stats.calls += 1;
        // SAFETY: each header of the range was filled by `prepare` since the last change of `messages`: its name, vectors
        // and control point into `self`, which nothing touches during the call, and the vectors into the outbox, which
        // `flush` borrows. The kernel only reads through them. The descriptor is open as long as `endpoint` lives.
        let sent = unsafe {
            libc::sendmmsg(
                endpoint.socket.as_raw_fd(),
                headers.as_mut_ptr(),
                headers.len() as libc::c_uint,
                (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
            )
        };
        if sent <= 0 {
            return Err(io::Error::last_os_error());
        }
        let sent = (sent as usize).min(self.messages.len() - first);
        for message in &self.messages[first..first + sent] {
            self.stats.sent(message.count, message.bytes);
            if message.count > 1 {
                self.refusals = 0;
            }
        }
        Ok(sent)
    }

    /// Deals with the error of message `index`; how many messages are done with by that.
    fn on_error(&mut self, endpoint: &UdpEndpoint, index: usize, error: &io::Error) -> usize {
        let left = &self.messages[index..];
        match error.raw_os_error() {
            Some(libc::EINTR) => 0,
            Some(libc::EAGAIN) => {
                self.stats.failed(SendFailure::BufferFull, left.iter().map(|message| message.count).sum());
                left.len()
            }
            Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE) if left[0].count > 1 => {
                self.send_plainly(endpoint, index, error);
                1
            }
            _ => {
                self.stats.failed(SendFailure::of(error), left[0].count);
                1
            }
        }
    }

    /// Sends the datagrams of a refused GSO message one by one. If they pass, GSO was what was wrong.
    fn send_plainly(&mut self, endpoint: &UdpEndpoint, index: usize, refusal: &io::Error) {
        self.stats.gso_refused += 1;
        let message = self.messages[index];
        let control = &mut self.controls[index];
        control.clear();
        control.push_source(message.path.local, endpoint.dual_stack);
        let mut header = self.headers[index].msg_hdr;
        control.attach(&mut header);
        header.msg_iovlen = 1;
        let mut passed = false;
        for vector in message.first..message.first + message.count {
            header.msg_iov = &raw mut self.vectors[vector];
            self.stats.calls += 1;
            // SAFETY: as in `send`: the header is a filled one, with one of its own vectors.
            let sent =
                unsafe { libc::sendmsg(endpoint.socket.as_raw_fd(), &header, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
            if sent >= 0 {
                passed = true;
                self.stats.sent(1, self.vectors[vector].iov_len);
            } else {
                self.stats.failed(SendFailure::of(&io::Error::last_os_error()), 1);
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

/// Whether the kernel knows the socket option, which came with the feature (Linux 4.18).
fn kernel_has_gso(endpoint: &UdpEndpoint) -> bool {
    let mut value: libc::c_int = 0;
    let mut len = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the descriptor is open as long as `endpoint` lives; value and length outlive the call.
    let result = unsafe {
        libc::getsockopt(
            endpoint.socket.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_SEGMENT,
            (&raw mut value).cast(),
            &raw mut len,
        )
    };
    result == 0
}

#[cfg(test)]
mod tests;
