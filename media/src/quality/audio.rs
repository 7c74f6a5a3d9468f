//! The quality of sound by the E-model (ITU-T G.107), reduced to what packets show: delay and loss.
//!
//! `R = 93.2 − Idd − Ie,eff`, every other parameter at the default that G.107 gives for it: no noise, no echo, no expectation that a
//! mobile phone would lower. `R` becomes a mean opinion score by annex B.

use std::time::Duration;

/// The rating of a connection without delay and loss: G.107's defaults (table 3).
const BASE_RATING: f32 = 93.2;

/// Percent of packets lost at random at which half of the impairment is reached: `Bpl` of G.711 with concealment, 25.1, by ITU-T G.113
/// appendix I. It stands in for Opus, whose concealment is not worse.
const LOSS_ROBUSTNESS: f32 = 25.1;

/// Impairment of the codec itself, `Ie`: none, as of G.711; Opus at a call's rates is not worse.
const CODEC_IMPAIRMENT: f32 = 0.0;

/// Samples of a packet have waited for its last one.
const PACKETISATION: Duration = Duration::from_millis(20);

/// The delay of the jitter buffer, in jitters of RFC 3550: it holds what nearly all packets need.
const BUFFER_JITTERS: u32 = 2;

/// A delay beyond which nothing gets worse.
const MAX_DELAY: Duration = Duration::from_secs(10);

/// What is known of the sound of one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sound {
    /// Packets lost of all that were sent, 0 to 1; after redundancy, where there is any.
    pub(crate) loss: f32,
    /// Interarrival jitter (RFC 3550 section 6.4.1).
    pub(crate) jitter: Duration,
    /// Between the participant and the server.
    pub(crate) round_trip: Duration,
}

impl Sound {
    /// From mouth to ear as far as this direction is to blame: half a round trip, the jitter buffer, and packetisation.
    fn one_way_delay(&self) -> Duration {
        let network = (self.round_trip / 2).min(MAX_DELAY);
        network + self.jitter.min(MAX_DELAY).saturating_mul(BUFFER_JITTERS) + PACKETISATION
    }

    /// The mean opinion score, 1 to 4.5.
    pub(crate) fn score(&self) -> f32 {
        opinion(rating(self.one_way_delay(), self.loss))
    }
}

/// How much more likely than by chance the packet behind a lost one is lost, too: losses come in bursts. Reports do not tell how long
/// those are; this makes them 1.5 packets where 10 % get lost.
const BURSTINESS: f32 = 0.25;

/// What is lost of sound that carries each frame again in so many of the packets behind its own (RFC 2198): a frame is lost if all of
/// these are.
pub(crate) fn after_redundancy(loss: f32, copies: u8) -> f32 {
    let loss = loss.clamp(0.0, 1.0);
    let next = loss + (1.0 - loss) * BURSTINESS;
    loss * next.powi(i32::from(copies))
}

/// The transmission rating `R`, up to 93.2. `loss` is 0 to 1.
fn rating(one_way: Duration, loss: f32) -> f32 {
    BASE_RATING - delay_impairment(one_way) - loss_impairment(loss)
}

/// `Idd`, what absolute delay costs conversation: G.107 section 7.4, equations 7-27 and 7-28. Nothing up to 100 ms.
fn delay_impairment(one_way: Duration) -> f32 {
    let ms = one_way.min(MAX_DELAY).as_secs_f32() * 1_000.0;
    if ms <= 100.0 {
        return 0.0;
    }
    let x = (ms / 100.0).log2();
    let root = |x: f32| (1.0 + x.powi(6)).powf(1.0 / 6.0);
    25.0 * (root(x) - 3.0 * root(x / 3.0) + 2.0)
}

/// `Ie,eff`, what loss costs: G.107 section 7.5, equation 7-29, with losses at random (`BurstR` 1).
fn loss_impairment(loss: f32) -> f32 {
    let percent = loss.clamp(0.0, 1.0) * 100.0;
    CODEC_IMPAIRMENT + (95.0 - CODEC_IMPAIRMENT) * percent / (percent + LOSS_ROBUSTNESS)
}

