//! How often addresses, identities and rooms may have something done: token buckets in bounded tables.
//!
//! A table forgets a key whose buckets are full, as a new one's would be. When it holds as many as it may, keys that it does
//! not know are refused until others are forgotten: who is known goes on undisturbed.

use crate::protocol::error::{ErrorCode, Refusal};
use crate::rate::{Rate, TokenBucket};
use crate::stats::Limit;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;
use tokio::time::Instant;

/// The most keys of a table. With every bucket in use an entry takes some 250 bytes.
pub(crate) const MAX_KEYS: usize = 65_536;
/// What a room may take of all addresses together, in terms of what one address may.
const ROOM_FACTOR: f64 = 10.0;

/// How often each kind of thing may be done, by one address and by one identity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Creating rooms.
    pub room_creations: Rate,
    /// Joining, or asking to.
    pub joins: Rate,
    /// Saying something in a chat: of an identity over all its devices, besides each session's own limit.
    pub messages: Rate,
    /// Uploading files.
    pub uploads: Rate,
    /// Giving wrong passwords: of an address, and ten times as many for one room by all addresses together.
    pub failed_passwords: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            room_creations: Rate::per_minute(60),
            joins: Rate::per_minute(240),
            messages: Rate::per_minute(3000),
            uploads: Rate::per_minute(60),
            failed_passwords: Rate::per_minute(10),
        }
    }
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `POST /api/rooms`
    RoomCreation,
    /// `join-room`
    Join,
    /// `send-message` and its like.
    Message,
    /// `POST /api/rooms/…/files`
    Upload,
    /// A password that is not the room's. Taken before it is tried, and given back when it is right.
    FailedPassword,
}

const KINDS: usize = 5;

impl Kind {
    fn of(self, rates: &Rates) -> Rate {
        match self {
            Self::RoomCreation => rates.room_creations,
            Self::Join => rates.joins,
            Self::Message => rates.messages,
            Self::Upload => rates.uploads,
            Self::FailedPassword => rates.failed_passwords,
        }
    }

    /// For who counts.
    fn limit(self) -> Limit {
        match self {
            Self::RoomCreation => Limit::RoomCreations,
            Self::Join => Limit::Joins,
            Self::Message => Limit::Messages,
            Self::Upload => Limit::Uploads,
            Self::FailedPassword => Limit::FailedPasswords,
        }
    }

    /// For people, with the setting that bounds it.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::RoomCreation => ("rooms were created", "room_creations_per_minute"),
            Self::Join => ("joins were asked for", "joins_per_minute"),
            Self::Message => ("messages were sent", "messages_per_minute"),
            Self::Upload => ("files were uploaded", "uploads_per_minute"),
            Self::FailedPassword => ("wrong passwords were given", "failed_passwords_per_minute"),
        }
    }
}

/// Whose bucket is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// An address, or a /64 network of IPv6.
    Address,
    /// An identity.
    Identity,
    /// A room, by all who try.
    Room,
}

impl Scope {
    fn rate(self, kind: Kind, rates: &Rates) -> Rate {
        let rate = kind.of(rates);
        match self {
            Self::Room => Rate { per_second: rate.per_second * ROOM_FACTOR, burst: rate.burst * ROOM_FACTOR },
            Self::Address | Self::Identity => rate,
        }
    }
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exceeded {
    kind: Kind,
    scope: Scope,
    retry_after: u32,
}

impl From<Exceeded> for Refusal {
    fn from(exceeded: Exceeded) -> Self {
        let Exceeded { kind, scope, retry_after } = exceeded;
        let (what, limit) = kind.names();
        let whose = match scope {
            Scope::Address => "from this address",
            Scope::Identity => "by this identity",
            Scope::Room => "for this room",
        };
        let message = format!("too many {what} {whose} (limits.{limit}): try again in {retry_after} s");
        Self::new(ErrorCode::RateLimited, message).with_retry_after(retry_after).by(kind.limit())
    }
}

/// Buckets by key; see the module.
#[derive(Debug)]
pub(crate) struct Table<K> {
    scope: Scope,
    entries: HashMap<K, [Option<TokenBucket>; KINDS]>,
}

impl<K: Eq + Hash> Table<K> {
    pub(crate) fn new(scope: Scope) -> Self {
        Self { scope, entries: HashMap::new() }
    }

    /// Takes one token of the key's bucket.
    pub(crate) fn take(&mut self, key: K, kind: Kind, rates: &Rates, now: Instant) -> Result<(), Exceeded> {
        let rate = self.scope.rate(kind, rates);
        let exceeded = |wait: Duration| {
            let seconds = u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
            Exceeded { kind, scope: self.scope, retry_after: seconds.max(1) }
        };
        if self.entries.len() >= MAX_KEYS && !self.entries.contains_key(&key) {
            // By then the bucket of whoever took one token is full again.
            return Err(exceeded(Duration::from_secs_f64(1.0 / rate.per_second)));
        }
        let buckets = self.entries.entry(key).or_default();
        let bucket = buckets[kind as usize].get_or_insert_with(|| TokenBucket::new(rate, now));
        bucket.change(rate, now);
        if bucket.take(now) { Ok(()) } else { Err(exceeded(bucket.wait())) }
    }

