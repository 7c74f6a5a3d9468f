//! Reads transport-wide congestion feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01) without allocation.
//!
//! Reading is total. The chunks are measured first, since the times of arrival stand behind the last of them; then chunks
//! and times are read side by side. What ends before it should, or has the reserved symbol, yields what stands before.

use thiserror::Error;

/// Common header, two SSRCs, base number, count, reference time and message count, in bytes.
const HEADER_LEN: usize = 20;
/// The smallest part of a tick's cycle: a reference time is so many ticks of 250 µs, 64 ms.
const TICKS_PER_REFERENCE: u32 = 256;

/// The symbols: not received, received soon after the one before, received later or out of order.
const NOT_RECEIVED: u8 = 0;
const SMALL_DELTA: u8 = 1;
const LARGE_DELTA: u8 = 2;

/// What claimed to be transport-wide feedback is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("malformed transport-wide feedback")]
pub struct Malformed;

/// One message: a contiguous range of numbers, each with its arrival or `None` when it did not arrive so far.
///
/// An arrival is in ticks of 250 µs on the receiver's clock, modulo 2^32 (twelve days), which is just what the 24 bits of
/// the reference time and its 256 ticks come to. Only differences mean something.
#[derive(Clone, Debug)]
pub struct TransportCc<'a> {
    /// Those not begun yet.
    chunks: &'a [u8],
    deltas: &'a [u8],
    symbols: Symbols,
    base: u16,
    /// Numbers not yet read.
    left: u16,
    ticks: u32,
    is_broken: bool,
}

impl<'a> TransportCc<'a> {
    /// Begins to read a whole RTCP packet, header and padding included.
    ///
    /// # Errors
    ///
    /// When the packet is too short for its header or for the chunks that its count asks for.
    pub fn parse(packet: &'a [u8]) -> Result<Self, Malformed> {
        let unpadded = if packet.first().ok_or(Malformed)? & 0x20 == 0 { packet } else { without_padding(packet)? };
        let (header, body) = unpadded.split_first_chunk::<HEADER_LEN>().ok_or(Malformed)?;
        let left = u16::from_be_bytes([header[14], header[15]]);
        let reference = u32::from_be_bytes([0, header[16], header[17], header[18]]);
        let (chunks, deltas) = body.split_at_checked(chunks_len(body, left)?).ok_or(Malformed)?;
        Ok(Self {
            chunks,
            deltas,
            symbols: Symbols::NONE,
            base: u16::from_be_bytes([header[12], header[13]]),
            left,
            ticks: reference.wrapping_mul(TICKS_PER_REFERENCE),
            is_broken: false,
        })
    }

    /// The first number of all.
    #[must_use]
    pub const fn base(&self) -> u16 {
        self.base
    }

