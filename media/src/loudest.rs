//! Which voices of a large room are heard: the loudest, a fixed number of *places*.
//!
//! Who begins to speak gets a free place, or that of one who is silent, with the first packet that is clearly speech. Who speaks
//! keeps the place through pauses, and loses it only to one who has been clearly louder for a while. A place is kept until
//! somebody else needs it, so nothing changes in a silent room. How often places change is bounded by these times, whatever
//! levels clients claim.
//!
//! Voices are known by the keys of their publications. While all are heard, levels are followed all the same: when the choice
//! begins, those who spoke last have the places.

use crate::loudness::{Loudness, SILENCE};
use std::cmp::Reverse;
use std::time::{Duration, Instant};

/// A packet as loud as this is speech by itself; conversation is at -20 to -40 dBov.
const CLEAR_LEVEL: u8 = 40;
/// So is one of who has been as loud as this for a while, smoothed: a soft voice.
const SOFT_LEVEL: f32 = 50.0;
/// Below this loudness there is nothing to be heard: a quiet room.
const AUDIBLE_LEVEL: f32 = 65.0;
/// Who has not spoken for so long is silent, and gives the place to whoever speaks: longer than a pause between sentences.
const HOLD: Duration = Duration::from_secs(2);
/// How much louder, in dB, one must be who takes the place of one who speaks, or is as silent.
const LOUDER_DB: f32 = 6.0;
/// For how long; and the least time between two such changes.
const LOUDER_FOR: Duration = Duration::from_millis(300);
/// A voice without packets is silent after this. Opus sends one each 400 ms in silence (DTX).
const MAX_QUIET: Duration = Duration::from_millis(600);
/// What a packet without a level counts as, unless it is as small as those of silence: speech, but nobody's place is lost to it
/// who speaks as loud as people do.
const ASSUMED_LEVEL: u8 = CLEAR_LEVEL;
/// Bytes of Opus that hold no speech: packets of discontinuous transmission have up to three, their comfort noise a little more.
const SILENT_BYTES: usize = 12;

/// The most places that can be asked for.
pub const MAX_PLACES: usize = 32;

/// In which rooms only the loudest are forwarded, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoudestLimits {
    /// Microphones of a room above which only the loudest are; 0 for never.
    pub above: usize,
    /// How many are, 1 to [`MAX_PLACES`].
    pub places: usize,
}

impl LoudestLimits {
    /// Everybody is heard, however many they are.
    pub const NEVER: Self = Self { above: 0, places: 1 };

    /// Whether a room with so many microphones forwards only the loudest, if it did before. It goes on with a few less than it
    /// begins with: somebody who comes and goes does not change it each time.
    #[must_use]
    pub fn chooses(&self, microphones: usize, before: bool) -> bool {
        let margin = if before { (self.above / 8).max(1) } else { 0 };
        self.above > 0 && microphones > self.above - margin
    }
}

/// The loudness that a packet stands for: what its sender says (RFC 6464), or, of who says nothing, what its size tells.
pub(crate) fn loudness_of(level: Option<u8>, payload_bytes: usize) -> u8 {
    level.unwrap_or(if payload_bytes > SILENT_BYTES { ASSUMED_LEVEL } else { SILENCE })
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// It is forwarded.
    Heard,
    /// It is the first of a voice that has just got a place, which another one may have lost.
    Begins { instead_of: Option<usize> },
    /// It is not.
    Unheard,
}

#[derive(Clone, Copy, Debug)]
struct Voice {
    is_muted: bool,
    has_place: bool,
    /// Of all that comes.
    loudness: Loudness,
    /// The same while it speaks: pauses do not count.
    speech: Loudness,
    spoke: Option<Instant>,
    /// Since when it has been louder than one who has a place.
    louder_since: Option<Instant>,
}

impl Voice {
    const NEW: Self = Self {
        is_muted: false,
        has_place: false,
        loudness: Loudness::SILENT,
        speech: Loudness::SILENT,
        spoke: None,
        louder_since: None,
    };

    /// Takes a packet's loudness; whether it is speech.
    fn update(&mut self, now: Instant, loudness: u8) -> bool {
        self.loudness.update(now, loudness);
        let is_soft = f32::from(loudness) <= SOFT_LEVEL && self.loudness.level() <= SOFT_LEVEL;
        let speaks = loudness <= CLEAR_LEVEL || is_soft;
        if speaks {
            if self.speech.quiet_for(now) >= HOLD {
                self.speech = Loudness::new(now, loudness);
            }
            self.speech.update(now, loudness);
            self.spoke = Some(now);
        }
        speaks
    }

    fn is_silent(&self, now: Instant) -> bool {
        self.spoke.is_none_or(|at| now.saturating_duration_since(at) >= HOLD)
    }

    /// What it is to be compared by.
    fn level(&self, now: Instant) -> f32 {
        if !self.is_silent(now) {
            self.speech.level()
        } else if self.loudness.quiet_for(now) < MAX_QUIET {
            self.loudness.level()
        } else {
            f32::from(SILENCE)
        }
    }
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Loudest {
    places: usize,
    /// By the keys of their publications.
    voices: Vec<Option<Voice>>,
    count: usize,
    /// Those with a place, while there is a choice; at most as many as there are places.
    heard: Vec<usize>,
    is_choosing: bool,
    /// When a place was last lost to one who was louder.
    overtaken: Option<Instant>,
}

impl Loudest {
    pub(crate) fn new(places: usize) -> Self {
        let places = places.clamp(1, MAX_PLACES);
        Self { places, voices: Vec::new(), count: 0, heard: Vec::new(), is_choosing: false, overtaken: None }
    }

