//! Sending: datagrams of equal size to one destination leave as one message, which the kernel cuts (UDP GSO).

use super::control::Control;
use bytes::BytesMut;
use mio::net::UdpSocket;
use socket2::SockAddr;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

/// The kernel's `UDP_MAX_SEGMENTS`.
const SEGMENTS: usize = 64;
/// Below what an IP packet can hold, headers included.
const MESSAGE: usize = 65_000;

/// The sending side of one thread.
pub struct Sender {
    control: Control,
}

impl Default for Sender {
    fn default() -> Self {
        Self { control: Control::new() }
    }
}

impl Sender {
    /// Sends all datagrams, in their order, and empties the list. `lost` gets those that the kernel did not take.
    pub fn flush(
        &mut self,
        socket: &UdpSocket,
        datagrams: &mut Vec<(SocketAddr, BytesMut)>,
        mut lost: impl FnMut(&[u8]),
    ) {
        let mut rest = datagrams.as_slice();
        while !rest.is_empty() {
            let (run, later) = rest.split_at(run_length(rest));
            rest = later;
            if self.send(socket, run).is_err() {
                // Perhaps the way has no segmentation: plainly then. What is full stays full, and is counted.
                for datagram in run.chunks(1) {
                    if self.send(socket, datagram).is_err() {
                        datagram.iter().for_each(|(_, bytes)| lost(bytes));
                    }
                }
            }
        }
        datagrams.clear();
    }

    /// Sends datagrams of `segment` bytes each, which lie one behind the other; the last may be shorter.
    ///
    /// # Errors
    /// Those of `sendmsg`: there may be no room now, or no segmentation on the way.
    pub fn send_frame(&mut self, socket: &UdpSocket, to: SocketAddr, frame: &[u8], segment: usize) -> io::Result<()> {
        let segments = (MESSAGE / segment.max(1)).clamp(1, SEGMENTS);
        frame.chunks(segments * segment.max(1)).try_for_each(|run| {
            self.send_vectors(socket, to, &mut [vector(run)], (run.len() > segment).then_some(segment))
        })
    }

    fn send(&mut self, socket: &UdpSocket, run: &[(SocketAddr, BytesMut)]) -> io::Result<()> {
        let Some((to, first)) = run.first() else { return Ok(()) };
        let mut vectors = [const { libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 } }; SEGMENTS];
        for (place, (_, bytes)) in vectors.iter_mut().zip(run) {
            *place = vector(bytes);
        }
        let vectors = vectors.get_mut(..run.len()).unwrap_or_default();
        self.send_vectors(socket, *to, vectors, (run.len() > 1).then_some(first.len()))
    }

    fn send_vectors(
        &mut self,
        socket: &UdpSocket,
        to: SocketAddr,
        vectors: &mut [libc::iovec],
        segment: Option<usize>,
    ) -> io::Result<()> {
        let address = SockAddr::from(to);
        // SAFETY: a plain C structure, for which zeros are a valid value.
        let mut header = unsafe { std::mem::zeroed::<libc::msghdr>() };
        header.msg_name = address.as_ptr().cast_mut().cast();
        header.msg_namelen = address.len();
        header.msg_iov = vectors.as_mut_ptr();
        header.msg_iovlen = vectors.len() as _;
        if let Some(bytes) = segment {
            self.control.attach_segment_size(&mut header, bytes as u16);
        }
        // SAFETY: the header points at the address, vectors and control message above, which live through the call, and the
        // vectors at datagrams of the callers', whose bytes are only read.
        let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_DONTWAIT) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

fn vector(bytes: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
}

/// How many of the first datagrams can leave as one message: equal ones, of which the last may be shorter.
fn run_length(datagrams: &[(SocketAddr, BytesMut)]) -> usize {
    let Some((to, first)) = datagrams.first() else { return 0 };
    let (mut count, mut bytes) = (1, first.len());
    for (next_to, next) in datagrams.iter().skip(1) {
        let fits = count < SEGMENTS && bytes + next.len() <= MESSAGE;
        if next_to != to || !fits || next.is_empty() || next.len() > first.len() {
            break;
        }
        count += 1;
        bytes += next.len();
        if next.len() < first.len() {
            break;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(list: &[(u16, usize)]) -> usize {
        let datagram = |(port, bytes): &(u16, usize)| (([127, 0, 0, 1], *port).into(), BytesMut::zeroed(*bytes));
        run_length(&list.iter().map(datagram).collect::<Vec<_>>())
    }

    #[test]
    fn runs_are_what_the_kernel_can_cut() {
        assert_eq!(length(&[]), 0);
        assert_eq!(length(&[(1, 5), (1, 5), (1, 4), (1, 4)]), 3);
        assert_eq!(length(&[(1, 5), (1, 6)]), 1);
        assert_eq!(length(&[(1, 5), (2, 5)]), 1);
        assert_eq!(length(&[(1, 5), (1, 0)]), 1);
        assert_eq!(length(&[(1, 9); 100]), SEGMENTS);
        assert_eq!(length(&[(1, 1_200); 100]), 54);
    }
}
