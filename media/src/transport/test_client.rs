//! A client for tests: the controlling side of ICE, DTLS in either role, SRTP, SCTP opened as a browser opens it.
//!
//! Sans-I/O like the transport, so that a simulation of a whole shard can drive many of them over a virtual network. It
//! repeats its checks until they are answered and thereafter every [`CHECK_INTERVAL`], each time nominating, as Chromium
//! does with an ICE-lite server. It uses the transport's own parts, so it proves that they fit, not that they are right:
//! that is for the comparisons with rtc-srtp and for real browsers.

use super::demux::{DatagramKind, classify};
use super::dtls::{Dtls, DtlsEvent};
use super::identity::{Identity, Profiles};
use super::sctp::{Sctp, SctpEvent};
use super::srtp::MAX_SSRCS;
use super::srtp_session::SrtpSession;
use super::stun::tests::RequestBuilder;
use super::{ChannelError, IceCredentials, MAX_MESSAGE, RemoteTransport};
use crate::command::CloseReason;
use crate::drop_reason::DropReason;
use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rtc::crypto::RTCCrypto;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{BINDING_SUCCESS, Message};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Distance between checks until the first answer, and between keep-alives thereafter.
const FIRST_CHECKS: Duration = Duration::from_millis(50);
pub(crate) const CHECK_INTERVAL: Duration = Duration::from_millis(2500);

/// What a client has received.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClientEvent {
    /// DTLS is up.
    Connected,
    /// A decrypted RTP packet.
    Rtp(Vec<u8>),
    /// A decrypted compound RTCP packet.
    Rtcp(Vec<u8>),
    ChannelOpened {
        id: u16,
        label: String,
    },
    Message {
        id: u16,
        text: bool,
        data: Bytes,
    },
    ChannelClosed {
        id: u16,
    },
    Closed(CloseReason),
}

/// What makes a client other than a usual one.
#[derive(Clone)]
pub(crate) struct ClientOptions {
    pub(crate) seed: u64,
    /// The client is the DTLS client: `setup:active`.
    pub(crate) dtls_client: bool,
    pub(crate) data: bool,
    /// Knows no AES-GCM for SRTP.
    pub(crate) without_gcm: bool,
    /// Presents an RSA certificate.
    pub(crate) rsa: bool,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self { seed: 1, dtls_client: true, data: true, without_gcm: false, rsa: false }
    }
}

/// See the module's text.
pub(crate) struct TestClient {
    rng: SmallRng,
    identity: Arc<Identity>,
    local: IceCredentials,
    /// Drawn for an ICE restart whose answer has not come yet.
    next_local: Option<IceCredentials>,
    remote: IceCredentials,
    next_check: Instant,
    last_answer: Option<Instant>,
    transactions: VecDeque<[u8; 12]>,
    pub(super) dtls: Dtls,
    pub(super) sctp: Option<Sctp>,
    srtp: Option<SrtpSession>,
    transmits: VecDeque<Vec<u8>>,
    events: VecDeque<ClientEvent>,
    index: u64,
    /// Datagrams from the server that SRTP could not open; repetitions of what was received do not count.
    pub(crate) unreadable: u64,
}

impl TestClient {
    /// A client that knows the server's credentials and fingerprint.
    pub(crate) fn new(
        now: Instant,
        options: &ClientOptions,
        server: &IceCredentials,
        server_fingerprint: &str,
    ) -> Self {
        let identity = match (options.rsa, options.without_gcm) {
            (true, _) => Identity::with_rsa(),
            (false, true) => Identity::with_first_profiles(Profiles::Sha1),
            (false, false) => Identity::with_first_profiles(Profiles::Gcm),
        };
        let identity = identity.unwrap();
        let mut rng = SmallRng::seed_from_u64(options.seed);
        let dtls = Dtls::new(Arc::clone(&identity), options.dtls_client, vec![server_fingerprint.to_owned()]);
        let sctp = options.data.then(|| Sctp::new(options.dtls_client, MAX_MESSAGE).opening());
        Self {
            local: IceCredentials::generate(&mut rng),
            next_local: None,
            remote: server.clone(),
            rng,
            identity,
            next_check: now,
            last_answer: None,
            transactions: VecDeque::new(),
            dtls,
            sctp,
            srtp: None,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            index: 1000,
            unreadable: 0,
        }
    }

