//! One PeerConnection of webrtc-rs, without sockets and clock.

use super::description;
use super::tap::Tap;
use bytes::BytesMut;
use rtc::crypto::{self, SignatureScheme};
use rtc::interceptor::{Packet, Registry, Slot};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::certificate::{CertificateParams, RTCCertificate};
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::peer_connection::configuration::setting_engine::{SettingEngine, SettingEngineBuilder};
use rtc::peer_connection::event::RTCPeerConnectionEvent;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpHeaderExtensionCapability, RTCRtpRtxParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Payload types of what clients offer, those of Chromium.
const VP8: u8 = 96;
const VP8_RTX: u8 = 97;
const OPUS: u8 = 111;

/// Between two connectivity checks while a client connects. Nomination waits for the second one, so that the tester's own
/// share of the time to join is two of these; browsers take 50 ms, webrtc-rs by itself 200.
const ICE_CHECK: Duration = Duration::from_millis(20);
/// As many as make up for the short interval: five seconds.
const MAX_ICE_CHECKS: u16 = 250;

/// What all clients of a thread share: making a certificate costs as much as joining.
pub struct Identity {
    certificate: RTCCertificate,
}

impl Identity {
    /// A new self-signed certificate.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate() -> Result<Self, Error> {
        let provider = crypto::default_provider().map_err(|error| Error::Other(error.to_string()))?;
        let parameters = CertificateParams::new(vec!["parlor-loadtest".to_owned()])
            .map_err(|error| Error::Other(error.to_string()))?;
        let certificate = RTCCertificate::generate(provider.crypto(), SignatureScheme::EcdsaP256Sha256, parameters)?;
        Ok(Self { certificate })
    }
}

/// One encoding of what a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// The layer's name; empty without simulcast.
    pub rid: &'static str,
    /// Synchronisation source.
    pub ssrc: u32,
    /// That of its retransmissions; pictures alone have them.
    pub rtx_ssrc: Option<u32>,
}

/// Whether a connection came to be, and still is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not yet.
    Connecting,
    /// ICE and DTLS are up.
    Connected,
    /// It failed, or ended.
    Failed,
}

/// See the module's text.
pub struct Peer {
    connection: RTCPeerConnection,
    tap: Tap,
    local: SocketAddr,
    state: State,
    candidate_stated: bool,
}

impl Peer {
    /// A connection that will be reached at `local`.
    ///
    /// # Errors
    /// Those of webrtc-rs.
    pub fn new(now: Instant, local: SocketAddr, identity: &Identity) -> Result<Self, Error> {
        let tap = Tap::default();
        let configuration =
            RTCConfigurationBuilder::new().with_certificates(vec![identity.certificate.clone()]).build();
        let connection = RTCPeerConnectionBuilder::new()
            .with_configuration(configuration)
            .with_media_engine(media_engine()?)
            .with_setting_engine(setting_engine())
            .with_interceptor_registry(Registry::new().with(Slot::from(500), tap.interceptor()))
            .build(now)?;
        Ok(Self { connection, tap, local, state: State::Connecting, candidate_stated: false })
    }

