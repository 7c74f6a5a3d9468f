//! Who may come in: sockets in all, sockets per address, rooms created per address.
//!
//! Addresses are those of the connections; headers that a client could forge are not looked at. Loopback is exempt, since it
//! is either this host's owner or a proxy, which then limits its own clients. The table of addresses is bounded.

use crate::rate::{Rate, TokenBucket};
use crate::session::lock;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::time::Instant;

/// The most addresses remembered; beyond, newcomers wait until others are forgotten.
const MAX_ADDRESSES: usize = 65_536;

/// See the module.
#[derive(Debug)]
pub(crate) struct Gate {
    max_sockets: usize,
    max_sockets_per_address: usize,
    room_creation: Rate,
    sockets: watch::Sender<usize>,
    addresses: Mutex<HashMap<IpAddr, Address>>,
}

#[derive(Debug)]
struct Address {
    sockets: usize,
    rooms: TokenBucket,
}

/// Why a socket was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The server has as many as it takes.
    Full,
    /// The address has as many as it may.
    TooManyHere,
}

/// A socket that was let in, until it is dropped.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Arc<Gate>,
    address: Option<IpAddr>,
}

impl Gate {
    pub(crate) fn new(max_sockets: usize, max_sockets_per_address: usize, room_creation: Rate) -> Arc<Self> {
        Arc::new(Self {
            max_sockets,
            max_sockets_per_address,
            room_creation,
            sockets: watch::Sender::new(0),
            addresses: Mutex::new(HashMap::new()),
        })
    }

    /// Lets a socket in.
    pub(crate) fn admit(self: &Arc<Self>, address: Option<IpAddr>, now: Instant) -> Result<Pass, Closed> {
        let address = address.and_then(limited);
        let free = self.sockets.send_if_modified(|sockets| {
            let free = *sockets < self.max_sockets;
            *sockets += usize::from(free);
            free
        });
        if !free {
            return Err(Closed::Full);
        }
        // From here on the count is given back by dropping this.
        let mut pass = Pass { gate: Arc::clone(self), address: None };
        if let Some(address) = address {
            let mut addresses = lock(&self.addresses);
            let entry = self.entry(&mut addresses, address, now).ok_or(Closed::Full)?;
            if entry.sockets >= self.max_sockets_per_address {
                drop(addresses);
                return Err(Closed::TooManyHere);
            }
            entry.sockets += 1;
            pass.address = Some(address);
        }
        Ok(pass)
    }

    /// Whether this address may create a room now.
    pub(crate) fn may_create_room(&self, address: Option<IpAddr>, now: Instant) -> bool {
        let Some(address) = address.and_then(limited) else { return true };
        let mut addresses = lock(&self.addresses);
        self.entry(&mut addresses, address, now).is_some_and(|entry| entry.rooms.take(now))
    }

    /// Forgets addresses of which nothing is to be remembered.
    pub(crate) fn prune(&self, now: Instant) {
        lock(&self.addresses).retain(|_, entry| entry.sockets > 0 || !entry.rooms.is_full(now));
    }

    /// Sockets now.
    pub(crate) fn sockets(&self) -> usize {
        *self.sockets.borrow()
    }

    /// Waits until every socket is gone.
    pub(crate) async fn until_empty(&self) {
        // The sender lives as long as the gate: there is no other end than zero.
        let _ = self.sockets.subscribe().wait_for(|&sockets| sockets == 0).await;
    }

    fn entry<'a>(
        &self,
        addresses: &'a mut HashMap<IpAddr, Address>,
        address: IpAddr,
        now: Instant,
    ) -> Option<&'a mut Address> {
        if addresses.len() >= MAX_ADDRESSES && !addresses.contains_key(&address) {
            return None;
        }
        let fresh = || Address { sockets: 0, rooms: TokenBucket::new(self.room_creation, now) };
        Some(addresses.entry(address).or_insert_with(fresh))
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(address) = self.address
            && let Some(entry) = lock(&self.gate.addresses).get_mut(&address)
        {
            entry.sockets -= 1;
        }
        self.gate.sockets.send_modify(|sockets| *sockets -= 1);
    }
}

/// The address that limits go by: of IPv6 the /64 network, which one customer has whole; none for loopback.
fn limited(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V4(address) => Some(address.into()),
        IpAddr::V6(address) => Some(Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const RATE: Rate = Rate { per_second: 1.0, burst: 2.0 };

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn sockets_are_bounded_in_all_and_per_address() {
        let (gate, now) = (Gate::new(4, 2, RATE), Instant::now());
        let first = gate.admit(ip("192.0.2.1"), now).unwrap();
        let second = gate.admit(ip("::ffff:192.0.2.1"), now).unwrap();
        assert_eq!(gate.admit(ip("192.0.2.1"), now).unwrap_err(), Closed::TooManyHere);
        drop(first);
        let third = gate.admit(ip("192.0.2.1"), now).unwrap();
        let others = (gate.admit(ip("127.0.0.1"), now).unwrap(), gate.admit(None, now).unwrap());
        assert_eq!(gate.admit(ip("127.0.0.1"), now).unwrap_err(), Closed::Full);
        assert_eq!(gate.sockets(), 4);
        drop((second, third, others));
        assert_eq!(gate.sockets(), 0);
    }

    #[test]
    fn a_network_creates_rooms_at_its_rate() {
        let (gate, now) = (Gate::new(4, 2, RATE), Instant::now());
        assert!(gate.may_create_room(ip("2001:db8::1"), now));
        assert!(gate.may_create_room(ip("2001:db8::2"), now));
        assert!(!gate.may_create_room(ip("2001:db8::3"), now));
        assert!(gate.may_create_room(ip("2001:db8:0:1::3"), now));
        assert!((0..9).all(|_| gate.may_create_room(ip("::1"), now)));
        assert!(gate.may_create_room(ip("2001:db8::3"), now + Duration::from_secs(1)));
    }

    #[test]
    fn the_table_of_addresses_is_bounded_and_forgets() {
        let (gate, now) = (Gate::new(4, 2, RATE), Instant::now());
        let address = |number: usize| Some(IpAddr::from((number as u32).to_be_bytes()));
        let first = 0x0a00_0000;
        for number in 0..MAX_ADDRESSES {
            assert!(gate.may_create_room(address(first + number), now));
        }
        assert!(!gate.may_create_room(address(first + MAX_ADDRESSES), now));
        assert_eq!(gate.admit(address(first + MAX_ADDRESSES), now).unwrap_err(), Closed::Full);
        gate.prune(now + Duration::from_secs(2));
        assert!(lock(&gate.addresses).is_empty());
        assert!(gate.may_create_room(address(first + MAX_ADDRESSES), now));
        assert_eq!(gate.sockets(), 0);
    }
}
