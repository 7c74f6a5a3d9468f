//! The way into webrtc-rs's SRTP: an interceptor that takes what was decrypted and hands in what is to be encrypted.
//!
//! A PeerConnection of webrtc-rs knows streams only by what was negotiated, forgets them at renegotiations, and keeps
//! RTCP to itself. Behind the tap none of that matters: what the SRTP context took is told, whatever its SSRC.

use rtc::interceptor::{AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::sansio::Protocol;
use rtc::shared::TransportContext;
use rtc::shared::error::Error;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What passes between a connection and its owner. Both live in one thread: the lock is never contended, and is there
/// because webrtc-rs wants interceptors that could be shared.
#[derive(Clone, Default)]
pub struct Tap(Arc<Mutex<Flow>>);

#[derive(Default)]
struct Flow {
    arrived: VecDeque<Packet>,
    departing: VecDeque<(Instant, Packet)>,
}

impl Tap {
    /// The next decrypted packet.
    pub fn take(&self) -> Option<Packet> {
        self.with(|flow| flow.arrived.pop_front())
    }

    /// Hands in a packet to be encrypted; the connection's `poll_write` brings the datagram.
    pub fn send(&self, now: Instant, packet: Packet) {
        self.with(|flow| flow.departing.push_back((now, packet)));
    }

    /// The interceptor that belongs into the connection.
    #[must_use]
    pub fn interceptor(&self) -> TapInterceptor {
        TapInterceptor { tap: self.clone(), passing: VecDeque::new() }
    }

    fn with<T>(&self, action: impl FnOnce(&mut Flow) -> T) -> T {
        action(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The side of a [`Tap`] inside the connection.
pub struct TapInterceptor {
    tap: Tap,
    passing: VecDeque<TaggedPacket>,
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for TapInterceptor {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    /// What arrives ends here.
    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.tap.with(|flow| flow.arrived.push_back(packet.message.packet));
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        None
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.passing.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        if let Some(packet) = self.passing.pop_front() {
            return Some(packet);
        }
        let (now, packet) = self.tap.with(|flow| flow.departing.pop_front())?;
        // The ICE agent puts in the addresses of the selected pair.
        Some(TaggedPacket { now, transport: TransportContext::default(), message: AttributedPacket::from(packet) })
    }

    fn handle_timeout(&mut self, _now: Instant) -> Result<(), Error> {
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        None
    }
}

impl Interceptor for TapInterceptor {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
