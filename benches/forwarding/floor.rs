//! The least that forwarding can cost with a library: sealing, and handing the kernel the same datagrams in the fewest messages.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

/// An RTP header without extensions.
const HEADER: [u8; 12] = [0x80; 12];

/// The tag of AES-GCM.
const TAG: usize = 16;

/// Room for the segment size's control message.
#[repr(C, align(8))]
struct Control([u8; 32]);

/// Seals the datagrams of a frame in one buffer, and sends it, for one destination after the other.
pub(crate) struct Floor {
    key: LessSafeKey,
    count: u64,
    socket: UdpSocket,
    to: Vec<socket2::SockAddr>,
    frame: Vec<u8>,
    segment: usize,
}

impl Floor {
    /// For frames of that many datagrams, each with as many payload bytes.
    pub(crate) fn new(to: &[SocketAddr], datagrams: usize, payload: usize) -> Self {
        let key = UnboundKey::new(&AES_128_GCM, &[7; 16]).expect("a key of 128 bits");
        let segment = HEADER.len() + payload + TAG;
        Self {
            key: LessSafeKey::new(key),
            count: 0,
            socket: UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port"),
            to: to.iter().map(|to| (*to).into()).collect(),
            frame: vec![0x80; datagrams * segment],
            segment,
        }
    }

    /// Seals and sends a frame for each destination: by `sendto` if it is one datagram, else by `sendmsg` with GSO.
    pub(crate) fn forward(&mut self) {
        for index in 0..self.to.len() {
            self.seal();
            let sent =
                if self.frame.len() == self.segment { self.send(index, &self.frame) } else { self.send_frame(index) };
            assert_eq!(sent, self.frame.len() as isize, "{}", std::io::Error::last_os_error());
        }
    }

    fn seal(&mut self) {
        for datagram in self.frame.chunks_exact_mut(self.segment) {
            self.count += 1;
            let mut nonce = [0; NONCE_LEN];
            nonce[4..].copy_from_slice(&self.count.to_be_bytes());
            let nonce = Nonce::assume_unique_for_key(nonce);
            let (packet, room) = datagram.split_at_mut(self.segment - TAG);
            let payload = &mut packet[HEADER.len()..];
            let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(HEADER), payload);
            room.copy_from_slice(tag.expect("far below the limit").as_ref());
        }
    }

    fn send(&self, index: usize, datagram: &[u8]) -> isize {
        let to = &self.to[index];
        // SAFETY: all pointers are of slices that outlive the call, with their true lengths.
        unsafe {
            libc::sendto(
                self.socket.as_raw_fd(),
                datagram.as_ptr().cast(),
                datagram.len(),
                libc::MSG_DONTWAIT,
                to.as_ptr().cast(),
                to.len(),
            )
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn send_frame(&self, index: usize) -> isize {
        self.frame.chunks_exact(self.segment).map(|datagram| self.send(index, datagram)).sum()
    }

    #[cfg(target_os = "linux")]
    fn send_frame(&self, index: usize) -> isize {
        let to = &self.to[index];
        let mut control = Control([0; 32]);
        let mut vector = libc::iovec { iov_base: self.frame.as_ptr().cast_mut().cast(), iov_len: self.frame.len() };
        // SAFETY: a plain C structure, for which zeros are valid.
        let mut header = unsafe { std::mem::zeroed::<libc::msghdr>() };
        header.msg_name = to.as_ptr().cast_mut().cast();
        header.msg_namelen = to.len();
        header.msg_iov = &raw mut vector;
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: the control buffer holds one message of two bytes, and is aligned for its header; everything that
        // the header points to outlives the call.
        unsafe {
            header.msg_controllen = libc::CMSG_SPACE(2) as _;
            let message = libc::CMSG_FIRSTHDR(&raw const header);
            (*message).cmsg_level = libc::SOL_UDP;
            (*message).cmsg_type = libc::UDP_SEGMENT;
            (*message).cmsg_len = libc::CMSG_LEN(2) as _;
            std::ptr::write_unaligned(libc::CMSG_DATA(message).cast::<u16>(), self.segment as u16);
            libc::sendmsg(self.socket.as_raw_fd(), &raw const header, libc::MSG_DONTWAIT)
        }
    }
}
