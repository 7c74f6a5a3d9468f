//! A client that is webrtc-rs's own `RTCPeerConnection`: a second opinion on everything that Parlor composes itself.
//!
//! It is driven like the shard: datagrams and the time are handed in, datagrams and deadlines are polled. What it
//! received is collected in public fields.

use crate::feedback::{DeliverKeyframeRequests, keyframe_requests};
use bytes::{Bytes, BytesMut};
use rtc::data_channel::RTCDataChannelId;
use rtc::interceptor::{Registry, Slot};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::interceptor_registry::{
    configure_twcc_sender_only, register_default_interceptors,
};
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::peer_connection::event::{RTCDataChannelEvent, RTCPeerConnectionEvent, RTCTrackEvent};
use rtc::peer_connection::message::RTCMessage;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RTCRtpHeaderExtensionCapability,
    RTCRtpRtxParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpSenderId, RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::sansio::Protocol;
use rtc::sdp::extmap::AUDIO_LEVEL_URI;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use std::net::SocketAddr;
use std::time::Instant;

/// RFC 6464: voice, 20 dB below the loudest.
const LOUD_VOICE: u8 = 0x80 | 20;

/// Payload types that webrtc-rs's default codecs have.
const VP8: u8 = 96;
const OPUS: u8 = 111;

/// What a client publishes under.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    id: RTCRtpSenderId,
    ssrc: u32,
    payload_type: u8,
}

/// A packet as the application gets it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The track it belongs to, by its id in the server's description.
    pub(crate) track: String,
    /// Synchronisation source.
    pub(crate) ssrc: u32,
    /// Sequence number.
    pub(crate) sequence: u16,
    /// RTP timestamp.
    pub(crate) timestamp: u32,
    /// The marker bit.
    pub(crate) marker: bool,
    /// The payload, without padding.
    pub(crate) payload: Bytes,
}

/// See the module's text.
pub(crate) struct Client {
    connection: RTCPeerConnection,
    address: SocketAddr,
    server: SocketAddr,
    chat: RTCDataChannelId,
    /// ICE and DTLS are up.
    pub(crate) connected: bool,
    /// The chat channel is open.
    pub(crate) chat_open: bool,
    /// Tracks that appeared, by the track ids of the server's descriptions.
    pub(crate) tracks: Vec<String>,
    /// What arrived, in the order of arrival.
    pub(crate) packets: Vec<Received>,
    /// Texts that arrived on the chat channel.
    pub(crate) texts: Vec<String>,
    /// Key frames that the server asked for and that have not been sent.
    pub(crate) keyframes_wanted: usize,
}

impl Client {
    /// A client at `address` that will offer a chat channel.
    pub(crate) fn new(now: Instant, address: SocketAddr, server: SocketAddr) -> Self {
        let mut codecs = MediaEngine::default();
        codecs.register_default_codecs().expect("the default codecs");
        // Application-ward of all default ones, which begin at 1,000.
        let registry = Registry::new().with(Slot::from(14_000), DeliverKeyframeRequests::default());
        let registry = configure_twcc_sender_only(registry, &mut codecs).expect("free extension ids");
        let level = RTCRtpHeaderExtensionCapability { uri: AUDIO_LEVEL_URI.to_owned() };
        codecs.register_header_extension(level, RtpCodecKind::Audio, None).expect("free extension ids");
        let interceptors = register_default_interceptors(registry, &mut codecs).expect("the default interceptors");
        let mut connection = RTCPeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_media_engine(codecs)
            .with_interceptor_registry(interceptors)
            .build(now)
            .expect("a connection");
        let chat = connection.create_data_channel("chat", None).expect("a channel").id();
        Self {
            connection,
            address,
            server,
            chat,
            connected: false,
            chat_open: false,
            tracks: Vec::new(),
            packets: Vec::new(),
            texts: Vec::new(),
            keyframes_wanted: 0,
        }
    }

    /// Where the client's datagrams come from.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a VP8 track, to be sent with retransmissions under the next higher SSRC.
    pub(crate) fn add_video(&mut self, ssrc: u32) -> Sender {
        let codec = RTCRtpCodec { mime_type: "video/VP8".to_owned(), clock_rate: 90_000, ..Default::default() };
        self.add_track(RtpCodecKind::Video, codec, ssrc, Some(RTCRtpRtxParameters { ssrc: ssrc + 1 }), VP8)
    }

    /// Adds an Opus track.
    pub(crate) fn add_audio(&mut self, ssrc: u32) -> Sender {
        let codec = RTCRtpCodec {
            mime_type: "audio/opus".to_owned(),
            clock_rate: 48_000,
            channels: 2,
            sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
            rtcp_feedback: Vec::new(),
        };
        self.add_track(RtpCodecKind::Audio, codec, ssrc, None, OPUS)
    }

