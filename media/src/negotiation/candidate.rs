//! The server's host candidates as SDP.

use crate::command::Candidate;
use crate::path::Protocol;
use std::fmt;

/// Type preference of host candidates over UDP (RFC 8445 section 5.1.2.2).
const UDP_TYPE_PREFERENCE: u32 = 126;
/// The same over TCP, which is to be preferred less than any UDP candidate (RFC 6544 section 4.2).
const TCP_TYPE_PREFERENCE: u32 = 90;
/// Direction preference of a passive host candidate (RFC 6544 section 4.2).
const PASSIVE_PREFERENCE: u32 = 4;
/// The only component: RTCP is multiplexed.
const COMPONENT: u32 = 1;

/// `a=candidate`'s value, the position in the server's order of preference beside the candidate.
pub(super) struct CandidateLine(pub(super) usize, pub(super) Candidate);

/// RFC 8445 section 5.1.2.1, with RFC 6544's local preference for TCP. `position` 0 is the best.
fn priority(position: usize, protocol: Protocol) -> u32 {
    let position = u32::try_from(position).unwrap_or(u32::MAX);
    let (kind, local) = match protocol {
        Protocol::Udp => (UDP_TYPE_PREFERENCE, 65_535_u32.saturating_sub(position)),
        Protocol::Tcp => (TCP_TYPE_PREFERENCE, (PASSIVE_PREFERENCE << 13) + 8_191_u32.saturating_sub(position)),
    };
    (kind << 24) + (local << 8) + (256 - COMPONENT)
}

impl fmt::Display for CandidateLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(position, Candidate { protocol, address }) = *self;
        let (name, suffix) = match protocol {
            Protocol::Udp => ("udp", ""),
            Protocol::Tcp => ("tcp", " tcptype passive"),
        };
        let (foundation, priority) = (position + 1, priority(position, protocol));
        let (ip, port) = (address.ip(), address.port());
        write!(f, "{foundation} {COMPONENT} {name} {priority} {ip} {port} typ host{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_written_by_rfc_8839_and_rfc_6544() {
        let udp = Candidate { protocol: Protocol::Udp, address: "192.0.2.1:7900".parse().unwrap() };
        let tcp = Candidate { protocol: Protocol::Tcp, address: "[2001:db8::1]:7900".parse().unwrap() };
        assert_eq!(CandidateLine(0, udp).to_string(), "1 1 udp 2130706431 192.0.2.1 7900 typ host");
        let expected = "2 1 tcp 1520434943 2001:db8::1 7900 typ host tcptype passive";
        assert_eq!(CandidateLine(1, tcp).to_string(), expected);
        assert!(priority(1, Protocol::Udp) < priority(0, Protocol::Udp));
        assert!(priority(0, Protocol::Tcp) < priority(65_535, Protocol::Udp));
        assert!(priority(usize::MAX, Protocol::Tcp) > 0);
    }
}
