//! The clients' sockets: batches in, segments out.
//!
//! Every client has a UDP socket of its own, for a server knows clients by their addresses.
//!
//! As in the server, these modules are the only ones that call `libc`: the standard library, mio and socket2 know neither
//! batches (`recvmmsg`) nor segment sizes (`UDP_GRO`, `UDP_SEGMENT`). Each `unsafe` block says why it is sound.

#[cfg(target_os = "linux")]
mod control;
#[cfg(any(not(target_os = "linux"), test))]
#[cfg_attr(target_os = "linux", allow(dead_code, unreachable_pub, reason = "tested here, used elsewhere"))]
mod portable;
#[cfg(target_os = "linux")]
mod receive;
#[cfg(target_os = "linux")]
mod send;

#[cfg(target_os = "linux")]
pub use self::{control::kernel_drops, receive::Message, receive::Receiver, send::Sender};
#[cfg(not(target_os = "linux"))]
pub use portable::{Message, Receiver, Sender, kernel_drops};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Room for what arrives while the thread does something else: at 3 Mbit/s the kernel's accounting fills this in about
/// a second.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Opens a client's socket, on any port of the family of `toward`. The kernel tells when something arrived: it is read later.
///
/// # Errors
/// When there are no descriptors left, or the kernel lacks an option.
pub fn open(toward: IpAddr) -> io::Result<mio::net::UdpSocket> {
    let (domain, any): (_, SocketAddr) = match toward {
        IpAddr::V4(_) => (Domain::IPV4, (Ipv4Addr::UNSPECIFIED, 0).into()),
        IpAddr::V6(_) => (Domain::IPV6, (Ipv6Addr::UNSPECIFIED, 0).into()),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    #[cfg(target_os = "linux")]
    {
        control::request_joined_datagrams(&socket)?;
        control::request_stamps(&socket)?;
    }
    // As much as the system allows; where that is too little, drops are counted.
    let _ = SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER);
    socket.bind(&any.into())?;
    Ok(mio::net::UdpSocket::from_std(UdpSocket::from(socket)))
}

/// The address by which this machine reaches a server.
///
/// # Errors
/// When there is no way to it.
pub fn local_address_toward(server: SocketAddr) -> io::Result<IpAddr> {
    let any: SocketAddr =
        if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any)?;
    // Nothing is sent: the kernel only looks up the way.
    socket.connect((server.ip(), server.port().max(1)))?;
    Ok(socket.local_addr()?.ip())
}
