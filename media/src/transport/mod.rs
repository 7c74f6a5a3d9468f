//! One participant's transport: ICE-lite, DTLS, SRTP and SCTP, composed from webrtc-rs's protocol crates.
//!
//! [`Transport`] owns the state of all four and nothing else; the shard owns the map from 4-tuples and user fragments to
//! transports and keeps it by [`TransportEvent::PathAdded`] and [`TransportEvent::PathRemoved`]. Datagrams come in through
//! the `handle_*` and `unprotect_*` functions, which [`demux::classify`] chooses between, and go out through the
//! [`Outbox`], always along the selected path (answers to checks: along the path they came by).
//!
//! What always holds: nothing is learned from, and nothing but a refusal is caused by, a datagram that ICE, DTLS or SRTP
//! has not authenticated; everything that a client can make grow has a bound beside its constant; after
//! [`TransportEvent::Closed`] nothing more is sent or accepted.
//!
//! After each call that takes `now`, poll the events and then the next deadline.

mod crypto;
pub mod demux;
mod dtls;
pub mod framing;
mod ice;
mod identity;
mod records;
mod sctp;
mod srtp;
mod srtp_fallback;
mod srtp_session;
pub mod stun;
#[cfg(test)]
pub(crate) mod test_client;
#[cfg(test)]
mod tests;

use crate::cache::prefetch;
use crate::command::CloseReason;
use crate::drop_reason::DropReason;
use crate::outbox::Outbox;
use crate::path::{Path, Protocol};
use bytes::Bytes;
pub use dtls::HANDSHAKE_TIMEOUT;
use dtls::{Dtls, DtlsEvent};
use ice::IceLite;
pub use ice::{CONSENT, IceCredentials, MAX_PATHS};
pub use identity::{Identity, IdentityError};
pub use sctp::{ChannelError, MAX_CHANNELS, MAX_MESSAGE, SEND_BUFFER};
use sctp::{Sctp, SctpEvent};
pub(crate) use srtp::sealing;
pub use srtp::srtcp::OVERHEAD as SRTCP_OVERHEAD;
pub use srtp::{MAX_SSRCS, TAG as SRTP_TAG};
use srtp_session::SrtpSession;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// What the protocol crates take for the client's address. It is constant, so that a change of path concerns ICE alone.
const REMOTE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

/// What a session description says of the client's transport.
#[derive(Clone, Debug)]
pub struct RemoteTransport {
    /// The client's user fragment.
    pub ufrag: String,
    /// The client's password. An ICE-lite agent sends no checks and has no use for it.
    pub pwd: String,
    /// SHA-256 fingerprints of certificates that the client may present, in hexadecimal with colons, of either case.
    pub fingerprints: Vec<String>,
    /// This side is the DTLS client: the answer said `setup:active` on our side.
    pub dtls_client: bool,
    /// An `m=application` section is negotiated.
    pub data: bool,
    /// The client's `a=max-message-size` in bytes; 0 means no limit, absent means 65,536 (RFC 8841 section 6).
    pub max_message_size: usize,
}

/// What a transport tells its shard.
#[derive(Debug, PartialEq, Eq)]
pub enum TransportEvent {
    /// Datagrams from this path belong to this participant from now on.
    PathAdded(Path),
    /// And from now on no longer.
    PathRemoved(Path),
    /// DTLS is up: media flows.
    Connected {
        /// Over what.
        protocol: Protocol,
    },
    /// A data channel can be used.
    ChannelOpened {
        /// Its stream.
        id: u16,
        /// Its label.
        label: String,
    },
    /// A data channel was closed by either side.
    ChannelClosed {
        /// Its stream.
        id: u16,
    },
    /// A message arrived on a data channel.
    Message {
        /// The channel's stream.
        id: u16,
        /// Whether it was sent as text; not yet validated as UTF-8.
        text: bool,
        /// The message.
        data: Bytes,
    },
    /// The transport ended. Nothing follows but the paths' removal, which precedes this.
    Closed(CloseReason),
}

/// What exists once the client's description is known.
struct Session {
    dtls: Dtls,
    sctp: Option<Sctp>,
    srtp: Option<SrtpSession>,
}

/// See the module's text.
pub struct Transport {
    identity: Arc<Identity>,
    slot: u32,
    ice: IceLite,
    session: Option<Session>,
    connected: bool,
    closed: bool,
    events: VecDeque<TransportEvent>,
    /// Kept for its memory.
    dtls_events: Vec<DtlsEvent>,
}

