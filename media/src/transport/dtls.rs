//! One participant's DTLS 1.2 association, in either role, on rtc-dtls's `Endpoint`.
//!
//! What always holds: no key and no byte is handed out before the client's certificate was compared with its SDP;
//! what a stranger on the path can make this side hold or send is bounded; a lost flight is repaired.
//!
//! The endpoint is keyed by one constant address, so that a change of path needs nothing here. rtc-dtls 0.21 stops its
//! retransmission timer on any handshake record and may never arm it again, so the last flight is kept and sent again
//! verbatim: when the client repeats itself without getting an answer, and on a timer of our own ([`Flight`]).

use super::REMOTE;
use super::identity::{Identity, Profiles, sha256_fingerprint};
use super::records::{DTLS_HANDSHAKE, scan};
use super::srtp_fallback::{MasterKeys, SrtpKeys};
use crate::command::CloseReason;
use crate::drop_reason::DropReason;
use bytes::BytesMut;
use flight::Flight;
use rtc::dtls::endpoint::{Endpoint, EndpointEvent};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::shared::TransportProtocol;
use rtc::shared::error::Error;
use rtc::srtp::config::{Config as SrtpConfig, LABEL_EXTRACTOR_DTLS_SRTP};
use rtc::srtp::protection_profile::ProtectionProfile;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

mod flight;

/// From the first validated path until the handshake must be complete.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);

/// Datagrams taken in during a handshake. An honest client repeating itself every 50 ms at 25 % loss sends some 60; each
/// may leave 1.5 kB in rtc-dtls's buffers until the handshake ends.
const HANDSHAKE_DATAGRAMS: u32 = 128;

/// Handshake datagrams taken in afterwards: repeats of the client's last flight. rtc-dtls never forgets what they leave.
const LATE_HANDSHAKE_DATAGRAMS: u32 = 16;

/// Datagrams of a ClientHello that are kept for the fallback: two are what browsers with post-quantum key shares send.
const HELLO_DATAGRAMS: usize = 4;

/// Outgoing datagrams waiting for a path or the outbox; beyond it, the oldest give way, as on any lossy network.
const QUEUE: usize = 256;

/// What came out of DTLS.
pub(super) enum DtlsEvent {
    /// The handshake is complete and the certificate is the announced one. Without SRTP there are no keys.
    Connected(Option<Box<SrtpKeys>>),
    /// Decrypted application data.
    Data(BytesMut),
    /// The association ended.
    Closed(CloseReason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No path yet: nothing is sent or accepted.
    Idle,
    Handshaking,
    Up,
    Closed,
}

/// See the module's text.
pub(super) struct Dtls {
    endpoint: Endpoint,
    identity: Arc<Identity>,
    client: bool,
    fingerprints: Vec<String>,
    profiles: Profiles,
    state: State,
    deadline: Option<Instant>,
    hello: Vec<BytesMut>,
    flight: Flight,
    queue: VecDeque<BytesMut>,
    handshake_datagrams: u32,
}

impl Dtls {
    /// An association that waits for [`Self::start`]. `fingerprints` are SHA-256, in hexadecimal with colons.
    pub(super) fn new(identity: Arc<Identity>, client: bool, fingerprints: Vec<String>) -> Self {
        Self {
            endpoint: Self::endpoint(&identity, client, Profiles::Gcm),
            identity,
            client,
            fingerprints,
            profiles: Profiles::Gcm,
            state: State::Idle,
            deadline: None,
            hello: Vec::new(),
            flight: Flight::default(),
            queue: VecDeque::new(),
            handshake_datagrams: 0,
        }
    }

    fn endpoint(identity: &Identity, client: bool, profiles: Profiles) -> Endpoint {
        let config = (!client).then(|| identity.server_config(profiles));
        Endpoint::new(REMOTE, TransportProtocol::UDP, config)
    }

    pub(super) fn is_client(&self) -> bool {
        self.client
    }

    pub(super) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// There is a path: the deadline starts to run, and a DTLS client sends its ClientHello. Does so once.
    pub(super) fn start(&mut self, now: Instant) {
        if self.state == State::Idle {
            self.state = State::Handshaking;
            self.deadline = Some(now + HANDSHAKE_TIMEOUT);
            self.send_hello(now);
        }
    }

