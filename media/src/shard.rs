//! A shard: some rooms, and everything that happens in them, on one thread.
//!
//! The shard takes datagrams, commands and the time, and is polled for events, datagrams (through its [`Outbox`]) and
//! its next deadline. After any `handle_*` the driver polls; the order of the polls does not matter. It owns the
//! registers that lead from a datagram to its participant: a 4-tuple is entered only once ICE has authenticated it.

#[cfg(test)]
mod invariants;
mod relaying;

use crate::burst::Burst;
use crate::command::{CloseReason, Command, Event};
use crate::context::{Context, Core};
use crate::drop_reason::DropReason;
use crate::feedback::ntp::NtpClock;
use crate::handshakes::Handshakes;
use crate::ids::{ParticipantId, RoomId};
use crate::loudest::LoudestLimits;
use crate::outbox::Outbox;
use crate::participant::Participant;
use crate::path::Path;
use crate::relay::{RelayBatch, ShardSet};
use crate::room::{Choosing, Room, UPKEEP_SLACK, ask_for_feedback};
use crate::room_stats::MAX_LISTED_SUBSCRIPTIONS;
use crate::sdp::Fingerprint;
use crate::stats::{CloseCause, ShardStats};
use crate::subscription::Drafts;
use crate::timers::Timers;
use crate::transport::demux::{DatagramKind, classify};
use crate::transport::stun::local_ufrag;
use crate::transport::{Identity, TransportEvent};
use rand::SeedableRng;
use rand::rngs::StdRng;
use slab::Slab;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a shard is made of.
pub struct ShardSettings {
    /// Its number, unique in the process.
    pub index: u16,
    /// The process's certificate.
    pub identity: Arc<Identity>,
    /// Seed of all its randomness: ICE passwords, SSRCs, first sequence numbers. From the operating system's entropy.
    pub seed: [u8; 32],
    /// The time at which it starts.
    pub now: Instant,
    /// The same as time since the UNIX epoch, for the NTP times of reports.
    pub unix_time: Duration,
    /// In which rooms only the loudest voices are forwarded.
    pub loudest: LoudestLimits,
    /// Whether Opus is sent with copies (RED, RFC 2198) to those who lose packets and take it.
    pub opus_red: bool,
    /// What earlier shards of this number have counted: it goes on from there.
    pub past: ShardStats,
}

/// Where a participant lives.
#[derive(Clone, Copy)]
struct Seat {
    room: usize,
    participant: usize,
}

/// Handshake datagrams worked off by one [`Shard::handle_deferred`]: the dearest, which ends a handshake, costs some 150
/// microseconds, so that media waits for less than a millisecond.
pub(crate) const HANDSHAKES_AT_ONCE: usize = 4;

/// Offers of the server's written by one [`Shard::handle_deferred`], some ten to a hundred microseconds each.
pub(crate) const OFFERS_AT_ONCE: usize = 8;

/// See the module's text.
pub struct Shard {
    core: Core,
    rooms: Slab<Room>,
    room_ids: HashMap<RoomId, usize>,
    /// Every participant of the shard by its slot, which also names its run in the outbox.
    seats: Slab<Seat>,
    participant_ids: HashMap<ParticipantId, u32>,
    loudest: LoudestLimits,
}

impl Shard {
    /// A shard without rooms.
    #[must_use]
    pub fn new(settings: ShardSettings) -> Self {
        let fingerprint = Fingerprint::parse(settings.identity.fingerprint());
        debug_assert!(fingerprint.is_some(), "the identity states a SHA-256 fingerprint");
        Self {
            core: Core {
                fingerprint: fingerprint.unwrap_or(Fingerprint([0; 32])),
                identity: settings.identity,
                outbox: Outbox::new(),
                burst: Burst::default(),
                drafts: Drafts::default(),
                events: VecDeque::new(),
                stats: settings.past.without_gauges(),
                rng: StdRng::from_seed(settings.seed),
                clock: NtpClock::new(settings.now, settings.unix_time),
                moment: (settings.now, 0),
                timers: Timers::default(),
                upkeep: Timers::default(),
                pacing: Timers::default(),
                paths: HashMap::new(),
                ufrags: HashMap::new(),
                handshakes: Handshakes::default(),
                offers_due: VecDeque::new(),
                closed_paths: VecDeque::new(),
                scratch: Vec::new(),
                missing: Vec::new(),
                choosing: Choosing::default(),
                next_track: u64::from(settings.index) << 48,
                index: settings.index,
                opus_red: settings.opus_red,
                relay: RelayBatch::default().reused_by(settings.index),
                relay_lost: ShardSet::EMPTY,
                mirrors: HashMap::new(),
            },
            rooms: Slab::new(),
            room_ids: HashMap::new(),
            seats: Slab::new(),
            participant_ids: HashMap::new(),
            loudest: settings.loudest,
        }
    }