    /// How many numbers are left to be read.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.left
    }

    /// The latest time of arrival that was read, in ticks of 250 µs; before any was, the reference time, against which the first is told.
    #[must_use]
    pub const fn reference(&self) -> u32 {
        self.ticks
    }

    /// Whether reading has ended before the count was reached: the message is cut short, or has the reserved symbol.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Reads the next numbers into `statuses`, as many as it has places for or as there are, and returns those: none at the end.
    #[inline]
    pub fn read<'s>(&mut self, statuses: &'s mut [Option<u32>]) -> &'s [Option<u32>] {
        let mut len = 0;
        while len < statuses.len() && self.left > 0 {
            if self.symbols.left == 0 {
                let Some((chunk, rest)) = self.chunks.split_first_chunk() else { break };
                self.chunks = rest;
                self.symbols = Symbols::new(u16::from_be_bytes(*chunk));
            }
            let wanted = (statuses.len() - len).min(usize::from(self.symbols.left.min(self.left)));
            let Some(places) = statuses.get_mut(len..len + wanted) else { break };
            let read = if self.symbols.is_small_run() { self.read_small_run(places) } else { self.read_any(places) };
            len += read;
            self.symbols.left -= wanted as u16;
            self.left -= wanted as u16;
            if read < wanted {
                self.left = 0;
                self.is_broken = true;
            }
        }
        statuses.get(..len).unwrap_or_default()
    }

    /// The next numbers, so many at most, where the message tells of all of them that they arrived soon one after another, as most messages
    /// do: how many ticks each arrived after the one before. [`Self::reference`] is the time of the last of them then. `None` where
    /// it tells of the next otherwise, or of none.
    #[inline]
    pub fn read_run(&mut self, most: usize) -> Option<&'a [u8]> {
        if self.symbols.left == 0 {
            let (chunk, rest) = self.chunks.split_first_chunk()?;
            self.chunks = rest;
            self.symbols = Symbols::new(u16::from_be_bytes(*chunk));
        }
        let wanted = most.min(usize::from(self.symbols.left.min(self.left)));
        if wanted == 0 || !self.symbols.is_small_run() || wanted > self.deltas.len() {
            return None;
        }
        let deltas;
        (deltas, self.deltas) = self.deltas.split_at(wanted);
        self.symbols.left -= wanted as u16;
        self.left -= wanted as u16;
        self.ticks = self.ticks.wrapping_add(deltas.iter().map(|delta| u32::from(*delta)).sum());
        Some(deltas)
    }

    /// Packets that all arrived soon one after another, which is what most messages tell. Returns how many there are.
    #[inline]
    fn read_small_run(&mut self, statuses: &mut [Option<u32>]) -> usize {
        let (deltas, rest) = self.deltas.split_at(statuses.len().min(self.deltas.len()));
        self.deltas = rest;
        for (status, delta) in statuses.iter_mut().zip(deltas) {
            self.ticks = self.ticks.wrapping_add(u32::from(*delta));
            *status = Some(self.ticks);
        }
        deltas.len()
    }

    #[inline]
    fn read_any(&mut self, statuses: &mut [Option<u32>]) -> usize {
        for (read, status) in statuses.iter_mut().enumerate() {
            let symbol = self.symbols.take();
            let Some(arrival) = self.arrival(symbol) else { return read };
            *status = arrival;
        }
        statuses.len()
    }

    /// The arrival that a symbol stands for.
    #[inline]
    fn arrival(&mut self, symbol: u8) -> Option<Option<u32>> {
        let delta = match symbol {
            NOT_RECEIVED => return Some(None),
            SMALL_DELTA => {
                let (delta, rest) = self.deltas.split_first()?;
                self.deltas = rest;
                u32::from(*delta)
            }
            LARGE_DELTA => {
                let (delta, rest) = self.deltas.split_first_chunk()?;
                self.deltas = rest;
                i32::from(i16::from_be_bytes(*delta)) as u32
            }
            _ => return None,
        };
        self.ticks = self.ticks.wrapping_add(delta);
        Some(Some(self.ticks))
    }
}

/// The symbols of one chunk: a run has all its bits for one symbol, and does not move on.
#[derive(Clone, Copy, Debug)]
struct Symbols {
    /// The next symbol stands in the upper bits.
    bits: u16,
    /// Bits of a symbol.
    width: u8,
    /// Bits to move on by, for the next: none in a run.
    step: u8,
    left: u16,
}

impl Symbols {
    const NONE: Self = Self { bits: 0, width: 2, step: 0, left: 0 };

    #[inline]
    const fn new(chunk: u16) -> Self {
        match chunk >> 14 {
            0 | 1 => Self { bits: chunk << 1, width: 2, step: 0, left: chunk & 0x1fff },
            2 => Self { bits: chunk << 2, width: 1, step: 1, left: 14 },
            _ => Self { bits: chunk << 2, width: 2, step: 2, left: 7 },
        }
    }

    #[inline]
    const fn is_small_run(self) -> bool {
        self.step == 0 && self.bits >> 14 == SMALL_DELTA as u16
    }

    /// The next one; how many are left the caller counts.
    #[inline]
    const fn take(&mut self) -> u8 {
        let symbol = self.bits >> (16 - self.width as u32);
        self.bits <<= self.step;
        symbol as u8
    }
}

/// Bytes of the chunks that cover `count` numbers.
fn chunks_len(body: &[u8], count: u16) -> Result<usize, Malformed> {
    let (mut len, mut covered) = (0, 0);
    let mut chunks = body.chunks_exact(2);
    while covered < u32::from(count) {
        let chunk = chunks.next().and_then(<[u8]>::first_chunk).ok_or(Malformed)?;
        let symbols = Symbols::new(u16::from_be_bytes(*chunk)).left;
        // Runs of none could go on without end.
        if symbols == 0 {
            return Err(Malformed);
        }
        covered += u32::from(symbols);
        len += 2;
    }
    Ok(len)
}

