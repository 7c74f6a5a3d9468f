//! One participant's SCTP association and data channels (RFC 8831, RFC 8832), on rtc-sctp and rtc-datachannel.
//!
//! What always holds: one association is in use, chosen once; what the client can make this side hold is bounded, by
//! [`RECEIVE_WINDOW`], [`MAX_MESSAGE`] and [`MAX_CHANNELS`]; what waits to be sent is bounded by [`SEND_BUFFER`].
//!
//! Who opens the association is the subject of [`handshake`].

use super::REMOTE;
use bytes::{Bytes, BytesMut};
use handshake::{Chunk, Handshake};
use rtc::datachannel::data_channel::{DataChannel, DataChannelConfig, DataChannelMessage};
use rtc::sansio::Protocol;
use rtc::sctp::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier, ServerConfig, StreamEvent, TransportConfig,
};
use rtc::shared::TransportProtocol;
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

mod handshake;
mod packet;

/// The largest message in either direction, advertised as `a=max-message-size` (RFC 8841).
pub const MAX_MESSAGE: usize = 64 * 1024;

/// The receive window (a_rwnd): a message of full size while another one is on its way, and room to keep a fast link busy.
pub(super) const RECEIVE_WINDOW: u32 = 256 * 1024;

/// Bytes taken from a client while the window is full: an honest one sends no more than what fills the gaps in it.
const MAX_BEYOND_WINDOW: usize = 2 * RECEIVE_WINDOW as usize;

/// Bytes that wait for acknowledgement, over all channels. A chat message is small; this is 16 of full size.
pub const SEND_BUFFER: usize = 1 << 20;

/// Open channels per participant. Parlor's own clients use three.
pub const MAX_CHANNELS: usize = 32;

/// SCTP streams per association; browsers number their channels from 0 or 1 in steps of two.
const STREAMS: u16 = 1024;

/// Received events that wait to be polled. The driver polls after every call; one datagram yields a few.
const MAX_EVENTS: usize = 1024;

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// There is no such channel, or it is not open.
    #[error("the data channel is not open")]
    NotOpen,
    /// The send buffer is full, or there are too many channels.
    #[error("the data channel's send buffer is full")]
    Full,
    /// The message exceeds what the client or Parlor accepts.
    #[error("the message is too large for the data channel")]
    TooLarge,
}

/// What came out of the association.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SctpEvent {
    Opened { id: u16, label: String },
    Message { id: u16, text: bool, data: Bytes },
    Closed { id: u16 },
}

struct Channel {
    id: u16,
    data: DataChannel,
    open: bool,
}

struct Configs {
    endpoint: Arc<EndpointConfig>,
    server: Arc<ServerConfig>,
    client: ClientConfig,
}

/// The same for every association.
fn configs() -> &'static Configs {
    static CONFIGS: OnceLock<Configs> = OnceLock::new();
    CONFIGS.get_or_init(|| {
        let transport = || {
            TransportConfig::default()
                .with_max_message_size(MAX_MESSAGE as u32)
                .with_max_num_inbound_streams(STREAMS)
                .with_max_num_outbound_streams(STREAMS)
                .with_max_receive_buffer_size(RECEIVE_WINDOW)
        };
        Configs {
            endpoint: Arc::new(EndpointConfig::new()),
            server: Arc::new(ServerConfig::new(transport())),
            client: ClientConfig::new(transport()),
        }
    })
}

/// See the module's text.
pub(super) struct Sctp {
    endpoint: Endpoint,
    /// Candidates while the association is being set up; then only the one in use.
    associations: Vec<(AssociationHandle, Association)>,
    handshake: Handshake,
    channels: Vec<Channel>,
    /// The parity of the stream ids that this side opens: odd for the DTLS server (RFC 8832 section 6).
    parity: u16,
    largest_message: usize,
    events: VecDeque<SctpEvent>,
    /// The last acknowledgement told the client to stop.
    window_full: bool,
    /// Bytes that came nevertheless.
    beyond_window: usize,
}

