//! One RTP stream of a publication on its way in: numbers, packet ring, loss repair, key frames, reports.

use super::cost::{Cost, Shares};
use super::layers::SpatialLayers;
use super::replay::{KEPT_FOR, Keyframe, Replay};
use super::structures::Structures;
use crate::codec::size::picture_size;
use crate::command::{MediaKind, Rid};
use crate::drop_reason::DropReason;
use crate::feedback::keyframe::KeyframeRequests;
use crate::feedback::nack::NackGenerator;
use crate::feedback::ntp::NtpTime;
use crate::feedback::reception::ReceptionStats;
use crate::feedback::rtcp::{ReportBlock, SenderReport};
use crate::feedback::sending::TimestampMapping;
use crate::feedback::traffic::Traffic;
use crate::formats::{Codec, FormatId};
use crate::relay::{RelayedClock, RelayedPacket};
use crate::room_stats::EncodingStats;
use crate::rtp::header::RtpHeader;
use crate::rtp::ring::{PacketRing, RingLimits};
use crate::rtp::sequence::SequenceUnwrapper;
use crate::subscription::{ALIVE_FOR, Picture};
use std::time::{Duration, Instant};

/// Silence after which nobody asks for what was sent before.
const IDLE_AFTER: Duration = Duration::from_secs(3);

/// A key frame's bytes, and those of what may wait behind it for its turn, in time of the encoding's rate.
const KEYFRAME: Duration = Duration::from_millis(300);

/// An encoding of no more than this, in bits per second, is kept for [`KEPT_FOR`] behind a key frame also where nobody receives it: 16 KiB,
/// with which the picture of who has to fall to it goes on at once. Publishers make key frames of all their encodings together, and none
/// again so soon.
const LIGHT_BPS: u64 = 250_000;

/// How much of a voice is forwarded that came before it was known to speak: the soft beginning of a syllable, and what a decoder of
/// Opus needs to be in step (RFC 7845 section 4.6 has 80 ms). It makes the voice later by as much, until the jitter
/// buffer has caught up.
const PREROLL: Duration = Duration::from_millis(160);

/// The same in ticks of its timestamps: all formats of sound count at 48 kHz.
const PREROLL_TICKS: u32 = PREROLL.as_millis() as u32 * 48;

/// As many packets, if they hold 10 ms. A ring that has not grown yet has room for them.
const MAX_PREROLL_PACKETS: u64 = 15;

/// The rate of an encoding that was not measured yet, for the same purpose.
const UNKNOWN_BPS: u64 = 500_000;

/// What an encoding says of a packet that it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// Extended sequence number.
    pub(crate) sequence: u64,
    /// See [`Encoding::generation`].
    pub(crate) generation: u8,
    /// It is the first of its generation.
    pub(crate) first: bool,
}

/// A packet that is still here.
pub(crate) struct Stored<'a> {
    /// Its extended sequence number.
    pub(crate) sequence: u64,
    pub(crate) packet: &'a [u8],
    pub(crate) header: RtpHeader,
    pub(crate) format: FormatId,
}

