//! How a participant stands: its scores smoothed over time, and a level that does not flap.

use super::{Level, Quality, worse};
use std::time::{Duration, Instant};

/// How often participants are judged: what receivers report comes once a second to once in five.
pub(crate) const JUDGED_EVERY: Duration = Duration::from_secs(2);

/// Silence after which a client is lost. Browsers check the path every five seconds or more often (RFC 7675 section 5.1).
const LOST_AFTER: Duration = Duration::from_secs(10);

/// Reports older than this say nothing of the present.
const REPORTS_LAST: Duration = Duration::from_secs(6);

/// Judgements before the first level is told: estimates and simulcast need time to rise.
const WARM_UP: u8 = 3;

/// Judgements in a row without anything to go by, after which nothing is known of a direction.
const FORGOTTEN_AFTER: u8 = 5;

/// The least score of [`Level::Excellent`]: about `R` = 80 of the E-model, "satisfied" (ITU-T G.109).
const EXCELLENT: f32 = 4.0;

/// The least score of [`Level::Good`]: `R` = 60, below which ITU-T G.109 has "nearly all users dissatisfied".
const GOOD: f32 = 3.1;

/// A score must be so far beyond a limit for the level to change.
const MARGIN: f32 = 0.15;

/// The weight of a new score that is lower than those before, and of one that is higher: bad news is told soon, good news once it
/// lasts.
const FALL: f32 = 0.5;
const RISE: f32 = 0.25;

/// See the module's text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    level: Level,
    up: Smoothed,
    down: Smoothed,
    /// The level that the control plane was told.
    told: Level,
    /// Judgements that had something to go by, up to [`WARM_UP`].
    judged: u8,
    /// When the client last reported on what it receives.
    reported_at: Option<Instant>,
}

impl Default for Standing {
    fn default() -> Self {
        let (up, down) = (Smoothed::default(), Smoothed::default());
        Self { level: Level::Unknown, up, down, told: Level::Unknown, judged: 0, reported_at: None }
    }
}

impl Standing {
    /// The client has reported on what it receives.
    pub(crate) fn on_report(&mut self, now: Instant) {
        self.reported_at = Some(now);
    }

    /// Whether what the client has reported is of the present.
    pub(crate) fn has_reports(&self, now: Instant) -> bool {
        self.reported_at.is_some_and(|at| now.saturating_duration_since(at) < REPORTS_LAST)
    }

    /// As of the latest judgement.
    pub(crate) fn quality(&self) -> Quality {
        Quality { level: self.level, up: self.up.score, down: self.down.score }
    }

    /// Takes the scores of the latest interval; `heard_at` is when anything last came from the client.
    pub(crate) fn judge(&mut self, now: Instant, heard_at: Instant, up: Option<f32>, down: Option<f32>) {
        if now.saturating_duration_since(heard_at) >= LOST_AFTER {
            self.forget();
            self.level = Level::Lost;
            return;
        }
        self.up.take(up);
        self.down.take(down);
        let Some(score) = worse(self.up.score, self.down.score) else { return self.forget() };
        if up.is_some() || down.is_some() {
            self.judged = (self.judged + 1).min(WARM_UP);
        }
        if self.judged == WARM_UP {
            self.level = level(self.level, score);
        }
    }

    /// There is nothing by which it could be judged.
    pub(crate) fn forget(&mut self) {
        *self = Self { told: self.told, reported_at: self.reported_at, ..Self::default() };
    }

    /// What is to be told, if the level is another one than was told; it then counts as told.
    pub(crate) fn news(&mut self) -> Option<Quality> {
        let changed = self.level != self.told;
        self.told = self.level;
        changed.then(|| self.quality())
    }
}

/// The score of one direction.
#[derive(Clone, Copy, Debug, Default)]
struct Smoothed {
    score: Option<f32>,
    /// Intervals in a row of which nothing is known.
    missing: u8,
}

impl Smoothed {
    /// Takes the score of the latest interval. A few without one, as when reports get lost, leave what was known.
    fn take(&mut self, latest: Option<f32>) {
        let Some(latest) = latest else {
            self.missing = (self.missing + 1).min(FORGOTTEN_AFTER);
            self.score = self.score.filter(|_| self.missing < FORGOTTEN_AFTER);
            return;
        };
        self.missing = 0;
        let former = self.score.unwrap_or(latest);
        let weight = if latest < former { FALL } else { RISE };
        self.score = Some(former + (latest - former) * weight);
    }
}

