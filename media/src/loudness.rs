//! How loud a voice is, smoothed over time, in -dBov as RFC 6464 counts: 0 is the loudest, 127 is silence.

use std::time::{Duration, Instant};

/// Level of silence.
pub(crate) const SILENCE: u8 = 127;
/// Time constant of the smoothing.
const SMOOTHING: Duration = Duration::from_millis(150);
/// The time that a packet's level is taken to speak for when it is louder than those before.
const MAX_PACKET: Duration = Duration::from_millis(20);

/// See the module's text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loudness {
    level: f32,
    updated: Option<Instant>,
}

impl Loudness {
    pub(crate) const SILENT: Self = Self { level: SILENCE as f32, updated: None };

    /// That of a voice which begins with that level.
    pub(crate) fn new(now: Instant, level: u8) -> Self {
        Self { level: f32::from(level), updated: Some(now) }
    }

    /// Takes a packet's level; what is not heard for a while counts as silence.
    pub(crate) fn update(&mut self, now: Instant, level: u8) {
        let elapsed = self.updated.map_or(Duration::ZERO, |updated| now.saturating_duration_since(updated));
        // After a gap a loud packet speaks for itself alone, a quiet one for the gap as well.
        let elapsed = if f32::from(level) < self.level { elapsed.min(MAX_PACKET) } else { elapsed };
        let weight = elapsed.as_secs_f32() / (elapsed + SMOOTHING).as_secs_f32();
        self.level += (f32::from(level) - self.level) * weight;
        self.updated = Some(now);
    }

    /// Forgets what was heard, but not when.
    pub(crate) fn fall_silent(&mut self) {
        self.level = f32::from(SILENCE);
    }

    pub(crate) fn level(&self) -> f32 {
        self.level
    }

    /// How long no packet has come.
    pub(crate) fn quiet_for(&self, now: Instant) -> Duration {
        self.updated.map_or(Duration::MAX, |at| now.saturating_duration_since(at))
    }
}
