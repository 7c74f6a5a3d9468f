//! Who speaks in a room, from the audio levels of RFC 6464.
//!
//! Levels are smoothed over time; one must be clearly above the threshold to become a speaker and clearly below it, for a
//! while, to be none any more. A speaker overtakes another only when clearly louder. So the list does not flicker
//! with each syllable.

use crate::ids::ParticipantId;
use crate::loudness::{Loudness, SILENCE};
use slab::Slab;
use std::time::{Duration, Instant};

/// A smoothed level at or above this loudness begins speech; conversation is at -20 to -40 dBov, a quiet room below -60.
const SPEECH_LEVEL: f32 = 45.0;
/// Below this loudness speech may end.
const PAUSE_LEVEL: f32 = 52.0;
/// It ends after so long a pause: people breathe.
const MAX_PAUSE: Duration = Duration::from_millis(500);
/// A voice without packets is silent after this. Opus sends one each 400 ms in silence (DTX).
const MAX_QUIET: Duration = Duration::from_millis(600);
/// How much louder, in dB, overtakes.
const OVERTAKE_DB: f32 = 6.0;

/// The least time between two lists.
pub const MIN_INTERVAL: Duration = Duration::from_millis(200);
/// The time after which an unchanged list is repeated, with fresh levels, while someone speaks.
pub const REPEAT_INTERVAL: Duration = Duration::from_millis(400);
/// The longest list.
pub const MAX_SPEAKERS: usize = 16;

/// One voice of a [`Speakers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VoiceKey(usize);

#[derive(Clone, Debug)]
struct Voice {
    participant: ParticipantId,
    is_muted: bool,
    is_speaking: bool,
    loudness: Loudness,
    /// The last time that the level was above [`PAUSE_LEVEL`].
    heard: Option<Instant>,
}

impl Voice {
    fn update(&mut self, now: Instant, level: u8) {
        self.loudness.update(now, level);
        if self.loudness.level() <= PAUSE_LEVEL {
            self.heard = Some(now);
        }
        self.is_speaking |= !self.is_muted && self.loudness.level() <= SPEECH_LEVEL;
    }

    fn fall_silent(&mut self) {
        self.is_speaking = false;
        self.loudness.fall_silent();
    }

    /// Ends speech whose pause is long enough; packets may have stopped altogether.
    fn age(&mut self, now: Instant) {
        if self.loudness.quiet_for(now) >= MAX_QUIET {
            self.fall_silent();
        } else if self.heard.is_none_or(|at| now.saturating_duration_since(at) >= MAX_PAUSE) {
            self.is_speaking = false;
        }
    }
}

/// The voices of one room.
#[derive(Debug, Default)]
pub struct Speakers {
    voices: Slab<Voice>,
    /// Those who speak, loudest first; at most [`MAX_SPEAKERS`].
    order: Vec<VoiceKey>,
    list: Vec<(ParticipantId, u8)>,
    active: Option<ParticipantId>,
    polled: Option<Instant>,
    reported: Option<Instant>,
    /// Someone began to speak, fell silent or left since the last poll.
    is_dirty: bool,
}

impl Speakers {
    /// Adds a participant's voice: its microphone's track.
    pub fn add(&mut self, participant: ParticipantId) -> VoiceKey {
        let loudness = Loudness::SILENT;
        let voice = Voice { participant, is_muted: false, is_speaking: false, loudness, heard: None };
        VoiceKey(self.voices.insert(voice))
    }

    /// Removes a voice. A key that is not in use changes nothing.
    pub fn remove(&mut self, key: VoiceKey) {
        if let Some(voice) = self.voices.try_remove(key.0) {
            self.order.retain(|other| *other != key);
            self.is_dirty |= voice.is_speaking;
        }
    }

    /// Marks a voice as muted, which then does not count, or not.
    pub fn set_muted(&mut self, key: VoiceKey, is_muted: bool) {
        if let Some(voice) = self.voices.get_mut(key.0) {
            voice.is_muted = is_muted;
            if is_muted {
                self.is_dirty |= voice.is_speaking;
                voice.fall_silent();
            }
        }
    }

    /// Takes the level of one packet: the byte of the header extension, whose top bit, the sender's own voice detection,
    /// is not relied on.
    pub fn update(&mut self, now: Instant, key: VoiceKey, level: u8) {
        if let Some(voice) = self.voices.get_mut(key.0).filter(|voice| !voice.is_muted) {
            let was_speaking = voice.is_speaking;
            voice.update(now, level & 0x7f);
            self.is_dirty |= voice.is_speaking != was_speaking;
        }
    }

