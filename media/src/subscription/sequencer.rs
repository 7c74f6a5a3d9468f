//! From an outgoing sequence number back to the incoming packet, so that a NACK can be answered from the encoding's
//! shared ring without keeping a copy per subscriber. Eight bytes a packet.
//!
//! How far back NACKs reach depends on the path and the bitrate, and most never come. So the memory begins small, and
//! doubles whenever one comes too late for it, up to a bound.

use super::rewriter::{EPOCHS, Epoch};
use crate::cache::prefetch;
use crate::rtp::padding::MAX_PADDING;

/// How often one packet is sent again at most: beyond that the path is not coming back in time.
const MAX_RESENDS: u8 = 8;

/// How many packets are remembered: powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Depths {
    /// At first.
    first: usize,
    /// At most.
    most: usize,
}

impl Depths {
    /// For video: at first 2.5 Mbit/s for half a second, at most for two.
    pub(crate) const VIDEO: Self = Self { first: 128, most: 512 };
    /// For audio: at first 0.6 seconds of 20 ms packets, at most two and a half.
    pub(crate) const AUDIO: Self = Self { first: 32, most: 128 };
}

#[derive(Clone, Copy, Default)]
struct Entry {
    /// Low half of the incoming extended sequence number.
    incoming: u32,
    outgoing: u16,
    /// With [`MARKED`], where the packet left with the marker.
    epoch: Epoch,
    /// Times sent, 0 for an empty entry, from [`BLANK`] on for a blank, and the annex, 0 to 15, in the upper half.
    sent: u8,
}

impl Entry {
    fn read(self) -> Sent {
        let (times, annex) = (self.sent & TIMES, self.sent >> 4);
        let (epoch, marker) = (self.epoch & !MARKED, self.epoch & MARKED != 0);
        Sent { epoch, incoming: self.incoming, marker, annex, is_blank: times >= BLANK }
    }
}

/// Times that a packet may have been sent, in an entry.
const TIMES: u8 = 0x0f;

/// Where the count of a packet begins that left without its payload. It is sent again less often: nothing waits for it.
const BLANK: u8 = 10;

/// In an entry's epoch.
const MARKED: u8 = EPOCHS;

/// How many annexes there are.
pub(super) const ANNEXES: usize = 16;

const _: () = assert!(MAX_RESENDS + 1 < BLANK && BLANK < TIMES && MAX_PADDING < ANNEXES);

/// What was sent under an outgoing number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The source it came from.
    pub(crate) epoch: Epoch,
    /// Low 32 bits of its extended sequence number there.
    pub(crate) incoming: u32,
    /// It left with the marker.
    pub(crate) marker: bool,
    /// What it left with beside its own payload: so many bytes of padding, if it is of video, and which copies, if it is of audio.
    pub(crate) annex: u8,
    /// It left without its payload.
    pub(crate) is_blank: bool,
}

/// See the module's text.
pub(crate) struct Sequencer {
    entries: Box<[Entry]>,
    most: usize,
}

impl Sequencer {
    /// Remembers the latest packets.
    pub(crate) fn new(depths: Depths) -> Self {
        debug_assert!(depths.first.is_power_of_two() && depths.most.is_power_of_two());
        Self { entries: vec![Entry::default(); depths.first].into_boxed_slice(), most: depths.most }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.entries.fill(Entry::default());
    }

    /// Notes that the packet `incoming` of the source `epoch` left as `outgoing`, with the marker or without, with its payload or blank.
    pub(crate) fn note(&mut self, outgoing: u64, epoch: Epoch, incoming: u64, marker: bool, is_blank: bool) {
        let index = outgoing as usize & (self.entries.len() - 1);
        let sent = if is_blank { BLANK } else { 1 };
        let epoch = epoch | if marker { MARKED } else { 0 };
        self.entries[index] = Entry { incoming: incoming as u32, outgoing: outgoing as u16, epoch, sent };
    }

    /// Asks for where `outgoing` is noted.
    #[inline]
    pub(crate) fn prefetch(&self, outgoing: u16) {
        let index = usize::from(outgoing) & (self.entries.len() - 1);
        if let Some(entry) = self.entries.get(index) {
            prefetch(entry);
        }
    }

    /// Notes the annex of the packet that was last noted as `outgoing`.
    pub(crate) fn note_annex(&mut self, outgoing: u64, annex: u8) {
        let index = outgoing as usize & (self.entries.len() - 1);
        self.entries[index].sent |= annex << 4;
    }

    /// What left as `outgoing`, to be sent again; `None` once forgotten or sent too often.
    pub(crate) fn resend(&mut self, outgoing: u16) -> Option<Sent> {
        let index = usize::from(outgoing) & (self.entries.len() - 1);
        let entry = &mut self.entries[index];
        let times = entry.sent & TIMES;
        let overwritten = times > 0 && entry.outgoing != outgoing;
        if overwritten && usize::from(entry.outgoing.wrapping_sub(outgoing)) < self.most {
            self.grow();
            return None;
        }
        let is_over = if times < BLANK { times > MAX_RESENDS } else { times == TIMES };
        if times == 0 || overwritten || is_over {
            return None;
        }
        entry.sent += 1;
        Some(entry.read())
    }