    /// Adds an m-line that sends pictures or sound.
    ///
    /// # Errors
    /// Those of webrtc-rs.
    pub fn add_track(&mut self, video: bool, encodings: &[Encoding]) -> Result<(), Error> {
        let kind = if video { RtpCodecKind::Video } else { RtpCodecKind::Audio };
        let codec = if video { vp8() } else { opus() };
        let encodings = encodings.iter().map(|encoding| RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                rid: encoding.rid.to_owned(),
                ssrc: Some(encoding.ssrc),
                rtx: encoding.rtx_ssrc.map(|ssrc| RTCRtpRtxParameters { ssrc }),
                ..RTCRtpCodingParameters::default()
            },
            active: true,
            codec: codec.clone(),
            ..RTCRtpEncodingParameters::default()
        });
        let name = if video { "camera" } else { "microphone" };
        let stream = "loadtest".to_owned();
        let track = MediaStreamTrack::new(stream, name.to_owned(), name.to_owned(), kind, encodings.collect());
        let sendonly = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendonly,
            streams: Vec::new(),
            send_encodings: Vec::new(),
        };
        self.connection.add_transceiver_from_track(track, Some(sendonly)).map(drop)
    }

    /// Adds a data channel, which gives a connection that sends nothing something to offer.
    ///
    /// # Errors
    /// Those of webrtc-rs.
    pub fn add_data_channel(&mut self) -> Result<(), Error> {
        self.connection.create_data_channel("chat", None).map(drop)
    }

    /// Offers what was added.
    ///
    /// # Errors
    /// Those of webrtc-rs.
    pub fn offer(&mut self, now: Instant) -> Result<String, Error> {
        self.state_candidate()?;
        let offer = self.connection.create_offer(None)?;
        self.connection.set_local_description(now, offer)?;
        self.local_description()
    }

    /// Takes the answer to [`Self::offer`].
    ///
    /// # Errors
    /// Those of webrtc-rs.
    pub fn handle_answer(&mut self, now: Instant, sdp: String) -> Result<(), Error> {
        self.connection.set_remote_description(now, RTCSessionDescription::answer(sdp)?)
    }

    /// Answers an offer.
    ///
    /// # Errors
    /// Those of webrtc-rs.
    pub fn answer(&mut self, now: Instant, sdp: String) -> Result<String, Error> {
        self.connection.set_remote_description(now, RTCSessionDescription::offer(sdp)?)?;
        self.state_candidate()?;
        let answer = self.connection.create_answer(None)?;
        self.connection.set_local_description(now, answer)?;
        self.local_description()
    }

    fn local_description(&self) -> Result<String, Error> {
        let none = || Error::Other("no local description".to_owned());
        self.connection.local_description().map(|description| description.sdp).ok_or_else(none)
    }

    fn state_candidate(&mut self) -> Result<(), Error> {
        if std::mem::replace(&mut self.candidate_stated, true) {
            return Ok(());
        }
        let base_config = CandidateConfig {
            network: "udp".to_owned(),
            address: self.local.ip().to_string(),
            port: self.local.port(),
            component: 1,
            ..CandidateConfig::default()
        };
        let candidate = CandidateHostConfig { base_config, ..CandidateHostConfig::default() }.new_candidate_host()?;
        self.connection.add_local_candidate(RTCIceCandidate::from(&candidate).to_json()?)
    }

    /// Takes a datagram.
    pub fn handle_datagram(&mut self, now: Instant, remote: SocketAddr, datagram: &[u8]) {
        let transport = TransportContext {
            local_addr: self.local,
            peer_addr: remote,
            transport_protocol: TransportProtocol::UDP,
            ecn: None,
        };
        let tagged = TaggedBytesMut { now, transport, message: BytesMut::from(datagram) };
        if let Err(error) = self.connection.handle_read(tagged) {
            tracing::debug!(%error, "a datagram was not taken");
        }
    }

    /// The next datagram to send, and where.
    pub fn poll_datagram(&mut self) -> Option<(SocketAddr, BytesMut)> {
        self.connection.poll_write().map(|datagram| (datagram.transport.peer_addr, datagram.message))
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.connection.poll_timeout()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Err(error) = self.connection.handle_timeout(now) {
            tracing::debug!(%error, "a timeout was not handled");
        }
    }

    /// How the connection is, after what happened is taken notice of.
    pub fn poll_state(&mut self) -> State {
        while let Some(event) = self.connection.poll_event() {
            if let RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) = event {
                self.state = match state {
                    RTCPeerConnectionState::Connected => State::Connected,
                    RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed => State::Failed,
                    _ if self.state == State::Failed => State::Failed,
                    // Disconnected may come back; consent expires if it does not.
                    _ => self.state,
                };
            }
        }
        // Nobody asks for what data channels bring.
        while self.connection.poll_read().is_some() {}
        self.state
    }

    /// The next packet that was decrypted.
    pub fn poll_packet(&mut self) -> Option<Packet> {
        self.tap.take()
    }

    /// Sends a packet: [`Self::poll_datagram`] brings it, encrypted.
    pub fn send(&mut self, now: Instant, packet: Packet) {
        self.tap.send(now, packet);
    }

    /// Says goodbye by DTLS; [`Self::poll_datagram`] brings it.
    pub fn close(&mut self) {
        if let Err(error) = self.connection.close() {
            tracing::debug!(%error, "a connection did not close well");
        }
    }
}

/// Takes the first pair that works: there is one way to a server, and nothing better will turn up.
fn setting_engine() -> SettingEngine {
    SettingEngineBuilder::new()
        .with_ice_connection_attempts(Some(ICE_CHECK), Some(MAX_ICE_CHECKS))
        .with_host_acceptance_min_wait(Some(Duration::ZERO))
        .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
        .build()
}

fn vp8() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: "video/VP8".to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: String::new(),
        rtcp_feedback: feedback(&[("ccm", "fir"), ("nack", ""), ("nack", "pli"), ("transport-cc", "")]),
    }
}

fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: "audio/opus".to_owned(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
        rtcp_feedback: feedback(&[("transport-cc", "")]),
    }
}

fn feedback(list: &[(&str, &str)]) -> Vec<RTCPFeedback> {
    let feedback =
        |(typ, parameter): &(&str, &str)| RTCPFeedback { typ: (*typ).to_owned(), parameter: (*parameter).to_owned() };
    list.iter().map(feedback).collect()
}

/// VP8 with retransmissions and Opus, with the extensions that browsers offer and servers use.
fn media_engine() -> Result<MediaEngine, Error> {
    let mut engine = MediaEngine::default();
    let rtx = RTCRtpCodec {
        mime_type: "video/rtx".to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: format!("apt={VP8}"),
        rtcp_feedback: Vec::new(),
    };
    for (rtp_codec, payload_type, kind) in
        [(opus(), OPUS, RtpCodecKind::Audio), (vp8(), VP8, RtpCodecKind::Video), (rtx, VP8_RTX, RtpCodecKind::Video)]
    {
        engine.register_codec(RTCRtpCodecParameters { rtp_codec, payload_type }, kind)?;
    }
    for (uri, audio, video) in [
        (description::AUDIO_LEVEL, true, false),
        (description::MID, true, true),
        (description::TRANSPORT_SEQUENCE, true, true),
        (description::RID, false, true),
        (description::REPAIRED_RID, false, true),
    ] {
        for (kind, wanted) in [(RtpCodecKind::Audio, audio), (RtpCodecKind::Video, video)] {
            if wanted {
                let extension = RTCRtpHeaderExtensionCapability { uri: uri.to_owned() };
                engine.register_header_extension(extension, kind, None)?;
            }
        }
    }
    Ok(engine)
}
