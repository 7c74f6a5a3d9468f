//! What a receiver says back: arrival times by transport-wide sequence number, as a browser does.
//!
//! The format is that of draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1.

use rtc::rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, RecvDelta, RunLengthChunk, StatusChunkTypeTcc, StatusVectorChunk, SymbolSizeTypeTcc,
    SymbolTypeTcc, TransportLayerCc,
};

/// The most arrivals that wait for the next feedback: 100 ms of 40,000 packets a second. Further ones are left out,
/// which the server takes for loss.
pub const MAX_ARRIVALS: usize = 4096;
/// The most packets that one feedback speaks of. Its size then stays below 1,100 bytes.
const MAX_STATUSES: u16 = 400;
/// Units of the deltas and of the reference time, in nanoseconds.
const DELTA: u64 = 250_000;
const REFERENCE: u64 = 64_000_000;
/// Symbols of two bits in one status vector chunk.
const VECTOR: usize = 7;

/// Arrivals since the last feedback.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    list: Vec<(u16, u64)>,
    feedbacks: u8,
}

impl Arrivals {
    /// Notes an arrival.
    #[inline]
    pub fn push(&mut self, sequence: u16, now: u64) {
        if self.list.len() < MAX_ARRIVALS {
            self.list.push((sequence, now));
        }
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Tells everything that was noted, in one feedback or several.
    pub fn drain(&mut self, sender_ssrc: u32, media_ssrc: u32, mut send: impl FnMut(TransportLayerCc)) {
        let Some(&(first, _)) = self.list.first() else { return };
        // In the order of sending; the numbers may have rolled over.
        self.list.sort_by_key(|(sequence, _)| sequence.wrapping_sub(first) as i16);
        self.list.dedup_by_key(|(sequence, _)| *sequence);
        let mut rest = self.list.as_slice();
        while let Some(&(base, at)) = rest.first() {
            let span = rest.iter().take_while(|(sequence, _)| sequence.wrapping_sub(base) < MAX_STATUSES).count();
            let (told, later) = rest.split_at(span.max(1));
            rest = later;
            let feedback = tell(told, base, at);
            send(TransportLayerCc { sender_ssrc, media_ssrc, fb_pkt_count: self.feedbacks, ..feedback });
            self.feedbacks = self.feedbacks.wrapping_add(1);
        }
        self.list.clear();
    }
}

fn tell(told: &[(u16, u64)], base: u16, at: u64) -> TransportLayerCc {
    let reference = at / REFERENCE;
    let mut previous = reference * REFERENCE / DELTA;
    let (mut symbols, mut recv_deltas) = (Vec::with_capacity(told.len()), Vec::with_capacity(told.len()));
    for &(sequence, at) in told {
        let place = usize::from(sequence.wrapping_sub(base));
        symbols.resize(place, SymbolTypeTcc::PacketNotReceived);
        let ticks = at / DELTA;
        let delta = (ticks as i64 - previous as i64).clamp(i64::from(i16::MIN), i64::from(i16::MAX));
        previous = previous.saturating_add_signed(delta);
        let small = (0..=255).contains(&delta);
        let symbol =
            if small { SymbolTypeTcc::PacketReceivedSmallDelta } else { SymbolTypeTcc::PacketReceivedLargeDelta };
        symbols.push(symbol);
        recv_deltas.push(RecvDelta { type_tcc_packet: symbol, delta: delta * 250 });
    }
    TransportLayerCc {
        base_sequence_number: base,
        packet_status_count: symbols.len() as u16,
        reference_time: (reference & 0x00ff_ffff) as u32,
        packet_chunks: chunks(&symbols),
        recv_deltas,
        ..TransportLayerCc::default()
    }
}

/// Runs where they are longer than a vector, vectors of two-bit symbols otherwise.
fn chunks(mut symbols: &[SymbolTypeTcc]) -> Vec<PacketStatusChunk> {
    let mut chunks = Vec::new();
    while let Some(&first) = symbols.first() {
        let run = symbols.iter().take_while(|symbol| **symbol == first).count();
        if run >= VECTOR {
            chunks.push(PacketStatusChunk::RunLengthChunk(RunLengthChunk {
                type_tcc: StatusChunkTypeTcc::RunLengthChunk,
                packet_status_symbol: first,
                run_length: run as u16,
            }));
            symbols = symbols.get(run..).unwrap_or_default();
        } else {
            let (these, later) = symbols.split_at(VECTOR.min(symbols.len()));
            let mut symbol_list = these.to_vec();
            symbol_list.resize(VECTOR, SymbolTypeTcc::PacketNotReceived);
            chunks.push(PacketStatusChunk::StatusVectorChunk(StatusVectorChunk {
                type_tcc: StatusChunkTypeTcc::StatusVectorChunk,
                symbol_size: SymbolSizeTypeTcc::TwoBit,
                symbol_list,
            }));
            symbols = later;
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtc::shared::marshal::{Marshal, Unmarshal};

    /// What a server reads: sequence numbers and arrival times in units of 250 µs.
    fn read(feedback: &TransportLayerCc) -> Vec<(u16, u64)> {
        let mut bytes = feedback.marshal().unwrap();
        let feedback = TransportLayerCc::unmarshal(&mut bytes).unwrap();
        let mut symbols = Vec::new();
        for chunk in &feedback.packet_chunks {
            match chunk {
                PacketStatusChunk::RunLengthChunk(run) => {
                    symbols.extend((0..run.run_length).map(|_| run.packet_status_symbol));
                }
                PacketStatusChunk::StatusVectorChunk(vector) => symbols.extend(&vector.symbol_list),
            }
        }
        let mut at = u64::from(feedback.reference_time) * REFERENCE / DELTA;
        let mut deltas = feedback.recv_deltas.iter();
        let mut arrivals = Vec::new();
        for (place, symbol) in symbols.iter().take(usize::from(feedback.packet_status_count)).enumerate() {
            if *symbol != SymbolTypeTcc::PacketNotReceived {
                at = at.saturating_add_signed(deltas.next().unwrap().delta / 250);
                arrivals.push((feedback.base_sequence_number.wrapping_add(place as u16), at));
            }
        }
        assert!(deltas.next().is_none());
        arrivals
    }

    fn told(arrivals: &mut Arrivals) -> Vec<(u16, u64)> {
        let mut all = Vec::new();
        arrivals.drain(1, 2, |feedback| all.extend(read(&feedback)));
        all
    }

    #[test]
    fn what_arrived_is_told_with_its_times() {
        let mut arrivals = Arrivals::default();
        let mut expected = Vec::new();
        let start = 1_000_000_000_000u64;
        for n in 0..1_000u64 {
            // A tenth is lost, pairs change places, the numbers roll over.
            if n % 10 == 3 {
                continue;
            }
            let (sequence, at) = ((65_000 + (n ^ 1)) as u16, start + n * 700_000);
            arrivals.push(sequence, at);
            expected.push((sequence, at / DELTA));
        }
        expected.sort_by_key(|(sequence, _)| sequence.wrapping_sub(65_000));
        assert_eq!(told(&mut arrivals), expected);
        assert!(arrivals.is_empty() && told(&mut arrivals).is_empty());
        arrivals.push(7, start);
        arrivals.push(7, start + 1);
        assert_eq!(told(&mut arrivals), [(7, start / DELTA)]);
    }

    #[test]
    fn a_burst_after_a_pause_is_told_in_time_that_fits() {
        let mut arrivals = Arrivals::default();
        arrivals.push(1, 0);
        arrivals.push(2, 60_000_000_000);
        assert_eq!(told(&mut arrivals), [(1, 0), (2, i16::MAX as u64)]);
    }

    #[test]
    fn a_flood_is_bounded() {
        let mut arrivals = Arrivals::default();
        for n in 0..100_000u64 {
            arrivals.push(n as u16, n);
        }
        assert_eq!(told(&mut arrivals).len(), MAX_ARRIVALS);
    }
}
