//! How one room does at a moment: what is sent and received by whom, and how well it gets through.
//!
//! It is put together when [`Command::ReadRoom`](crate::command::Command::ReadRoom) asks, from counters that stand beside each
//! stream. Rates and fractions are those of the latest second or so, in which the reports were written.

use crate::command::{MediaKind, Rid, Source};
use crate::formats::FormatId;
use crate::ids::{ParticipantId, TrackId};
use crate::path::Protocol;
use crate::quality::Quality;
use std::time::Duration;

/// Subscriptions that one reading lists: all of a room of 85 people who receive as much as they may, in about a millisecond.
/// In a larger room each participant has an equal share, and what is left out is counted.
pub const MAX_LISTED_SUBSCRIPTIONS: usize = 8192;

/// A room at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoomStats {
    /// Who is in it; nobody where the shard has no such room.
    pub participants: Vec<ParticipantStats>,
    /// Tracks of the room's other shards, and how many receive each here.
    pub mirrors: Vec<(TrackId, usize)>,
}

/// One participant.
#[derive(Clone, Debug, PartialEq)]
pub struct ParticipantStats {
    /// Who.
    pub participant: ParticipantId,
    /// Its connection.
    pub transport: TransportStats,
    /// How good that is.
    pub quality: Quality,
    /// What it sends.
    pub publications: Vec<PublicationStats>,
    /// What it receives, or is to receive.
    pub subscriptions: Vec<SubscriptionStats>,
    /// How many more subscriptions it has: see [`MAX_LISTED_SUBSCRIPTIONS`].
    pub subscriptions_left_out: usize,
}

/// The media connection of a participant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TransportStats {
    /// How long it has been up; `None` before that.
    pub connected_for: Option<Duration>,
    /// What it runs over at present.
    pub protocol: Option<Protocol>,
    /// Smoothed round-trip time; `None` before the first measurement, which needs something that it receives.
    pub rtt: Option<Duration>,
    /// What its path carries of video, in bits per second, as far as is known.
    pub estimate_bps: Option<u64>,
}

/// A published track.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicationStats {
    /// The track.
    pub track: TrackId,
    /// Audio or video.
    pub kind: MediaKind,
    /// What it shows.
    pub source: Source,
    /// Whether it is muted, by its publisher or by a host.
    pub muted: bool,
    /// How many receive it.
    pub subscribers: usize,
    /// Its RTP streams, the lowest quality first; one without simulcast.
    pub encodings: Vec<EncodingStats>,
}

/// One RTP stream of a published track, as it arrives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EncodingStats {
    /// Its name in simulcast.
    pub rid: Option<Rid>,
    /// Of the latest packet.
    pub format: Option<FormatId>,
    /// Whether something came of it lately.
    pub is_alive: bool,
    /// What came, each packet once, repaired ones included.
    pub traffic: TrafficStats,
    /// How much the network lost, before repair; `None` before the first report on it.
    pub reception: Option<ReceptionQuality>,
    /// Packets asked for again; a packet counts each time.
    pub nacked_packets: u64,
    /// Key frames asked for.
    pub keyframe_requests: u64,
}

/// A track that a participant receives, or is to receive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SubscriptionStats {
    /// The track.
    pub track: TrackId,
    /// Who publishes it.
    pub publisher: ParticipantId,
    /// How far it is.
    pub state: SubscriptionState,
    /// As which it is forwarded: Opus, where the client does not take the RED that is published.
    pub format: Option<FormatId>,
    /// The simulcast encoding that is forwarded.
    pub rid: Option<Rid>,
    /// What was sent, without what was sent again.
    pub traffic: TrafficStats,
    /// What the client's latest receiver report says of it; `None` before the first.
    pub reception: Option<ReceptionQuality>,
    /// Packets that the client asked for again; a packet counts each time.
    pub nacked_packets: u64,
    /// Packets that were sent again.
    pub resent_packets: u64,
}

/// How far a subscription is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionState {
    /// Its m-line is being negotiated, or the client has switched it off.
    Negotiating,
    /// There is nothing to forward yet: nothing is sent, or a key frame is awaited.
    Waiting,
    /// Packets are forwarded as they come.
    Forwarding,
    /// The client does not show it, and is not sent it.
    Hidden,
    /// It is a microphone that is not among the loudest of a large room.
    Unheard,
    /// The subscriber's path does not carry it beside what is more important.
    Paused,
    /// The client cannot decode what is published.
    Unsupported,
}

/// What has passed on a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficStats {
    /// RTP packets.
    pub packets: u64,
    /// Their bytes with RTP headers, without SRTP's tag.
    pub bytes: u64,
    /// Their bits a second, lately.
    pub bitrate_bps: u64,
    /// Frames a second, lately: ends of frames, which only video marks (RTP's marker bit).
    pub frames_per_second: u64,
}

/// How well a stream got through, as its receiver saw it (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReceptionQuality {
    /// 0 to 1, of the latest report's interval.
    pub loss_fraction: f32,
    /// Interarrival jitter.
    pub jitter: Duration,
}

impl ReceptionQuality {
    /// What a report block says of a stream whose timestamps count `clock_rate` Hz.
    #[must_use]
    pub fn new(fraction_lost: u8, jitter: u32, clock_rate: u32) -> Self {
        let jitter = Duration::from_secs(1).mul_f64(f64::from(jitter) / f64::from(clock_rate.max(1)));
        Self { loss_fraction: f32::from(fraction_lost) / 256.0, jitter }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_block_is_read_in_its_units() {
        let quality = ReceptionQuality::new(64, 4_500, 90_000);
        assert_eq!((quality.loss_fraction, quality.jitter), (0.25, Duration::from_millis(50)));
        assert!(
            ReceptionQuality::new(255, u32::MAX, 0).jitter > Duration::from_secs(3600),
            "nothing is divided by zero"
        );
    }
}