impl Sctp {
    /// `dtls_client` is this side's DTLS role; `max_message_size` is the client's, 0 meaning no limit (RFC 8841).
    pub(super) fn new(dtls_client: bool, max_message_size: usize) -> Self {
        let limit = if max_message_size == 0 { MAX_MESSAGE } else { max_message_size };
        let configs = configs();
        Self {
            endpoint: Endpoint::new(
                REMOTE,
                TransportProtocol::UDP,
                Arc::clone(&configs.endpoint),
                Some(Arc::clone(&configs.server)),
            ),
            associations: Vec::new(),
            handshake: Handshake::answering(),
            channels: Vec::new(),
            parity: u16::from(!dtls_client),
            largest_message: limit.min(MAX_MESSAGE),
            events: VecDeque::new(),
            window_full: false,
            beyond_window: 0,
        }
    }

    /// As a browser does it: opens the association itself, at once, and repeats nothing but on SCTP's own timers.
    #[cfg(test)]
    pub(super) fn opening(mut self) -> Self {
        self.handshake = Handshake::opening();
        self
    }

    #[cfg(test)]
    pub(super) fn is_up(&self) -> bool {
        self.handshake.in_use().is_some()
    }

    /// DTLS is up.
    pub(super) fn start(&mut self, now: Instant) {
        self.handshake.start(now);
        self.handle_timeout(now);
    }

    /// Takes an SCTP packet.
    pub(super) fn read(&mut self, now: Instant, packet: BytesMut) {
        let Some(chunk) = Chunk::first_of(&packet) else { return };
        if !packet::is_well_formed(&packet) || !self.handshake.admits(chunk) {
            return;
        }
        // rtc-sctp takes what completes a message even into a full window, so one without an end would have none either.
        if self.window_full {
            self.beyond_window += packet.len();
            if self.beyond_window > MAX_BEYOND_WINDOW {
                self.lose();
                return;
            }
        }
        match self.endpoint.handle(now, REMOTE, None, packet.freeze()) {
            Some((handle, DatagramEvent::NewAssociation(association))) => {
                if let Some(surplus) = self.handshake.surplus(self.associations.iter().map(|(handle, _)| *handle)) {
                    self.associations.retain(|(handle, _)| *handle != surplus);
                }
                self.associations.push((handle, association));
            }
            Some((handle, DatagramEvent::AssociationEvent(event))) => {
                if let Some((_, association)) = self.associations.iter_mut().find(|(known, _)| *known == handle) {
                    association.handle_event(event);
                }
            }
            _ => {}
        }
        self.pump(now);
    }

    /// Carries the associations' events on.
    fn pump(&mut self, now: Instant) {
        let mut readable = Vec::new();
        let mut connected = None;
        for (handle, association) in &mut self.associations {
            while let Some(event) = association.poll() {
                match event {
                    Event::Connected => connected = connected.or(Some(*handle)),
                    Event::Stream(StreamEvent::Readable { id }) if !readable.contains(&id) => readable.push(id),
                    // Means, despite its name, that one stream was reset by the client.
                    Event::AssociationLost { id, .. } => {
                        if let Some(at) = self.channels.iter().position(|channel| channel.id == id) {
                            self.channels.swap_remove(at);
                            self.events.push_back(SctpEvent::Closed { id });
                        }
                    }
                    _ => {}
                }
            }
        }
        if let Some(handle) = connected
            && self.handshake.connected(handle)
        {
            self.associations.retain(|(known, _)| *known == handle);
            if let Some((_, association)) = self.associations.first() {
                readable.extend(association.stream_ids());
            }
        }
        if self.handshake.in_use().is_some() {
            for id in readable {
                self.read_stream(now, id);
            }
            if self.associations.first().is_some_and(|(_, association)| association.is_closed()) {
                self.lose();
            }
        }
    }

    /// The association ended or broke the rules: its channels are closed, and none will open again.
    fn lose(&mut self) {
        self.associations.clear();
        self.events.extend(self.channels.drain(..).map(|channel| SctpEvent::Closed { id: channel.id }));
    }

    fn association(&mut self) -> Option<&mut Association> {
        self.handshake.in_use()?;
        self.associations.first_mut().map(|(_, association)| association)
    }