    fn send_hello(&mut self, now: Instant) {
        if self.client {
            let config = self.identity.client_config();
            // An error leaves nothing to send; the deadline ends it.
            let _ = self.endpoint.connect(now, REMOTE, config, None);
            self.drain_flight(now);
        }
    }

    /// Takes a datagram from a validated path.
    pub(super) fn read(
        &mut self,
        now: Instant,
        datagram: &[u8],
        events: &mut Vec<DtlsEvent>,
    ) -> Result<(), DropReason> {
        let records = scan(datagram).ok_or(DropReason::UnexpectedDtls)?;
        match self.state {
            State::Idle | State::Closed => return Err(DropReason::UnexpectedDtls),
            State::Handshaking => {
                self.handshake_datagrams += 1;
                if self.handshake_datagrams > HANDSHAKE_DATAGRAMS {
                    return Err(DropReason::UnexpectedDtls);
                }
                // It may come from anybody, and would end rtc-dtls's handshake. Whoever meant it stops, and the deadline
                // ends it; whoever did not goes on.
                if records.plaintext_alert {
                    return Err(DropReason::UnexpectedDtls);
                }
            }
            State::Up if records.handshake => {
                self.handshake_datagrams += 1;
                if self.handshake_datagrams > LATE_HANDSHAKE_DATAGRAMS {
                    return Err(DropReason::UnexpectedDtls);
                }
            }
            State::Up => self.flight.settle(),
        }
        let is_hello = self.keep_hello(datagram);
        match self.endpoint.read(now, REMOTE, None, BytesMut::from(datagram)) {
            Ok(read) => self.apply(now, read, events),
            Err(Error::ErrServerNoMatchingSrtpProfile) if is_hello => {
                self.fall_back(now, events);
                return Ok(());
            }
            Err(error) => self.failed(now, &error, events),
        }
        let answered = self.drain_flight(now);
        if self.state == State::Handshaking && records.handshake && !answered && self.flight.repeat(now) {
            self.queue_flight();
        }
        Ok(())
    }

    fn restart(&mut self, now: Instant) {
        self.endpoint = Self::endpoint(&self.identity, self.client, self.profiles);
        self.hello.clear();
        self.flight = Flight::default();
        self.queue.clear();
        self.send_hello(now);
    }

    /// Keeps the first datagrams that a server gets, for [`Self::fall_back`].
    fn keep_hello(&mut self, datagram: &[u8]) -> bool {
        let keep = !self.client
            && self.state == State::Handshaking
            && self.profiles == Profiles::Gcm
            && self.hello.len() < HELLO_DATAGRAMS
            && datagram.first() == Some(&DTLS_HANDSHAKE);
        if keep {
            self.hello.push(BytesMut::from(datagram));
        }
        keep
    }

    /// The client has no AES-GCM for SRTP. Nothing was answered yet, so its ClientHello can be read once more by an
    /// endpoint that accepts SHA1_80.
    fn fall_back(&mut self, now: Instant, events: &mut Vec<DtlsEvent>) {
        self.profiles = Profiles::All;
        self.endpoint = Self::endpoint(&self.identity, false, Profiles::All);
        for datagram in std::mem::take(&mut self.hello) {
            match self.endpoint.read(now, REMOTE, None, datagram) {
                Ok(read) => self.apply(now, read, events),
                Err(error) => self.failed(now, &error, events),
            }
        }
        self.drain_flight(now);
    }

    /// An error while the handshake runs can be provoked by anybody on the path: start over, until the deadline. Once it
    /// is complete, only an authentic alert or a broken library gets here.
    fn failed(&mut self, now: Instant, error: &Error, events: &mut Vec<DtlsEvent>) {
        match self.state {
            State::Up => {
                self.state = State::Closed;
                events.push(DtlsEvent::Closed(CloseReason::Dtls(error.to_string())));
            }
            State::Handshaking => self.restart(now),
            State::Idle | State::Closed => {}
        }
    }

    fn apply(&mut self, now: Instant, read: Vec<EndpointEvent>, events: &mut Vec<DtlsEvent>) {
        for event in read {
            match event {
                EndpointEvent::HandshakeComplete => match self.finish() {
                    Ok(keys) => {
                        self.state = State::Up;
                        self.deadline = None;
                        self.hello = Vec::new();
                        self.handshake_datagrams = 0;
                        events.push(DtlsEvent::Connected(keys.map(Box::new)));
                    }
                    Err(reason) => {
                        self.close(now);
                        events.push(DtlsEvent::Closed(reason));
                        return;
                    }
                },
                EndpointEvent::ApplicationData(data) if self.is_up() => events.push(DtlsEvent::Data(data)),
                EndpointEvent::PeerClosed => {
                    self.drain();
                    self.state = State::Closed;
                    events.push(DtlsEvent::Closed(CloseReason::ClosedByClient));
                }
                _ => {}
            }
        }
    }

