//! Who may come in, and how often: sockets in all and per address, and the limits of [`crate::limits`].
//!
//! Addresses are those that [`crate::visitor`] found; of IPv6 the /64 network counts, which one customer has whole. Loopback
//! is exempt from the limits of addresses, since that is this host's owner. A trusted proxy's client never counts as loopback.

use crate::access::Identity;
use crate::limits::{Exceeded, Kind, Rates, Scope, Table};
use crate::protocol::error::Refusal;
use crate::session::lock;
use crate::settings::Policy;
use parlor_media::ids::RoomId;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::time::Instant;

/// See the module.
#[derive(Debug)]
pub(crate) struct Gate {
    sockets: watch::Sender<usize>,
    /// Of addresses that have any: as many as there are sockets at most.
    sockets_of: Mutex<HashMap<IpAddr, usize>>,
    addresses: Mutex<Table<IpAddr>>,
    identities: Mutex<Table<Identity>>,
    rooms: Mutex<Table<RoomId>>,
}

/// Whose limits something counts for; each that is there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Who<'a> {
    /// Of the visitor.
    pub(crate) address: Option<IpAddr>,
    /// Of who does it, once that is known.
    pub(crate) identity: Option<&'a Identity>,
    /// The room that it is done to.
    pub(crate) room: Option<RoomId>,
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
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            sockets: watch::Sender::new(0),
            sockets_of: Mutex::default(),
            addresses: Mutex::new(Table::new(Scope::Address)),
            identities: Mutex::new(Table::new(Scope::Identity)),
            rooms: Mutex::new(Table::new(Scope::Room)),
        })
    }

    /// Lets a socket in, within what the policy allows.
    pub(crate) fn admit(self: &Arc<Self>, address: Option<IpAddr>, policy: &Policy) -> Result<Pass, Closed> {
        let free = self.sockets.send_if_modified(|sockets| {
            let free = *sockets < policy.max_sockets;
            *sockets += usize::from(free);
            free
        });
        if !free {
            return Err(Closed::Full);
        }
        // From here on the count is given back by dropping this.
        let mut pass = Pass { gate: Arc::clone(self), address: None };
        if let Some(address) = address.and_then(limited) {
            let mut sockets_of = lock(&self.sockets_of);
            let sockets = sockets_of.entry(address).or_default();
            if *sockets >= policy.max_sockets_per_address {
                drop(sockets_of);
                return Err(Closed::TooManyHere);
            }
            *sockets += 1;
            pass.address = Some(address);
        }
        Ok(pass)
    }

    /// Counts something for all of `who`, or, when a limit is reached, for none.
    ///
    /// # Errors
    /// `rate-limited`, with the limit's name and when to try again.
    pub(crate) fn take(&self, kind: Kind, who: Who<'_>, rates: &Rates, now: Instant) -> Result<(), Refusal> {
        if let Some(address) = who.address.and_then(limited) {
            lock(&self.addresses).take(address, kind, rates, now)?;
        }
        let of_room = |room| {
            lock(&self.rooms).take(room, kind, rates, now).inspect_err(|_| {
                self.give_back(kind, Who { room: None, identity: None, ..who });
            })
        };
        who.room.map_or(Ok(()), of_room)?;
        let of_identity = |identity: &Identity| -> Result<(), Exceeded> {
            lock(&self.identities).take(identity.clone(), kind, rates, now).inspect_err(|_| {
                self.give_back(kind, Who { identity: None, ..who });
            })
        };
        who.identity.map_or(Ok(()), of_identity)?;
        Ok(())
    }

    /// Undoes a [`take`](Self::take): it turned out to be nothing to count, as a password that was right.
    pub(crate) fn give_back(&self, kind: Kind, who: Who<'_>) {
        if let Some(address) = who.address.and_then(limited) {
            lock(&self.addresses).give_back(&address, kind);
        }
        if let Some(room) = who.room {
            lock(&self.rooms).give_back(&room, kind);
        }
        if let Some(identity) = who.identity {
            lock(&self.identities).give_back(identity, kind);
        }
    }

    /// Forgets those of whom nothing is to be remembered.
    pub(crate) fn prune(&self, now: Instant) {
        lock(&self.addresses).prune(now);
        lock(&self.identities).prune(now);
        lock(&self.rooms).prune(now);
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
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(address) = self.address {
            let mut sockets_of = lock(&self.gate.sockets_of);
            if let Some(sockets) = sockets_of.get_mut(&address) {
                *sockets -= 1;
                if *sockets == 0 {
                    sockets_of.remove(&address);
                }
            }
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
    use crate::rate::Rate;

    const RATE: Rate = Rate { per_second: 1.0, burst: 2.0 };
    const RATES: Rates =
        Rates { room_creations: RATE, joins: RATE, messages: RATE, uploads: RATE, failed_passwords: RATE };

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn from(text: &str) -> Who<'static> {
        Who { address: ip(text), ..Who::default() }
    }

    #[test]
    fn sockets_are_bounded_in_all_and_per_address() {
        let gate = Gate::new();
        let policy = Policy { max_sockets: 4, max_sockets_per_address: 2, ..Policy::default() };
        let admit = |address| gate.admit(address, &policy);
        let first = admit(ip("192.0.2.1")).unwrap();
        let second = admit(ip("::ffff:192.0.2.1")).unwrap();
        assert_eq!(admit(ip("192.0.2.1")).unwrap_err(), Closed::TooManyHere);
        drop(first);
        let third = admit(ip("192.0.2.1")).unwrap();
        let others = (admit(ip("127.0.0.1")).unwrap(), admit(None).unwrap());
        assert_eq!(admit(ip("127.0.0.1")).unwrap_err(), Closed::Full);
        assert_eq!(gate.sockets(), 4);
        drop((second, third, others));
        assert_eq!(gate.sockets(), 0);
        assert!(lock(&gate.sockets_of).is_empty());
    }

    #[test]
    fn a_network_has_one_limit_and_loopback_none() {
        let (gate, now) = (Gate::new(), Instant::now());
        let take = |address| gate.take(Kind::RoomCreation, from(address), &RATES, now).is_ok();
        assert!(take("2001:db8::1") && take("2001:db8::2"));
        assert!(!take("2001:db8::3"));
        assert!(take("2001:db8:0:1::3"));
        assert!((0..9).all(|_| take("::1") && take("127.0.0.1") && take("::ffff:127.0.0.1")));
    }

    #[test]
    fn what_one_limit_refuses_does_not_count_for_the_others() {
        let (gate, now) = (Gate::new(), Instant::now());
        let ana = Identity::parse("ana").unwrap();
        let take = |address, identity| gate.take(Kind::Join, Who { identity, ..from(address) }, &RATES, now).is_ok();
        assert!(take("192.0.2.1", Some(&ana)) && take("192.0.2.2", Some(&ana)));
        // Ana has had hers, which is nothing to others at that address.
        assert!(!take("192.0.2.2", Some(&ana)));
        assert!(take("192.0.2.2", None));
        assert!(!take("192.0.2.2", None));
    }

    #[test]
    fn a_room_is_guessed_at_by_all_together() {
        let (gate, now) = (Gate::new(), Instant::now());
        let room = Some(RoomId(7));
        let guess = |number: u32| {
            let address = Some(IpAddr::from((0x0a00_0000 + number).to_be_bytes()));
            gate.take(Kind::FailedPassword, Who { address, room, identity: None }, &RATES, now).is_ok()
        };
        assert_eq!((0..100).filter(|&number| guess(number)).count(), 20);
        gate.give_back(Kind::FailedPassword, Who { room, ..Who::default() });
        assert!(guess(200));
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let (gate, now) = (Gate::new(), Instant::now());
        let ana = Identity::parse("ana").unwrap();
        let who = Who { identity: Some(&ana), room: Some(RoomId(1)), ..from("192.0.2.1") };
        gate.take(Kind::Upload, who, &RATES, now).unwrap();
        gate.prune(now);
        let entries = || [lock(&gate.addresses).len(), lock(&gate.identities).len(), lock(&gate.rooms).len()];
        assert_eq!(entries(), [1, 1, 1]);
        gate.prune(now + std::time::Duration::from_secs(2));
        assert_eq!(entries(), [0, 0, 0]);
    }
}