    /// Datagrams to send. The driver sends its runs and clears it.
    pub fn outbox(&mut self) -> &mut Outbox {
        &mut self.core.outbox
    }

    /// The next event for the control plane.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.core.events.pop_front()
    }

    /// A TCP connection that is of no use any more.
    pub fn poll_closed_path(&mut self) -> Option<Path> {
        self.core.closed_paths.pop_front()
    }

    /// When [`Self::handle_timeout`] is to be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let upkeep = self.core.upkeep.next().map(|at| at + UPKEEP_SLACK);
        [self.core.timers.next(), self.core.pacing.next(), upkeep].into_iter().flatten().min()
    }

    /// Whether [`Self::handle_timeout`] has something to do already. Who is awake anyway does it then: a core that sleeps is
    /// woken less often.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        let Core { timers, pacing, upkeep, .. } = &self.core;
        [timers.next(), pacing.next(), upkeep.next()].into_iter().flatten().any(|at| at <= now)
    }

    /// A snapshot of the counters.
    #[must_use]
    pub fn stats(&self) -> ShardStats {
        ShardStats { handshakes_waiting: self.core.handshakes.len() as u64, ..self.core.stats }
    }

    /// Whether [`Self::handle_deferred`] has something to do.
    #[must_use]
    pub fn has_deferred(&self) -> bool {
        self.core.handshakes.len() > 0 || !self.core.offers_due.is_empty()
    }

    /// Does a little of what costs much and may wait: handshakes, and offers to those present.
    ///
    /// To be called once a tick, after what media caused has been sent, and again without delay while
    /// [`Self::has_deferred`].
    pub fn handle_deferred(&mut self, now: Instant) {
        self.settle(now);
        for _ in 0..HANDSHAKES_AT_ONCE {
            let Some((path, mut datagram)) = self.core.handshakes.pop() else { break };
            match self.core.paths.get(&path).copied() {
                Some(slot) => self.handle_dtls(now, slot, &path, &mut datagram),
                None => self.core.stats.drop(DropReason::UnknownPath),
            }
        }
        for _ in 0..OFFERS_AT_ONCE {
            let Some(slot) = self.core.offers_due.pop_front() else { break };
            if let Some((room, index)) = seat(&self.seats, &mut self.rooms, slot)
                && let Some(participant) = room.participants.get_mut(index)
            {
                participant.negotiate(&mut self.core.at(now));
            }
        }
    }

    /// Does what is due. `flush` is to send and clear the outbox; it is called as often as that fills: what waits for a thousand
    /// subscribers may all be due at once.
    pub fn handle_timeout(&mut self, now: Instant, flush: &mut dyn FnMut(&mut Outbox)) {
        self.forward(now, flush);
        self.say_again(now);
        while let Some(slot) = self.core.timers.pop_due(now) {
            if let Some((room, index)) = seat(&self.seats, &mut self.rooms, slot)
                && let Some(participant) = room.participants.get_mut(index)
            {
                participant.transport.handle_timeout(now, &mut self.core.outbox);
                self.after_transport(now, slot);
                self.core.flush_if_full(flush);
            }
        }
        while let Some(slot) = self.core.pacing.pop_due(now) {
            if let Some((room, index)) = seat(&self.seats, &mut self.rooms, slot) {
                room.pace(&mut self.core.at(now), index);
                self.core.flush_if_full(flush);
            }
        }
        while let Some(index) = self.core.upkeep.pop_due(now) {
            if let Some(room) = self.rooms.get_mut(index as usize) {
                room.handle_timeout(&mut self.core.at(now), flush);
            }
        }
    }

    /// Takes one datagram, or one frame of a TCP connection, and at once forwards what it brings. It is decrypted in place.
    pub fn handle_datagram(&mut self, now: Instant, path: &Path, datagram: &mut [u8]) {
        self.gather_datagram(now, path, datagram, &mut |_| ());
        self.settle(now);
    }

    /// Transport feedback will come along these paths, a few of them: asks the processor for what it is taken with.
    pub fn expect_feedback(&self, paths: &[Path]) {
        let seats = || paths.iter().filter_map(|path| self.seats.get(*self.core.paths.get(path)? as usize));
        ask_for_feedback(|| seats().filter_map(|seat| self.rooms.get(seat.room)?.participants.get(seat.participant)));
    }

    /// Takes one datagram of several: packets of media are forwarded together, by [`Self::forward`], which is to follow before
    /// anything else is handled. `flush` is to send and clear the outbox; it is called as often as that fills.
    pub fn gather_datagram(
        &mut self,
        now: Instant,
        path: &Path,
        datagram: &mut [u8],
        flush: &mut dyn FnMut(&mut Outbox),
    ) {
        if self.core.burst.is_full() {
            self.forward(now, flush);
        }
        let kind = classify(datagram);
        let slot = match kind {
            DatagramKind::Stun => match local_ufrag(datagram).and_then(|ufrag| self.core.ufrags.get(ufrag)) {
                Some(slot) => *slot,
                None => return self.core.stats.drop(DropReason::UnknownUsername),
            },
            DatagramKind::Unknown => return self.core.stats.drop(DropReason::UnknownProtocol),
            _ => match self.core.paths.get(path) {
                Some(slot) => *slot,
                None => return self.core.stats.drop(DropReason::UnknownPath),
            },
        };
        let Some((room, index)) = seat(&self.seats, &mut self.rooms, slot) else { return };
        let mut context = self.core.at(now);
        match kind {
            DatagramKind::Rtp => room.handle_rtp(&mut context, index, path, datagram),
            DatagramKind::Rtcp => room.handle_rtcp(&mut context, index, path, datagram),
            DatagramKind::Stun => {
                let Some(participant) = room.participants.get_mut(index) else { return };
                let result = participant.transport.handle_stun(now, path, datagram, &mut context.core.outbox);
                self.settle_transport(now, slot, result);
            }
            _ if room.participants.get(index).is_some_and(Participant::is_connected) => {
                self.handle_dtls(now, slot, path, datagram);
            }
            _ if self.core.handshakes.push(path, datagram) => {}
            _ => self.core.stats.drop(DropReason::HandshakeQueueFull),
        }
    }

    /// Forwards what was gathered. `flush` is to send and clear the outbox; it is called as often as that fills.
    pub fn forward(&mut self, now: Instant, flush: &mut dyn FnMut(&mut Outbox)) {
        if self.core.burst.is_empty() {
            return;
        }
        let mut burst = std::mem::take(&mut self.core.burst);
        for group in burst.groups() {
            let room = group.origin().and_then(|origin| self.rooms.get_mut(origin.room as usize));
            let result = room.ok_or(DropReason::NotPublished);
            if let Err(reason) = result.and_then(|room| room.deliver(&mut self.core.at(now), &group, flush)) {
                (0..group.len()).for_each(|_| self.core.stats.drop(reason));
            }
        }
        burst.clear();
        self.core.burst = burst;
    }

    /// Forwards what was gathered before something else happens that might change how.
    fn settle(&mut self, now: Instant) {
        self.forward(now, &mut |_| ());
    }

    fn handle_dtls(&mut self, now: Instant, slot: u32, path: &Path, datagram: &mut [u8]) {
        let Some((room, index)) = seat(&self.seats, &mut self.rooms, slot) else { return };
        let Some(participant) = room.participants.get_mut(index) else { return };
        let result = participant.transport.handle_dtls(now, path, datagram, &mut self.core.outbox);
        self.settle_transport(now, slot, result);
    }

    fn settle_transport(&mut self, now: Instant, slot: u32, result: Result<(), DropReason>) {
        if let Err(reason) = result {
            self.core.stats.drop(reason);
        }
        self.after_transport(now, slot);
    }

    /// A TCP connection ended.
    pub fn handle_path_closed(&mut self, now: Instant, path: &Path) {
        self.settle(now);
        let Some(slot) = self.core.paths.remove(path) else { return };
        if let Some((room, index)) = seat(&self.seats, &mut self.rooms, slot)
            && let Some(participant) = room.participants.get_mut(index)
        {
            participant.transport.path_lost(path);
            self.after_transport(now, slot);
        }
    }

    /// Does what the control plane asks.
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        self.settle(now);
        match command {
            Command::OpenRoom { room } => self.open_room(room),
            Command::LinkRoom { room, home, shards } => {
                if let Some(room) = self.room_ids.get(&room).and_then(|index| self.rooms.get_mut(*index)) {
                    room.link(&mut self.core.at(now), home, shards);
                }
            }
            Command::CloseRoom { room } => self.close_room(now, room),
            Command::ReadRoom { request, room } => self.read_room(now, request, room),
            Command::Join { room, participant, settings } => {
                let Some(index) = self.room_ids.get(&room).copied() else { return };
                if self.participant_ids.contains_key(&participant) {
                    return;
                }
                let entry = self.seats.vacant_entry();
                let slot = entry.key() as u32;
                let room = &mut self.rooms[index];
                let seat = room.join(&mut self.core.at(now), participant, slot, settings);
                entry.insert(Seat { room: index, participant: seat });
                self.participant_ids.insert(participant, slot);
                self.after_transport(now, slot);
            }
            Command::Leave { participant } => {
                let Some(slot) = self.participant_ids.get(&participant).copied() else { return };
                if let Some((room, index)) = seat(&self.seats, &mut self.rooms, slot)
                    && let Some(participant) = room.leave(&mut self.core.at(now), index)
                {
                    self.forget(&participant);
                }
            }
            other => self.handle_participant_command(now, other),
        }
    }

    fn handle_participant_command(&mut self, now: Instant, command: Command) {
        let participant = match &command {
            Command::Offer { participant, .. }
            | Command::Answer { participant, .. }
            | Command::SetMuted { participant, .. }
            | Command::Silence { participant, .. }
            | Command::SetRights { participant, .. }
            | Command::Subscribe { participant, .. }
            | Command::Unsubscribe { participant, .. }
            | Command::SetLayer { participant, .. }
            | Command::SetView { participant, .. }
            | Command::SendData { participant, .. } => *participant,
            Command::OpenRoom { .. }
            | Command::LinkRoom { .. }
            | Command::CloseRoom { .. }
            | Command::ReadRoom { .. }
            | Command::Join { .. }
            | Command::Leave { .. } => return,
        };
        let Some(slot) = self.participant_ids.get(&participant).copied() else { return };
        let Some((room, index)) = seat(&self.seats, &mut self.rooms, slot) else { return };
        let context = &mut self.core.at(now);
        room.hurry();
        match command {
            Command::Offer { request, offer, tracks, .. } => {
                room.handle_offer(context, index, request, &offer, &tracks);
            }
            Command::Answer { negotiation, answer, .. } => room.handle_answer(context, index, negotiation, &answer),
            Command::SetMuted { track, muted, .. } => room.set_muted(context, index, track, muted),
            Command::Silence { track, .. } => room.silence(context, index, track),
            Command::SetRights { rights, .. } => room.set_rights(context, index, rights),
            Command::Subscribe { track, .. } => room.subscribe(context, index, track),
            Command::Unsubscribe { track, .. } => room.unsubscribe(context, index, track),
            Command::SetLayer { track, rid, .. } => room.set_layer(context, index, track, rid),
            Command::SetView { track, view, .. } => room.set_view(index, track, view),
            Command::SendData { channel, opening, text, .. } => {
                if let Some(participant) = room.participants.get_mut(index) {
                    participant.send_data(context, channel, opening, &text);
                }
            }
            Command::OpenRoom { .. }
            | Command::LinkRoom { .. }
            | Command::CloseRoom { .. }
            | Command::ReadRoom { .. }
            | Command::Join { .. }
            | Command::Leave { .. } => {}
        }
        self.after_transport(now, slot);
    }

    fn open_room(&mut self, id: RoomId) {
        if self.room_ids.contains_key(&id) {
            return;
        }
        let entry = self.rooms.vacant_entry();
        self.room_ids.insert(id, entry.key());
        let index = entry.key() as u32;
        entry.insert(Room::new(id, index, self.loudest));
        self.core.stats.rooms += 1;
    }

    fn close_room(&mut self, now: Instant, id: RoomId) {
        let Some(index) = self.room_ids.remove(&id) else { return };
        let Some(mut room) = self.rooms.try_remove(index) else { return };
        self.core.upkeep.cancel(index as u32);
        self.core.stats.rooms -= 1;
        room.leave_census(&mut self.core.at(now));
        let members: Vec<usize> = room.participants.iter().map(|(index, _)| index).collect();
        let told = self.core.events.len();
        for index in members {
            if let Some(participant) = room.leave(&mut self.core.at(now), index) {
                self.forget(&participant);
            }
        }
        room.end_mirrors(&mut self.core.at(now), |_| true);
        // What the members would be told of one another's departure concerns nobody.
        self.core.events.truncate(told);
    }

    fn read_room(&mut self, now: Instant, request: u64, id: RoomId) {
        let room = self.room_ids.get(&id).and_then(|index| self.rooms.get(*index));
        let stats = Box::new(room.map(|room| room.read(now, MAX_LISTED_SUBSCRIPTIONS)).unwrap_or_default());
        self.core.at(now).emit(Event::RoomRead { request, stats });
    }

    /// Draws the consequences of what a transport did, and asks it when it wants to be woken.
    fn after_transport(&mut self, now: Instant, slot: u32) {
        let Some((room, index)) = seat(&self.seats, &mut self.rooms, slot) else { return };
        let mut context = self.core.at(now);
        if let Some(reason) = pump(&mut context, room, index) {
            if let Some(participant) = room.leave(&mut context, index) {
                let cause = CloseCause::of(&reason, participant.milestones.has_been_reached());
                context.core.stats.closes[cause as usize] += 1;
                context.emit(Event::Closed { participant: participant.id, reason });
                self.forget(&participant);
            }
        } else if let Some(participant) = room.participants.get_mut(index) {
            follow_protocol(participant, &mut context.core.stats);
            if let Some(at) = participant.transport.poll_timeout() {
                self.core.timers.schedule(slot, at);
            }
        }
    }

    /// Clears a participant's registers. Its room has let it go already.
    fn forget(&mut self, participant: &Participant) {
        self.seats.try_remove(participant.slot as usize);
        self.participant_ids.remove(&participant.id);
        self.core.ufrags.remove(&participant.ice.ufrag);
        self.core.timers.cancel(participant.slot);
        self.core.pacing.cancel(participant.slot);
        for path in &participant.paths {
            self.core.drop_path(path, participant.slot);
        }
    }
}

