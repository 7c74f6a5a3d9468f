//! What sealing costs: a frame's packets for each of thirty subscribers with keys of their own, by the engine's cipher, and by ring, which is
//! also the floor of the other benchmarks. Both take turns, and the medians are over the turns.

#![allow(clippy::expect_used, reason = "a failed expectation is a failed benchmark")]

#[path = "../fan_out/turns.rs"]
mod turns;

use parlor_media::instruments::Sealer;
use std::hint::black_box;
use turns::{Turns, time};

/// Whose keys take turns.
const SUBSCRIBERS: u8 = 30;

/// Packets that each gets before the next.
const PACKETS: u64 = 8;

/// Bytes of an RTP header with the extensions that a browser has.
const HEADER: usize = 24;

/// Turns of each.
const TURNS: u64 = 4_000;

fn seal(sealers: &[Sealer], numbers: u64, payload: &mut [u8]) {
    for sealer in sealers {
        for number in numbers * PACKETS..(numbers + 1) * PACKETS {
            black_box(sealer.seal(number, &[0x80; HEADER], black_box(payload)).expect("far below the limit"));
        }
    }
}

fn main() {
    let own: Vec<_> = (0..SUBSCRIBERS).map(|key| Sealer::new(&[key; 16]).expect("a key of 128 bits")).collect();
    let ring: Vec<_> = (0..SUBSCRIBERS).map(|key| Sealer::of_ring(&[key; 16]).expect("a key of 128 bits")).collect();
    for size in [160, 1_200] {
        let mut turns = Turns::of("packet", "sealing", "ring");
        let mut payload = vec![0; size];
        for turn in 0..TURNS {
            let own = time(|| seal(&own, turn, &mut payload));
            let ring = time(|| seal(&ring, turn, &mut payload));
            turns.note(u64::from(SUBSCRIBERS) * PACKETS, own, ring);
        }
        turns.report(&format!("{size} bytes"));
    }
}
