//! A simulated browser: transport, descriptions, what it sends and what it receives.

use super::content::Content;
use super::description::{Session, credentials};
use super::publisher::{Media, Publisher};
use super::receiver::Receiver;
use crate::command::{Source, TrackDescription};
use crate::feedback::rtcp::{self, Feedback};
use crate::formats::Extension;
use crate::ids::ParticipantId;
use crate::path::{Path, Protocol};
use crate::transport::IceCredentials;
use crate::transport::test_client::{ClientEvent, ClientOptions, TestClient};
use bytes::Bytes;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

/// See the module's text.
pub(crate) struct SimClient {
    pub(crate) id: ParticipantId,
    pub(crate) transport: TestClient,
    pub(crate) session: Session,
    pub(crate) publisher: Publisher,
    pub(crate) receiver: Receiver,
    /// Its present port; datagrams to another one are lost.
    pub(crate) port: u16,
    /// What it sends over at present.
    pub(crate) protocol: Protocol,
    /// It knows the server's credentials.
    started: bool,
    pub(crate) connected_at: Option<Instant>,
    pub(crate) closed: bool,
    /// Number of its offer that waits for an answer.
    pub(crate) offering: Option<u64>,
    pub(crate) requests: u64,
    /// Something is to be offered as soon as that is possible.
    pub(crate) wants_offer: bool,
    pub(crate) offers_received: u64,
    pub(crate) glares: u64,
    pub(crate) chat: Option<u16>,
    pub(crate) messages: Vec<Bytes>,
    /// Wants the chat channel once it is connected.
    pub(crate) opens_chat: bool,
    /// Its own mids, counted.
    next_mid: usize,
    /// Switches off encodings that nobody watches.
    pub(crate) follows_wants: bool,
    /// Does not react to anything any more.
    pub(crate) dead: bool,
}

impl SimClient {
    pub(crate) fn new(now: Instant, id: u64, seed: u64, fingerprint: &str) -> Self {
        let options = ClientOptions { seed: id, ..ClientOptions::default() };
        let unknown = IceCredentials { ufrag: String::new(), pwd: String::new() };
        Self {
            id: ParticipantId(id),
            transport: TestClient::new(now, &options, &unknown, fingerprint),
            session: Session::with_data(),
            publisher: Publisher::new(id, seed << 16 | id, now),
            receiver: Receiver::default(),
            port: 10_000 + id as u16,
            protocol: Protocol::Udp,
            started: false,
            connected_at: None,
            closed: false,
            offering: None,
            requests: 0,
            wants_offer: false,
            offers_received: 0,
            glares: 0,
            chat: None,
            messages: Vec::new(),
            opens_chat: true,
            next_mid: 0,
            follows_wants: false,
            dead: false,
        }
    }

    /// Receives as libwebrtc does where bandwidth matters: it reports when packets of video arrive, decodes, and asks
    /// for key frames when it cannot go on. To be called before it joins in anything.
    pub(crate) fn watch(&mut self) {
        self.session.transport_cc = true;
        self.receiver.watches = true;
    }

    /// Adds a track; it is published with the next offer.
    pub(crate) fn add(&mut self, media: Media) -> String {
        let mid = self.next_mid.to_string();
        self.next_mid += 1;
        self.publisher.add(&mid, media);
        mid
    }

    pub(crate) fn path(&self) -> Path {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Path { protocol: self.protocol, remote: (loopback, self.port).into(), local: loopback }
    }

    /// An offer of everything, its number, and what is said of its tracks.
    pub(crate) fn offer(&mut self) -> (u64, String, Vec<TrackDescription>) {
        self.requests += 1;
        self.offering = Some(self.requests);
        self.wants_offer = false;
        let describe = |track: &super::publisher::Track| TrackDescription {
            mid: track.mid.clone(),
            source: match track.media {
                Media::Audio { .. } if track.is_of_screen => Source::ScreenAudio,
                Media::Audio { .. } => Source::Microphone,
                Media::Video { .. } | Media::Encoded(_) => Source::Camera,
            },
            muted: false,
        };
        let tracks = self.publisher.tracks.iter().map(describe).collect();
        (self.requests, self.session.offer(&self.publisher.tracks, &self.transport.description()), tracks)
    }