/// See the module's text.
pub(crate) struct Encoding {
    /// Its name in simulcast.
    pub(crate) rid: Option<Rid>,
    pub(crate) ssrc: Option<u32>,
    /// Counts the times its sender started over with other numbers: a new SSRC. Modulo 256.
    pub(crate) generation: u8,
    pub(crate) last_heard: Option<Instant>,
    /// While it is silenced, the extended sequence number of the first packet that is not forwarded: what was sent before is
    /// still repaired, so that subscribers are left without gaps.
    pub(crate) silent_from: Option<u64>,
    /// What came before that extended sequence number is not forwarded any more: it was, or must not be.
    open_from: u64,
    pub(crate) nack: NackGenerator,
    pub(crate) keyframes: KeyframeRequests,
    pub(crate) reception: Option<ReceptionStats>,
    /// Its timestamps against the server's clock, from its latest sender report.
    pub(crate) mapping: Option<TimestampMapping>,
    /// What was taken of it, over all its generations.
    pub(crate) traffic: Traffic,
    /// Packets asked for again.
    pub(crate) nacked_packets: u64,
    /// Key frames asked for.
    pub(crate) keyframe_requests: u64,
    pub(crate) cost: Cost,
    /// What its temporal layers take of that.
    pub(crate) temporal: Shares,
    /// Its spatial layers.
    pub(crate) spatial: SpatialLayers,
    /// Width and height of the picture, as of the latest key frame.
    pub(crate) size: Option<(u16, u16)>,
    /// Of the latest packet.
    format: Option<FormatId>,
    /// The formats that have come, by payload type: a sender of RED falls back to plain Opus for single packets.
    formats: Vec<(u8, FormatId)>,
    kind: MediaKind,
    sequences: SequenceUnwrapper,
    ring: PacketRing,
    /// The latest of the present generation.
    keyframe: Option<Keyframe>,
    /// What frames of AV1 are read with.
    structures: Structures,
}

/// The bytes that a key frame takes of an encoding of so much, with those of what may wait behind it.
fn bytes_of_keyframe(bitrate_bps: u64) -> usize {
    (bitrate_bps as f64 / 8.0 * KEYFRAME.as_secs_f64()) as usize
}

