//! Renumbers what is forwarded, so that a receiver sees one stream without gaps, whatever is behind it.
//!
//! A rewriter belongs to one outgoing RTP stream (one SSRC) for the stream's whole life. Its *source* is one encoding of
//! one publication; the source changes at a simulcast switch, and when the stream's m-line is given to another track.
//! Always holds: outgoing sequence numbers of distinct source packets are distinct, contiguous but for packets that the
//! source itself lost, and continue across sources; timestamps never run backwards at a change of source.

use std::time::{Duration, Instant};

/// How many skipped packets are remembered, so that late packets around them keep the right number. A source skips
/// only probe padding, which comes in bursts of some ten packets.
const SKIPS: usize = 16;

/// The least step of time at a change of source: one frame at 90 fps, so that no two frames share a timestamp.
const MIN_STEP: Duration = Duration::from_millis(11);

/// Identifies a source; it changes with every change of publication, encoding or SSRC.
pub(crate) type Epoch = u8;

/// The transformation from one source's numbers to the outgoing ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    /// Which change of source this was, modulo 256.
    pub(crate) epoch: Epoch,
    /// The first incoming sequence number that belongs to it; earlier ones are not forwarded.
    first: u64,
    /// The first outgoing sequence number that is its own, with the rollovers.
    begins: u64,
    /// Outgoing less incoming sequence number, modulo 2^64.
    sequence_offset: u64,
    /// Outgoing less incoming timestamp, modulo 2^32.
    pub(crate) timestamp_offset: u32,
    /// Outgoing less incoming VP8/VP9 picture id or AV1 frame number, modulo its width.
    pub(crate) picture_offset: u16,
    /// Outgoing less incoming TL0PICIDX, modulo 2^8.
    pub(crate) tl0_offset: u8,
}

/// See the module's text.
#[derive(Clone, Debug)]
pub(crate) struct Rewriter {
    /// Highest outgoing sequence number, extended by the rollovers (RFC 3711 section 3.3.1).
    highest: u64,
    /// The timestamp and time of the newest outgoing frame, once there is one.
    newest: Option<(u32, Instant)>,
    /// Outgoing picture number and TL0PICIDX of the newest frame that had them.
    newest_picture: Option<(u16, u8)>,
    current: Option<Source>,
    previous: Option<Source>,
    /// The previous source skipped nothing, so that its numbers can still be told.
    previous_is_even: bool,
    epoch: Epoch,
    skips: [u64; SKIPS],
    skip_count: usize,
}

impl Rewriter {
    /// A stream whose first packet carries `first_sequence` and, unless [`Self::newest`] says otherwise, any timestamp.
    pub(crate) fn new(first_sequence: u16) -> Self {
        Self {
            // One rollover in hand, so that no arithmetic below meets zero; receivers learn the count from zero,
            // which is why it is taken off again in `index`.
            highest: ROLLOVER_BASE + u64::from(first_sequence) - 1,
            newest: None,
            newest_picture: None,
            current: None,
            previous: None,
            previous_is_even: false,
            epoch: 0,
            skips: [0; SKIPS],
            skip_count: 0,
        }
    }

    /// Starts a new source with the packet of `sequence` and `timestamp`, which becomes the next outgoing packet.
    ///
    /// The outgoing timestamp advances by the time since the newest frame.
    pub(crate) fn start_source(&mut self, now: Instant, sequence: u64, timestamp: u32, clock_rate: u32) -> Source {
        let timestamp_offset = self.newest.map_or(0, |(newest, at)| {
            let step = now.saturating_duration_since(at).max(MIN_STEP);
            let ticks = (step.as_micros() * u128::from(clock_rate) / 1_000_000) as u32;
            newest.wrapping_add(ticks).wrapping_sub(timestamp)
        });
        self.epoch = self.epoch.wrapping_add(1);
        self.previous = self.current;
        self.previous_is_even = self.skip_count == 0;
        self.skip_count = 0;
        let source = Source {
            epoch: self.epoch,
            first: sequence,
            begins: self.highest + 1,
            sequence_offset: (self.highest + 1).wrapping_sub(sequence),
            timestamp_offset,
            picture_offset: 0,
            tl0_offset: 0,
        };
        self.current = Some(source);
        source
    }

    /// Makes the picture id and TL0PICIDX of the source's first frame follow those of the frame before.
    pub(crate) fn align_pictures(&mut self, picture_id: u16, tl0: u8) {
        if let Some((source, (newest, newest_tl0))) = self.current.as_mut().zip(self.newest_picture) {
            source.picture_offset = newest.wrapping_add(1).wrapping_sub(picture_id);
            source.tl0_offset = newest_tl0.wrapping_add(1).wrapping_sub(tl0);
        }
    }