/// The mean opinion score of a rating: G.107 annex B. The cubic dips below 1 for the lowest ratings, where it is held at 1.
fn opinion(rating: f32) -> f32 {
    let rating = rating.clamp(0.0, 100.0);
    let score = 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6;
    score.clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn near(value: f32, expected: f32, by: f32) -> bool {
        (value - expected).abs() <= by
    }

    #[test]
    fn the_defaults_give_the_scores_that_g107_gives() {
        assert_eq!(rating(Duration::ZERO, 0.0), 93.2);
        assert!(near(opinion(93.2), 4.41, 0.005), "{}", opinion(93.2));
        // Table B.1: the lower limits of the categories of user satisfaction.
        for (rating, score) in [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)] {
            assert!(near(opinion(rating), score, 0.01), "{rating}: {}", opinion(rating));
        }
        assert_eq!((opinion(-5.0), opinion(0.0), opinion(100.0)), (1.0, 1.0, 4.5));
    }

    #[test]
    fn delay_costs_nothing_up_to_a_tenth_of_a_second_and_then_more_and_more() {
        assert_eq!(delay_impairment(ms(100)), 0.0);
        assert!(delay_impairment(ms(150)) < 1.0);
        assert!(near(delay_impairment(ms(200)), 3.0, 0.3), "{}", delay_impairment(ms(200)));
        assert!((10.0..=20.0).contains(&delay_impairment(ms(300))), "{}", delay_impairment(ms(300)));
        assert!(delay_impairment(ms(400)) > delay_impairment(ms(300)) + 5.0);
    }

    #[test]
    fn half_of_the_impairment_is_reached_at_the_codecs_robustness() {
        assert!(near(loss_impairment(0.251), 47.5, 0.01));
        assert!(near(loss_impairment(0.01), 3.64, 0.01), "{}", loss_impairment(0.01));
        assert_eq!(loss_impairment(0.0), 0.0);
    }

    #[test]
    fn calls_as_people_know_them_have_the_score_that_they_would_give() {
        let sound = |loss, jitter, round_trip| Sound { loss, jitter: ms(jitter), round_trip: ms(round_trip) }.score();
        assert!(sound(0.0, 2, 40) > 4.4, "at home");
        assert!((3.6..4.2).contains(&sound(0.05, 10, 80)), "a bad wireless network: {}", sound(0.05, 10, 80));
        assert!(sound(0.2, 10, 80) < 3.1, "every fifth packet lost: {}", sound(0.2, 10, 80));
        assert!(sound(0.0, 10, 1_200) < 3.1, "a satellite with a full queue: {}", sound(0.0, 10, 1_200));
        assert!(sound(after_redundancy(0.1, 1), 10, 80) > 4.1, "redundancy repairs most of it");
    }

    #[test]
    fn each_copy_leaves_less_lost_but_not_as_much_less_as_by_chance() {
        assert_eq!((after_redundancy(0.1, 0), after_redundancy(0.0, 2), after_redundancy(1.0, 2)), (0.1, 0.0, 1.0));
        assert!(near(after_redundancy(0.1, 1), 0.0325, 1e-6) && near(after_redundancy(0.1, 2), 0.01056, 1e-5));
        assert!(after_redundancy(0.02, 1) > 0.02 * 0.02);
    }

    proptest! {
        #[test]
        fn scores_are_within_their_range_whatever_was_measured(
            loss in -1.0f32..2.0, jitter in 0u64..100_000_000, round_trip in 0u64..100_000_000,
        ) {
            let score = Sound { loss, jitter: ms(jitter), round_trip: ms(round_trip) }.score();
            prop_assert!((1.0..=4.5).contains(&score), "{score}");
        }

        #[test]
        fn more_loss_and_more_delay_never_make_it_better(
            loss in 0.0f32..1.0, more in 0.0f32..1.0, delay in 0u64..5_000, longer in 0u64..5_000,
        ) {
            prop_assert!(rating(ms(delay), loss + more) <= rating(ms(delay), loss));
            prop_assert!(rating(ms(delay + longer), loss) <= rating(ms(delay), loss) + 1e-3);
            prop_assert!(opinion(rating(ms(delay + longer), loss + more)) <= opinion(rating(ms(delay), loss)) + 0.03);
        }
    }
}
