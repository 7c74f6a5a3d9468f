//! The ways of io_uring: all sends submitted by one system call.

use crate::message::{Extras, Message, wire};
use crate::ways::{Way, connected_sockets, socket};
use io_uring::{IoUring, opcode, squeue, types};
use socket2::SockAddr;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

/// The room of a ring: a power of two above the destinations.
const ENTRIES: u32 = 256;

fn ring() -> IoUring {
    IoUring::builder().setup_single_issuer().setup_defer_taskrun().build(ENTRIES).expect("io_uring")
}

/// Submits and waits until all is done: `notifications` more follow each send.
fn submit(ring: &mut IoUring, entries: &[squeue::Entry], notifications: usize) {
    // SAFETY: what the entries point to lives as long as the way they belong to, which waits here for their end.
    unsafe { ring.submission().push_multiple(entries) }.expect("room");
    let mut left = entries.len() * (1 + notifications);
    ring.submit_and_wait(left).expect("submitted");
    while left > 0 {
        for done in ring.completion() {
            assert!(done.result() >= 0, "{}", std::io::Error::from_raw_os_error(-done.result()));
            left -= 1;
        }
        if left > 0 {
            ring.submit_and_wait(left).expect("waited");
        }
    }
}

/// `IORING_OP_SENDMSG` on one socket.
pub(crate) fn sendmsg(to: &[SocketAddr], datagrams: &'static [&'static [u8]], extras: Extras) -> Way {
    let socket = socket(extras.mapped);
    let mut ring = ring();
    ring.submitter().register_files(&[socket.as_raw_fd()]).expect("registered");
    let mut messages: Vec<Message> = to.iter().map(|to| Message::new(*to, datagrams, extras)).collect();
    let headers: Box<[libc::msghdr]> = messages.iter_mut().map(Message::header).collect();
    let entries: Vec<_> = headers.iter().map(|header| opcode::SendMsg::new(types::Fixed(0), header).build()).collect();
    Box::new(move || {
        let _alive = (&socket, &messages, &headers);
        submit(&mut ring, &entries, 0);
    })
}

/// `IORING_OP_SEND` with an address on one socket.
pub(crate) fn send(to: &[SocketAddr], mapped: bool, datagram: &'static [u8]) -> Way {
    let socket = socket(mapped);
    let mut ring = ring();
    ring.submitter().register_files(&[socket.as_raw_fd()]).expect("registered");
    let addresses: Box<[SockAddr]> = to.iter().map(|to| wire(*to, mapped).into()).collect();
    let entries: Vec<_> = addresses
        .iter()
        .map(|address| {
            opcode::Send::new(types::Fixed(0), datagram.as_ptr(), datagram.len() as u32)
                .dest_addr(address.as_ptr().cast())
                .dest_addr_len(address.len() as _)
                .build()
        })
        .collect();
    Box::new(move || {
        let _alive = (&socket, &addresses);
        submit(&mut ring, &entries, 0);
    })
}

/// `IORING_OP_SEND` on connected sockets.
pub(crate) fn send_connected(to: &[SocketAddr], datagram: &'static [u8]) -> Way {
    let sockets = connected_sockets(to);
    let mut ring = ring();
    let descriptors: Vec<_> = sockets.iter().map(|socket| socket.as_raw_fd()).collect();
    ring.submitter().register_files(&descriptors).expect("registered");
    let entries: Vec<_> = (0..sockets.len() as u32)
        .map(|index| opcode::Send::new(types::Fixed(index), datagram.as_ptr(), datagram.len() as u32).build())
        .collect();
    Box::new(move || {
        let _alive = &sockets;
        submit(&mut ring, &entries, 0);
    })
}

/// `IORING_OP_SEND_ZC` with an address on one socket, out of a registered buffer.
pub(crate) fn send_zero_copy(to: &[SocketAddr], datagram: &'static [u8]) -> Way {
    let socket = socket(false);
    let mut ring = ring();
    ring.submitter().register_files(&[socket.as_raw_fd()]).expect("registered");
    // The kernel registers only memory that may be written.
    let datagram: Box<[u8]> = datagram.into();
    let vector = libc::iovec { iov_base: datagram.as_ptr().cast_mut().cast(), iov_len: datagram.len() };
    // SAFETY: the way keeps the bytes as long as the ring.
    unsafe { ring.submitter().register_buffers(&[vector]) }.expect("registered");
    let addresses: Box<[SockAddr]> = to.iter().map(|to| (*to).into()).collect();
    let entries: Vec<_> = addresses
        .iter()
        .map(|address| {
            opcode::SendZc::new(types::Fixed(0), datagram.as_ptr(), datagram.len() as u32)
                .buf_index(Some(0))
                .dest_addr(address.as_ptr().cast())
                .dest_addr_len(address.len() as _)
                .build()
        })
        .collect();
    Box::new(move || {
        let _alive = (&socket, &addresses, &datagram);
        submit(&mut ring, &entries, 1);
    })
}
