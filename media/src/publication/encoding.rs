//! One RTP stream of a publication on its way in: numbers, packet ring, loss repair, key frames, reports.

use crate::command::{MediaKind, Rid};
use crate::drop_reason::DropReason;
use crate::feedback::keyframe::KeyframeRequests;
use crate::feedback::nack::NackGenerator;
use crate::feedback::ntp::NtpTime;
use crate::feedback::reception::ReceptionStats;
use crate::feedback::rtcp::SenderReport;
use crate::feedback::sending::TimestampMapping;
use crate::formats::FormatId;
use crate::rtp::header::RtpHeader;
use crate::rtp::ring::{PacketRing, RingLimits};
use crate::rtp::sequence::SequenceUnwrapper;
use std::time::Instant;

/// What an encoding says of a packet that it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// Extended sequence number.
    pub(crate) sequence: u64,
    /// See [`Encoding::generation`].
    pub(crate) generation: u8,
}

/// See the module's text.
pub(crate) struct Encoding {
    /// Its name in simulcast.
    pub(crate) rid: Option<Rid>,
    pub(crate) ssrc: Option<u32>,
    /// Counts the times its sender started over with other numbers: a new SSRC or codec. Modulo 256.
    pub(crate) generation: u8,
    pub(crate) last_heard: Option<Instant>,
    pub(crate) nack: NackGenerator,
    pub(crate) keyframes: KeyframeRequests,
    pub(crate) reception: Option<ReceptionStats>,
    /// Its timestamps against the server's clock, from its latest sender report.
    pub(crate) mapping: Option<TimestampMapping>,
    format: Option<FormatId>,
    kind: MediaKind,
    sequences: SequenceUnwrapper,
    ring: PacketRing,
}

impl Encoding {
    pub(super) fn new(kind: MediaKind, rid: Option<Rid>) -> Self {
        Self {
            rid,
            ssrc: None,
            generation: 0,
            last_heard: None,
            nack: NackGenerator::default(),
            keyframes: KeyframeRequests::default(),
            reception: None,
            mapping: None,
            format: None,
            kind,
            sequences: SequenceUnwrapper::default(),
            ring: Self::ring(kind),
        }
    }

    fn ring(kind: MediaKind) -> PacketRing {
        PacketRing::new(match kind {
            MediaKind::Audio => RingLimits::AUDIO,
            MediaKind::Video => RingLimits::VIDEO,
        })
    }

    /// Takes a media packet, original or recovered through RTX; `begins` says that a decoder can start with it.
    ///
    /// # Errors
    /// A packet that is here already, or older than the ring remembers.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        header: &RtpHeader,
        packet: &[u8],
        format: FormatId,
        begins: bool,
        recovered: bool,
    ) -> Result<Received, DropReason> {
        if !recovered && (self.ssrc != Some(header.ssrc) || self.format != Some(format)) {
            self.start_over(header.ssrc, format);
        }
        if self.format != Some(format) {
            return Err(DropReason::UnknownSsrc);
        }
        let sequence =
            if recovered { self.sequences.peek(header.sequence) } else { self.sequences.unwrap(header.sequence) };
        if !self.ring.insert(sequence, now, packet) {
            return Err(DropReason::DuplicateRtp);
        }
        if self.kind == MediaKind::Video {
            self.nack.on_packet(now, sequence);
            if self.nack.take_wants_keyframe() {
                self.keyframes.request();
            }
        }
        if !recovered {
            self.last_heard = Some(now);
            if let Some(reception) = &mut self.reception {
                reception.on_packet(now, sequence, header.timestamp);
            }
        }
        if begins && self.kind == MediaKind::Video {
            self.keyframes.on_keyframe();
            self.nack.on_keyframe(sequence);
        }
        Ok(Received { sequence, generation: self.generation })
    }

    /// Other numbers from here on: nothing of before may be mixed with them.
    fn start_over(&mut self, ssrc: u32, format: FormatId) {
        if self.ssrc.is_some() {
            self.generation = self.generation.wrapping_add(1);
        }
        self.ssrc = Some(ssrc);
        self.format = Some(format);
        self.sequences = SequenceUnwrapper::default();
        self.ring = Self::ring(self.kind);
        self.nack = NackGenerator::default();
        self.reception = Some(ReceptionStats::new(format.format().clock_rate));
        self.mapping = None;
    }

    /// A packet of the present generation by the low half of its extended sequence number, with its format.
    pub(crate) fn stored(&self, sequence: u32) -> Option<(&[u8], FormatId)> {
        let highest = self.sequences.highest()?;
        let distance = sequence.wrapping_sub(highest as u32) as i32;
        let packet = self.ring.get(highest.checked_add_signed(i64::from(distance))?)?;
        Some((packet, self.format?))
    }

    /// Asks the publisher for a key frame as soon as the throttle allows.
    pub(crate) fn request_keyframe(&mut self) {
        if self.kind == MediaKind::Video {
            self.keyframes.request();
        }
    }

    /// Takes note of the publisher's sender report, which left at `ntp` by the server's clock.
    pub(crate) fn on_sender_report(&mut self, now: Instant, ntp: NtpTime, report: &SenderReport) {
        self.mapping = self.format.map(|format| TimestampMapping {
            ntp,
            timestamp: report.rtp_timestamp,
            clock_rate: format.format().clock_rate,
        });
        if let Some(reception) = &mut self.reception {
            reception.on_sender_report(now, report.ntp);
        }
    }
}
