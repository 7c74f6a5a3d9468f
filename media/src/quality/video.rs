//! The quality of a picture, by a formula of Parlor's own: the standards look into the picture, which a forwarder does not.
//!
//! `V = 1 + 4 · sharpness · motion · wholeness`, each factor 0 to 1, 1 where nothing better is of use or nothing is known:
//!
//! - `sharpness = √(height sent / height that would be of use)`: half the height costs 1.2 points, a quarter 2;
//! - `motion = √(frames sent / frames published)`: half the frame rate costs as much;
//! - `wholeness = (1 − loss)³ · (1 − frozen)`: losses cost time even where they are repaired, and what cannot be repaired in
//!   time freezes the picture.
//!
//! A paused picture has a 1. It is a heuristic: its factors order situations as people do, but no panel was asked. See `docs/quality.md`.

use std::time::Duration;

/// A packet is given up after it was sent so often: once, and again for two NACKs.
const TRANSMISSIONS: i32 = 3;

/// How long a picture stands beyond a round trip until the key frame that it waits for is shown: the publisher's encoder, and a frame as
/// large as many.
const KEYFRAME_DELAY: Duration = Duration::from_millis(300);

/// A longer one is not believed.
const MAX_ROUND_TRIP: Duration = Duration::from_secs(5);

/// Frame rates of both sides are counted in other seconds: a difference up to this share is none.
const FULL_MOTION: f32 = 0.85;

/// What is known of a picture on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Picture {
    /// The height that is sent, of that which would be of use; 0 to 1.
    pub(crate) height_share: f32,
    /// The frames that are sent, of those that there are; 0 to 1.
    pub(crate) frame_share: f32,
    /// Packets lost before repair, 0 to 1.
    pub(crate) loss: f32,
    /// Packets a second.
    pub(crate) packets_per_second: f32,
    /// Between the participant and the server.
    pub(crate) round_trip: Duration,
}

impl Picture {
    /// Of a picture that is not shown though it is wanted.
    pub(crate) const PAUSED_SCORE: f32 = 1.0;

    /// 1 to 5.
    pub(crate) fn score(&self) -> f32 {
        let sharpness = share(self.height_share).sqrt();
        let frames = share(self.frame_share);
        let motion = if frames >= FULL_MOTION { 1.0 } else { frames.sqrt() };
        let wholeness = (1.0 - share(self.loss)).powi(3) * (1.0 - self.frozen_share());
        (1.0 + 4.0 * sharpness * motion * wholeness).clamp(1.0, 5.0)
    }

    /// The share of the time in which the picture stands still, as estimated: packets that are lost each time they are sent come as a
    /// Poisson process, and each stops the picture until a key frame has come.
    fn frozen_share(&self) -> f32 {
        let given_up = self.packets_per_second.max(0.0) * share(self.loss).powi(TRANSMISSIONS);
        let stands = self.round_trip.min(MAX_ROUND_TRIP) + KEYFRAME_DELAY;
        1.0 - (-given_up * stands.as_secs_f32()).exp()
    }
}

fn share(value: f32) -> f32 {
    if value.is_finite() { value.clamp(0.0, 1.0) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PERFECT: Picture = Picture {
        height_share: 1.0,
        frame_share: 1.0,
        loss: 0.0,
        packets_per_second: 100.0,
        round_trip: Duration::from_millis(40),
    };

    #[test]
    fn pictures_are_ordered_as_people_would() {
        let score = |picture: Picture| picture.score();
        assert_eq!(score(PERFECT), 5.0);
        let half = score(Picture { height_share: 0.5, ..PERFECT });
        assert!((3.8..3.9).contains(&half), "{half}");
        assert_eq!(score(Picture { height_share: 0.25, ..PERFECT }), 3.0);
        assert_eq!(score(Picture { frame_share: 0.9, ..PERFECT }), 5.0, "seconds differ");
        assert_eq!(score(Picture { frame_share: 0.25, ..PERFECT }), 3.0);
        let some_loss = score(Picture { loss: 0.02, ..PERFECT });
        assert!((4.6..5.0).contains(&some_loss), "{some_loss}");
        let much_loss = score(Picture { loss: 0.2, ..PERFECT });
        assert!(much_loss < 3.1, "{much_loss}");
        assert!(score(Picture { loss: 0.2, round_trip: Duration::from_secs(1), ..PERFECT }) < much_loss);
    }

    proptest! {
        #[test]
        fn scores_are_within_their_range_whatever_was_measured(
            height_share in any::<f32>(), frame_share in any::<f32>(), loss in any::<f32>(),
            packets_per_second in 0.0f32..1e6, ms in 0u64..1_000_000,
        ) {
            let round_trip = Duration::from_millis(ms);
            let score = Picture { height_share, frame_share, loss, packets_per_second, round_trip }.score();
            prop_assert!((1.0..=5.0).contains(&score), "{score}");
        }

        #[test]
        fn less_of_anything_never_makes_it_better(
            height in 0.0f32..1.0, frames in 0.0f32..1.0, loss in 0.0f32..1.0, worse in 0.0f32..1.0,
        ) {
            let picture = Picture { height_share: height, frame_share: frames, loss, ..PERFECT };
            let than = picture.score() + 1e-4;
            let smaller = Picture { height_share: height * worse, ..picture };
            let slower = Picture { frame_share: frames * worse, ..picture };
            let lossier = Picture { loss: loss + (1.0 - loss) * worse, ..picture };
            for other in [smaller, slower, lossier] {
                prop_assert!(other.score() <= than, "{} above {}", other.score(), than);
            }
        }
    }
}