impl Transport {
    /// A transport that waits for [`Self::set_remote`]. `slot` is the participant's run in the [`Outbox`].
    #[must_use]
    pub fn new(identity: Arc<Identity>, local: IceCredentials, slot: u32) -> Self {
        Self {
            identity,
            slot,
            ice: IceLite::new(local),
            session: None,
            connected: false,
            closed: false,
            events: VecDeque::new(),
            dtls_events: Vec::new(),
        }
    }

    /// Learns the client's side from its first description; later ones change nothing but through
    /// [`Self::restart_ice`] and [`Self::enable_data`].
    pub fn set_remote(&mut self, now: Instant, remote: &RemoteTransport) {
        if self.session.is_some() || self.closed {
            return;
        }
        self.ice.set_remote(now, &remote.ufrag);
        let dtls = Dtls::new(Arc::clone(&self.identity), remote.dtls_client, remote.fingerprints.clone());
        let sctp = remote.data.then(|| Sctp::new(remote.dtls_client, remote.max_message_size));
        self.session = Some(Session { dtls, sctp, srtp: None });
    }

    /// A later description added the `m=application` section. A no-op when there is one.
    pub fn enable_data(&mut self, now: Instant, max_message_size: usize, outbox: &mut Outbox) {
        let Some(session) = &mut self.session else { return };
        if session.sctp.is_none() {
            let mut sctp = Sctp::new(session.dtls.is_client(), max_message_size);
            if session.dtls.is_up() {
                sctp.start(now);
            }
            session.sctp = Some(sctp);
            self.flush(now, outbox);
        }
    }

    /// Changes both sides' ICE credentials. Learned paths keep carrying media until a new nomination.
    pub fn restart_ice(&mut self, local: IceCredentials, remote_ufrag: &str) {
        self.ice.restart(local, remote_ufrag);
    }

    /// This side's ICE credentials.
    #[must_use]
    pub fn local_credentials(&self) -> &IceCredentials {
        self.ice.local()
    }

