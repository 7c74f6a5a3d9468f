//! A shard's UDP socket: dual-stack where the host has IPv6, non-blocking, telling the local address of each datagram.

#[cfg(target_os = "linux")]
use parlor_media::feedback::rtcp::TRANSPORT_CC_BITS;
use parlor_media::path::{Path, Protocol};
use socket2::{Domain, SockRef, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Kernel buffers that are asked for; the kernel caps them at `net.core.{r,w}mem_max`. 4 MiB are 30 ms at 1 Gbit/s.
pub(crate) const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// A bound socket.
pub(crate) struct UdpEndpoint {
    pub(crate) socket: mio::net::UdpSocket,
    /// Bound to `[::]`: IPv4 addresses are written and read as v4-mapped.
    pub(crate) dual_stack: bool,
    /// The kernel joins datagrams of one sender on the way in (Linux 5.0).
    gro: bool,
    port: u16,
    /// The kernel's counter of what it dropped, when that was last looked at. It has 32 bits and wraps.
    #[cfg(target_os = "linux")]
    known_drops: u32,
}

impl UdpEndpoint {
    /// Binds `port` (0: any) on all addresses: `[::]`, or `0.0.0.0` on a host without IPv6.
    pub(crate) fn bind(port: u16) -> io::Result<Self> {
        match bind_domain(Domain::IPV6, SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))) {
            Ok(socket) => Self::new(socket, true),
            Err(error) if no_ipv6(&error) => Self::bind_ipv4(port),
            Err(error) => Err(error),
        }
    }

    /// Binds `port` (0: any) on `0.0.0.0`.
    pub(crate) fn bind_ipv4(port: u16) -> io::Result<Self> {
        Self::new(bind_domain(Domain::IPV4, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))?, false)
    }

    /// Binds a second socket to the same port, to which the kernel from then on gives what begins with transport-wide feedback
    /// ([`TRANSPORT_CC_BITS`]). Once it is closed, everything comes by the first again.
    ///
    /// Sharing the port is not how this socket was bound, so that it was refused if the port was taken; and what is bound later, by
    /// this program or by another that does not mean to share, is refused as well.
    ///
    /// # Errors
    /// The system's, where it cannot do this (Linux 4.5 can).
    #[cfg(target_os = "linux")]
    pub(crate) fn bind_feedback(&self) -> io::Result<Self> {
        let first = SockRef::from(&self.socket);
        first.set_reuse_port(true)?;
        let second = self.bind_second(&first);
        if second.is_err() {
            // With nobody to share it with, the port is this socket's alone again.
            first.set_reuse_port(false)?;
        }
        second
    }

    #[cfg(target_os = "linux")]
    fn bind_second(&self, first: &SockRef<'_>) -> io::Result<Self> {
        let socket = open(if self.dual_stack { Domain::IPV6 } else { Domain::IPV4 })?;
        socket.set_reuse_port(true)?;
        socket.bind(&first.local_addr()?)?;
        super::control::divert_to_second(first, TRANSPORT_CC_BITS)?;
        Self::new(socket, self.dual_stack)
    }

    /// How many datagrams the kernel has dropped for want of room since this was last asked.
    #[cfg(target_os = "linux")]
    pub(crate) fn take_kernel_drops(&mut self) -> u32 {
        let known = self.known_drops;
        self.known_drops = super::control::kernel_drops(&self.socket).unwrap_or(known);
        self.known_drops.wrapping_sub(known)
    }

    fn new(socket: Socket, dual_stack: bool) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        // Best effort: a smaller buffer works, and loses more in a burst.
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
        #[cfg(target_os = "linux")]
        super::control::request_local_address(&socket, dual_stack)?;
        #[cfg(target_os = "linux")]
        let gro = super::control::request_joined_datagrams(&socket).is_ok();
        #[cfg(not(target_os = "linux"))]
        let gro = false;
        let socket = mio::net::UdpSocket::from_std(socket.into());
        let port = socket.local_addr()?.port();
        Ok(Self {
            socket,
            dual_stack,
            gro,
            port,
            #[cfg(target_os = "linux")]
            known_drops: 0,
        })
    }

    /// The bound port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Bytes of the kernel's buffers for receiving and sending, as they were granted.
    pub(crate) fn buffers(&self) -> io::Result<(usize, usize)> {
        let socket = SockRef::from(&self.socket);
        // Linux tells twice the payload's share, of what it counts its own bookkeeping against (socket(7)).
        let share = if cfg!(target_os = "linux") { 2 } else { 1 };
        Ok((socket.recv_buffer_size()? / share, socket.send_buffer_size()? / share))
    }

    /// Whether the kernel joins datagrams on the way in.
    pub(crate) fn has_gro(&self) -> bool {
        self.gro
    }

    /// `address` in the socket's own family.
    pub(crate) fn wire(&self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V4(v4) if self.dual_stack => {
                SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into()
            }
            other => other,
        }
    }
}

