//! Feedback that lies, repeats itself or makes no sense, and receivers without any.

use super::call::{Call, Wishes};
use super::path::Quality;
use crate::congestion::{Congestion, Demand, MAX_BPS, MIN_BPS, START_BPS};
use proptest::prelude::*;
use std::time::Duration;

/// A message of small or large deltas, all packets received.
fn claim(base: u16, count: u16, reference: u32, ticks: i16) -> Vec<u8> {
    let mut packet = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
    packet.extend(base.to_be_bytes());
    packet.extend(count.to_be_bytes());
    packet.extend(&reference.to_be_bytes()[1..]);
    packet.push(0);
    packet.extend((0x4000 | count & 0x1fff).to_be_bytes());
    (0..count & 0x1fff).for_each(|_| packet.extend(ticks.to_be_bytes()));
    packet
}

const MUCH: Demand = Demand { sending_bps: 100_000, next_bps: 1_000_000_000, wanted_bps: u64::MAX };

#[test]
fn a_receiver_that_claims_speed_gains_no_more_than_half_of_what_is_sent() {
    let mut congestion = Congestion::new(0);
    for tick in 0..6_000u32 {
        let now_us = i64::from(tick) * 10_000;
        let base = congestion.next_sequence();
        congestion.on_sent(now_us, 1_000, None);
        // Each packet arrives a tick after the one before: 32 Mbit/s.
        assert_eq!(congestion.on_feedback(now_us, &claim(base, 1, 0, (tick % 30_000) as i16)), Ok(()));
        congestion.handle_timeout(now_us, MUCH);
        // Clusters are never sent.
        congestion.poll_probe(now_us);
    }
    assert!(congestion.estimate_bps() <= 800_000 * 3 / 2 + 20_000, "{:?}", congestion.stats());
}

#[test]
fn what_was_said_before_or_was_never_sent_changes_nothing() {
    let mut call = Call::new(Quality::narrow(1e6), Wishes::all(5e6), 1);
    call.run_ms(10_000);
    let before = call.congestion.stats();
    let (now_us, next) = (call.now_us(), call.congestion.next_sequence());
    for ticks in [0, 1, i16::MAX, i16::MIN] {
        assert_eq!(call.congestion.on_feedback(now_us, &claim(next, 8_000, 77, ticks)), Ok(()));
        assert_eq!(call.congestion.on_feedback(now_us, &claim(next.wrapping_sub(20_000), 8_000, 77, ticks)), Ok(()));
    }
    assert_eq!(call.congestion.stats().delay_bps, before.delay_bps);
    assert_eq!(call.congestion.stats().trend, before.trend);
}

#[test]
fn a_receiver_with_an_estimate_of_its_own_is_believed_until_it_gives_feedback() {
    let mut congestion = Congestion::new(0);
    congestion.on_remb(700_000);
    for tick in 0..500i64 {
        let now_us = tick * 20_000;
        congestion.on_sent(now_us, 1_000, None);
        congestion.handle_timeout(now_us, MUCH);
        assert_eq!(congestion.poll_probe(now_us), None);
    }
    assert_eq!(congestion.estimate_bps(), 700_000);
    congestion.on_remb(u64::MAX);
    assert_eq!(congestion.estimate_bps(), MAX_BPS);
    congestion.on_remb(0);
    assert_eq!(congestion.estimate_bps(), MIN_BPS);
    assert_eq!(congestion.on_feedback(10_000_000, &claim(0, 500, 0, 4)), Ok(()));
    assert!(congestion.estimate_bps() > MIN_BPS);
}

#[test]
fn a_receiver_that_never_answers_gets_less_and_less() {
    let mut congestion = Congestion::new(0);
    for tick in 0..1_000i64 {
        let now_us = tick * 20_000;
        congestion.on_sent(now_us, 1_000, None);
        congestion.handle_timeout(now_us, MUCH);
        if tick < 100 {
            assert_eq!(congestion.estimate_bps(), START_BPS);
        }
    }
    assert_eq!(congestion.estimate_bps(), MIN_BPS);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nonsense_leaves_the_estimate_within_its_bounds(
        steps in prop::collection::vec((0i64..3_000_000, 0usize..70_000, any::<u16>(), any::<u32>(), any::<i16>(), 0u16..300, any::<u64>()), 1..200)
    ) {
        let mut congestion = Congestion::new(0);
        let mut now_us = 0;
        for (pause_us, bytes, back, reference, ticks, count, number) in steps {
            now_us += pause_us;
            let probe = congestion.poll_probe(now_us).map(|probe| probe.id);
            (0..count / 4).for_each(|_| congestion.on_sent(now_us, bytes, probe));
            let base = congestion.next_sequence().wrapping_sub(back % 600);
            congestion.on_feedback(now_us, &claim(base, count, reference, ticks)).ok();
            congestion.on_round_trip(Duration::from_micros(number));
            congestion.handle_timeout(now_us, Demand { sending_bps: number, next_bps: number.rotate_left(9), wanted_bps: number.rotate_left(23) });
            let stats = congestion.stats();
            prop_assert!((MIN_BPS..=MAX_BPS).contains(&stats.estimate_bps));
            prop_assert!(stats.trend.is_finite() && stats.delay_bps <= MAX_BPS && (0.0..=1.0).contains(&stats.loss_fraction));
        }
    }
}
