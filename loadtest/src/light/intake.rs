//! The light path of one connection: counts packets by their headers.

use super::feedback::Arrivals;
use super::header::Header;
use super::reception::Verdict;
use super::streams::{Kind, Streams};
use crate::client::description::Numbers;
use crate::tally::{Measures, Received, Window};

/// Bytes of SRTP's tag, with which an RTP packet without payload ends.
const TAG: usize = 16;

/// See the module's text.
#[derive(Debug, Default)]
pub struct Intake {
    /// What numbers in packets mean.
    pub numbers: Numbers,
    /// How streams arrive.
    pub streams: Streams,
    /// What the server is to be told of arrivals.
    pub arrivals: Arrivals,
    /// Streams of pictures that have just begun, for which a decoder needs a key frame.
    pub needs_key: Vec<u32>,
    /// Something is missing that was not missing before.
    pub misses: bool,
    /// The connection decrypts, and will itself tell what retransmissions repair.
    reads_all: bool,
    got_media: bool,
    unsampled: u32,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its stream.
    pub ssrc: u32,
    /// What it carries.
    pub kind: Kind,
    /// It had come before.
    pub duplicate: bool,
    /// It is the first media packet of the connection.
    pub first: bool,
}

impl Intake {
    /// An intake of nothing so far. Who `reads_all` tells itself what retransmissions repair, by [`Self::repair`].
    #[must_use]
    pub fn new(reads_all: bool) -> Self {
        Self { reads_all, ..Self::default() }
    }

    /// Takes an RTP datagram at a time, in nanoseconds. One of so many packets (at least 1) is sampled for jitter. Nothing
    /// is returned for what is no packet of a known kind.
    #[inline]
    pub fn take(
        &mut self,
        now: u64,
        datagram: &[u8],
        sample_every: u32,
        tally: &mut Measures,
        window: &mut Window,
    ) -> Option<Taken> {
        let header = Header::read(datagram, self.numbers.transport_sequence)?;
        if let Some(number) = header.transport_sequence {
            self.arrivals.push(number, now);
        }
        let Some(place) = self.streams.find(header.ssrc) else {
            return self.take_first(datagram, header, tally, window);
        };
        let stream = self.streams.get_mut(place)?;
        let kind = stream.kind;
        let verdict = stream.reception.receive(header.sequence, now);
        let received = of_kind(tally, kind);
        received.bytes += datagram.len() as u64;
        match verdict {
            Verdict::New { gap } => {
                received.packets += 1;
                if gap > 0 {
                    received.lost += gap;
                    self.misses = true;
                }
            }
            Verdict::Late => {
                received.packets += 1;
                received.reordered += 1;
                received.lost = received.lost.saturating_sub(1);
            }
            Verdict::Duplicate => received.duplicated += 1,
        }
        self.unsampled += 1;
        if self.unsampled >= sample_every && kind != Kind::Retransmission {
            self.unsampled = 0;
            let jitter = stream.reception.time(header.timestamp, kind.clock_rate(), now);
            tally.witnesses.light_jitter.record(jitter);
        }
        let duplicate = verdict == Verdict::Duplicate;
        if kind == Kind::Retransmission {
            self.take_retransmission(datagram, &header, tally);
        } else if !duplicate {
            window.packets += 1;
            window.bytes += datagram.len() as u64;
        }
        Some(Taken { ssrc: header.ssrc, kind, duplicate, first: false })
    }

    #[cold]
    fn take_first(
        &mut self,
        datagram: &[u8],
        header: Header,
        tally: &mut Measures,
        window: &mut Window,
    ) -> Option<Taken> {
        let kind = self.numbers.kind(header.payload_type)?;
        self.streams.add(header.ssrc, kind, header.sequence)?;
        let received = of_kind(tally, kind);
        received.packets += 1;
        received.bytes += datagram.len() as u64;
        let mut first = false;
        if kind == Kind::Retransmission {
            self.take_retransmission(datagram, &header, tally);
        } else {
            window.packets += 1;
            window.bytes += datagram.len() as u64;
            first = !std::mem::replace(&mut self.got_media, true);
        }
        if kind == Kind::Video {
            self.needs_key.push(header.ssrc);
        }
        Some(Taken { ssrc: header.ssrc, kind, duplicate: false, first })
    }

