//! What the ways of receiving cost: the same datagrams out of one socket, joined by the kernel (GRO) or not.

use crate::cpu::{spread, time};
use crate::message::Extras;
use crate::ways::{Way, sendmmsg, sendto, set, socket};
use socket2::Socket;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;

/// Turns of each way, and before them some that do not count.
const TURNS: usize = 2_000;
const WARM_UP: usize = 100;

/// Senders of reports and the like.
const SENDERS: usize = 30;

/// A receiver report, sealed.
const REPORT: &[u8] = &[7; 70];
/// A packet of video.
const VIDEO: &[u8] = &[7; 1_228];

static FRAME: [&[u8]; 8] = [VIDEO; 8];

/// A socket and its buffers.
struct Receiver {
    socket: Socket,
    /// Kept for its memory, which the headers point at.
    _buffers: Vec<Box<[u8]>>,
    controls: Vec<[u64; 16]>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

impl Receiver {
    /// A socket that joins or not, received from into that many buffers of so many bytes.
    fn new(gro: bool, count: usize, bytes: usize) -> Self {
        let socket = socket(true);
        set(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1);
        if gro {
            set(&socket, libc::SOL_UDP, libc::UDP_GRO, 1);
        }
        let mut buffers: Vec<Box<[u8]>> = (0..count).map(|_| vec![0; bytes].into_boxed_slice()).collect();
        let vectors =
            buffers.iter_mut().map(|buffer| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: bytes });
        let vectors = vectors.collect();
        // SAFETY: a plain C structure, for which zeros are valid.
        let headers = vec![unsafe { std::mem::zeroed::<libc::mmsghdr>() }; count];
        Self { socket, _buffers: buffers, controls: vec![[0; 16]; count], vectors, headers }
    }

    fn address(&self) -> SocketAddr {
        let bound = self.socket.local_addr().expect("bound").as_socket().expect("an address");
        (Ipv4Addr::LOCALHOST, bound.port()).into()
    }

    /// Receives until nothing is left; how many bytes that was.
    fn drain(&mut self) -> usize {
        let mut bytes = 0;
        loop {
            let parts = self.headers.iter_mut().zip(&mut self.vectors).zip(&mut self.controls);
            for ((header, vector), control) in parts {
                header.msg_hdr.msg_iov = vector;
                header.msg_hdr.msg_iovlen = 1;
                header.msg_hdr.msg_control = control.as_mut_ptr().cast();
                header.msg_hdr.msg_controllen = size_of_val(control) as _;
            }
            // SAFETY: the headers point at buffers of `self` with their true lengths, which nobody touches meanwhile.
            let received = unsafe {
                libc::recvmmsg(
                    self.socket.as_raw_fd(),
                    self.headers.as_mut_ptr(),
                    self.headers.len() as libc::c_uint,
                    libc::MSG_DONTWAIT as _,
                    std::ptr::null_mut(),
                )
            };
            let received = usize::try_from(received).unwrap_or(0);
            bytes += self.headers[..received].iter().map(|header| header.msg_len as usize).sum::<usize>();
            if received < self.headers.len() {
                return bytes;
            }
        }
    }
}

/// A way of receiving, and the sending that it is tried on.
struct Case {
    name: &'static str,
    datagrams: usize,
    bytes: usize,
    receiver: Receiver,
    send: Way,
}

fn cases() -> Vec<Case> {
    let ways = [
        ("no GRO, 64 buffers of 2 KiB", false, 64, 1 << 11),
        ("GRO, 64 buffers of 64 KiB", true, 64, 1 << 16),
        ("GRO, 16 buffers of 64 KiB", true, 16, 1 << 16),
    ];
    let mut cases = Vec::new();
    for (name, gro, count, bytes) in ways {
        let receiver = Receiver::new(gro, count, bytes);
        let to = [receiver.address()];
        let mut senders: Vec<Way> = (0..SENDERS).map(|_| sendto(socket(false), &to, false, REPORT, 0)).collect();
        let send: Way = Box::new(move || senders.iter_mut().for_each(|send| send()));
        cases.push(Case { name, datagrams: SENDERS, bytes: SENDERS * REPORT.len(), receiver, send });
    }
    for (name, gro, count, bytes) in ways {
        let receiver = Receiver::new(gro, count, bytes);
        let extras = Extras { segment: Some(VIDEO.len() as u16), ..Extras::default() };
        let send = sendmmsg(socket(false), &[receiver.address()], &FRAME, extras);
        cases.push(Case { name, datagrams: FRAME.len(), bytes: FRAME.len() * VIDEO.len(), receiver, send });
    }
    cases
}

/// Measures and prints.
pub(crate) fn compare() {
    let mut cases = cases();
    let mut samples = vec![Vec::with_capacity(TURNS); cases.len()];
    for turn in 0..WARM_UP + TURNS {
        for (case, samples) in cases.iter_mut().zip(&mut samples) {
            (case.send)();
            let mut bytes = 0;
            let took = time(|| bytes = case.receiver.drain());
            assert_eq!(bytes, case.bytes, "{}", case.name);
            if turn >= WARM_UP {
                samples.push(took.as_nanos() as f64 / case.datagrams as f64);
            }
        }
    }
    println!("\n| received at once | how | ns a datagram |\n|---|---|---|");
    for (index, (case, samples)) in cases.iter().zip(&mut samples).enumerate() {
        let [low, median, high] = spread(samples);
        let what = if index < cases.len() / 2 { "30 reports of as many senders" } else { "a frame of 8 of one sender" };
        println!("| {what} | {} | {median:.0} [{low:.0}–{high:.0}] |", case.name);
    }
}
