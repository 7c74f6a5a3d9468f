//! One connection of a client: socket, PeerConnection, what it sends and how it receives.

use super::feedback::Schedule;
use super::orders::{Failure, Setup};
use super::{SECOND, Shared};
use crate::client::peer::{Peer, State};
use crate::client::publisher::Publisher;
use crate::client::witness::{Seen, Witness};
use crate::clock::{Nanos, wall_clock_lead};
use crate::light::header::{Datagram, classify};
use crate::light::intake::{Intake, Taken};
use crate::net::{self, Message, Receiver};
use crate::tally::{Measures, Window};
use rand::RngExt;
use rtc::interceptor::Packet;
use rtc::rtcp::sender_report::SenderReport;
use std::net::SocketAddr;
use tokio::sync::oneshot;

/// Timers of webrtc-rs are rounded up to this grid, in nanoseconds, so that clients share wake-ups. All are coarser.
const GRID: u64 = 5_000_000;

/// See the module's text.
pub(crate) struct Connection {
    pub(super) socket: mio::net::UdpSocket,
    /// The socket was not read to its end.
    pub(super) readable: bool,
    pub(super) peer: Peer,
    pub(super) intake: Intake,
    pub(super) schedule: Schedule,
    /// The SSRC that its feedback comes from.
    pub(super) ssrc: u32,
    witness: Option<Box<Witness>>,
    publisher: Option<Box<Publisher>>,
    scenario: usize,
    begin: Nanos,
    state: State,
    on_connected: Option<oneshot::Sender<Result<(), Failure>>>,
    on_lost: Option<oneshot::Sender<Failure>>,
    peer_due: u64,
}

impl Connection {
    /// Opens a connection, and offers if it is to.
    pub(super) fn open(now: Nanos, setup: &Setup, shared: &mut Shared) -> Result<(Self, Option<String>), Failure> {
        let socket = net::open(shared.local).map_err(|error| format!("socket: {}", error.kind()))?;
        let port = socket.local_addr().map_err(|error| format!("socket: {}", error.kind()))?.port();
        let local = SocketAddr::new(shared.local, port);
        let fault = |error: rtc::shared::error::Error| format!("offer: {error}");
        let mut peer = Peer::new(now.instant(), local, &shared.identity).map_err(fault)?;
        let mut publisher = setup.sends.as_ref().map(|(number, media)| {
            let random = &mut shared.random;
            Box::new(Publisher::new(*number, media, || random.random()))
        });
        if let Some(publisher) = &publisher {
            publisher.add_to(&mut peer).map_err(fault)?;
        }
        if setup.data_channel {
            peer.add_data_channel().map_err(fault)?;
        }
        let offer = if setup.offers { Some(peer.offer(now.instant()).map_err(fault)?) } else { None };
        if let (Some(publisher), Some(offer)) = (&mut publisher, &offer) {
            publisher.learn_mids(offer);
        }
        let mut connection = Self {
            socket,
            readable: false,
            peer,
            intake: Intake::new(setup.witness),
            schedule: Schedule::default(),
            ssrc: shared.random.random(),
            witness: setup.witness.then(Box::default),
            publisher,
            scenario: setup.scenario,
            begin: setup.begin,
            state: State::Connecting,
            on_connected: None,
            on_lost: None,
            peer_due: u64::MAX,
        };
        connection.pump(now.0, shared);
        Ok((connection, offer))
    }

    pub(super) fn handle_answer(&mut self, now: u64, sdp: String, shared: &mut Shared) -> Result<(), Failure> {
        self.intake.numbers.learn(&sdp);
        let result = self.peer.handle_answer(Nanos(now).instant(), sdp);
        self.pump(now, shared);
        result.map_err(|error| format!("answer: {error}"))
    }

    pub(super) fn handle_offer(&mut self, now: u64, sdp: String, shared: &mut Shared) -> Result<String, Failure> {
        self.intake.numbers.learn(&sdp);
        let result = self.peer.answer(Nanos(now).instant(), sdp);
        self.pump(now, shared);
        result.map_err(|error| format!("offer of the server: {error}"))
    }