/// The level of a score, which the former one keeps unless the score is clearly beyond its limits.
fn level(former: Level, score: f32) -> Level {
    let of = |score: f32| match score {
        _ if score >= EXCELLENT => Level::Excellent,
        _ if score >= GOOD => Level::Good,
        _ => Level::Poor,
    };
    let keeps = matches!(former, Level::Excellent | Level::Good | Level::Poor)
        && [score - MARGIN, score + MARGIN].into_iter().any(|near| of(near) == former);
    if keeps { former } else { of(score) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::test_start;

    /// Somebody who is heard all the time.
    struct Heard {
        standing: Standing,
        now: Instant,
    }

    impl Heard {
        fn new() -> Self {
            Self { standing: Standing::default(), now: test_start() }
        }

        /// Judges so often; returns the levels that are told.
        fn judge(&mut self, times: usize, up: Option<f32>, down: Option<f32>) -> Vec<Level> {
            let mut told = Vec::new();
            for _ in 0..times {
                self.now += JUDGED_EVERY;
                self.standing.judge(self.now, self.now, up, down);
                told.extend(self.standing.news().map(|quality| quality.level));
            }
            told
        }
    }

    #[test]
    fn a_level_is_told_once_it_is_known_and_when_it_changes() {
        let mut heard = Heard::new();
        assert_eq!(heard.judge(2, Some(2.0), None), []);
        assert_eq!(heard.judge(30, Some(4.4), Some(4.4)), [Level::Poor, Level::Good, Level::Excellent]);
        assert_eq!(heard.judge(5, Some(4.4), Some(2.0)), [Level::Good, Level::Poor], "the worse direction counts");
        assert_eq!(heard.judge(30, Some(4.4), Some(4.4)), [Level::Good, Level::Excellent]);
    }

    #[test]
    fn a_score_that_wavers_about_a_limit_changes_nothing() {
        let mut heard = Heard::new();
        assert_eq!(heard.judge(3, Some(4.1), None), [Level::Excellent]);
        for _ in 0..50 {
            assert_eq!(heard.judge(1, Some(3.9), None), []);
            assert_eq!(heard.judge(1, Some(4.1), None), []);
        }
        assert_eq!(heard.judge(20, Some(3.8), None), [Level::Good]);
        assert_eq!(heard.judge(20, Some(4.1), None), [], "nor does a little more");
        assert_eq!(heard.judge(20, Some(4.2), None), [Level::Excellent]);
    }

    #[test]
    fn who_is_silent_is_lost_and_comes_back_with_a_level_of_its_own() {
        let mut heard = Heard::new();
        heard.judge(3, Some(4.4), None);
        let silent_since = heard.now;
        for turn in 1..=6 {
            heard.standing.judge(silent_since + JUDGED_EVERY * turn, silent_since, None, None);
        }
        assert_eq!(heard.standing.news().map(|quality| (quality.level, quality.score())), Some((Level::Lost, None)));
        heard.now += LOST_AFTER * 2;
        assert_eq!(heard.judge(2, Some(4.4), None), [], "it begins anew");
        assert_eq!(heard.judge(1, Some(4.4), None), [Level::Excellent]);
    }

    #[test]
    fn what_cannot_be_judged_any_more_is_forgotten() {
        let mut heard = Heard::new();
        heard.judge(3, Some(4.4), None);
        assert_eq!(heard.judge(4, None, None), []);
        assert_eq!(heard.judge(20, None, None), [Level::Unknown]);
        assert_eq!(heard.judge(2, Some(4.4), None), []);
        assert_eq!(heard.judge(1, Some(4.4), None), [Level::Excellent]);
    }

    #[test]
    fn reports_grow_old() {
        let (mut standing, now) = (Standing::default(), test_start());
        assert!(!standing.has_reports(now));
        standing.on_report(now);
        assert!(standing.has_reports(now + Duration::from_secs(5)) && !standing.has_reports(now + REPORTS_LAST));
    }
}