    /// The list to announce: who speaks, loudest first, with levels in -dBov. `None` when there is nothing new to say: the
    /// same people speak, or nobody still does.
    pub fn poll(&mut self, now: Instant) -> Option<&[(ParticipantId, u8)]> {
        let is_idle = !self.is_dirty && self.order.is_empty();
        if is_idle || self.polled.is_some_and(|polled| now.saturating_duration_since(polled) < MIN_INTERVAL) {
            return None;
        }
        self.polled = Some(now);
        self.is_dirty = false;
        self.reorder(now);
        let voices = &self.voices;
        let speakers = self.order.iter().filter_map(|key| voices.get(key.0));
        let is_same = speakers.clone().map(|voice| voice.participant).eq(self.list.iter().map(|entry| entry.0));
        let is_recent = self.reported.is_some_and(|at| now.saturating_duration_since(at) < REPEAT_INTERVAL);
        if is_same && (is_recent || self.list.is_empty()) {
            return None;
        }
        self.list.clear();
        self.list.extend(speakers.map(|voice| (voice.participant, voice.loudness.level().round() as u8)));
        self.active = self.list.first().map(|(first, _)| *first).or(self.active);
        self.reported = Some(now);
        Some(&self.list)
    }

    /// The active speaker: who leads the list, or did when somebody last spoke.
    #[must_use]
    pub fn active(&self) -> Option<ParticipantId> {
        self.active
    }