fn seat<'a>(seats: &Slab<Seat>, rooms: &'a mut Slab<Room>, slot: u32) -> Option<(&'a mut Room, usize)> {
    let seat = seats.get(slot as usize)?;
    Some((rooms.get_mut(seat.room)?, seat.participant))
}

/// Counts a transport that has changed over to a path of the other protocol.
fn follow_protocol(participant: &mut Participant, stats: &mut ShardStats) {
    let selected = participant.transport.path().map(|path| path.protocol);
    if participant.is_connected() && selected.is_some() && selected != participant.protocol {
        stats.move_transport(participant.protocol, selected);
        participant.protocol = selected;
    }
}

/// Takes a transport's events. Returns why it closed, if it did.
fn pump(context: &mut Context<'_>, room: &mut Room, index: usize) -> Option<CloseReason> {
    loop {
        let participant = room.participants.get_mut(index)?;
        let (id, slot) = (participant.id, participant.slot);
        match participant.transport.poll_event()? {
            TransportEvent::PathAdded(path) => {
                participant.paths.push(path);
                participant.milestones.on_path(context.now, &mut context.core.stats);
                context.core.paths.insert(path, slot);
            }
            TransportEvent::PathRemoved(path) => {
                participant.paths.retain(|known| *known != path);
                context.core.drop_path(&path, slot);
            }
            TransportEvent::Connected { protocol } => {
                participant.connected_at = Some(context.now);
                let stats = &mut context.core.stats;
                stats.move_transport(participant.protocol.replace(protocol), Some(protocol));
                stats.connects[protocol as usize] += 1;
                participant.milestones.on_up(context.now, stats);
                context.emit(Event::Connected { participant: id, protocol });
                room.hurry();
            }
            TransportEvent::Closed(reason) => return Some(reason),
            event => room.handle_channel_event(context, index, event),
        }
    }
}
