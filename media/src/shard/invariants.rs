//! What always holds of a shard between any two inputs, for simulations to check.

use super::Shard;
use crate::ids::RoomId;
use crate::room::Room;
use crate::room_stats::RoomStats;
use crate::stats::Census;
use std::collections::HashSet;
use std::time::Instant;

impl Shard {
    /// How a room does, with `most` subscriptions listed of all its people together.
    pub(crate) fn read_at_most(&self, now: Instant, room: RoomId, most: usize) -> RoomStats {
        self.rooms[self.room_ids[&room]].read(now, most)
    }

    /// Bytes that the rings of all encodings hold, in the order of publications.
    pub(crate) fn ring_memory(&self) -> Vec<usize> {
        let publications = self.rooms.iter().flat_map(|(_, room)| &room.publications);
        let encodings = publications.flat_map(|(_, publication)| &publication.encodings);
        encodings.map(|encoding| encoding.ring_memory()).collect()
    }

    /// Whether some room has everybody looked at each turn.
    pub(crate) fn is_restless(&self) -> bool {
        self.rooms.iter().any(|(_, room)| room.restless)
    }

    /// Panics when registers, rooms and counters contradict one another.
    pub(crate) fn check(&self) {
        let members: usize = self.rooms.iter().map(|(_, room)| room.participants.len()).sum();
        assert_eq!(members, self.seats.len(), "every member has a seat");
        assert_eq!(members, self.participant_ids.len());
        assert_eq!(members, self.core.ufrags.len(), "every member is found by its user fragment");
        assert_eq!(self.rooms.len(), self.room_ids.len());
        for (slot, seat) in &self.seats {
            let participant = &self.rooms[seat.room].participants[seat.participant];
            assert_eq!(participant.slot as usize, slot);
            assert_eq!(self.participant_ids.get(&participant.id), Some(&(slot as u32)));
            assert_eq!(self.core.ufrags.get(&participant.ice.ufrag), Some(&(slot as u32)));
            assert!(self.core.timers.is_scheduled(slot as u32) || { participant.transport.poll_timeout().is_none() });
        }
        for slot in self.core.paths.values() {
            assert!(self.seats.contains(*slot as usize), "a path leads to a participant");
        }
        self.rooms.iter().for_each(|(_, room)| check_room(room));
        let stats = &self.core.stats;
        let sum = |of: fn(&Room) -> usize| self.rooms.iter().map(|(_, room)| of(room)).sum::<usize>() as u64;
        assert_eq!(stats.rooms, self.rooms.len() as u64);
        assert_eq!(stats.participants, members as u64);
        assert_eq!(stats.connected(), sum(|room| room.participants.iter().filter(|(_, p)| p.is_connected()).count()));
        let own = |room: &Room| room.publications.iter().filter(|(_, p)| p.member().is_some()).count();
        assert_eq!(stats.publications, sum(own));
        assert_eq!(stats.mirrors, sum(|room| room.publications.iter().filter(|(_, p)| p.origin().is_some()).count()));
        assert_eq!(stats.mirrors, self.core.mirrors.len() as u64, "every mirror is found by its track");
        for (track, (room, key)) in &self.core.mirrors {
            let publication = &self.rooms[*room as usize].publications[*key];
            assert!(publication.track == *track && publication.origin().is_some());
        }
        let subscriptions = sum(|room| room.participants.iter().map(|(_, p)| p.subscription_count()).sum());
        assert_eq!(stats.subscriptions, subscriptions);
        let mut census = Census::default();
        self.rooms.iter().for_each(|(_, room)| census.replace(&Census::default(), &room.census));
        assert_eq!(stats.census, census, "the shard's census is that of its rooms");
    }
}

fn check_room(room: &Room) {
    room.check_voices();
    for (key, publication) in &room.publications {
        if let Some(publisher) = publication.member() {
            assert!(room.participants[publisher].publications.contains(&key), "a publication is its publisher's");
        }
        let unique: HashSet<_> = publication.subscribers.iter().map(|s| s.participant).collect();
        assert_eq!(unique.len(), publication.subscribers.len(), "nobody subscribes twice");
        for subscriber in &publication.subscribers {
            assert_ne!(Some(subscriber.participant), publication.member(), "nobody subscribes to a track of their own");
            let outgoing = room.participants[subscriber.participant].outgoing[subscriber.line].as_ref();
            let subscription = outgoing.and_then(|outgoing| outgoing.subscription.as_ref()).expect("a subscription");
            assert_eq!(subscription.publication, key, "a subscriber's stream names the publication");
        }
    }
    for (index, participant) in &room.participants {
        for key in &participant.publications {
            assert_eq!(room.publications[*key].member(), Some(index));
        }
        let mut wanted = HashSet::new();
        for pending in &participant.pending {
            assert!(room.publications.contains(pending.publication), "what is pending exists");
            assert!(wanted.insert(pending.publication), "nobody waits twice for a track");
        }
        let streams = participant.outgoing.iter().enumerate();
        for (line, outgoing) in streams.filter_map(|(line, outgoing)| Some((line, outgoing.as_ref()?))) {
            assert_eq!(outgoing.line.index(), line);
            let Some(subscription) = &outgoing.subscription else { continue };
            assert!(wanted.insert(subscription.publication), "nobody subscribes twice");
            let subscribers = &room.publications[subscription.publication].subscribers;
            let found = subscribers.iter().any(|s| (s.participant, s.line) == (index, line));
            assert!(found, "a publication knows its subscribers");
        }
    }
}
