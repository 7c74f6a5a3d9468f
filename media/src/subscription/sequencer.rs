//! From an outgoing sequence number back to the incoming packet, so that a NACK can be answered from the encoding's
//! shared ring without keeping a copy per subscriber. Eight bytes a packet.

use super::rewriter::Epoch;
use crate::rtp::padding::MAX_PADDING;

/// How often one packet is sent again at most: beyond that the path is not coming back in time.
const MAX_RESENDS: u8 = 8;

/// Packets remembered for video: 2.5 Mbit/s for two seconds.
pub(crate) const VIDEO_DEPTH: usize = 512;

/// Packets remembered for audio: two and a half seconds of 20 ms packets.
pub(crate) const AUDIO_DEPTH: usize = 128;

#[derive(Clone, Copy, Default)]
struct Entry {
    /// Low half of the incoming extended sequence number.
    incoming: u32,
    outgoing: u16,
    epoch: Epoch,
    /// Times sent, 0 for an empty entry, and bytes of padding, 0 to 15, in the upper half.
    sent: u8,
}

/// Times that a packet may have been sent, in an entry.
const TIMES: u8 = 0x0f;

const _: () = assert!(MAX_RESENDS < TIMES && MAX_PADDING <= 15);

/// What was sent under an outgoing number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The source it came from.
    pub(crate) epoch: Epoch,
    /// Low 32 bits of its extended sequence number there.
    pub(crate) incoming: u32,
    /// Bytes of padding that it left with.
    pub(crate) padding: usize,
}

/// See the module's text.
pub(crate) struct Sequencer {
    entries: Box<[Entry]>,
}

impl Sequencer {
    /// Remembers the latest `depth` packets, a power of two.
    pub(crate) fn new(depth: usize) -> Self {
        debug_assert!(depth.is_power_of_two());
        Self { entries: vec![Entry::default(); depth].into_boxed_slice() }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.entries.fill(Entry::default());
    }

    /// Notes that the packet `incoming` of the source `epoch` left as `outgoing`.
    pub(crate) fn note(&mut self, outgoing: u64, epoch: Epoch, incoming: u64) {
        let index = outgoing as usize & (self.entries.len() - 1);
        self.entries[index] = Entry { incoming: incoming as u32, outgoing: outgoing as u16, epoch, sent: 1 };
    }

    /// Notes the padding of the packet that was last noted as `outgoing`.
    pub(crate) fn note_padding(&mut self, outgoing: u64, padding: usize) {
        let index = outgoing as usize & (self.entries.len() - 1);
        self.entries[index].sent |= (padding as u8) << 4;
    }

    /// What left as `outgoing`, to be sent again; `None` once forgotten or sent too often.
    pub(crate) fn resend(&mut self, outgoing: u16) -> Option<Sent> {
        let index = usize::from(outgoing) & (self.entries.len() - 1);
        let entry = &mut self.entries[index];
        let times = entry.sent & TIMES;
        if times == 0 || entry.outgoing != outgoing || times > MAX_RESENDS {
            return None;
        }
        entry.sent += 1;
        Some(Sent { epoch: entry.epoch, incoming: entry.incoming, padding: usize::from(entry.sent >> 4) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_packets_are_found_and_older_ones_forgotten() {
        let mut sequencer = Sequencer::new(8);
        for outgoing in 65_530..65_545u64 {
            sequencer.note(outgoing, 3, outgoing + 1_000_000);
        }
        let newest = (65_544u64 & 0xffff) as u16;
        assert_eq!(sequencer.resend(newest), Some(Sent { epoch: 3, incoming: 1_065_544, padding: 0 }));
        assert_eq!(sequencer.resend(newest.wrapping_sub(8)), None);
        assert_eq!(sequencer.resend(newest.wrapping_add(1)), None);
        assert_eq!(Sequencer::new(8).resend(0), None, "an empty entry is no packet 0");
    }

    #[test]
    fn one_packet_is_not_sent_again_for_ever() {
        let mut sequencer = Sequencer::new(8);
        sequencer.note(5, 0, 5);
        sequencer.note_padding(5, MAX_PADDING);
        let resent: Vec<_> = (0..100).filter_map(|_| sequencer.resend(5)).collect();
        assert_eq!(resent.len(), usize::from(MAX_RESENDS));
        assert!(resent.iter().all(|sent| sent.padding == MAX_PADDING));
        sequencer.note(5, 0, 5);
        assert_eq!(sequencer.resend(5).map(|sent| sent.padding), Some(0), "another packet");
    }
}