    /// Adds a voice. It gets a place if one is free.
    pub(crate) fn add(&mut self, key: usize) {
        if self.voices.len() <= key {
            self.voices.resize(key + 1, None);
        }
        if self.voices[key].is_none() {
            self.voices[key] = Some(Voice::NEW);
            self.count += 1;
            if self.is_choosing && self.heard.len() < self.places {
                self.take(key);
            }
        }
    }

    /// Removes a voice; its place is free then. A key that is not in use changes nothing.
    pub(crate) fn remove(&mut self, key: usize) {
        if self.voices.get_mut(key).is_some_and(|voice| voice.take().is_some()) {
            self.count -= 1;
            self.heard.retain(|heard| *heard != key);
        }
    }

    /// How many voices there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// A voice that is muted counts as silent: it keeps its place until somebody needs it.
    pub(crate) fn set_muted(&mut self, key: usize, is_muted: bool) {
        if let Some(Some(voice)) = self.voices.get_mut(key) {
            voice.is_muted = is_muted;
            if is_muted {
                *voice = Voice { is_muted, has_place: voice.has_place, ..Voice::NEW };
            }
        }
    }

    /// Whether only those with a place are heard.
    pub(crate) fn is_choosing(&self) -> bool {
        self.is_choosing
    }

    /// Begins to choose. Those have the places who spoke last, before those who never did.
    pub(crate) fn begin(&mut self) {
        if self.is_choosing {
            return;
        }
        self.is_choosing = true;
        let voices = self.voices.iter().enumerate().filter_map(|(key, voice)| Some((key, voice.as_ref()?)));
        let mut ranks: Vec<_> = voices.map(|(key, voice)| (Reverse(voice.spoke), key)).collect();
        ranks.sort_unstable();
        ranks.truncate(self.places);
        for (_, key) in ranks {
            self.take(key);
        }
    }

    /// Ends the choice: all are heard.
    pub(crate) fn end(&mut self) {
        self.is_choosing = false;
        for key in std::mem::take(&mut self.heard) {
            if let Some(Some(voice)) = self.voices.get_mut(key) {
                voice.has_place = false;
            }
        }
    }

    /// Whether a voice is heard at present.
    pub(crate) fn is_heard(&self, key: usize) -> bool {
        !self.is_choosing || self.voices.get(key).copied().flatten().is_some_and(|voice| voice.has_place)
    }

    /// Takes a packet of a voice; see [`loudness_of`]. Costs as much as there are places, at most.
    pub(crate) fn on_packet(&mut self, now: Instant, key: usize, loudness: u8) -> Hearing {
        let Some(Some(voice)) = self.voices.get_mut(key) else { return Hearing::Unheard };
        let speaks = !voice.is_muted && voice.update(now, loudness);
        if !self.is_choosing || voice.has_place {
            return Hearing::Heard;
        }
        let is_audible = !voice.is_muted && voice.loudness.level() <= AUDIBLE_LEVEL;
        if !(speaks || is_audible) {
            voice.louder_since = None;
            return Hearing::Unheard;
        }
        if self.heard.len() < self.places {
            self.take(key);
            return Hearing::Begins { instead_of: None };
        }
        let Some(weakest) = self.weakest(now) else { return Hearing::Unheard };
        if !self.may_take(now, key, speaks, weakest) {
            return Hearing::Unheard;
        }
        if let Some(Some(loser)) = self.voices.get_mut(weakest) {
            loser.has_place = false;
            loser.louder_since = None;
        }
        self.heard.retain(|heard| *heard != weakest);
        self.take(key);
        if let Some(Some(voice)) = self.voices.get_mut(key) {
            // Nobody is silent who has just been chosen.
            voice.spoke = Some(now);
        }
        Hearing::Begins { instead_of: Some(weakest) }
    }

    fn take(&mut self, key: usize) {
        if let Some(Some(voice)) = self.voices.get_mut(key) {
            voice.has_place = true;
            voice.louder_since = None;
            self.heard.push(key);
        }
    }

    /// Who is the first to lose a place: one who is silent, and of those alike the quietest.
    fn weakest(&self, now: Instant) -> Option<usize> {
        let ranks = self.heard.iter().filter_map(|key| {
            let voice = self.voices.get(*key)?.as_ref()?;
            Some((voice.is_silent(now), voice.level(now), *key))
        });
        let weakest =
            ranks.max_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)).then(one.2.cmp(&other.2)));
        weakest.map(|(_, _, key)| key)
    }

    /// Whether a voice may take that one's place now.
    fn may_take(&mut self, now: Instant, key: usize, speaks: bool, weakest: usize) -> bool {
        let Some(holder) = self.voices.get(weakest).copied().flatten() else { return false };
        let (is_silent, to_beat) = (holder.is_silent(now), holder.level(now));
        if speaks && is_silent {
            return true;
        }
        let may_overtake = self.overtaken.is_none_or(|at| now.saturating_duration_since(at) >= LOUDER_FOR);
        let Some(Some(voice)) = self.voices.get_mut(key) else { return false };
        let is_pausing = !speaks && voice.spoke.is_none_or(|at| now.saturating_duration_since(at) >= LOUDER_FOR);
        // Who does not speak disturbs nobody who does.
        if (is_pausing && !is_silent) || voice.level(now) + LOUDER_DB > to_beat {
            voice.louder_since = None;
            return false;
        }
        let since = *voice.louder_since.get_or_insert(now);
        let goes_on = speaks || is_silent;
        let is_due = goes_on && may_overtake && now.saturating_duration_since(since) >= LOUDER_FOR;
        if is_due {
            self.overtaken = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests;
