//! Where DTLS handshakes wait, so that media never waits for them.
//!
//! A datagram of a handshake may cost a signature and its verification, a hundred times what a media packet costs. So while
//! a transport is not up its DTLS datagrams are copied here, in the order of their arrival, and worked off a few at a
//! time, between media. What finds no room is lost as on any network, and counted: its sender repeats it.
//!
//! What always holds: at most [`MAX_WAITING`] datagrams wait, [`MAX_OF_ONE`] of them from one path, which ICE has
//! authenticated.

use crate::path::Path;
use std::collections::{HashMap, VecDeque};

/// Datagrams that wait at most: the longest flight of each of a thousand clients that come at once, two datagrams, or what
/// 500 have repeated by then. At four a tick they are worked off within half a second, when clients still have patience.
pub(crate) const MAX_WAITING: usize = 2_048;

/// Of one path: the longest flight, with an RSA certificate, twice. So nobody has much more of the queue than others.
pub(crate) const MAX_OF_ONE: u8 = 8;

struct Waiting {
    path: Path,
    datagram: Box<[u8]>,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Handshakes {
    waiting: VecDeque<Waiting>,
    /// How many of them are whose. An entry that has come to nothing is removed.
    of_path: HashMap<Path, u8>,
}

impl Handshakes {
    /// Copies a datagram to the end of the queue. `false` when there is no room for it.
    pub(crate) fn push(&mut self, path: &Path, datagram: &[u8]) -> bool {
        if self.waiting.len() >= MAX_WAITING {
            return false;
        }
        let own = self.of_path.entry(*path).or_default();
        if *own >= MAX_OF_ONE {
            return false;
        }
        *own += 1;
        self.waiting.push_back(Waiting { path: *path, datagram: datagram.into() });
        true
    }

    /// The datagram that has waited longest.
    pub(crate) fn pop(&mut self) -> Option<(Path, Box<[u8]>)> {
        let Waiting { path, datagram } = self.waiting.pop_front()?;
        if let Some(own) = self.of_path.get_mut(&path) {
            *own -= 1;
            if *own == 0 {
                self.of_path.remove(&path);
            }
        }
        if self.waiting.is_empty() {
            // A storm is over: its memory goes back.
            *self = Self::default();
        }
        Some((path, datagram))
    }

    /// How many datagrams wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Protocol;
    use std::net::{IpAddr, Ipv4Addr};

    fn path(port: u16) -> Path {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Path { protocol: Protocol::Udp, remote: (loopback, port).into(), local: loopback }
    }

    #[test]
    fn datagrams_come_out_in_their_order() {
        let mut handshakes = Handshakes::default();
        for (port, byte) in [(1, 10), (2, 20), (1, 11)] {
            assert!(handshakes.push(&path(port), &[byte]));
        }
        let order: Vec<_> =
            std::iter::from_fn(|| handshakes.pop()).map(|(path, d)| (path.remote.port(), d[0])).collect();
        assert_eq!(order, [(1, 10), (2, 20), (1, 11)]);
        assert_eq!((handshakes.len(), handshakes.of_path.len()), (0, 0));
    }

    #[test]
    fn the_queue_is_bounded_for_one_and_for_all() {
        let mut handshakes = Handshakes::default();
        let taken = (0..100).filter(|byte| handshakes.push(&path(1), &[*byte])).count();
        assert_eq!(taken, usize::from(MAX_OF_ONE));
        let taken: usize = (2..3_000).map(|port| usize::from(handshakes.push(&path(port), &[0]))).sum();
        assert_eq!((taken, handshakes.len()), (MAX_WAITING - usize::from(MAX_OF_ONE), MAX_WAITING));
        handshakes.pop();
        assert!(handshakes.push(&path(1), &[0]), "who has been served may come again");
        while handshakes.pop().is_some() {}
        assert!(handshakes.of_path.is_empty());
        assert_eq!(handshakes.waiting.capacity(), 0, "a storm leaves nothing behind");
    }
}