    /// What a retransmission repairs is encrypted: in all likelihood what was asked for longest ago.
    fn take_retransmission(&mut self, datagram: &[u8], header: &Header, tally: &mut Measures) {
        let probe = datagram.len() <= header.length + TAG + 2;
        if !self.reads_all && !probe {
            self.repair(header.ssrc, None, tally);
        }
    }

    /// A retransmission on `ssrc` has brought a packet, whose number is known if it was decrypted.
    pub fn repair(&mut self, ssrc: u32, number: Option<u16>, tally: &mut Measures) {
        if let Some(primary) = self.numbers.repaired_by(ssrc)
            && let Some(stream) = self.streams.of(primary)
            && stream.reception.repair(number)
        {
            tally.video.lost = tally.video.lost.saturating_sub(1);
        }
    }
}

#[inline]
fn of_kind(tally: &mut Measures, kind: Kind) -> &mut Received {
    match kind {
        Kind::Video => &mut tally.video,
        Kind::Audio => &mut tally.audio,
        Kind::Retransmission => &mut tally.retransmissions,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "m=audio\na=rtpmap:111 opus/48000/2\nm=video\na=rtpmap:96 VP8/90000\na=rtpmap:97 rtx/90000\n\
                       a=ssrc-group:FID 7 8\n";

    struct Desk {
        intake: Intake,
        tally: Measures,
        window: Window,
    }

    impl Desk {
        fn new() -> Self {
            let mut intake = Intake::default();
            intake.numbers.learn(SDP);
            Self { intake, tally: Measures::default(), window: Window::default() }
        }

        fn take(&mut self, payload_type: u8, ssrc: u8, sequence: u8) -> Option<Taken> {
            let mut datagram = vec![0x80, payload_type, 0, sequence, 0, 0, 0, 0, 0, 0, 0, ssrc];
            datagram.resize(100, 0);
            self.intake.take(1_000, &datagram, 1, &mut self.tally, &mut self.window)
        }
    }

    #[test]
    fn kinds_are_counted_apart_and_the_first_media_packet_is_told() {
        let mut desk = Desk::new();
        let first = [desk.take(97, 8, 1), desk.take(96, 7, 1), desk.take(96, 7, 2), desk.take(111, 9, 1)];
        assert_eq!(first.map(|taken| taken.is_some_and(|taken| taken.first)), [false, true, false, false]);
        assert_eq!(desk.take(50, 10, 1), None, "of a kind that was never negotiated");
        let counts = [desk.tally.video, desk.tally.audio, desk.tally.retransmissions];
        assert_eq!(counts.map(|received| (received.packets, received.bytes)), [(2, 200), (1, 100), (1, 100)]);
        assert_eq!((desk.window.packets, desk.window.bytes), (3, 300));
        assert_eq!(desk.intake.needs_key, [7]);
    }

    #[test]
    fn what_is_lost_and_comes_after_all_is_not_lost() {
        let mut desk = Desk::new();
        for sequence in [1, 2, 6] {
            desk.take(96, 7, sequence);
        }
        assert_eq!((desk.tally.video.lost, desk.intake.misses), (3, true));
        assert!(!desk.take(96, 7, 4).unwrap().duplicate && desk.take(96, 7, 4).unwrap().duplicate);
        let video = desk.tally.video;
        assert_eq!((video.lost, video.reordered, video.duplicated, video.packets), (2, 1, 1, 4));
        // 3 and 5 are asked for, and come on the SSRC of retransmissions.
        let mut asked = Vec::new();
        desk.intake.streams.of(7).unwrap().reception.ask(u64::MAX / 2, &mut asked);
        assert_eq!(asked, [3, 5]);
        for sequence in 1..=3 {
            desk.take(97, 8, sequence);
        }
        assert_eq!((desk.tally.video.lost, desk.tally.retransmissions.packets), (0, 3));
    }

    #[test]
    fn who_reads_all_repairs_by_number() {
        let mut desk = Desk::new();
        desk.intake.reads_all = true;
        for sequence in [1, 2, 4] {
            desk.take(96, 7, sequence);
        }
        desk.take(97, 8, 1);
        assert_eq!(desk.tally.video.lost, 1);
        desk.intake.repair(8, Some(2), &mut desk.tally);
        assert_eq!(desk.tally.video.lost, 1, "it had come");
        desk.intake.repair(8, Some(3), &mut desk.tally);
        assert_eq!(desk.tally.video.lost, 0);
    }
}
