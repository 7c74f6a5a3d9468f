//! The ways of the system calls: `sendto`, `sendmsg`, `sendmmsg`, connected sockets.

use crate::message::{Extras, Message, wire};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

const NOW: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

/// Sends everything once.
pub(crate) type Way = Box<dyn FnMut()>;

/// A socket as the server has it: on all addresses, with a large buffer.
pub(crate) fn socket(mapped: bool) -> Socket {
    let (domain, any) = if mapped {
        (Domain::IPV6, SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)))
    } else {
        (Domain::IPV4, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP)).expect("a socket");
    if mapped {
        socket.set_only_v6(false).expect("dual-stack");
    }
    socket.set_reuse_port(true).expect("a shared port");
    socket.bind(&any.into()).expect("a port");
    socket.set_nonblocking(true).expect("non-blocking");
    socket.set_send_buffer_size(4 << 20).expect("a buffer");
    socket
}

/// Sets an integer option.
pub(crate) fn set(socket: &Socket, level: libc::c_int, name: libc::c_int, value: libc::c_int) {
    let len = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the descriptor is open, and the value outlives the call.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), len) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// One `sendto` for each.
pub(crate) fn sendto(socket: Socket, to: &[SocketAddr], mapped: bool, datagram: &'static [u8], flags: i32) -> Way {
    let addresses: Vec<SockAddr> = to.iter().map(|to| wire(*to, mapped).into()).collect();
    Box::new(move || {
        for address in &addresses {
            socket.send_to_with_flags(datagram, address, NOW | flags).expect("sent");
        }
    })
}

/// One `sendmsg` for each.
pub(crate) fn sendmsg(socket: Socket, to: &[SocketAddr], datagrams: &'static [&'static [u8]], extras: Extras) -> Way {
    let mut messages: Vec<Message> = to.iter().map(|to| Message::new(*to, datagrams, extras)).collect();
    Box::new(move || {
        for message in &mut messages {
            let header = message.header();
            // SAFETY: the header points into its message, which lives on, and the kernel only reads.
            let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, NOW) };
            assert!(sent > 0, "{}", std::io::Error::last_os_error());
        }
    })
}

/// One `sendmmsg` for all.
pub(crate) fn sendmmsg(socket: Socket, to: &[SocketAddr], datagrams: &'static [&'static [u8]], extras: Extras) -> Way {
    let mut messages: Vec<Message> = to.iter().map(|to| Message::new(*to, datagrams, extras)).collect();
    let mut headers: Vec<libc::mmsghdr> = Vec::with_capacity(messages.len());
    Box::new(move || {
        headers.clear();
        headers.extend(messages.iter_mut().map(|m| libc::mmsghdr { msg_hdr: m.header(), msg_len: 0 }));
        // SAFETY: the headers point into their messages, which live on, and the kernel only reads through them.
        let sent = unsafe {
            libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), headers.len() as libc::c_uint, NOW as _)
        };
        assert_eq!(sent as usize, headers.len(), "{}", std::io::Error::last_os_error());
    })
}

/// Sockets on one port, each connected to one destination.
pub(crate) fn connected_sockets(to: &[SocketAddr]) -> Vec<Socket> {
    let first = socket(false);
    let port = first.local_addr().expect("bound").as_socket().expect("an address").port();
    to.iter()
        .map(|to| {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).expect("a socket");
            socket.set_reuse_port(true).expect("a shared port");
            socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into()).expect("the port");
            socket.connect(&(*to).into()).expect("connected");
            socket.set_nonblocking(true).expect("non-blocking");
            socket
        })
        .collect()
}

/// One `send` on each connected socket.
pub(crate) fn connected(to: &[SocketAddr], datagram: &'static [u8]) -> Way {
    let sockets = connected_sockets(to);
    Box::new(move || {
        for socket in &sockets {
            socket.send_with_flags(datagram, NOW).expect("sent");
        }
    })
}

/// One `sendto` with `MSG_ZEROCOPY` for each, and the kernel's word afterwards that it is done with the bytes.
pub(crate) fn zero_copy(to: &[SocketAddr], datagram: &'static [u8]) -> Way {
    let socket = socket(false);
    set(&socket, libc::SOL_SOCKET, libc::SO_ZEROCOPY, 1);
    let addresses: Vec<SockAddr> = to.iter().map(|to| (*to).into()).collect();
    let mut control = [0_u64; 32];
    Box::new(move || {
        for address in &addresses {
            socket.send_to_with_flags(datagram, address, NOW | libc::MSG_ZEROCOPY).expect("sent");
        }
        loop {
            // SAFETY: a plain C structure, for which zeros are valid.
            let mut header = unsafe { std::mem::zeroed::<libc::msghdr>() };
            header.msg_control = control.as_mut_ptr().cast();
            header.msg_controllen = size_of_val(&control) as _;
            // SAFETY: the control buffer outlives the call and has that length.
            let result =
                unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) };
            if result < 0 {
                break;
            }
        }
    })
}
