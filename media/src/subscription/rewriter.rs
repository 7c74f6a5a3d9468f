//! Renumbers what is forwarded, so that a receiver sees one stream without gaps, whatever is behind it.
//!
//! A rewriter belongs to one outgoing RTP stream (one SSRC) for the stream's whole life. Its *source* is one encoding of
//! one publication; the source changes at a simulcast switch, and when the stream's m-line is given to another track.
//! Always holds: outgoing sequence numbers of distinct source packets are distinct, contiguous but for packets that the
//! source itself lost, and continue across sources; timestamps never run backwards at a change of source.
//!
//! Packets of a source can be left out ([`Rewriter::skip`]): probe padding, and frames of layers that the receiver is not sent.
//! Later sequence numbers and picture ids close up to those before, late packets around them keep the right ones.

use super::skips::Skips;
use std::time::{Duration, Instant};

/// The least step of time at a change of source: one frame at 90 fps, so that no two frames share a timestamp.
const MIN_STEP: Duration = Duration::from_millis(11);

/// Frames that are sent later than they came, all at once, are told to be so many times closer to each other than they are: they
/// are shown as fast as they come, and a receiver does not take their age for a delay that it has to keep.
const HASTE: u32 = 16;

/// How far a source is past such frames, in ticks of 90 kHz, until nobody asks for them again: ten seconds.
const FORGOTTEN_AFTER: i32 = 900_000;

/// Identifies a source; it changes with every change of publication, encoding or SSRC. Less than [`EPOCHS`].
pub(crate) type Epoch = u8;

/// Epochs come round after so many sources, of which the latest two are remembered. They leave a bit of a byte free.
pub(crate) const EPOCHS: u8 = 128;

/// The transformation from one source's numbers to the outgoing ones, as it holds for a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    /// Which change of source this was, modulo [`EPOCHS`].
    pub(crate) epoch: Epoch,
    /// Outgoing less incoming sequence number, modulo 2^64.
    sequence_offset: u64,
    /// Outgoing less incoming timestamp, modulo 2^32.
    pub(crate) timestamp_offset: u32,
    /// The incoming timestamp up to which frames follow each other [`HASTE`] times faster than they were captured.
    hastens_until: Option<u32>,
    /// Outgoing less incoming picture id of VP8 or VP9, modulo its width.
    pub(crate) picture_offset: u16,
    /// Outgoing less incoming frame number of the dependency descriptor, modulo 2^16.
    pub(crate) frame_offset: u16,
    /// Outgoing less incoming TL0PICIDX, modulo 2^8.
    pub(crate) tl0_offset: u8,
}

/// A source with what is left out of it.
#[derive(Clone, Debug)]
struct Mapping {
    /// As it holds behind all that is left out.
    newest: Source,
    /// The first incoming sequence number for which `newest` holds.
    newest_from: u64,
    /// The first incoming sequence number that belongs to it, or is still remembered; earlier ones are not forwarded.
    first: u64,
    /// The first outgoing sequence number that is its own, with the rollovers.
    begins: u64,
    skips: Skips,
}

impl Mapping {
    /// The transformation of a packet; `None` for one from before the source, or one that was left out.
    #[inline]
    fn source_at(&self, incoming: u64) -> Option<Source> {
        if incoming >= self.newest_from { Some(self.newest) } else { self.source_before(incoming) }
    }

    /// Finds out again from where on `newest` holds.
    fn settle(&mut self) {
        self.newest_from = self.skips.newest().map_or(self.first, |newest| newest + 1).max(self.first);
    }