    /// What the client's description says.
    pub(crate) fn description(&self) -> RemoteTransport {
        let local = self.next_local.as_ref().unwrap_or(&self.local);
        RemoteTransport {
            ufrag: local.ufrag.clone(),
            pwd: local.pwd.clone(),
            fingerprints: vec![self.identity.fingerprint().to_owned()],
            dtls_client: !self.dtls.is_client(),
            data: self.sctp.is_some(),
            max_message_size: MAX_MESSAGE,
        }
    }

    /// Whether DTLS and, if wanted, SCTP are up.
    pub(crate) fn is_connected(&self) -> bool {
        self.dtls.is_up() && self.sctp.as_ref().is_none_or(Sctp::is_up)
    }

    /// An ICE restart: new credentials of its own, returned, towards new ones of the server.
    pub(crate) fn restart_ice(&mut self, now: Instant, server: &IceCredentials) -> String {
        self.local = IceCredentials::generate(&mut self.rng);
        self.remote = server.clone();
        self.check_now(now);
        self.local.ufrag.clone()
    }

    /// Draws new credentials, which the next description states and which hold once the server's are learned.
    pub(crate) fn draw_credentials(&mut self) {
        self.next_local = Some(IceCredentials::generate(&mut self.rng));
    }

    /// Learns the server's credentials from its answer. A no-op if they are known.
    pub(crate) fn learn_server(&mut self, now: Instant, server: &IceCredentials) {
        if self.remote != *server {
            self.local = self.next_local.take().unwrap_or_else(|| self.local.clone());
            self.remote = server.clone();
            self.check_now(now);
        }
    }

    /// Checks at once, as after a change of networks.
    pub(crate) fn check_now(&mut self, now: Instant) {
        self.next_check = now;
        self.last_answer = None;
    }