    fn read_stream(&mut self, now: Instant, id: u16) {
        loop {
            let Some(mut stream) = self.association().and_then(|association| association.stream(id).ok()) else {
                return;
            };
            let Ok(Some(chunks)) = stream.read_sctp() else { break };
            let accepted = match chunks.to_payload(MAX_MESSAGE) {
                Ok(payload) if self.events.len() < MAX_EVENTS => self.accept(id, chunks.ppi, payload),
                _ => false,
            };
            if !accepted {
                self.close_channel(now, id);
                return;
            }
            self.flush_channel(now, id);
        }
    }

    /// Takes one message. `false` if it breaks the rules and its channel must be closed.
    fn accept(&mut self, id: u16, ppi: PayloadProtocolIdentifier, payload: BytesMut) -> bool {
        let Some(channel) = self.channels.iter_mut().find(|channel| channel.id == id) else {
            return self.accept_channel(id, ppi, &payload);
        };
        let message = DataChannelMessage { association_handle: 0, stream_id: id, ppi, payload, ..Default::default() };
        if channel.data.handle_read(message).is_err() {
            return false;
        }
        if !channel.open && channel.data.is_handshake_complete() {
            channel.open = true;
            self.events.push_back(SctpEvent::Opened { id, label: channel.data.config().label.clone() });
        }
        while let Some(message) = channel.data.poll_read() {
            use PayloadProtocolIdentifier::{Binary, BinaryEmpty, String, StringEmpty};
            let data = match message.ppi {
                String | Binary => message.payload.freeze(),
                StringEmpty | BinaryEmpty => Bytes::new(),
                _ => return false,
            };
            let text = matches!(message.ppi, String | StringEmpty);
            self.events.push_back(SctpEvent::Message { id, text, data });
        }
        true
    }

    /// The first message on a stream must be DATA_CHANNEL_OPEN.
    fn accept_channel(&mut self, id: u16, ppi: PayloadProtocolIdentifier, payload: &[u8]) -> bool {
        if self.channels.len() >= MAX_CHANNELS {
            return false;
        }
        let Ok(data) = DataChannel::accept(DataChannelConfig::default(), 0, id, ppi, payload) else {
            return false;
        };
        self.set_reliability(id, data.config());
        self.events.push_back(SctpEvent::Opened { id, label: data.config().label.clone() });
        self.channels.push(Channel { id, data, open: true });
        true
    }

    fn set_reliability(&mut self, id: u16, config: &DataChannelConfig) {
        let (unordered, reliability) = DataChannel::get_reliability_params(config.channel_type);
        let parameter = config.reliability_parameter;
        if let Some(mut stream) = self.association().and_then(|association| association.stream(id).ok()) {
            let _ = stream.set_reliability_params(unordered, reliability, parameter);
        }
    }

    /// Hands what a channel wants to send to its stream.
    fn flush_channel(&mut self, now: Instant, id: u16) {
        let Some(at) = self.channels.iter().position(|channel| channel.id == id) else { return };
        while let Some(message) = self.channels.get_mut(at).and_then(|channel| channel.data.poll_write()) {
            if let Some(mut stream) = self.association().and_then(|association| association.stream(id).ok()) {
                // A stream that was just reset refuses; its closing is on its way as an event.
                let _ = stream.write_chunk_with_ppi(now, &message.payload.freeze(), message.ppi);
            }
        }
    }

    /// Resets the stream (RFC 8831 section 6.7). `DataChannel::close` would send a message that no RFC knows.
    pub(super) fn close_channel(&mut self, now: Instant, id: u16) {
        if let Some(mut stream) = self.association().and_then(|association| association.stream(id).ok()) {
            let _ = stream.close(now);
        }
        if let Some(at) = self.channels.iter().position(|channel| channel.id == id) {
            self.channels.swap_remove(at);
            self.events.push_back(SctpEvent::Closed { id });
        }
    }