    /// Notes the outgoing picture numbers of a forwarded frame. The picture's number is `width` bits wide, 7 to 16.
    pub(crate) fn note_picture(&mut self, picture_id: u16, width: u8, tl0: u8) {
        let Some((newest, newest_tl0)) = &mut self.newest_picture else {
            self.newest_picture = Some((picture_id, tl0));
            return;
        };
        let cycle = 1_u32 << width;
        let ahead = u32::from(picture_id.wrapping_sub(*newest)) & (cycle - 1);
        if ahead < cycle / 2 {
            *newest = newest.wrapping_add(ahead as u16);
            *newest_tl0 = tl0;
        }
    }

    /// The source being forwarded.
    pub(crate) fn source(&self) -> Option<&Source> {
        self.current.as_ref()
    }

    /// The current or the previous source, as a retransmission may belong to either.
    pub(crate) fn source_of(&self, epoch: Epoch) -> Option<&Source> {
        [&self.current, &self.previous].into_iter().flatten().find(|source| source.epoch == epoch)
    }

    /// Ends the source: nothing is forwarded until the next one starts. Its retransmissions remain possible.
    pub(crate) fn end_source(&mut self) {
        if let Some(source) = self.current.take() {
            self.previous = Some(source);
        }
    }

    /// Leaves out the packet of `sequence`: later ones close up to those before. Only for a packet newer than all forwarded.
    ///
    /// Returns whether it could be left out; if not, forwarding must show a gap.
    pub(crate) fn skip(&mut self, sequence: u64) -> bool {
        let Some(source) = &mut self.current else { return true };
        let next = source.sequence_offset.wrapping_add(sequence).wrapping_sub(self.skip_count as u64);
        if sequence < source.first || next <= self.highest {
            return false;
        }
        if self.skip_count == SKIPS {
            source.first = self.skips[0] + 1;
            source.sequence_offset = source.sequence_offset.wrapping_sub(1);
            self.skips.copy_within(1.., 0);
            self.skip_count -= 1;
        }
        self.skips[self.skip_count] = sequence;
        self.skip_count += 1;
        true
    }

    /// The outgoing index (sequence number and rollovers) of an incoming packet of the current source; `None` for one
    /// from before it, or one that was skipped.
    pub(crate) fn sequence(&mut self, incoming: u64) -> Option<u64> {
        let source = self.current.as_ref().filter(|source| incoming >= source.first)?;
        let skips = &self.skips[..self.skip_count];
        if skips.contains(&incoming) {
            return None;
        }
        let before = skips.iter().filter(|skip| **skip < incoming).count() as u64;
        let out = source.sequence_offset.wrapping_add(incoming).wrapping_sub(before);
        self.highest = self.highest.max(out);
        Some(out - ROLLOVER_BASE)
    }

    /// The outgoing index of a packet of the previous source that comes after the switch. Its number was left free for
    /// it; `None` if the current source has gone on in its place.
    pub(crate) fn late_sequence(&self, incoming: u64) -> Option<u64> {
        let (current, previous) = self.current.as_ref().zip(self.previous.as_ref())?;
        let out = previous.sequence_offset.wrapping_add(incoming);
        let free = incoming >= previous.first && out < current.begins;
        (free && self.previous_is_even).then(|| out - ROLLOVER_BASE)
    }

    /// The index of an outgoing sequence number that was used lately.
    pub(crate) fn index_of(&self, outgoing: u16) -> u64 {
        let distance = outgoing.wrapping_sub(self.highest as u16) as i16;
        self.highest.saturating_add_signed(i64::from(distance)).saturating_sub(ROLLOVER_BASE)
    }

    /// The newest outgoing sequence number; the one before the first, if nothing has been sent.
    pub(crate) fn highest(&self) -> u16 {
        self.highest as u16
    }

    /// Notes the outgoing timestamp of a forwarded packet.
    pub(crate) fn note_timestamp(&mut self, now: Instant, timestamp: u32) {
        let newer = self.newest.is_none_or(|(newest, _)| timestamp.wrapping_sub(newest) as i32 > 0);
        if newer {
            self.newest = Some((timestamp, now));
        }
    }

    /// The newest outgoing timestamp and when it left.
    pub(crate) fn newest(&self) -> Option<(u32, Instant)> {
        self.newest
    }
}