/// The address as everyone else knows it: IPv4 as IPv4, without the mapping of dual-stack sockets.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => (v4, address.port()).into(),
        IpAddr::V6(_) => address,
    }
}

/// The path of a datagram from `remote` to `local`.
pub(crate) fn udp_path(remote: SocketAddr, local: IpAddr) -> Path {
    Path { protocol: Protocol::Udp, remote: canonical(remote), local: local.to_canonical() }
}

fn bind_domain(domain: Domain, address: SocketAddr) -> io::Result<Socket> {
    let socket = open(domain)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn open(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::DGRAM, None)?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(false)?;
    }
    Ok(socket)
}

/// The host cannot do IPv6 at all, as opposed to a port that is taken.
pub(crate) fn no_ipv6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_addresses_become_ipv4_and_others_stay() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:5".parse().unwrap();
        assert_eq!(canonical(mapped).to_string(), "192.0.2.1:5");
        let scoped = SocketAddr::from(SocketAddrV6::new("fe80::1".parse().unwrap(), 5, 0, 3));
        assert_eq!(canonical(scoped), scoped);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn feedback_comes_by_the_second_socket_until_that_is_closed() {
        let (timeout, mut buffer) = (Some(std::time::Duration::from_secs(5)), [0; 8]);
        let first = UdpEndpoint::bind(0).unwrap();
        let second = first.bind_feedback().unwrap();
        assert_eq!((second.port(), second.dual_stack), (first.port(), first.dual_stack));
        for endpoint in [&first, &second] {
            SockRef::from(&endpoint.socket).set_nonblocking(false).unwrap();
            SockRef::from(&endpoint.socket).set_read_timeout(timeout).unwrap();
        }
        let mut receive = |endpoint: &UdpEndpoint| endpoint.socket.recv(&mut buffer).map(|len| buffer[..len].to_vec());
        for local in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            let Ok(client) = std::net::UdpSocket::bind((local, 0)) else { continue };
            let (feedback, others) =
                ([[0x8f, 205, 1], [0xaf, 205, 2]], [[0x81, 205, 3], [0x8f, 206, 4], [0x80, 96, 5]]);
            for datagram in feedback.iter().chain(&others) {
                client.send_to(datagram, (local, first.port())).unwrap();
            }
            client.send_to(&[0x8f], (local, first.port())).unwrap();
            feedback.into_iter().for_each(|sent| assert_eq!(receive(&second).unwrap(), sent));
            others.into_iter().for_each(|sent| assert_eq!(receive(&first).unwrap(), sent));
            assert_eq!(receive(&first).unwrap(), [0x8f]);
        }
        assert_eq!(UdpEndpoint::bind(first.port()).err().unwrap().kind(), io::ErrorKind::AddrInUse);
        drop(second);
        let client = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.send_to(&[0x8f, 205, 1], (Ipv4Addr::LOCALHOST, first.port())).unwrap();
        assert_eq!(receive(&first).unwrap(), [0x8f, 205, 1]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_port_without_a_second_socket_is_not_shared() {
        let first = UdpEndpoint::bind(0).unwrap();
        let shares = || SockRef::from(&first.socket).reuse_port().unwrap();
        // A neighbour on one address of the port, with whom no second socket can be beside the first.
        SockRef::from(&first.socket).set_reuse_address(true).unwrap();
        let neighbour = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        neighbour.set_reuse_address(true).unwrap();
        neighbour.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, first.port())).into()).unwrap();
        assert_eq!(first.bind_feedback().err().unwrap().kind(), io::ErrorKind::AddrInUse);
        assert!(!shares());
        drop(neighbour);
        let second = first.bind_feedback().unwrap();
        assert!(shares());
        drop(second);
    }

    #[test]
    fn a_taken_port_is_refused() {
        let first = UdpEndpoint::bind(0).unwrap();
        assert_ne!(first.port(), 0);
        let error = UdpEndpoint::bind(first.port()).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