    /// The path that everything is sent along.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.ice.selected()
    }

    /// When the client was last heard of by a connectivity check.
    #[must_use]
    pub fn heard_at(&self) -> Option<Instant> {
        self.ice.heard_at()
    }

    /// The participant's run in the [`Outbox`].
    pub(crate) fn slot(&self) -> u32 {
        self.slot
    }

    /// Whether DTLS is up and the transport has not ended.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected && !self.closed
    }

    /// Takes a STUN datagram that [`stun::local_ufrag`] says is this participant's.
    ///
    /// # Errors
    /// Why it was dropped.
    pub fn handle_stun(
        &mut self,
        now: Instant,
        path: &Path,
        datagram: &[u8],
        outbox: &mut Outbox,
    ) -> Result<(), DropReason> {
        if self.closed {
            return Err(DropReason::NotConnected);
        }
        let checked = self.ice.handle(now, path, datagram, self.identity.crypto())?;
        self.events.extend(checked.evicted.map(TransportEvent::PathRemoved));
        if checked.added {
            self.events.push_back(TransportEvent::PathAdded(*path));
        }
        let sent = outbox.push(self.slot, path, &checked.answer);
        // Once DTLS is up it has nothing to say to a check.
        if !self.connected {
            if self.ice.selected().is_some()
                && let Some(session) = &mut self.session
            {
                session.dtls.start(now);
            }
            self.flush(now, outbox);
        }
        if sent { Ok(()) } else { Err(DropReason::OutboxFull) }
    }

    /// Takes a DTLS datagram.
    ///
    /// # Errors
    /// Why it was dropped.
    pub fn handle_dtls(
        &mut self,
        now: Instant,
        path: &Path,
        datagram: &[u8],
        outbox: &mut Outbox,
    ) -> Result<(), DropReason> {
        self.check_path(path)?;
        let Some(session) = &mut self.session else { return Err(DropReason::UnexpectedDtls) };
        let mut events = std::mem::take(&mut self.dtls_events);
        let result = session.dtls.read(now, datagram, &mut events);
        for event in events.drain(..) {
            self.on_dtls(now, event);
        }
        self.dtls_events = events;
        self.flush(now, outbox);
        result
    }

    fn on_dtls(&mut self, now: Instant, event: DtlsEvent) {
        let Some(session) = &mut self.session else { return };
        match event {
            DtlsEvent::Connected(keys) => {
                if let Some(keys) = keys {
                    session.srtp = SrtpSession::new(&self.identity, &keys);
                }
                if let Some(sctp) = &mut session.sctp {
                    sctp.start(now);
                }
                self.connected = true;
                if let Some(path) = self.ice.selected() {
                    self.events.push_back(TransportEvent::Connected { protocol: path.protocol });
                }
            }
            DtlsEvent::Data(data) => {
                if let Some(sctp) = &mut session.sctp {
                    sctp.read(now, data);
                }
            }
            DtlsEvent::Closed(reason) => self.end(reason),
        }
    }

    /// Decrypts an RTP packet in place and returns its new length. Allocates nothing with AES-GCM, except for a stream's
    /// first packet. After an error the packet holds rubbish.
    ///
    /// # Errors
    /// Why it was dropped.
    pub fn unprotect_rtp(&mut self, path: &Path, packet: &mut [u8]) -> Result<usize, DropReason> {
        self.check_path(path)?;
        let srtp = self.session.as_mut().and_then(|session| session.srtp.as_mut());
        srtp.ok_or(DropReason::NotConnected)?.unprotect_rtp(packet)
    }

    /// Decrypts a compound RTCP packet in place and returns its new length. Allocates nothing with AES-GCM, except for a stream's first
    /// packet. After an error the packet holds rubbish.
    ///
    /// # Errors
    /// Why it was dropped.
    pub fn unprotect_rtcp(&mut self, path: &Path, packet: &mut [u8]) -> Result<usize, DropReason> {
        self.check_path(path)?;
        let srtp = self.session.as_mut().and_then(|session| session.srtp.as_mut());
        srtp.ok_or(DropReason::NotConnected)?.unprotect_rtcp(packet)
    }

    /// Encrypts the RTP packet `buffer[..len]` in place and returns its new length, at most `len + SRTP_TAG`.
    ///
    /// `index` is the packet's 48-bit extended sequence number, whose lower half is in the packet. It starts below 2^15, so
    /// that the client does not miss the first rollover; no two different packets of an SSRC may have the same one.
    ///
    /// `None` before DTLS is up, and for what is not an RTP packet of that index with room behind it.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], len: usize, index: u64) -> Option<usize> {
        if self.closed {
            return None;
        }
        self.session.as_mut()?.srtp.as_mut()?.protect_rtp(buffer, len, index)
    }

    /// The same for a packet whose payload lies at `payload`, with this SSRC and the sequence number of this index: what has
    /// just been written need not be read again. What is `shared` was not copied into the payload yet; see [`sealing`].
    #[inline]
    pub(crate) fn seal_rtp(
        &mut self,
        buffer: &mut [u8],
        payload: Range<usize>,
        shared: &[u8],
        ssrc: u32,
        index: u64,
    ) -> Option<usize> {
        if self.closed {
            return None;
        }
        self.session.as_mut()?.srtp.as_mut()?.seal_rtp(buffer, payload, shared, ssrc, index)
    }

    /// Asks for what packets are sealed and sent with.
    #[inline]
    pub(crate) fn prefetch_sending(&self) {
        prefetch(&self.slot);
        prefetch(&self.ice);
        if let Some(Session { srtp: Some(srtp), .. }) = &self.session {
            srtp.prefetch_sending();
        }
    }

    /// Asks for what reports are decrypted with.
    #[inline]
    pub(crate) fn prefetch_rtcp(&self) {
        prefetch(&self.ice);
        if let Some(Session { srtp: Some(srtp), .. }) = &self.session {
            srtp.prefetch_rtcp();
        }
    }

    /// Bytes that [`Self::protect_rtp`] adds to a packet.
    #[inline]
    pub(crate) fn rtp_overhead(&self) -> usize {
        self.session.as_ref().and_then(|session| session.srtp.as_ref()).map_or(0, SrtpSession::rtp_overhead)
    }

    /// Encrypts the compound RTCP packet `buffer[..len]` in place and returns its new length, at most `len + `[`SRTCP_OVERHEAD`].
    ///
    /// `None` before DTLS is up, and for what is not an RTCP packet with room behind it.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        if self.closed {
            return None;
        }
        self.session.as_mut()?.srtp.as_mut()?.protect_rtcp(buffer, len)
    }

    /// Forgets a received stream whose publication has ended. At most [`MAX_SSRCS`] are followed at a time.
    pub fn forget_ssrc(&mut self, ssrc: u32) {
        if let Some(srtp) = self.session.as_mut().and_then(|session| session.srtp.as_mut()) {
            srtp.forget_ssrc(ssrc);
        }
    }

    /// Opens a data channel. It can be used once [`TransportEvent::ChannelOpened`] names its id.
    ///
    /// # Errors
    /// When there is no association yet, or too many channels.
    pub fn open_channel(
        &mut self,
        now: Instant,
        label: &str,
        ordered: bool,
        reliable: bool,
        outbox: &mut Outbox,
    ) -> Result<u16, ChannelError> {
        let id = self.sctp()?.open_channel(now, label, ordered, reliable)?;
        self.flush(now, outbox);
        Ok(id)
    }

    /// Closes a data channel; [`TransportEvent::ChannelClosed`] follows.
    pub fn close_channel(&mut self, now: Instant, id: u16, outbox: &mut Outbox) {
        if let Ok(sctp) = self.sctp() {
            sctp.close_channel(now, id);
            self.flush(now, outbox);
        }
    }

    /// The open data channel of that label.
    #[must_use]
    pub fn channel(&self, label: &str) -> Option<u16> {
        self.session.as_ref()?.sctp.as_ref()?.channel(label)
    }

    /// Sends a text message on a data channel.
    ///
    /// # Errors
    /// When the channel is not open, its buffer is full, or the message is too large. Nothing was sent then.
    pub fn send_text(&mut self, now: Instant, id: u16, text: &[u8], outbox: &mut Outbox) -> Result<(), ChannelError> {
        self.sctp()?.send(now, id, true, text)?;
        self.flush(now, outbox);
        Ok(())
    }

    fn sctp(&mut self) -> Result<&mut Sctp, ChannelError> {
        if self.closed {
            return Err(ChannelError::NotOpen);
        }
        self.session.as_mut().and_then(|session| session.sctp.as_mut()).ok_or(ChannelError::NotOpen)
    }

    /// A path has ended, such as a TCP connection that was closed.
    pub fn path_lost(&mut self, path: &Path) {
        if self.ice.remove(path) {
            self.events.push_back(TransportEvent::PathRemoved(*path));
        }
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<TransportEvent> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let dtls = self.session.as_ref().and_then(|session| session.dtls.poll_timeout());
        let sctp = self.session.as_ref().and_then(|session| session.sctp.as_ref()?.poll_timeout());
        [self.ice.poll_timeout(), dtls, sctp].into_iter().flatten().min()
    }

    /// Fires what is due.
    pub fn handle_timeout(&mut self, now: Instant, outbox: &mut Outbox) {
        if self.closed {
            return;
        }
        while let Some(expired) = self.ice.poll_expired(now) {
            self.events.push_back(TransportEvent::PathRemoved(expired));
        }
        if self.ice.is_expired(now) {
            self.end(CloseReason::ConsentExpired);
            return;
        }
        let Some(session) = &mut self.session else { return };
        let closed = session.dtls.handle_timeout(now);
        if let Some(sctp) = &mut session.sctp
            && sctp.poll_timeout().is_some_and(|at| now >= at)
        {
            sctp.handle_timeout(now);
        }
        self.flush(now, outbox);
        if let Some(reason) = closed {
            self.end(reason);
        }
    }

    /// Ends the transport from this side: the client is told, and no [`TransportEvent::Closed`] follows.
    pub fn close(&mut self, now: Instant, outbox: &mut Outbox) {
        if self.closed {
            return;
        }
        if let Some(session) = &mut self.session {
            session.dtls.close(now);
        }
        self.flush(now, outbox);
        self.forget_paths();
        self.closed = true;
    }

    fn end(&mut self, reason: CloseReason) {
        if !self.closed {
            self.forget_paths();
            self.closed = true;
            self.events.push_back(TransportEvent::Closed(reason));
        }
    }

    fn forget_paths(&mut self) {
        self.events.extend(self.ice.paths().map(|path| TransportEvent::PathRemoved(*path)));
    }

    fn check_path(&self, path: &Path) -> Result<(), DropReason> {
        if self.closed {
            return Err(DropReason::NotConnected);
        }
        if !self.ice.is_valid(path) {
            return Err(DropReason::UnvalidatedPath);
        }
        Ok(())
    }

    /// Sends what DTLS and SCTP have to send, and collects the channels' events.
    fn flush(&mut self, now: Instant, outbox: &mut Outbox) {
        let Some(session) = &mut self.session else { return };
        let dtls = &mut session.dtls;
        if let Some(sctp) = &mut session.sctp {
            if dtls.is_up() {
                sctp.poll_transmit(now, |packet| dtls.write(now, packet));
            }
            while let Some(event) = sctp.poll_event() {
                self.events.push_back(match event {
                    SctpEvent::Opened { id, label } => TransportEvent::ChannelOpened { id, label },
                    SctpEvent::Message { id, text, data } => TransportEvent::Message { id, text, data },
                    SctpEvent::Closed { id } => TransportEvent::ChannelClosed { id },
                });
            }
        }
        if let Some(path) = self.ice.selected() {
            while let Some(datagram) = dtls.poll_transmit() {
                // A full outbox is a lossy network: what matters is sent again.
                outbox.push(self.slot, path, &datagram);
            }
        }
    }
}