    #[cold]
    fn source_before(&self, incoming: u64) -> Option<Source> {
        if incoming < self.first {
            return None;
        }
        let behind = self.skips.behind(incoming)?;
        Some(Source {
            sequence_offset: self.newest.sequence_offset.wrapping_add(behind.packets),
            picture_offset: self.newest.picture_offset.wrapping_add(behind.pictures),
            ..self.newest
        })
    }
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
    /// Outgoing number of the newest frame that had one.
    newest_frame: Option<u16>,
    current: Option<Mapping>,
    previous: Option<Mapping>,
    epoch: Epoch,
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
            newest_frame: None,
            current: None,
            previous: None,
            epoch: 0,
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
        self.epoch = self.epoch.wrapping_add(1) % EPOCHS;
        let newest = Source {
            epoch: self.epoch,
            sequence_offset: (self.highest + 1).wrapping_sub(sequence),
            timestamp_offset,
            hastens_until: None,
            picture_offset: 0,
            frame_offset: 0,
            tl0_offset: 0,
        };
        let forgotten = std::mem::replace(&mut self.previous, self.current.take());
        let mut skips = forgotten.map(|mapping| mapping.skips).unwrap_or_default();
        skips.clear();
        let begins = self.highest + 1;
        self.current = Some(Mapping { newest, newest_from: sequence, first: sequence, begins, skips });
        newest
    }

    /// Makes the source, which has just started with the frame of `timestamp`, hasten up to the one of `until`.
    pub(crate) fn hasten(&mut self, timestamp: u32, until: u32) {
        let Some(Mapping { newest: source, .. }) = &mut self.current else { return };
        source.hastens_until = Some(until);
        // The first frame keeps its time.
        source.timestamp_offset = source.timestamp_offset.wrapping_sub(source.haste(timestamp));
    }

    /// Makes the picture id and TL0PICIDX of the source's first frame follow those of the frame before.
    pub(crate) fn align_pictures(&mut self, picture_id: u16, tl0: u8) {
        if let Some((mapping, (newest, newest_tl0))) = self.current.as_mut().zip(self.newest_picture) {
            mapping.newest.picture_offset = newest.wrapping_add(1).wrapping_sub(picture_id);
            mapping.newest.tl0_offset = newest_tl0.wrapping_add(1).wrapping_sub(tl0);
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

    /// Makes the number of the source's first frame follow that of the frame before. A receiver drops a key frame whose number lies
    /// behind that of the one before (`RtpVideoStreamReceiver2` in libwebrtc).
    pub(crate) fn align_frames(&mut self, frame: u16) {
        if let Some((mapping, newest)) = self.current.as_mut().zip(self.newest_frame) {
            mapping.newest.frame_offset = newest.wrapping_add(1).wrapping_sub(frame);
        }
    }

    /// Notes the outgoing number of a forwarded frame.
    pub(crate) fn note_frame(&mut self, frame: u16) {
        let newest = self.newest_frame.get_or_insert(frame);
        if frame.wrapping_sub(*newest) < 1 << 15 {
            *newest = frame;
        }
    }

    /// The source being forwarded, as it holds for its newest packet.
    pub(crate) fn source(&self) -> Option<&Source> {
        self.current.as_ref().map(|mapping| &mapping.newest)
    }

    /// The first incoming sequence number of the current source that is known; `None` between two sources.
    pub(crate) fn since(&self) -> Option<u64> {
        self.current.as_ref().map(|mapping| mapping.first)
    }

    /// The current or the previous source, as a retransmission may belong to either, as it holds for the packet `incoming`.
    pub(crate) fn source_of(&self, epoch: Epoch, incoming: u64) -> Option<Source> {
        let mut mappings = [&self.current, &self.previous].into_iter().flatten();
        mappings.find(|mapping| mapping.newest.epoch == epoch)?.source_at(incoming)
    }

    /// Ends the source: nothing is forwarded until the next one starts. Its retransmissions remain possible.
    pub(crate) fn end_source(&mut self) {
        if let Some(mapping) = self.current.take() {
            self.previous = Some(mapping);
        }
    }

    /// Leaves out the packet of `sequence`: later ones close up to those before, and the ids of their pictures, too, where a picture
    /// `begins` with it. Only for a packet newer than all forwarded.
    ///
    /// Returns whether it is left out; if not, a number is reserved for it.
    pub(crate) fn skip(&mut self, sequence: u64, begins: bool) -> bool {
        let Some(mapping) = &mut self.current else { return true };
        if sequence < mapping.first {
            return false;
        }
        let Some(source) = mapping.source_at(sequence) else { return true };
        if source.sequence_offset.wrapping_add(sequence) <= self.highest {
            return false;
        }
        if let Some(first) = mapping.skips.insert(sequence, begins) {
            mapping.first = first;
        }
        let newest = &mut mapping.newest;
        newest.sequence_offset = newest.sequence_offset.wrapping_sub(1);
        newest.picture_offset = newest.picture_offset.wrapping_sub(u16::from(begins));
        mapping.settle();
        true
    }

    /// Whether a packet comes right behind the newest that was forwarded, which was not a picture's that was left out.
    #[cold]
    pub(crate) fn is_next(&self, sequence: u64) -> bool {
        let Some(mapping) = self.current.as_ref().filter(|mapping| sequence > mapping.first) else { return false };
        let source = mapping.source_at(sequence);
        let is_next = source.is_some_and(|source| source.sequence_offset.wrapping_add(sequence) == self.highest + 1);
        is_next && !mapping.skips.end_before(sequence)
    }

    /// Leaves out the picture that begins with a packet which [`is_next`](Self::is_next), but not its number: later packets close up to
    /// those before, and the ids of their pictures, too, if those close up.
    pub(crate) fn skip_behind(&mut self, sequence: u64, closes_up: bool) {
        let Some(mapping) = &mut self.current else { return };
        if let Some(first) = mapping.skips.insert_behind(sequence, closes_up) {
            mapping.first = first;
        }
        mapping.newest.picture_offset = mapping.newest.picture_offset.wrapping_sub(u16::from(closes_up));
        mapping.settle();
    }

    /// Whether a packet is newer than all that were forwarded, and not left out.
    pub(crate) fn is_ahead(&self, incoming: u64) -> bool {
        let source = self.current.as_ref().and_then(|mapping| mapping.source_at(incoming));
        source.is_some_and(|source| source.sequence_offset.wrapping_add(incoming) > self.highest)
    }

    /// The outgoing index (sequence number and rollovers) of an incoming packet of the current source, and its transformation; `None`
    /// for one from before it, or one that was left out.
    #[inline]
    pub(crate) fn place(&mut self, incoming: u64) -> Option<(u64, Source)> {
        let source = self.current.as_ref()?.source_at(incoming)?;
        let out = source.sequence_offset.wrapping_add(incoming);
        self.highest = self.highest.max(out);
        Some((out - ROLLOVER_BASE, source))
    }

    /// The same of a packet of the previous source that comes after the switch. Its number was left free for it; `None` if the
    /// current source has gone on in its place.
    pub(crate) fn late_place(&self, incoming: u64) -> Option<(u64, Source)> {
        let (current, previous) = self.current.as_ref().zip(self.previous.as_ref())?;
        let source = previous.source_at(incoming)?;
        let out = source.sequence_offset.wrapping_add(incoming);
        (out < current.begins).then(|| (out - ROLLOVER_BASE, source))
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

    /// How many sequence numbers were used or left free, modulo 2^32, of a stream whose first was `first`.
    pub(crate) fn numbers_since(&self, first: u16) -> u32 {
        (self.highest + 1).wrapping_sub(ROLLOVER_BASE + u64::from(first)) as u32
    }

    /// Notes the outgoing timestamp of a forwarded packet.
    pub(crate) fn note_timestamp(&mut self, now: Instant, timestamp: u32) {
        let newer = self.newest.is_none_or(|(newest, _)| timestamp.wrapping_sub(newest) as i32 > 0);
        if newer {
            self.newest = Some((timestamp, now));
        }
        if let Some(Mapping { newest: source, .. }) = &mut self.current
            && let Some(until) = source.hastens_until
            && timestamp.wrapping_sub(source.timestamp(until)) as i32 > FORGOTTEN_AFTER
        {
            source.hastens_until = None;
        }
    }

    /// The newest outgoing timestamp and when it left.
    pub(crate) fn newest(&self) -> Option<(u32, Instant)> {
        self.newest
    }
}

impl Source {
    /// The outgoing timestamp of a frame of the source.
    pub(crate) fn timestamp(&self, incoming: u32) -> u32 {
        incoming.wrapping_add(self.timestamp_offset).wrapping_add(self.haste(incoming))
    }

    /// By how much a frame is told to be newer than it is.
    fn haste(&self, incoming: u32) -> u32 {
        let behind = self.hastens_until.map_or(0, |until| until.wrapping_sub(incoming));
        let behind = if behind as i32 > 0 { behind } else { 0 };
        behind - behind / HASTE
    }
}

/// Internal numbers lie this far above the outgoing ones.
const ROLLOVER_BASE: u64 = 1 << 16;

#[cfg(test)]
mod tests;