    fn add_track(
        &mut self,
        kind: RtpCodecKind,
        codec: RTCRtpCodec,
        ssrc: u32,
        rtx: Option<RTCRtpRtxParameters>,
        payload_type: u8,
    ) -> Sender {
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), rtx, ..Default::default() },
            active: true,
            codec,
            ..Default::default()
        };
        let id = format!("track-{ssrc}");
        let track = MediaStreamTrack::new(format!("stream-{ssrc}"), id.clone(), id, kind, vec![encoding]);
        let sendonly = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendonly,
            streams: Vec::new(),
            send_encodings: Vec::new(),
        };
        let transceiver = self.connection.add_transceiver_from_track(track, Some(sendonly)).expect("a transceiver");
        let id = self.connection.rtp_transceiver(transceiver).and_then(|t| t.sender()).expect("a sender");
        Sender { id, ssrc, payload_type }
    }

    /// Makes the next offer restart ICE.
    pub(crate) fn restart_ice(&mut self) {
        self.connection.restart_ice();
    }

    /// Offers what it has. The first offer also states the client's only candidate.
    pub(crate) fn offer(&mut self, now: Instant) -> String {
        if self.connection.local_description().is_none() {
            self.add_candidate();
        }
        let offer = self.connection.create_offer(None).expect("an offer");
        self.connection.set_local_description(now, offer).expect("its own offer");
        self.connection.local_description().expect("just set").sdp
    }

    fn add_candidate(&mut self) {
        let base_config = CandidateConfig {
            network: "udp".to_owned(),
            address: self.address.ip().to_string(),
            port: self.address.port(),
            component: 1,
            ..Default::default()
        };
        let candidate = CandidateHostConfig { base_config, ..Default::default() }.new_candidate_host().expect("valid");
        let candidate = RTCIceCandidate::from(&candidate).to_json().expect("valid");
        self.connection.add_local_candidate(candidate).expect("valid");
    }

    /// Takes the server's answer.
    pub(crate) fn handle_answer(&mut self, now: Instant, sdp: String) {
        let answer = RTCSessionDescription::answer(sdp).expect("an SDP");
        self.connection.set_remote_description(now, answer).expect("an acceptable answer");
    }

    /// Answers the server's offer. It promises no reports of arrivals: who gives them is sent what its path carries, these clients
    /// everything, whether or not anybody takes what they are sent.
    pub(crate) fn answer(&mut self, now: Instant, sdp: String) -> String {
        let offer = RTCSessionDescription::offer(sdp).expect("an SDP");
        self.connection.set_remote_description(now, offer).expect("an acceptable offer");
        let answer = self.connection.create_answer(None).expect("an answer");
        self.connection.set_local_description(now, answer).expect("its own answer");
        let sdp = self.connection.local_description().expect("just set").sdp;
        let promised = sdp.split_inclusive('\n').filter(|line| !line.trim_end().ends_with(" transport-cc"));
        promised.collect()
    }

    /// Sends a media packet; of audio it says that it is loud.
    pub(crate) fn send(&mut self, now: Instant, sender: Sender, sequence: u16, timestamp: u32, payload: Bytes) {
        self.send_part(now, sender, sequence, timestamp, payload, true);
    }

    /// The same for one packet of several, of which the `last` is marked.
    pub(crate) fn send_part(
        &mut self,
        now: Instant,
        sender: Sender,
        sequence: u16,
        timestamp: u32,
        payload: Bytes,
        last: bool,
    ) {
        let mut rtp_sender = self.connection.rtp_sender(sender.id).expect("added by this client");
        let extensions = &rtp_sender.get_parameters().rtp_parameters.header_extensions;
        let level = extensions.iter().find(|extension| extension.uri == AUDIO_LEVEL_URI).map(|extension| extension.id);
        let mut header = rtp::Header {
            version: 2,
            marker: last,
            payload_type: sender.payload_type,
            sequence_number: sequence,
            timestamp,
            ssrc: sender.ssrc,
            ..Default::default()
        };
        if let Some(id) = level {
            header.set_extension(id as u8, Bytes::from_static(&[LOUD_VOICE])).expect("a valid extension");
        }
        rtp_sender.write_rtp(now, rtp::Packet { header, payload }).expect("a negotiated packet");
    }

    /// Sends a text on the chat channel.
    pub(crate) fn say(&mut self, now: Instant, text: &str) {
        let mut channel = self.connection.data_channel(self.chat).expect("created with the client");
        channel.send_text(now, text).expect("an open channel");
    }

    /// Takes a datagram of the server's.
    pub(crate) fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        let transport = TransportContext {
            local_addr: self.address,
            peer_addr: self.server,
            transport_protocol: TransportProtocol::UDP,
            ecn: None,
        };
        let message = BytesMut::from(datagram);
        self.connection.handle_read(TaggedBytesMut { now, transport, message }).expect("a datagram it understands");
        self.collect();
    }

    /// The next datagram to send to the server.
    pub(crate) fn poll_datagram(&mut self) -> Option<Vec<u8>> {
        let datagram = self.connection.poll_write().map(|datagram| datagram.message.to_vec());
        self.collect();
        datagram
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub(crate) fn poll_timeout(&mut self) -> Option<Instant> {
        self.connection.poll_timeout()
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.connection.handle_timeout(now).expect("an open connection");
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) => {
                    self.connected = state == RTCPeerConnectionState::Connected;
                }
                RTCPeerConnectionEvent::OnTrack(RTCTrackEvent::OnOpen(track)) => self.tracks.push(track.track_id),
                RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnOpen(id)) if id == self.chat => {
                    self.chat_open = true;
                }
                _ => {}
            }
        }
        while let Some(tagged) = self.connection.poll_read() {
            match tagged.message {
                RTCMessage::RtpPacket(track, packet) => self.packets.push(Received {
                    track,
                    ssrc: packet.header.ssrc,
                    sequence: packet.header.sequence_number,
                    timestamp: packet.header.timestamp,
                    marker: packet.header.marker,
                    payload: packet.payload,
                }),
                RTCMessage::RtcpPacket(_, packets) => self.keyframes_wanted += keyframe_requests(&packets),
                RTCMessage::DataChannelMessage(id, message) if id == self.chat && message.is_string => {
                    self.texts.push(String::from_utf8(message.data.to_vec()).expect("UTF-8"));
                }
                _ => {}
            }
        }
    }
}