    /// Compares the certificate with the SDP and exports the SRTP keys.
    fn finish(&self) -> Result<Option<SrtpKeys>, CloseReason> {
        let failed = |error: Error| CloseReason::Dtls(error.to_string());
        let state = self.endpoint.get_connection_state(REMOTE).ok_or(CloseReason::FingerprintMismatch)?;
        let certificate = state.peer_certificates.first().ok_or(CloseReason::FingerprintMismatch)?;
        let fingerprint =
            sha256_fingerprint(self.identity.crypto(), certificate).ok_or(CloseReason::FingerprintMismatch)?;
        if !self.fingerprints.iter().any(|announced| announced.eq_ignore_ascii_case(&fingerprint)) {
            return Err(CloseReason::FingerprintMismatch);
        }
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => ProtectionProfile::AeadAes128Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
            _ => return Ok(None),
        };
        let mut config = SrtpConfig { profile, ..Default::default() };
        let material = state
            .export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], config.keying_material_len())
            .map_err(|error| CloseReason::Dtls(error.to_string()))?;
        config.set_session_keys_from_keying_material(material.as_ref(), state.is_client()).map_err(failed)?;
        let keys = config.keys;
        Ok(Some(SrtpKeys {
            profile,
            local: MasterKeys { key: keys.local_master_key, salt: keys.local_master_salt },
            remote: MasterKeys { key: keys.remote_master_key, salt: keys.remote_master_salt },
        }))
    }

    /// Encrypts application data. Before the handshake is complete, and after the end, nothing happens.
    pub(super) fn write(&mut self, now: Instant, data: &[u8]) {
        if self.is_up() && self.endpoint.write(now, REMOTE, data).is_ok() {
            self.drain();
        }
    }

    /// Sends close_notify, if there is anybody to tell.
    pub(super) fn close(&mut self, now: Instant) {
        if self.state != State::Closed {
            let _ = self.endpoint.close(now);
            self.drain();
            self.state = State::Closed;
        }
    }

    /// The next datagram to send along the selected path.
    pub(super) fn poll_transmit(&mut self) -> Option<BytesMut> {
        self.queue.pop_front()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.state == State::Closed {
            return None;
        }
        [self.endpoint.poll_timeout(&REMOTE), self.flight.poll_timeout(), self.deadline].into_iter().flatten().min()
    }

    /// Repairs lost flights; returns why the association ended, if it did.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<CloseReason> {
        if self.state == State::Closed {
            return None;
        }
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            self.close(now);
            return Some(CloseReason::HandshakeTimeout { seconds: HANDSHAKE_TIMEOUT.as_secs() });
        }
        if self.endpoint.poll_timeout(&REMOTE).is_some_and(|at| now >= at) {
            if self.endpoint.handle_timeout(REMOTE, now).is_err() && self.state == State::Handshaking {
                self.restart(now);
            }
            self.drain_flight(now);
        }
        if self.flight.handle_timeout(now) {
            self.queue_flight();
        }
        None
    }

    /// Queues what the endpoint wants sent, and keeps it as the last flight. Returns whether there was anything.
    fn drain_flight(&mut self, now: Instant) -> bool {
        let drained = self.drain();
        // A client's handshake ends with the server's flight: it has none left to repair.
        if self.is_up() && self.client {
            self.flight.settle();
        } else if drained > 0 {
            let fresh = self.queue.range(self.queue.len().saturating_sub(drained)..);
            self.flight.replace(now, fresh.cloned(), self.is_up());
        }
        drained > 0
    }

    fn drain(&mut self) -> usize {
        let mut drained = 0;
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.enqueue(transmit.message);
            drained += 1;
        }
        drained
    }

    fn queue_flight(&mut self) {
        for datagram in self.flight.datagrams().to_vec() {
            self.enqueue(datagram);
        }
    }

    fn enqueue(&mut self, datagram: BytesMut) {
        if self.queue.len() >= QUEUE {
            self.queue.pop_front();
        }
        self.queue.push_back(datagram);
    }
}

#[cfg(test)]
mod tests;