    /// When [`Self::poll`] may have something to say; `None` while the room is silent. A time in the past means at once.
    #[must_use]
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let is_idle = !self.is_dirty && self.order.is_empty();
        (!is_idle).then(|| self.polled.map_or(now, |polled| polled + MIN_INTERVAL))
    }

    /// Drops those who fell silent, places those who began, and lets clearly louder ones overtake.
    fn reorder(&mut self, now: Instant) {
        self.voices.iter_mut().for_each(|(_, voice)| voice.age(now));
        let voices = &self.voices;
        let level = |key: &VoiceKey| voices.get(key.0).map_or(f32::from(SILENCE), |voice| voice.loudness.level());
        self.order.retain(|key| voices.get(key.0).is_some_and(|voice| voice.is_speaking));
        for (key, _) in voices.iter().filter(|(_, voice)| voice.is_speaking) {
            let key = VoiceKey(key);
            if !self.order.contains(&key) {
                // Newcomers have no place to defend: they go behind the last who is as loud.
                let is_as_loud = |other: &VoiceKey| level(other) <= level(&key);
                let place = self.order.iter().rposition(is_as_loud).map_or(0, |index| index + 1);
                self.order.insert(place, key);
            }
        }
        for index in 1..self.order.len() {
            for at in (1..=index).rev() {
                let [before, after] = [self.order[at - 1], self.order[at]];
                if level(&after) + OVERTAKE_DB > level(&before) {
                    break;
                }
                self.order.swap(at - 1, at);
            }
        }
        self.order.truncate(MAX_SPEAKERS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::test_start;

    const ANN: ParticipantId = ParticipantId(1);
    const BOB: ParticipantId = ParticipantId(2);

    /// A room on virtual time, in which a packet comes from everybody each 20 ms.
    struct Room {
        now: Instant,
        speakers: Speakers,
        voices: Vec<VoiceKey>,
    }

    impl Room {
        fn new(participants: impl IntoIterator<Item = ParticipantId>) -> Self {
            let mut speakers = Speakers::default();
            let voices = participants.into_iter().map(|participant| speakers.add(participant)).collect();
            Self { now: test_start(), speakers, voices }
        }

        /// Lets everybody be that loud for a while and returns the lists announced, with their times in ms.
        fn hear(&mut self, ms: u64, levels: &[u8]) -> Vec<(u64, Vec<ParticipantId>)> {
            let start = self.now;
            let mut lists = Vec::new();
            while self.now < start + Duration::from_millis(ms) {
                for (key, level) in self.voices.iter().zip(levels) {
                    self.speakers.update(self.now, *key, *level);
                }
                if let Some(list) = self.speakers.poll(self.now) {
                    lists.push(((self.now - start).as_millis() as u64, list.iter().map(|s| s.0).collect()));
                }
                self.now += Duration::from_millis(20);
            }
            lists
        }
    }

    #[test]
    fn a_silent_room_says_nothing() {
        let mut room = Room::new([ANN, BOB]);
        assert!(room.hear(5_000, &[127, 70]).is_empty());
        assert_eq!(room.speakers.deadline(room.now), None);
    }

    #[test]
    fn speech_is_announced_repeated_and_ended() {
        let mut room = Room::new([ANN, BOB]);
        room.hear(1_000, &[127, 70]);
        let lists = room.hear(2_000, &[25, 70]);
        assert!(lists[0].0 <= 500 && lists.iter().all(|(_, list)| list == &[ANN]), "{lists:?}");
        assert!(lists.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 400), "{lists:?}");
        assert!((4..=6).contains(&lists.len()));
        let after = room.hear(3_000, &[90, 70]);
        let (at, last) = after.last().expect("the end is announced");
        assert!(last.is_empty() && (500..=1_200).contains(at), "{after:?}");
    }

    #[test]
    fn a_breath_does_not_end_speech() {
        let mut room = Room::new([ANN]);
        room.hear(1_000, &[25]);
        for _ in 0..10 {
            let pause = room.hear(300, &[80]);
            assert!(pause.iter().all(|(_, list)| list == &[ANN]), "{pause:?}");
            room.hear(400, &[25]);
        }
    }

    #[test]
    fn a_click_is_no_speech() {
        let mut room = Room::new([ANN]);
        room.hear(500, &[90]);
        assert!(room.hear(40, &[20]).is_empty());
        assert!(room.hear(2_000, &[90]).is_empty());
        room.now += Duration::from_secs(5);
        assert!(room.hear(20, &[20]).is_empty());
        assert!(room.hear(2_000, &[90]).is_empty(), "not after a silence without packets either");
    }

    #[test]
    fn the_loudest_is_first_and_overtaken_only_by_a_clearly_louder_one() {
        let mut room = Room::new([ANN, BOB]);
        room.hear(1_000, &[30, 90]);
        let close = room.hear(2_000, &[30, 27]);
        assert_eq!(close.last().map(|l| l.1.as_slice()), Some(&[ANN, BOB][..]));
        let louder = room.hear(2_000, &[35, 22]);
        assert_eq!(louder.last().map(|l| l.1.as_slice()), Some(&[BOB, ANN][..]));
        let back = room.hear(2_000, &[24, 22]);
        assert_eq!(back.last().map(|l| l.1.as_slice()), Some(&[BOB, ANN][..]));
    }

    #[test]
    fn the_muted_and_the_gone_do_not_speak() {
        let mut room = Room::new([ANN, BOB]);
        room.hear(1_000, &[25, 25]);
        room.speakers.set_muted(room.voices[0], true);
        let lists = room.hear(500, &[10, 25]);
        assert_eq!(lists.first().map(|l| l.1.as_slice()), Some(&[BOB][..]));
        room.speakers.remove(room.voices[1]);
        let lists = room.hear(1_000, &[10]);
        assert_eq!(lists.iter().map(|l| l.1.len()).collect::<Vec<_>>(), [0], "announced once");
        room.speakers.set_muted(room.voices[0], false);
        assert_eq!(room.hear(1_000, &[25]).last().map(|l| l.1.clone()), Some(vec![ANN]));
    }

    #[test]
    fn who_sends_nothing_any_more_is_silent() {
        let mut room = Room::new([ANN]);
        room.hear(1_000, &[25]);
        let lists = room.hear(2_000, &[]);
        assert_eq!(lists.last().map(|l| l.1.len()), Some(0));
        assert_eq!(room.speakers.deadline(room.now), None);
    }

    #[test]
    fn changes_wait_for_the_interval_and_the_list_is_bounded() {
        let mut room = Room::new((0..40).map(ParticipantId));
        let mut levels = [90; 40];
        let mut times = Vec::new();
        for speaker in 0..40 {
            levels[speaker] = 25;
            let start = speaker as u64 * 60;
            let lists = room.hear(60, &levels);
            assert!(lists.iter().all(|(_, list)| list.len() <= MAX_SPEAKERS));
            times.extend(lists.iter().map(|(at, _)| start + at));
        }
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 200), "{times:?}");
        let lists = room.hear(1_000, &levels);
        assert_eq!(lists.last().map(|l| l.1.len()), Some(MAX_SPEAKERS));
    }
}