    /// The server has answered.
    pub(crate) fn on_answer(&mut self, now: Instant, request: u64, answer: &str) {
        if self.offering == Some(request) {
            self.offering = None;
        }
        self.session.on_answer(answer);
        self.transport.learn_server(now, &credentials(answer));
        self.started = true;
    }

    /// Answers the server's offer, rolling back an own one.
    pub(crate) fn on_offer(&mut self, offer: &str) -> String {
        self.offers_received += 1;
        if self.offering.take().is_some() {
            self.wants_offer = true;
        }
        let answer = self.session.answer(offer, &self.publisher.tracks, &self.transport.description());
        for line in self.session.lines.values().filter(|line| !line.ssrcs.is_empty()) {
            self.receiver.learn(&line.mid, line.video, line.ssrcs[0], line.ssrcs.get(1).copied());
            let transport_cc = line.transport_cc_id().filter(|_| self.session.transport_cc && line.video);
            self.receiver.set_ids(&line.mid, transport_cc, line.extension_id(Extension::DependencyDescriptor));
        }
        answer
    }

    /// Takes a datagram; returns the media packets that were in it.
    pub(crate) fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Vec<(String, Content)> {
        self.transport.handle_datagram(now, datagram);
        self.drain(now)
    }

    fn drain(&mut self, now: Instant) -> Vec<(String, Content)> {
        let mut media = Vec::new();
        while let Some(event) = self.transport.poll_event() {
            match event {
                ClientEvent::Connected => {
                    self.connected_at.get_or_insert(now);
                    self.publisher.start(now);
                }
                ClientEvent::Rtp(packet) => media.extend(self.receiver.on_rtp(now, &packet)),
                ClientEvent::Rtcp(compound) => self.on_rtcp(now, &compound),
                ClientEvent::ChannelOpened { id, label } => {
                    assert_eq!(label, "chat");
                    self.chat = Some(id);
                }
                ClientEvent::Message { data, .. } => self.messages.push(data),
                ClientEvent::ChannelClosed { .. } => self.chat = None,
                ClientEvent::Closed(_) => self.closed = true,
            }
        }
        if self.opens_chat && self.connected_at.is_some() && self.transport.is_connected() {
            self.opens_chat = false;
            self.transport.open_channel(now, "chat").expect("connected");
        }
        media
    }

    fn on_rtcp(&mut self, now: Instant, compound: &[u8]) {
        for feedback in rtcp::parse(compound) {
            match feedback {
                Feedback::Nack { media_ssrc, sequences } => {
                    self.publisher.on_nack(media_ssrc, sequences, &mut self.transport);
                }
                Feedback::Pli { media_ssrc } => self.publisher.on_keyframe_request(now, media_ssrc),
                Feedback::ReceiverReport { blocks, .. } => {
                    blocks.for_each(|block| self.publisher.on_report(block.ssrc));
                }
                Feedback::TransportCc(_) => self.publisher.on_transport_feedback(),
                Feedback::SenderReport { report, .. } => self.receiver.on_sender_report(now, &report),
                _ => {}
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let own = [self.publisher.poll_timeout(), self.receiver.poll_timeout()];
        let transport = Some(self.transport.poll_timeout());
        own.into_iter().chain([transport]).flatten().min().filter(|_| self.started && !self.dead && !self.closed)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if !self.started || self.dead || self.closed {
            return;
        }
        if self.transport.poll_timeout() <= now {
            self.transport.handle_timeout(now);
        }
        self.publisher.handle_timeout(now, &mut self.transport);
        self.receiver.handle_timeout(now, &mut self.transport);
        self.drain(now);
    }
}