fn without_padding(packet: &[u8]) -> Result<&[u8], Malformed> {
    let padding = usize::from(*packet.last().ok_or(Malformed)?);
    let len = packet.len().checked_sub(padding).filter(|_| padding > 0).ok_or(Malformed)?;
    packet.get(..len).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::test_start;
    use crate::feedback::twcc::TwccRecorder;
    use proptest::prelude::*;
    use rtc::rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
    use rtc::shared::marshal::Unmarshal as _;
    use std::collections::BTreeMap;
    use std::time::Duration;

    /// A message with this base, count, reference and body; the header's length field is not looked at.
    fn message(base: u16, count: u16, reference: u32, body: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
        packet.extend(base.to_be_bytes());
        packet.extend(count.to_be_bytes());
        packet.extend(&reference.to_be_bytes()[1..]);
        packet.push(0);
        packet.extend(body);
        packet
    }

    fn read(packet: &[u8]) -> (Vec<(u16, Option<u32>)>, bool) {
        let mut reader = TransportCc::parse(packet).expect("a header");
        let (mut statuses, mut sequence, mut places) = (Vec::new(), reader.base(), [None; 16]);
        loop {
            let read = reader.read(&mut places);
            if read.is_empty() {
                return (statuses, reader.is_broken());
            }
            for ticks in read {
                statuses.push((sequence, *ticks));
                sequence = sequence.wrapping_add(1);
            }
        }
    }

    /// The same, in runs as far as there are any.
    fn read_by_runs(packet: &[u8]) -> Vec<(u16, Option<u32>)> {
        let mut reader = TransportCc::parse(packet).expect("a header");
        let (mut statuses, mut sequence) = (Vec::new(), reader.base());
        while reader.count() > 0 {
            let (mut ticks, mut place) = (reader.reference(), [None]);
            let mut add = |ticks| {
                statuses.push((sequence, ticks));
                sequence = sequence.wrapping_add(1);
            };
            match reader.read_run(5) {
                Some(deltas) => {
                    for delta in deltas {
                        ticks = ticks.wrapping_add(u32::from(*delta));
                        add(Some(ticks));
                    }
                    assert_eq!(reader.reference(), ticks);
                }
                None => reader.read(&mut place).iter().copied().for_each(add),
            }
        }
        statuses
    }

    #[test]
    fn runs_and_vectors_are_read_in_turn() {
        // A run of two small deltas, a vector of one bit each (1, 0, 1), and one of two bits (large, none, small).
        let body = [0x20, 2, 0xa8, 0, 0xe1, 0, 4, 5, 6, 7, 0xff, 0xfe, 9];
        let (statuses, is_broken) = read(&message(65_534, 19, 1, &body));
        let arrived: Vec<_> =
            statuses.iter().filter_map(|(sequence, arrival)| Some((*sequence, (*arrival)?))).collect();
        assert_eq!(arrived, [(65_534, 260), (65_535, 265), (0, 271), (2, 278), (14, 276), (16, 285)]);
        assert_eq!((statuses.len(), is_broken), (19, false));
        assert_eq!(read_by_runs(&message(65_534, 19, 1, &body)), statuses);
    }

    #[test]
    fn times_wrap_with_the_reference() {
        let (statuses, _) = read(&message(5, 2, 0xff_ffff, &[0x40, 2, 0x01, 0x00, 0xff, 0xff]));
        assert_eq!(statuses, [(5, Some(0)), (6, Some(u32::MAX))]);
    }

    #[test]
    fn what_is_cut_short_yields_what_stands_before() {
        let body = [0x20, 3, 4, 5];
        assert_eq!(read(&message(1, 3, 0, &body)), (vec![(1, Some(4)), (2, Some(9))], true));
        assert_eq!(read_by_runs(&message(1, 3, 0, &body)), [(1, Some(4)), (2, Some(9))]);
        let reserved = [0xd7, 0xff, 4, 5];
        assert_eq!(read(&message(1, 3, 0, &reserved)), (vec![(1, Some(4)), (2, Some(9))], true));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        assert!(TransportCc::parse(&[]).is_err());
        assert!(TransportCc::parse(&message(1, 1, 0, &[])[..19]).is_err());
        assert!(TransportCc::parse(&message(1, 15, 0, &[0x80, 0])).is_err(), "one vector covers 14");
        assert!(TransportCc::parse(&message(1, 1, 0, &[0x20, 0, 1, 1])).is_err(), "a run of none");
        let mut padded = message(1, 1, 0, &[0x20, 1, 7, 1]);
        padded[0] |= 0x20;
        assert_eq!(read(&padded), (vec![(1, Some(7))], false));
        padded.pop();
        padded.push(9);
        assert!(TransportCc::parse(&padded).is_err(), "padding that reaches into the chunks");
    }

    /// The same by webrtc-rs: arrivals in ticks.
    fn oracle(packet: &[u8]) -> Option<Vec<(u16, Option<u32>)>> {
        let decoded = TransportLayerCc::unmarshal(&mut &packet[..]).ok()?;
        let statuses = interceptor::convert_twcc(&decoded).into_iter().take(usize::from(decoded.packet_status_count));
        Some(statuses.map(|s| (s.sequence_number, s.arrival.map(|at| (at.as_micros() / 250) as u32))).collect())
    }

    proptest! {
        #[test]
        fn reads_what_webrtc_rs_reads(
            base in any::<u16>(),
            reference in 1_000u32..0xff_ffff,
            chunks in prop::collection::vec(prop_oneof![0u16..30, 0x2001u16..0x2020, 0x4001u16..0x4020, 0x8000u16..0xc000], 1..20),
            deltas in prop::collection::vec(any::<u8>(), 700),
        ) {
            let symbols = |chunk: u16| Symbols::new(chunk);
            let chunks: Vec<_> = chunks.into_iter().filter(|chunk| symbols(*chunk).left > 0).collect();
            let count = chunks.iter().map(|chunk| symbols(*chunk).left).sum();
            let sizes = chunks.iter().flat_map(|chunk| {
                let mut symbols = symbols(*chunk);
                (0..symbols.left).map(move |_| symbols.take())
            });
            let len = sizes.map(usize::from).sum::<usize>();
            // webrtc-rs refuses what tells of no arrival.
            prop_assume!(len > 0);
            let mut body: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.to_be_bytes()).collect();
            body.extend(deltas.iter().cycle().take(len));
            let mut packet = message(base, count, reference, &body);
            let padding = (4 - packet.len() % 4) % 4;
            if padding > 0 {
                packet[0] |= 0x20;
                packet.extend(vec![0; padding - 1]);
                packet.push(padding as u8);
            }
            let words = (packet.len() / 4 - 1) as u16;
            packet[2..4].copy_from_slice(&words.to_be_bytes());
            let (statuses, is_broken) = read(&packet);
            prop_assert!(!is_broken);
            prop_assert_eq!(&read_by_runs(&packet), &statuses);
            prop_assert_eq!(Some(statuses), oracle(&packet));
        }

        #[test]
        fn reads_what_the_recorder_writes(first in any::<u16>(), steps in prop::collection::vec((1u16..14, 0u64..90_000), 1..300)) {
            let start = test_start();
            let (mut now, mut sequence) = (start, first);
            let mut recorder = TwccRecorder::default();
            // From its first packet on it counts time.
            recorder.on_packet(start, first.wrapping_sub(1));
            let mut truth = BTreeMap::from([(first.wrapping_sub(1), 0)]);
            for (step, pause_us) in steps {
                now += Duration::from_micros(pause_us);
                recorder.on_packet(now, sequence);
                truth.entry(sequence).or_insert(((now - start).as_micros() / 250) as u32);
                sequence = sequence.wrapping_add(step);
            }
            let (mut out, mut count) = (Vec::new(), 0);
            while recorder.build(now, 1, 2, &mut out) {
                let (statuses, is_broken) = read(&out);
                prop_assert!(!is_broken);
                for (sequence, arrival) in statuses {
                    prop_assert_eq!(arrival, truth.get(&sequence).copied());
                    count += usize::from(arrival.is_some());
                }
                out.clear();
            }
            // Those beyond the recorder's window are lost to the report.
            prop_assert!(count == truth.len() || truth.len() + 1_024 > count);
        }

        #[test]
        fn reading_random_bytes_ends(packet in prop::collection::vec(any::<u8>(), 0..200)) {
            if TransportCc::parse(&packet).is_ok() {
                prop_assert!(read(&packet).0.len() <= usize::from(u16::MAX));
            }
        }
    }
}