    /// Opens a channel; it can be used once [`SctpEvent::Opened`] names it.
    pub(super) fn open_channel(
        &mut self,
        now: Instant,
        label: &str,
        ordered: bool,
        reliable: bool,
    ) -> Result<u16, ChannelError> {
        if self.channels.len() >= MAX_CHANNELS {
            return Err(ChannelError::Full);
        }
        let retransmits = (!reliable).then_some(0);
        let (channel_type, reliability_parameter) =
            DataChannel::get_channel_type_and_reliability_parameter(ordered, retransmits, None);
        let config =
            DataChannelConfig { label: label.to_owned(), channel_type, reliability_parameter, ..Default::default() };
        let taken: Vec<u16> = self.channels.iter().map(|channel| channel.id).collect();
        let mut ids = (self.parity..STREAMS).step_by(2);
        let id = ids.find(|id| !taken.contains(id)).ok_or(ChannelError::Full)?;
        let association = self.association().ok_or(ChannelError::NotOpen)?;
        association.open_stream(id, PayloadProtocolIdentifier::Unknown).map_err(|_| ChannelError::NotOpen)?;
        self.set_reliability(id, &config);
        let data = DataChannel::dial(config, 0, id).map_err(|_| ChannelError::NotOpen)?;
        self.channels.push(Channel { id, data, open: false });
        self.flush_channel(now, id);
        Ok(id)
    }

    /// The open channel of that label.
    pub(super) fn channel(&self, label: &str) -> Option<u16> {
        self.channels.iter().find(|channel| channel.open && channel.data.config().label == label).map(|c| c.id)
    }

    /// Sends one message.
    pub(super) fn send(&mut self, now: Instant, id: u16, text: bool, message: &[u8]) -> Result<(), ChannelError> {
        if message.len() > self.largest_message {
            return Err(ChannelError::TooLarge);
        }
        if !self.channels.iter().any(|channel| channel.id == id && channel.open) {
            return Err(ChannelError::NotOpen);
        }
        if self.buffered() + message.len() > SEND_BUFFER {
            return Err(ChannelError::Full);
        }
        let message = DataChannel::get_data_channel_message(text, BytesMut::from(message));
        let association = self.association().ok_or(ChannelError::NotOpen)?;
        let mut stream = association.stream(id).map_err(|_| ChannelError::NotOpen)?;
        stream.write_chunk_with_ppi(now, &message.payload.freeze(), message.ppi).map_err(|_| ChannelError::NotOpen)?;
        Ok(())
    }

    /// Bytes sent or waiting that the client has not acknowledged.
    fn buffered(&mut self) -> usize {
        let ids: Vec<u16> = self.channels.iter().map(|channel| channel.id).collect();
        let Some(association) = self.association() else { return 0 };
        ids.into_iter().filter_map(|id| association.stream(id).ok()?.buffered_amount().ok()).sum()
    }

    pub(super) fn poll_event(&mut self) -> Option<SctpEvent> {
        self.events.pop_front()
    }

    /// Hands every packet that is due to `send`.
    pub(super) fn poll_transmit(&mut self, now: Instant, mut send: impl FnMut(&[u8])) {
        if let Some(packet) = self.handshake.poll_repeat(now) {
            send(&packet);
        }
        for (handle, association) in &mut self.associations {
            while let Some(transmit) = association.poll_transmit(now) {
                let Payload::RawEncode(packets) = transmit.message else { continue };
                for packet in packets {
                    match Chunk::first_of(&packet) {
                        Some(Chunk::Sack { window: 0 }) => self.window_full = true,
                        Some(Chunk::Sack { .. }) => (self.window_full, self.beyond_window) = (false, 0),
                        _ => {}
                    }
                    self.handshake.on_transmit(now, *handle, &packet);
                    send(&packet);
                }
            }
        }
        if let Some(chosen) = self.handshake.committed() {
            self.associations.retain(|(handle, _)| *handle == chosen);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let timers = self.associations.iter().filter_map(|(_, association)| association.poll_timeout());
        timers.chain(self.handshake.poll_timeout()).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.handshake.must_open(now)
            && let Ok((handle, association)) = self.endpoint.connect(now, configs().client.clone(), REMOTE)
        {
            self.handshake.opened(handle);
            self.associations.push((handle, association));
        }
        for (_, association) in &mut self.associations {
            if association.poll_timeout().is_some_and(|at| now >= at) {
                association.handle_timeout(now);
            }
        }
        self.pump(now);
    }
}

#[cfg(test)]
mod tests;
