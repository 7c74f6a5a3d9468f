//! Where datagrams come from and go to.

use std::net::{IpAddr, SocketAddr};

/// The transport protocol below ICE (RFC 8445, RFC 6544).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// UDP, one datagram a packet.
    Udp,
    /// Passive ICE-TCP: RFC 4571 framed packets on a connection that the client opened.
    Tcp,
}

/// One way between a client and this shard: the 4-tuple, less the local port, which is the shard's own.
///
/// The local address is part of it, because an answer must leave from the address that was asked (RFC 8445 section 7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// UDP or TCP.
    pub protocol: Protocol,
    /// The client's address as seen here. On TCP it names the connection.
    pub remote: SocketAddr,
    /// The address of this host that the client used; unspecified where the platform does not tell.
    pub local: IpAddr,
}