    /// What left as `outgoing`, whether or not it may be sent again for its own sake.
    pub(crate) fn find(&self, outgoing: u16) -> Option<Sent> {
        let entry = self.entries.get(usize::from(outgoing) & (self.entries.len() - 1))?;
        let is_it = entry.sent & TIMES > 0 && entry.outgoing == outgoing;
        is_it.then(|| entry.read())
    }

    /// Remembers twice as many from now on.
    fn grow(&mut self) {
        let depth = self.entries.len() * 2;
        if depth > self.most {
            return;
        }
        let grown = vec![Entry::default(); depth].into_boxed_slice();
        for entry in std::mem::replace(&mut self.entries, grown) {
            if entry.sent > 0 {
                self.entries[usize::from(entry.outgoing) & (depth - 1)] = entry;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EIGHT: Depths = Depths { first: 8, most: 8 };

    #[test]
    fn who_asks_late_is_remembered_for_longer_up_to_a_bound() {
        let mut sequencer = Sequencer::new(Depths { first: 8, most: 32 });
        let send = |sequencer: &mut Sequencer, range: std::ops::Range<u64>| {
            range.for_each(|outgoing| sequencer.note(outgoing, 0, outgoing, false, false));
        };
        send(&mut sequencer, 0..20);
        assert_eq!((sequencer.resend(7), sequencer.entries.len()), (None, 16), "too late, but the next one is not");
        assert_eq!((sequencer.resend(12).map(|sent| sent.incoming), sequencer.entries.len()), (Some(12), 16));
        send(&mut sequencer, 20..40);
        assert_eq!(sequencer.resend(24).map(|sent| sent.incoming), Some(24));
        assert_eq!((sequencer.resend(20), sequencer.entries.len()), (None, 32));
        send(&mut sequencer, 40..200);
        assert_eq!((sequencer.resend(150), sequencer.entries.len()), (None, 32), "the bound");
        assert_eq!(sequencer.resend(168).map(|sent| sent.incoming), Some(168));
        assert_eq!((sequencer.resend(60_000), sequencer.entries.len()), (None, 32), "a number that was never sent");
    }

    #[test]
    fn the_latest_packets_are_found_and_older_ones_forgotten() {
        let mut sequencer = Sequencer::new(EIGHT);
        for outgoing in 65_530..65_545u64 {
            sequencer.note(outgoing, 3, outgoing + 1_000_000, false, false);
        }
        let newest = (65_544u64 & 0xffff) as u16;
        assert_eq!(
            sequencer.resend(newest),
            Some(Sent { epoch: 3, incoming: 1_065_544, marker: false, annex: 0, is_blank: false })
        );
        assert_eq!(sequencer.resend(newest.wrapping_sub(8)), None);
        assert_eq!(sequencer.resend(newest.wrapping_add(1)), None);
        assert_eq!(Sequencer::new(EIGHT).resend(0), None, "an empty entry is no packet 0");
    }

    #[test]
    fn what_left_with_the_marker_is_sent_again_with_it() {
        let mut sequencer = Sequencer::new(EIGHT);
        for (outgoing, marker) in [(5, true), (6, false)] {
            sequencer.note(outgoing, EPOCHS - 1, 70, marker, false);
            let sent = Sent { epoch: EPOCHS - 1, incoming: 70, marker, annex: 0, is_blank: false };
            assert_eq!(sequencer.resend(outgoing as u16), Some(sent));
        }
    }

    #[test]
    fn one_packet_is_not_sent_again_for_ever() {
        let mut sequencer = Sequencer::new(EIGHT);
        sequencer.note(5, 0, 5, false, false);
        sequencer.note_annex(5, MAX_PADDING as u8);
        let resent: Vec<_> = (0..100).filter_map(|_| sequencer.resend(5)).collect();
        assert_eq!(resent.len(), usize::from(MAX_RESENDS));
        assert!(resent.iter().all(|sent| usize::from(sent.annex) == MAX_PADDING));
        sequencer.note(5, 0, 5, false, false);
        assert_eq!(sequencer.resend(5).map(|sent| sent.annex), Some(0), "another packet");
    }

    #[test]
    fn a_blank_stays_one_and_is_sent_again_less_often() {
        let mut sequencer = Sequencer::new(EIGHT);
        sequencer.note(5, 0, 5, false, true);
        sequencer.note_annex(5, MAX_PADDING as u8);
        assert_eq!(
            sequencer.find(5),
            Some(Sent { epoch: 0, incoming: 5, marker: false, annex: MAX_PADDING as u8, is_blank: true })
        );
        let resent: Vec<_> = (0..100).filter_map(|_| sequencer.resend(5)).collect();
        assert_eq!(resent.len(), usize::from(TIMES - BLANK));
        assert!(resent.iter().all(|sent| sent.is_blank && usize::from(sent.annex) == MAX_PADDING));
        sequencer.note(5, 0, 5, false, false);
        assert_eq!(sequencer.resend(5).map(|sent| sent.is_blank), Some(false));
    }
}
