//! The sockets of one shard: UDP and TCP under one port number, and a second one of UDP for transport feedback.

use super::body::LISTENER;
use crate::net::tcp::{TcpLimits, TcpPaths};
use crate::net::udp::UdpEndpoint;
use std::io;

/// Ports tried to find one number that is free for UDP and TCP, when any will do.
const PORT_ATTEMPTS: usize = 32;

/// The bound sockets of one shard.
pub(crate) struct ShardSockets {
    pub(super) udp: UdpEndpoint,
    /// Where the system can tell it apart. What comes by it may wait a little: [`feedback`](super::feedback).
    pub(super) feedback: Option<UdpEndpoint>,
    pub(super) tcp: Option<TcpPaths>,
}

impl ShardSockets {
    /// Binds UDP, and TCP if it has limits, to the same port; 0 takes any that is free for both.
    ///
    /// # Errors
    /// The system's, with the protocol it is about.
    pub(crate) fn bind(port: u16, tcp: Option<TcpLimits>) -> Result<Self, (&'static str, io::Error)> {
        let mut attempts = if port == 0 { PORT_ATTEMPTS } else { 1 };
        loop {
            attempts -= 1;
            let udp = UdpEndpoint::bind(port).map_err(|error| ("UDP", error))?;
            match tcp.map(|limits| TcpPaths::bind(udp.port(), limits, LISTENER)).transpose() {
                Ok(tcp) => {
                    #[cfg(target_os = "linux")]
                    let feedback = udp
                        .bind_feedback()
                        .inspect_err(|error| tracing::info!(%error, "transport feedback has no socket of its own"))
                        .ok();
                    #[cfg(not(target_os = "linux"))]
                    let feedback = None;
                    return Ok(Self { udp, feedback, tcp });
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => {}
                Err(error) => return Err(("TCP", error)),
            }
        }
    }

    /// Whether IPv6 clients can reach it.
    pub(crate) fn has_ipv6(&self) -> bool {
        self.udp.dual_stack
    }

    /// The port's number.
    pub(crate) fn port(&self) -> u16 {
        self.udp.port()
    }
}