/// Internal numbers lie this far above the outgoing ones.
const ROLLOVER_BASE: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> (Rewriter, Instant) {
        #[allow(clippy::disallowed_methods, reason = "an anchor for virtual time")]
        let now = Instant::now();
        (Rewriter::new(100), now)
    }

    #[test]
    fn numbering_continues_across_sources() {
        let (mut rewriter, now) = start();
        rewriter.start_source(now, 70_000, 5_000, 90_000);
        assert_eq!(rewriter.sequence(70_000), Some(100));
        assert_eq!(rewriter.sequence(70_003), Some(103));
        assert_eq!(rewriter.sequence(70_001), Some(101), "a late packet fills its own gap");
        assert_eq!(rewriter.sequence(69_999), None);
        assert_eq!((rewriter.index_of(101), rewriter.index_of(103)), (101, 103));
        rewriter.note_timestamp(now, 5_000);
        let source = rewriter.start_source(now + Duration::from_millis(100), 9, 77, 90_000);
        assert_eq!(rewriter.sequence(9), Some(104));
        assert_eq!(77u32.wrapping_add(source.timestamp_offset), 5_000 + 9_000);
    }

    #[test]
    fn late_packets_of_the_previous_source_fill_its_gaps_alone() {
        let (mut rewriter, now) = start();
        rewriter.start_source(now, 50, 0, 90_000);
        assert_eq!((rewriter.sequence(50), rewriter.sequence(53)), (Some(100), Some(103)));
        assert_eq!(rewriter.late_sequence(51), None, "it is the current source");
        rewriter.start_source(now, 900, 0, 90_000);
        assert_eq!(rewriter.sequence(900), Some(104));
        assert_eq!((rewriter.late_sequence(51), rewriter.late_sequence(52)), (Some(101), Some(102)));
        assert_eq!((rewriter.late_sequence(49), rewriter.late_sequence(54)), (None, None));
        assert!(rewriter.skip(901));
        assert_eq!(rewriter.sequence(902), Some(105));
        rewriter.start_source(now, 7, 0, 90_000);
        assert_eq!(rewriter.late_sequence(900), None, "what skips leave is not told apart");
    }

    #[test]
    fn time_moves_on_even_when_the_switch_is_immediate() {
        let (mut rewriter, now) = start();
        rewriter.start_source(now, 1, 500, 90_000);
        rewriter.note_timestamp(now, u32::MAX - 10);
        let source = rewriter.start_source(now, 1, 500, 90_000);
        assert_eq!(500u32.wrapping_add(source.timestamp_offset).wrapping_sub(u32::MAX - 10), 990);
    }

    #[test]
    fn pictures_continue_across_sources_whatever_their_first_number() {
        for (width, first, next) in [(15, 0x7ffe, 0x7fff), (15, 0x4000, 0x4001), (7, 127, 0), (16, 0xffff, 0)] {
            let (mut rewriter, now) = start();
            rewriter.start_source(now, 0, 0, 90_000);
            rewriter.align_pictures(first, 200);
            rewriter.note_picture(first, width, 200);
            rewriter.note_picture(next, width, 201);
            rewriter.note_picture(first, width, 200);
            let source = rewriter.start_source(now, 0, 0, 90_000);
            assert_eq!((source.picture_offset, source.tl0_offset), (0, 0), "before it is aligned");
            rewriter.align_pictures(5, 9);
            let source = rewriter.source().unwrap();
            let mask = ((1_u32 << width) - 1) as u16;
            assert_eq!(5_u16.wrapping_add(source.picture_offset) & mask, next.wrapping_add(1) & mask);
            assert_eq!(9_u8.wrapping_add(source.tl0_offset), 202);
        }
    }

    #[test]
    fn skipped_packets_leave_no_gap_and_late_ones_keep_their_number() {
        let (mut rewriter, now) = start();
        rewriter.start_source(now, 0, 0, 90_000);
        assert_eq!(rewriter.sequence(0), Some(100));
        assert!(rewriter.skip(2));
        assert_eq!(rewriter.sequence(3), Some(102));
        assert_eq!(rewriter.sequence(1), Some(101));
        assert_eq!(rewriter.sequence(2), None);
        assert!(!rewriter.skip(1), "what lies behind the newest cannot be closed up");
    }

    #[test]
    fn more_skips_than_are_remembered_still_leave_no_gap() {
        let (mut rewriter, now) = start();
        rewriter.start_source(now, 0, 0, 90_000);
        assert_eq!(rewriter.sequence(0), Some(100));
        for sequence in 1..=40 {
            assert!(rewriter.skip(sequence));
        }
        assert_eq!(rewriter.sequence(41), Some(101));
        assert_eq!(rewriter.sequence(1), None, "older than the remembered skips");
    }

    #[test]
    fn the_previous_source_remains_for_retransmissions() {
        let (mut rewriter, now) = start();
        let first = rewriter.start_source(now, 0, 0, 90_000).epoch;
        rewriter.end_source();
        assert!(rewriter.source().is_none() && rewriter.source_of(first).is_some());
        let second = rewriter.start_source(now, 0, 0, 90_000).epoch;
        assert!(rewriter.source_of(first).is_none(), "only the latest two are kept");
        assert!(rewriter.source_of(second).is_some());
    }
}