    /// Takes a datagram from the server.
    pub(crate) fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        match classify(datagram) {
            DatagramKind::Stun => self.handle_answer(now, datagram),
            DatagramKind::Dtls => {
                let mut events = Vec::new();
                let _ = self.dtls.read(now, datagram, &mut events);
                for event in events {
                    self.on_dtls(now, event);
                }
            }
            DatagramKind::Rtp => {
                let mut packet = datagram.to_vec();
                match self.srtp.as_mut().map(|srtp| srtp.unprotect_rtp(&mut packet)) {
                    Some(Ok(len)) => {
                        packet.truncate(len);
                        self.events.push_back(ClientEvent::Rtp(packet));
                    }
                    // Media may overtake the end of the handshake.
                    None | Some(Err(DropReason::ReplayedRtp)) => {}
                    Some(Err(DropReason::TooManySsrcs)) => {
                        panic!(
                            "simulated clients decrypt with the server's code, and so receive {MAX_SSRCS} streams at most"
                        );
                    }
                    Some(Err(_)) => self.unreadable += 1,
                }
            }
            DatagramKind::Rtcp => {
                let mut packet = datagram.to_vec();
                match self.srtp.as_mut().map(|srtp| srtp.unprotect_rtcp(&mut packet)) {
                    None => {}
                    Some(Ok(len)) => {
                        packet.truncate(len);
                        self.events.push_back(ClientEvent::Rtcp(packet));
                    }
                    Some(Err(_)) => self.unreadable += 1,
                }
            }
            DatagramKind::Unknown => {}
        }
        self.flush(now);
    }

    fn handle_answer(&mut self, now: Instant, datagram: &[u8]) {
        let mut answer = Message::new();
        let authentic = answer.unmarshal_binary(datagram).is_ok()
            && answer.typ == BINDING_SUCCESS
            && self.transactions.contains(&answer.transaction_id.0)
            && MessageIntegrity::check(&mut answer, self.remote.pwd.as_bytes(), self.crypto()).is_ok();
        if authentic {
            self.last_answer = Some(now);
            self.next_check = now + CHECK_INTERVAL;
            self.dtls.start(now);
        }
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        self.identity.crypto()
    }

    fn on_dtls(&mut self, now: Instant, event: DtlsEvent) {
        match event {
            DtlsEvent::Connected(keys) => {
                self.srtp = keys.and_then(|keys| SrtpSession::new(&self.identity, &keys));
                if let Some(sctp) = &mut self.sctp {
                    sctp.start(now);
                }
                self.events.push_back(ClientEvent::Connected);
            }
            DtlsEvent::Data(data) => {
                if let Some(sctp) = &mut self.sctp {
                    sctp.read(now, data);
                }
            }
            DtlsEvent::Closed(reason) => self.events.push_back(ClientEvent::Closed(reason)),
        }
    }

    /// Sends an RTP packet as it is given, numbering it: its sequence number is overwritten.
    pub(crate) fn send_rtp(&mut self, packet: &[u8]) -> u16 {
        self.index += 1;
        self.send_numbered(packet, self.index);
        self.index as u16
    }

    /// Sends an RTP packet under that index of its own SSRC's: its sequence number is overwritten.
    pub(crate) fn send_numbered(&mut self, packet: &[u8], index: u64) {
        let mut buffer = packet.to_vec();
        buffer[2..4].copy_from_slice(&(index as u16).to_be_bytes());
        buffer.resize(packet.len() + 32, 0);
        let len = self.srtp.as_mut().and_then(|srtp| srtp.protect_rtp(&mut buffer, packet.len(), index));
        buffer.truncate(len.expect("connected, and an RTP packet"));
        self.transmits.push_back(buffer);
    }

    /// Sends a compound RTCP packet.
    pub(crate) fn send_rtcp(&mut self, packet: &[u8]) {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + 32, 0);
        let len = self.srtp.as_mut().and_then(|srtp| srtp.protect_rtcp(&mut buffer, packet.len()));
        buffer.truncate(len.expect("connected, and an RTCP packet"));
        self.transmits.push_back(buffer);
    }

    /// Opens a data channel.
    pub(crate) fn open_channel(&mut self, now: Instant, label: &str) -> Result<u16, ChannelError> {
        let id = self.sctp.as_mut().ok_or(ChannelError::NotOpen)?.open_channel(now, label, true, true);
        self.flush(now);
        id
    }

    /// Sends a message on a data channel.
    pub(crate) fn send_message(&mut self, now: Instant, id: u16, text: bool, data: &[u8]) -> Result<(), ChannelError> {
        let sent = self.sctp.as_mut().ok_or(ChannelError::NotOpen)?.send(now, id, text, data);
        self.flush(now);
        sent
    }

    /// Says close_notify.
    pub(crate) fn close(&mut self, now: Instant) {
        self.dtls.close(now);
        self.flush(now);
    }

    /// The next datagram to send.
    pub(crate) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmits.pop_front()
    }

    pub(crate) fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Instant {
        let sctp = self.sctp.as_ref().and_then(Sctp::poll_timeout);
        [self.dtls.poll_timeout(), sctp].into_iter().flatten().fold(self.next_check, Instant::min)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if now >= self.next_check {
            self.send_check();
            self.next_check = now + if self.last_answer.is_some() { CHECK_INTERVAL } else { FIRST_CHECKS };
        }
        if let Some(reason) = self.dtls.handle_timeout(now) {
            self.events.push_back(ClientEvent::Closed(reason));
        }
        if let Some(sctp) = &mut self.sctp
            && sctp.poll_timeout().is_some_and(|at| now >= at)
        {
            sctp.handle_timeout(now);
        }
        self.flush(now);
    }

    fn send_check(&mut self) {
        let mut transaction = [0; 12];
        self.rng.fill_bytes(&mut transaction);
        self.transactions.push_back(transaction);
        if self.transactions.len() > 64 {
            self.transactions.pop_front();
        }
        let username = format!("{}:{}", self.remote.ufrag, self.local.ufrag);
        let mut request = RequestBuilder::new(&username, &self.remote.pwd);
        request.transaction = transaction;
        self.transmits.push_back(request.build());
    }

    fn flush(&mut self, now: Instant) {
        if let Some(sctp) = &mut self.sctp {
            if self.dtls.is_up() {
                let dtls = &mut self.dtls;
                sctp.poll_transmit(now, |packet| dtls.write(now, packet));
            }
            while let Some(event) = sctp.poll_event() {
                self.events.push_back(match event {
                    SctpEvent::Opened { id, label } => ClientEvent::ChannelOpened { id, label },
                    SctpEvent::Message { id, text, data } => ClientEvent::Message { id, text, data },
                    SctpEvent::Closed { id } => ClientEvent::ChannelClosed { id },
                });
            }
        }
        while let Some(datagram) = self.dtls.poll_transmit() {
            self.transmits.push_back(datagram.to_vec());
        }
    }
}