    pub(super) fn tell_when_connected(&mut self, reply: oneshot::Sender<Result<(), Failure>>) {
        match self.state {
            State::Connecting => self.on_connected = Some(reply),
            State::Connected => drop(reply.send(Ok(()))),
            State::Failed => drop(reply.send(Err(failed()))),
        }
    }

    pub(super) fn tell_when_lost(&mut self, reply: oneshot::Sender<Failure>) {
        match self.state {
            State::Failed => drop(reply.send(lost())),
            State::Connecting | State::Connected => self.on_lost = Some(reply),
        }
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub(super) fn due(&self) -> u64 {
        if self.readable {
            return 0;
        }
        let mut due = self.peer_due;
        if self.state == State::Connected {
            due = due.min(self.schedule.tick.next_multiple_of(GRID));
            due = due.min(self.publisher.as_ref().map_or(u64::MAX, |publisher| publisher.poll_timeout()));
        }
        due
    }

    pub(super) fn handle_timeout(&mut self, now: u64, shared: &mut Shared) {
        if now >= self.peer_due {
            self.peer.handle_timeout(Nanos(now).instant());
        }
        if self.state == State::Connected {
            let Some(tally) = shared.scenarios.get_mut(self.scenario) else { return };
            if let Some(publisher) = &mut self.publisher {
                // Others may have had their turn since: what is sent is stamped with its own time.
                let now = Nanos::now().0.max(now);
                publisher.handle_timeout(now, &self.intake.numbers, &mut self.peer, tally, &mut shared.saturation);
            }
            if now >= self.schedule.tick {
                self.acknowledge(now, tally);
            }
        }
        self.pump(now, shared);
    }

    /// Takes what the socket brought.
    pub(super) fn receive(&mut self, now: u64, receiver: &Receiver, shared: &mut Shared) {
        let lead = wall_clock_lead();
        let mut pump = false;
        for message in receiver.messages() {
            let arrived = message.stamp.map_or(now, |stamp| u64::try_from(stamp - lead).unwrap_or(now));
            for datagram in message.datagrams() {
                if classify(datagram) != Datagram::Rtp {
                    let Some(remote) = receiver.remote(&message) else { continue };
                    self.peer.handle_datagram(Nanos(now).instant(), remote, datagram);
                    pump = true;
                    // What follows in the same batch may need the keys.
                    if self.state == State::Connecting {
                        self.note_state(now, shared);
                    }
                } else {
                    self.take_rtp(now, arrived, datagram, (receiver, &message), shared);
                }
            }
        }
        if std::mem::take(&mut self.intake.misses) {
            self.schedule.hurry(now);
        }
        if pump || !self.intake.needs_key.is_empty() {
            self.ask_for_key_frames(Nanos(now).instant());
            self.pump(now, shared);
        }
    }

    #[inline]
    fn take_rtp(
        &mut self,
        now: u64,
        arrived: u64,
        datagram: &[u8],
        (receiver, message): (&Receiver, &Message<'_>),
        shared: &mut Shared,
    ) {
        let Some(tally) = shared.scenarios.get_mut(self.scenario) else { return };
        let Some(taken) = self.intake.take(arrived, datagram, shared.sample_every, tally, &mut shared.window) else {
            return;
        };
        if taken.first {
            tally.joins.first_packet.record(Nanos(arrived).since(self.begin));
        }
        // SRTP's replay protection would refuse a duplicate, and rightly.
        if self.witness.is_some()
            && !taken.duplicate
            && self.state == State::Connected
            && let Some(remote) = receiver.remote(message)
        {
            self.peer.handle_datagram(Nanos(now).instant(), remote, datagram);
            self.look_into(arrived, &taken, tally, &mut shared.window);
        }
    }

    /// A witness's way: checks what was decrypted.
    fn look_into(&mut self, arrived: u64, taken: &Taken, tally: &mut Measures, window: &mut Window) {
        let mut decrypted = false;
        while let Some(packet) = self.peer.poll_packet() {
            let (Packet::Rtp(packet), Some(witness)) = (packet, &mut self.witness) else { continue };
            decrypted = true;
            let seen = Seen { kind: taken.kind, payload: &packet.payload, arrived };
            if let Some(repaired) = witness.check(&seen, &mut tally.witnesses, window) {
                self.intake.repair(taken.ssrc, Some(repaired), tally);
            }
        }
        tally.witnesses.undecryptable += u64::from(!decrypted);
    }

    /// Takes notice of what happened in the PeerConnection, and sends what it wants to send.
    pub(super) fn pump(&mut self, now: u64, shared: &mut Shared) {
        while let Some(packet) = self.peer.poll_packet() {
            if let Packet::Rtcp(packets) = packet {
                packets.iter().for_each(|packet| self.handle_rtcp(now, packet.as_ref(), shared));
            }
        }
        self.note_state(now, shared);
        self.flush(now, shared);
    }

    fn note_state(&mut self, now: u64, shared: &mut Shared) {
        let state = self.peer.poll_state();
        if state != self.state {
            self.change_state(now, state, shared);
        }
    }

    fn flush(&mut self, now: u64, shared: &mut Shared) {
        while let Some(datagram) = self.peer.poll_datagram() {
            shared.outgoing.push(datagram);
        }
        let tally = shared.scenarios.get_mut(self.scenario);
        let not_taken = tally.map(|tally| &mut tally.sent_video.not_taken);
        let mut lost = 0;
        shared.sender.flush(&self.socket, &mut shared.outgoing, |datagram| {
            lost += u64::from(classify(datagram) == Datagram::Rtp);
        });
        if let Some(not_taken) = not_taken {
            *not_taken += lost;
        }
        let due = self.peer.poll_timeout().map_or(u64::MAX, |at| Nanos::from(at).0);
        // Never at once again: a timer that stays due must not keep the thread busy.
        self.peer_due = if due == u64::MAX { due } else { due.max(now + 1).next_multiple_of(GRID) };
    }

    fn handle_rtcp(&mut self, now: u64, packet: &dyn rtc::rtcp::Packet, shared: &mut Shared) {
        if let Some(report) = packet.as_any().downcast_ref::<SenderReport>() {
            if let Some(stream) = self.intake.streams.of(report.ssrc) {
                // RFC 3550 section 6.4.1: the middle 32 bits.
                stream.reception.sender_report = Some(((report.ntp_time >> 16) as u32, now));
            }
        } else if let Some(publisher) = &mut self.publisher
            && let Some(tally) = shared.scenarios.get_mut(self.scenario)
        {
            publisher.handle_rtcp(now, packet, &self.intake.numbers, &mut self.peer, tally);
        }
    }

    fn change_state(&mut self, now: u64, state: State, shared: &mut Shared) {
        let before = std::mem::replace(&mut self.state, state);
        shared.connected += i64::from(state == State::Connected) - i64::from(before == State::Connected);
        let result = match state {
            State::Connected => {
                self.schedule.start(now, shared.random.random_range(0..SECOND));
                if let Some(publisher) = &mut self.publisher {
                    publisher.start(now);
                }
                Ok(())
            }
            State::Failed => Err(failed()),
            State::Connecting => return,
        };
        if state == State::Failed
            && let Some(reply) = self.on_lost.take()
        {
            let _ = reply.send(lost());
        }
        if let Some(reply) = self.on_connected.take() {
            let _ = reply.send(result);
        }
    }

    /// How many datagrams the kernel dropped for want of room.
    pub(super) fn kernel_drops(&self) -> u64 {
        net::kernel_drops(&self.socket).map_or(0, u64::from)
    }

    /// Says goodbye.
    pub(super) fn close(&mut self, now: u64, shared: &mut Shared) {
        shared.saturation.receive_drops += self.kernel_drops();
        if self.state == State::Connected {
            // Not a connection that was lost.
            shared.connected -= 1;
            self.state = State::Failed;
        }
        self.peer.close();
        self.flush(now, shared);
    }
}

fn lost() -> Failure {
    "the media connection was lost".to_owned()
}

fn failed() -> Failure {
    "ICE or DTLS failed".to_owned()
}