    /// Undoes a [`take`](Self::take).
    pub(crate) fn give_back(&mut self, key: &K, kind: Kind) {
        if let Some(Some(bucket)) = self.entries.get_mut(key).map(|buckets| &mut buckets[kind as usize]) {
            bucket.give_back();
        }
    }

    /// Forgets keys of which nothing is to be remembered.
    pub(crate) fn prune(&mut self, now: Instant) {
        self.entries.retain(|_, buckets| buckets.iter_mut().flatten().any(|bucket| !bucket.is_full(now)));
        // After a rush the room that it took goes back, all of it when nobody is left.
        if self.entries.capacity() > self.entries.len() * 8 {
            self.entries.shrink_to(self.entries.len() * 2);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Cause;

    fn rates(per_minute: u32) -> Rates {
        let rate = Rate::per_minute(per_minute);
        Rates { room_creations: rate, joins: rate, messages: rate, uploads: rate, failed_passwords: rate }
    }

    #[test]
    fn each_kind_and_key_has_a_bucket_of_its_own() {
        let (mut table, now) = (Table::new(Scope::Address), Instant::now());
        let mut take = |key, kind| table.take(key, kind, &rates(2), now).is_ok();
        assert_eq!([take(1, Kind::Join), take(1, Kind::Join), take(1, Kind::Join)], [true, true, false]);
        assert!(take(1, Kind::Upload));
        assert!(take(2, Kind::Join));
    }

    #[test]
    fn a_rush_leaves_no_room_behind() {
        let (mut table, now) = (Table::new(Scope::Identity), Instant::now());
        (0..10_000).for_each(|key| assert!(table.take(key, Kind::Join, &rates(60), now).is_ok()));
        table.prune(now);
        assert_eq!(table.len(), 10_000);
        table.prune(now + Duration::from_secs(2));
        assert_eq!(table.len(), 0);
        assert_eq!(table.entries.capacity(), 0);
    }

    #[test]
    fn a_refusal_names_the_limit_and_when_it_is_over() {
        let (mut table, now) = (Table::new(Scope::Identity), Instant::now());
        table.take(1, Kind::Message, &rates(1), now).unwrap();
        let exceeded = table.take(1, Kind::Message, &rates(1), now + Duration::from_millis(500)).unwrap_err();
        let refusal = Refusal::from(exceeded);
        assert_eq!((refusal.code, refusal.retry_after), (ErrorCode::RateLimited, Some(60)));
        assert_eq!(
            refusal.message,
            "too many messages were sent by this identity (limits.messages_per_minute): try again in 60 s"
        );
        assert!(table.take(1, Kind::Message, &rates(1), now + Duration::from_secs(59)).is_err());
        assert!(table.take(1, Kind::Message, &rates(1), now + Duration::from_secs(60)).is_ok());
    }

    #[test]
    fn a_refusal_is_counted_for_its_limit() {
        for (kind, limit) in [
            (Kind::RoomCreation, Limit::RoomCreations),
            (Kind::Join, Limit::Joins),
            (Kind::Message, Limit::Messages),
            (Kind::Upload, Limit::Uploads),
            (Kind::FailedPassword, Limit::FailedPasswords),
        ] {
            let (mut table, now) = (Table::new(Scope::Address), Instant::now());
            table.take(1, kind, &rates(1), now).unwrap();
            let refusal = Refusal::from(table.take(1, kind, &rates(1), now).unwrap_err());
            assert_eq!(refusal.cause, Some(Cause::Limit(limit)));
        }
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_never_more() {
        let (mut table, now) = (Table::new(Scope::Room), Instant::now());
        for _ in 0..50 {
            table.take(1, Kind::FailedPassword, &rates(1), now).unwrap();
            table.give_back(&1, Kind::FailedPassword);
            table.give_back(&1, Kind::FailedPassword);
        }
        let taken = (0..50).filter(|_| table.take(1, Kind::FailedPassword, &rates(1), now).is_ok()).count();
        assert_eq!(taken, 10, "a room takes ten times as many as an address");
        table.give_back(&2, Kind::FailedPassword);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_full_table_refuses_newcomers_until_others_are_forgotten() {
        let (mut table, now) = (Table::new(Scope::Address), Instant::now());
        for key in 0..MAX_KEYS {
            table.take(key, Kind::Join, &rates(60), now).unwrap();
        }
        assert!(table.take(MAX_KEYS, Kind::Join, &rates(60), now).is_err());
        assert!(table.take(0, Kind::Join, &rates(60), now).is_ok());
        table.prune(now + Duration::from_secs(1));
        assert_eq!(table.len(), 1, "only the one that took two is still remembered");
        assert!(table.take(MAX_KEYS, Kind::Join, &rates(60), now).is_ok());
    }
}
