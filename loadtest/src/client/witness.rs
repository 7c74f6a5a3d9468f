//! A witness: sees what packets held, and holds it against what was sent.

use crate::content::{Origin, Stamp, opus_stamp, vp8_stamp};
use crate::light::reception::{Reception, Verdict};
use crate::light::streams::{Kind, MAX_STREAMS};
use crate::tally::{Window, Witnessed};

/// How long a track's latency is not counted, in nanoseconds: see [`SETTLING`](crate::plan::SETTLING).
const SETTLING: u64 = crate::plan::SETTLING.as_nanos() as u64;

/// One track of a publisher, as it comes through the server.
struct Track {
    track: u32,
    /// The layer that comes at the moment.
    origin: Origin,
    numbers: Reception,
    last_latency: Option<u64>,
    /// When its first packet came.
    began: u64,
}

/// See the module's text.
#[derive(Default)]
pub struct Witness {
    tracks: Vec<Track>,
}

/// A decrypted packet and when it arrived, in nanoseconds of the tester's clock.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// What it carries.
    pub kind: Kind,
    /// The payload without padding.
    pub payload: &'a [u8],
    /// When it arrived.
    pub arrived: u64,
}

impl Witness {
    /// Checks a packet. Returns the number of the packet that it repairs if it is a retransmission.
    pub fn check(&mut self, seen: &Seen<'_>, tally: &mut Witnessed, window: &mut Window) -> Option<u16> {
        if seen.payload.is_empty() {
            // Padding: the server probes for bandwidth.
            return None;
        }
        let (repairs, payload) = match seen.kind {
            Kind::Retransmission => {
                let (number, payload) = seen.payload.split_first_chunk::<2>()?;
                (Some(u16::from_be_bytes(*number)), payload)
            }
            Kind::Video | Kind::Audio => (None, seen.payload),
        };
        if payload.is_empty() {
            return None;
        }
        tally.packets += 1;
        let inner = if seen.kind == Kind::Audio { opus_stamp(payload) } else { vp8_stamp(payload) };
        match inner.and_then(Stamp::read).filter(|stamp| stamp.origin.is_video() == (seen.kind != Kind::Audio)) {
            Some(stamp) => self.note(&stamp, seen.arrived, tally, window),
            None => tally.wrong_content += 1,
        }
        repairs
    }

    fn note(&mut self, stamp: &Stamp, arrived: u64, tally: &mut Witnessed, window: &mut Window) {
        let number = stamp.number as u16;
        let Some(track) = self.tracks.iter_mut().find(|track| track.track == stamp.origin.track()) else {
            if self.tracks.len() < MAX_STREAMS {
                let (track, numbers) = (stamp.origin.track(), Reception::new(number));
                self.tracks.push(Track { track, origin: stamp.origin, numbers, last_latency: None, began: arrived });
            }
            return;
        };
        if track.origin == stamp.origin {
            match track.numbers.receive(number, arrived) {
                Verdict::New { gap } => tally.missing += gap,
                Verdict::Late => {
                    tally.missing = tally.missing.saturating_sub(1);
                    tally.out_of_order += 1;
                }
                Verdict::Duplicate => return,
            }
        } else {
            // The server has switched to another layer, whose numbers are its own.
            (track.origin, track.numbers) = (stamp.origin, Reception::new(number));
        }
        if arrived.saturating_sub(track.began) < SETTLING {
            return;
        }
        let latency = arrived.saturating_sub(stamp.sent);
        let video = stamp.origin.is_video();
        if video { &mut tally.video_latency } else { &mut tally.audio_latency }.record(latency);
        window.latency.record(latency);
        if let Some(last) = track.last_latency.replace(latency) {
            tally.jitter.record(latency.abs_diff(last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{OPUS_OVERHEAD, opus_contents};

    struct Desk {
        witness: Witness,
        tally: Witnessed,
        window: Window,
        now: u64,
    }

    impl Desk {
        fn new() -> Self {
            Self { witness: Witness::default(), tally: Witnessed::default(), window: Window::default(), now: 5_000 }
        }

        fn show(&mut self, kind: Kind, payload: &[u8]) -> Option<u16> {
            self.witness.check(&Seen { kind, payload, arrived: self.now }, &mut self.tally, &mut self.window)
        }

        fn sound(&mut self, number: u32) {
            self.show(Kind::Audio, &stamped(Origin::new(1, false, 0), number, self.now - 4_000));
        }
    }

    fn payload(origin: Origin, number: u32) -> Vec<u8> {
        stamped(origin, number, 1_000)
    }

    fn stamped(origin: Origin, number: u32, sent: u64) -> Vec<u8> {
        let mut payload = Vec::new();
        if origin.is_video() {
            let vp8 = crate::content::Vp8 { picture: 1, begins: true, key: false, width: 1, height: 1 };
            vp8.write(&mut payload);
        } else {
            payload.push(opus_contents(20));
            assert_eq!(payload.len(), OPUS_OVERHEAD);
        }
        Stamp { origin, number, sent }.write(&mut payload, 60);
        payload
    }

    #[test]
    fn what_was_sent_is_accounted_for() {
        let mut desk = Desk::new();
        desk.sound(65_534);
        desk.now += SETTLING;
        [65_535, 65_536, 65_538, 65_537, 65_540, 65_540].into_iter().for_each(|number| desk.sound(number));
        let tally = &desk.tally;
        assert_eq!((tally.packets, tally.wrong_content, tally.out_of_order, tally.missing), (7, 0, 1, 1));
        assert_eq!((tally.audio_latency.count(), tally.audio_latency.max()), (5, 4_000));
        assert_eq!((tally.video_latency.count(), tally.jitter.max(), desk.window.latency.count()), (0, 0, 5));
    }

    #[test]
    fn latency_counts_once_a_track_has_settled() {
        let mut desk = Desk::new();
        desk.sound(1);
        desk.now += SETTLING - 1;
        [2, 4].into_iter().for_each(|number| desk.sound(number));
        assert_eq!((desk.tally.audio_latency.count(), desk.window.latency.count(), desk.tally.missing), (0, 0, 1));
        desk.now += 1;
        desk.sound(5);
        assert_eq!((desk.tally.audio_latency.count(), desk.window.latency.count()), (1, 1));
    }

    #[test]
    fn other_content_is_seen() {
        let mut desk = Desk::new();
        let mut changed = payload(Origin::new(1, false, 0), 1);
        *changed.last_mut().unwrap() ^= 1;
        desk.show(Kind::Audio, &changed);
        desk.show(Kind::Video, &payload(Origin::new(1, false, 0), 1));
        desk.show(Kind::Audio, b"what");
        desk.show(Kind::Audio, b"");
        desk.show(Kind::Retransmission, b"x");
        desk.show(Kind::Retransmission, b"xy");
        assert_eq!((desk.tally.packets, desk.tally.wrong_content), (3, 3));
    }

    #[test]
    fn layers_have_their_own_numbers_and_retransmissions_say_what_they_repair() {
        let mut desk = Desk::new();
        let (low, high) = (Origin::new(1, true, 0), Origin::new(1, true, 2));
        for (origin, number) in [(low, 1), (low, 2), (high, 900), (high, 901), (low, 77), (low, 79)] {
            desk.show(Kind::Video, &payload(origin, number));
        }
        let mut repair = vec![0x12, 0x34];
        repair.extend(payload(low, 78));
        assert_eq!(desk.show(Kind::Retransmission, &repair), Some(0x1234));
        assert_eq!((desk.tally.missing, desk.tally.wrong_content, desk.tally.out_of_order), (0, 0, 1));
    }
}