impl Encoding {
    pub(crate) fn new(kind: MediaKind, rid: Option<Rid>) -> Self {
        Self {
            rid,
            ssrc: None,
            generation: 0,
            last_heard: None,
            silent_from: None,
            open_from: 0,
            nack: NackGenerator::default(),
            keyframes: KeyframeRequests::default(),
            reception: None,
            mapping: None,
            traffic: Traffic::default(),
            nacked_packets: 0,
            keyframe_requests: 0,
            cost: Cost::default(),
            temporal: Shares::default(),
            spatial: SpatialLayers::default(),
            size: None,
            format: None,
            formats: Vec::new(),
            kind,
            sequences: SequenceUnwrapper::default(),
            ring: Self::ring(kind),
            keyframe: None,
            structures: Structures::default(),
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
        let first = !recovered && self.ssrc != Some(header.ssrc);
        if first {
            self.start_over(header.ssrc, format);
        }
        if self.ssrc.is_none() {
            return Err(DropReason::UnknownSsrc);
        }
        let sequence =
            if recovered { self.sequences.peek(header.sequence) } else { self.sequences.unwrap(header.sequence) };
        self.store(now, sequence, header, packet, format, recovered)?;
        if self.kind == MediaKind::Video {
            self.nack.on_packet(now, sequence);
            if self.nack.take_wants_keyframe() {
                self.keyframes.request();
            }
        }
        if !recovered && let Some(reception) = &mut self.reception {
            reception.on_packet(now, sequence, header.timestamp);
        }
        if begins {
            self.note_keyframe(now, sequence, header.timestamp);
        }
        Ok(Received { sequence, generation: self.generation, first })
    }

    /// Takes a packet that another shard relays, under the number that it has there. What is missing here was missing there,
    /// and is asked for there.
    ///
    /// # Errors
    /// Those of [`Self::receive`].
    pub(crate) fn receive_relayed(
        &mut self,
        now: Instant,
        relayed: &RelayedPacket,
        header: &RtpHeader,
        packet: &[u8],
    ) -> Result<Received, DropReason> {
        let RelayedPacket { sequence, generation, format, .. } = *relayed;
        let first = self.adopt(generation, format);
        self.sequences.reach(sequence);
        self.store(now, sequence, header, packet, format, relayed.recovered)?;
        if relayed.begins {
            self.note_keyframe(now, sequence, header.timestamp);
        }
        Ok(Received { sequence, generation, first })
    }

    /// Keeps a packet, and notes what it shows of the stream.
    fn store(
        &mut self,
        now: Instant,
        sequence: u64,
        header: &RtpHeader,
        packet: &[u8],
        format: FormatId,
        recovered: bool,
    ) -> Result<(), DropReason> {
        if !self.ring.insert(sequence, now, packet) {
            return Err(DropReason::DuplicateRtp);
        }
        self.traffic.on_packet(packet.len(), header.marker && self.kind == MediaKind::Video);
        self.format = Some(format);
        if !self.formats.contains(&(header.payload_type, format)) {
            self.formats.push((header.payload_type, format));
        }
        if !recovered {
            self.last_heard = Some(now);
        }
        Ok(())
    }

    /// A key frame begins: nobody has to ask for one, and who comes soon can begin with it.
    fn note_keyframe(&mut self, now: Instant, sequence: u64, timestamp: u32) {
        if self.kind != MediaKind::Video {
            return;
        }
        self.keyframes.on_keyframe();
        let known = self.keyframe.filter(|known| known.precedes(sequence, timestamp));
        self.keyframe = known.or(Some(Keyframe { sequence, timestamp, at: now }));
        self.keep_picture();
    }

    /// Sees to it that the ring keeps what a picture can begin with.
    fn keep_picture(&mut self) {
        match self.cost.measured_bps() {
            Some(bitrate_bps @ ..=LIGHT_BPS) => self.ring.prepare(KEPT_FOR, bytes_of_keyframe(bitrate_bps)),
            _ => self.ring.extend_history(KEPT_FOR),
        }
    }

    /// What a picture can begin with that is here already, where the latest key frame is young and nothing behind it is missing.
    pub(crate) fn replay(&self, now: Instant) -> Option<Replay> {
        let keyframe = self.keyframe.filter(|keyframe| keyframe.is_young(now))?;
        Replay::of(&self.ring, &keyframe, self.sequences.highest()?)
    }

    /// Follows the generations of the encoding that this one mirrors; whether another one begins.
    fn adopt(&mut self, generation: u8, format: FormatId) -> bool {
        let is_known = self.ssrc.is_some() && self.generation == generation;
        if !is_known {
            // A mirror speaks to nobody who would have to be told an SSRC.
            self.start_over(0, format);
            self.generation = generation;
        }
        !is_known
    }

    /// Takes what another shard relays of a sender report, whose time was `ntp` by this shard's clock.
    pub(crate) fn on_relayed_clock(&mut self, ntp: NtpTime, clock: &RelayedClock) {
        self.adopt(clock.generation, clock.format);
        let clock_rate = clock.format.format().clock_rate;
        self.mapping = Some(TimestampMapping { ntp, timestamp: clock.timestamp, clock_rate });
    }

    /// How long its packets are of use to those who receive it. After [`IDLE_AFTER`] without any they are to none.
    pub(crate) fn set_history(&mut self, now: Instant, history: Duration) {
        self.ring.set_history(history);
        if self.keyframe.is_some_and(|keyframe| keyframe.is_young(now)) {
            self.keep_picture();
        }
        let is_idle = self.last_heard.is_none_or(|at| now.saturating_duration_since(at) >= IDLE_AFTER);
        let shrinks = self.ring.is_of_no_use() && self.ring.has_grown();
        if (is_idle && self.ring.memory() > 0) || shrinks {
            self.ring.release(self.sequences.highest().unwrap_or(0));
            // What is missing of before would not be taken any more.
            self.nack = NackGenerator::default();
        }
    }

    /// What numbers the picture of a packet that it took. Takes note of what the packet shows of layers and of the size of the picture; `begins`
    /// says that a key frame begins.
    #[inline]
    pub(crate) fn note_picture(
        &mut self,
        sequence: u64,
        codec: Codec,
        (header, packet): (&RtpHeader, &[u8]),
        descriptor: Option<&[u8]>,
        begins: bool,
    ) -> Option<Picture> {
        let payload = header.payload(packet);
        let is_newest = self.sequences.highest() == Some(sequence);
        if let Some(value) = descriptor.filter(|_| codec == Codec::Av1)
            && self.structures.on_packet(sequence, header.timestamp, is_newest, value)
        {
            self.spatial = SpatialLayers::default();
        }
        let structure = self.structures.of(sequence);
        let picture = Picture::read(codec, payload, descriptor, structure);
        if self.kind == MediaKind::Video {
            let tier = picture.and_then(|picture| picture.tier);
            self.temporal.on_packet(tier.map(|tier| tier.temporal), packet.len());
            if let Some(tier) = tier.filter(|tier| !tier.closes_up) {
                self.spatial.on_packet(tier, packet.len());
                match codec {
                    Codec::Vp9 if tier.begins => self.spatial.read_vp9(payload),
                    Codec::Av1 if tier.begins && is_newest => self.spatial.read_av1(structure, descriptor),
                    _ => {}
                }
            }
            if begins {
                self.size = picture_size(codec, payload, descriptor).or(self.size);
            }
        }
        picture
    }

    /// What numbers the picture of a packet that it has stored.
    pub(crate) fn picture(&self, stored: &Stored<'_>, descriptor: Option<&[u8]>) -> Option<Picture> {
        let Stored { sequence, packet, header, format } = stored;
        Picture::read(format.format().codec, header.payload(packet), descriptor, self.structures.of(*sequence))
    }

    /// How many spatial layers its pictures have.
    pub(crate) fn spatial_layers(&self) -> u8 {
        self.spatial.count() as u8
    }

    /// Ends an interval of its cost, as the encoding `index` of `count`.
    pub(crate) fn measure(&mut self, now: Instant, index: usize, count: usize) {
        let stats = self.traffic.stats();
        self.cost.measure(now, (stats.packets, stats.bytes), index, count);
        self.temporal.measure();
        self.spatial.measure();
    }

    /// Bytes that its ring holds.
    #[cfg(test)]
    pub(crate) fn ring_memory(&self) -> usize {
        self.ring.memory()
    }

    /// Other numbers from here on: nothing of before may be mixed with them.
    fn start_over(&mut self, ssrc: u32, format: FormatId) {
        if self.ssrc.is_some() {
            self.generation = self.generation.wrapping_add(1);
        }
        self.ssrc = Some(ssrc);
        self.formats.clear();
        self.sequences = SequenceUnwrapper::default();
        self.ring = Self::ring(self.kind);
        self.keyframe = None;
        self.nack = NackGenerator::default();
        self.reception = Some(ReceptionStats::new(format.format().clock_rate));
        self.mapping = None;
        self.silent_from = self.silent_from.map(|_| 0);
        self.open_from = 0;
        self.spatial = SpatialLayers::default();
        self.structures = Structures::default();
    }

    /// What its packets are encoded in, once there are any: the latest that came up, and RED whatever single packets fall back to.
    pub(crate) fn codec(&self) -> Option<Codec> {
        let codecs = self.formats.iter().map(|(_, format)| format.format().codec);
        codecs.reduce(|earlier, codec| if earlier == Codec::Red { earlier } else { codec })
    }

    /// Forwards nothing that is sent from now on.
    pub(super) fn silence(&mut self) {
        self.silent_from.get_or_insert(self.sequences.highest().map_or(0, |highest| highest + 1));
    }

    /// Ends that; what came meanwhile is never forwarded.
    pub(super) fn end_silence(&mut self) {
        if self.silent_from.take().is_some() {
            self.end_turn();
        }
    }

    /// A voice is not heard any more: what has come of it until now is not to be heard when it is again.
    pub(crate) fn end_turn(&mut self) {
        self.open_from = self.sequences.highest().map_or(0, |highest| highest + 1);
    }

    /// What came before that extended sequence number is not to be heard any more.
    pub(crate) fn open_from(&self) -> u64 {
        self.open_from
    }

    /// What came just before a packet of sound, the oldest first: see [`PREROLL`]. What came before the last turn ended is left out.
    pub(crate) fn preroll(&self, sequence: u64) -> impl Iterator<Item = Stored<'_>> {
        let timestamp = self.stored_at(sequence).map(|stored| stored.header.timestamp);
        let first = sequence.saturating_sub(MAX_PREROLL_PACKETS).max(self.open_from);
        let is_recent = move |stored: &Stored<'_>| {
            timestamp.is_some_and(|timestamp| timestamp.wrapping_sub(stored.header.timestamp) <= PREROLL_TICKS)
        };
        (first..sequence).filter_map(|sequence| self.stored_at(sequence)).filter(is_recent)
    }

    /// A packet of the present generation by the low half of its extended sequence number.
    pub(crate) fn stored(&self, sequence: u32) -> Option<Stored<'_>> {
        let highest = self.sequences.highest()?;
        let distance = sequence.wrapping_sub(highest as u32) as i32;
        self.stored_at(highest.checked_add_signed(i64::from(distance))?)
    }

    /// The packets of the present generation behind that extended sequence number, as far as they have come.
    pub(crate) fn stored_behind(&self, sequence: u64) -> impl Iterator<Item = (u64, Stored<'_>)> {
        let end = self.sequences.highest().unwrap_or(sequence);
        (sequence + 1..=end).filter_map(|sequence| Some((sequence, self.stored_at(sequence)?)))
    }

    /// A packet of the present generation by its extended sequence number.
    pub(crate) fn stored_at(&self, sequence: u64) -> Option<Stored<'_>> {
        let packet = self.ring.get(sequence)?;
        let header = RtpHeader::parse(packet)?;
        let format = self.formats.iter().find(|(payload_type, _)| *payload_type == header.payload_type)?.1;
        Some(Stored { sequence, packet, header, format })
    }

    /// Asks the publisher for a key frame as soon as the throttle allows. Whoever wants it will receive what follows it.
    pub(crate) fn request_keyframe(&mut self) {
        if self.kind == MediaKind::Video {
            self.keyframes.request();
            let bytes = bytes_of_keyframe(self.cost.measured_bps().unwrap_or(UNKNOWN_BPS));
            self.ring.prepare(RingLimits::USUAL, bytes);
        }
    }

    /// The block for the next receiver report, which ends an interval of the rates; `None` before the first packet.
    pub(crate) fn report(&mut self, now: Instant) -> Option<ReportBlock> {
        self.traffic.turn(now);
        self.reception.as_mut()?.report(now, self.ssrc?)
    }

    /// Whether it is sent at present.
    pub(crate) fn is_alive(&self, now: Instant) -> bool {
        self.last_heard.is_some_and(|at| now.saturating_duration_since(at) < ALIVE_FOR)
    }

    /// Of the latest packet.
    pub(crate) fn format(&self) -> Option<FormatId> {
        self.format
    }

    /// A snapshot of its counters.
    pub(crate) fn stats(&self, now: Instant) -> EncodingStats {
        EncodingStats {
            rid: self.rid,
            format: self.format,
            is_alive: self.is_alive(now),
            traffic: self.traffic.stats(),
            reception: self.reception.as_ref().and_then(ReceptionStats::quality),
            nacked_packets: self.nacked_packets,
            keyframe_requests: self.keyframe_requests,
        }
    }

    /// Takes note of the publisher's sender report, which left at `ntp` by the server's clock.
    pub(crate) fn on_sender_report(&mut self, now: Instant, ntp: NtpTime, report: &SenderReport) {
        self.mapping = self.formats.first().map(|(_, format)| TimestampMapping {
            ntp,
            timestamp: report.rtp_timestamp,
            clock_rate: format.format().clock_rate,
        });
        if let Some(reception) = &mut self.reception {
            reception.on_sender_report(now, report.ntp);
        }
    }
}
