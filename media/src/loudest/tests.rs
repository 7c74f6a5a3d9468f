use super::*;
use crate::feedback::test_start;
use proptest::prelude::*;

/// A packet each 20 ms of everybody.
const PACKET: Duration = Duration::from_millis(20);

/// Voices on virtual time.
struct Room {
    now: Instant,
    loudest: Loudest,
}

impl Room {
    fn choosing(places: usize, voices: usize) -> Self {
        let mut loudest = Loudest::new(places);
        (0..voices).for_each(|key| loudest.add(key));
        loudest.begin();
        Self { now: test_start(), loudest }
    }

    /// Lets everybody be that loud for a while. Returns who got a place, when in ms, and instead of whom.
    fn hear(&mut self, ms: u64, levels: &[u8]) -> Vec<(u64, usize, Option<usize>)> {
        let start = self.now;
        let mut changes = Vec::new();
        while self.now < start + Duration::from_millis(ms) {
            for (key, level) in levels.iter().enumerate() {
                if let Hearing::Begins { instead_of } = self.loudest.on_packet(self.now, key, *level) {
                    changes.push(((self.now - start).as_millis() as u64, key, instead_of));
                }
            }
            self.now += PACKET;
        }
        changes
    }

    fn heard(&self) -> Vec<usize> {
        (0..self.loudest.voices.len()).filter(|key| self.loudest.is_heard(*key)).collect()
    }
}

#[test]
fn everybody_is_heard_until_the_choice_begins_and_then_those_who_spoke_last() {
    let mut room = Room { now: test_start(), loudest: Loudest::new(2) };
    (0..4).for_each(|key| room.loudest.add(key));
    assert!(room.hear(1_000, &[127, 30, 127, 127]).is_empty());
    assert!(room.hear(1_000, &[127, 127, 127, 30]).is_empty());
    assert_eq!(room.heard(), [0, 1, 2, 3]);
    room.loudest.begin();
    assert_eq!(room.heard(), [1, 3]);
    room.loudest.end();
    assert_eq!(room.heard(), [0, 1, 2, 3]);
}

#[test]
fn the_first_loud_packet_takes_the_place_of_one_who_is_silent() {
    let mut room = Room::choosing(2, 4);
    assert_eq!(room.heard(), [0, 1]);
    room.hear(1_000, &[30, 90, 90, 90]);
    assert_eq!(room.hear(20, &[30, 90, 90, 30]), [(0, 3, Some(1))]);
    assert_eq!(room.heard(), [0, 3]);
    assert!(room.hear(10_000, &[90, 90, 90, 90]).is_empty(), "nothing changes in a silent room");
    assert_eq!(room.heard(), [0, 3]);
}

#[test]
fn a_soft_voice_gets_a_place_a_little_later() {
    let mut room = Room::choosing(1, 2);
    room.hear(1_000, &[90, 90]);
    let changes = room.hear(2_000, &[90, 46]);
    assert!(matches!(changes[..], [(at, 1, Some(0))] if (100..=700).contains(&at)), "{changes:?}");
}

#[test]
fn who_speaks_keeps_the_place_through_pauses() {
    let mut room = Room::choosing(1, 2);
    room.hear(500, &[30, 90]);
    for _ in 0..10 {
        assert!(room.hear(1_900, &[100, 28]).is_empty(), "not louder by enough");
        room.hear(500, &[30, 90]);
    }
    let changes = room.hear(3_000, &[100, 28]);
    assert!(matches!(changes[..], [(at, 1, Some(0))] if (1_900..=2_100).contains(&at)), "{changes:?}");
}

#[test]
fn a_clearly_louder_voice_takes_the_place_of_one_who_speaks_after_a_while() {
    let mut room = Room::choosing(1, 2);
    room.hear(1_000, &[35, 90]);
    let changes = room.hear(3_000, &[35, 15]);
    assert!(matches!(changes[..], [(at, 1, Some(0))] if (300..=700).contains(&at)), "{changes:?}");
    assert!(room.hear(3_000, &[15, 15]).is_empty(), "and keeps it from one who is as loud");
    let mut room = Room::choosing(1, 2);
    room.hear(1_000, &[35, 90]);
    assert!(room.hear(200, &[35, 5]).is_empty() && room.hear(2_000, &[35, 90]).is_empty(), "a clap is not enough");
}

#[test]
fn what_is_hardly_to_be_heard_has_the_place_of_nothing_at_all() {
    let mut room = Room::choosing(1, 2);
    let changes = room.hear(2_000, &[127, 60]);
    assert!(matches!(changes[..], [(_, 1, Some(0))]), "{changes:?}");
    assert!(room.hear(5_000, &[59, 60]).is_empty(), "but rooms do not compete with their noise");
    assert!(room.hear(5_000, &[127, 127]).is_empty());
}

#[test]
fn the_muted_are_silent_at_once_and_the_gone_leave_a_free_place() {
    let mut room = Room::choosing(2, 4);
    room.hear(1_000, &[30, 30, 90, 90]);
    room.loudest.set_muted(0, true);
    assert_eq!(room.heard(), [0, 1], "nobody needs the place");
    assert!(room.hear(200, &[5, 30, 90, 90]).is_empty());
    assert_eq!(room.hear(20, &[5, 30, 30, 90]), [(0, 2, Some(0))]);
    assert!(room.hear(3_000, &[5, 30, 30, 90]).is_empty(), "what is muted does not count");
    room.loudest.set_muted(0, false);
    room.loudest.remove(1);
    room.loudest.remove(1);
    assert_eq!(room.loudest.len(), 3);
    assert_eq!(room.hear(20, &[30, 30, 30, 90]), [(0, 0, None)]);
    room.loudest.remove(0);
    room.loudest.add(1);
    assert_eq!(room.heard(), [1, 2], "who comes gets a free place");
}

#[test]
fn who_tells_no_level_speaks_while_packets_have_a_size() {
    assert_eq!(loudness_of(Some(90), 400), 90);
    assert_eq!((loudness_of(None, 60), loudness_of(None, 3), loudness_of(None, 0)), (ASSUMED_LEVEL, SILENCE, SILENCE));
    let mut room = Room::choosing(1, 2);
    room.hear(1_000, &[90, 90]);
    assert_eq!(room.hear(20, &[90, loudness_of(None, 60)]), [(0, 1, Some(0))]);
}

#[test]
fn the_size_of_a_room_has_a_margin() {
    let limits = LoudestLimits { above: 16, places: 8 };
    assert!(!limits.chooses(16, false) && limits.chooses(17, false));
    assert!(limits.chooses(16, true) && limits.chooses(15, true) && !limits.chooses(14, true));
    let small = LoudestLimits { above: 2, places: 1 };
    assert!(small.chooses(3, false) && small.chooses(2, true) && !small.chooses(1, true));
    let one = LoudestLimits { above: 1, places: 1 };
    assert!(one.chooses(2, false) && one.chooses(1, true) && !one.chooses(0, true));
    assert!(!LoudestLimits::NEVER.chooses(10_000, false) && !LoudestLimits::NEVER.chooses(10_000, true));
}

#[derive(Clone, Debug)]
enum Step {
    Packet(usize, u8),
    Wait(u64),
    Add(usize),
    Remove(usize),
    Mute(usize, bool),
    Choose(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || 0..12_usize;
    prop::collection::vec(
        prop_oneof![
            30 => (key(), 0..=127_u8).prop_map(|(key, level)| Step::Packet(key, level)),
            10 => (0..400_u64).prop_map(Step::Wait),
            2 => key().prop_map(Step::Add),
            1 => key().prop_map(Step::Remove),
            1 => (key(), any::<bool>()).prop_map(|(key, muted)| Step::Mute(key, muted)),
            1 => any::<bool>().prop_map(Step::Choose),
        ],
        0..300,
    )
}

proptest! {
    #[test]
    fn places_are_bounded_and_change_no_more_often_than_they_may(places in 1..=5_usize, steps in steps()) {
        let mut loudest = Loudest::new(places);
        let mut now = test_start();
        (0..8).for_each(|key| loudest.add(key));
        // Since when each has a place that it has got by speaking.
        let mut won = [None; 12];
        for step in steps {
            match step {
                Step::Wait(ms) => now += Duration::from_millis(ms),
                Step::Add(key) => loudest.add(key),
                Step::Remove(key) => { loudest.remove(key); won[key] = None; }
                Step::Mute(key, muted) => { loudest.set_muted(key, muted); won[key] = None; }
                Step::Choose(true) => loudest.begin(),
                Step::Choose(false) => { loudest.end(); won = [None; 12]; }
                Step::Packet(key, level) => {
                    let was_heard = loudest.is_heard(key);
                    let overtaken = loudest.overtaken;
                    let hearing = loudest.on_packet(now, key, level);
                    prop_assert_eq!(loudest.is_heard(key), hearing != Hearing::Unheard || !loudest.is_choosing());
                    if let Hearing::Begins { instead_of } = hearing {
                        prop_assert!(!was_heard);
                        if let Some(loser) = instead_of {
                            prop_assert!(!loudest.is_heard(loser) && loser != key);
                            // Either it had its time, or this was one of the few changes among those who speak.
                            let had = won[loser].is_none_or(|at| now - at >= HOLD);
                            let overtakes = loudest.overtaken != overtaken;
                            prop_assert!(had || overtakes);
                            prop_assert!(!overtakes || overtaken.is_none_or(|at| now - at >= LOUDER_FOR));
                            won[key] = Some(now);
                        }
                    }
                }
            }
            let known: Vec<usize> = (0..12).filter(|key| loudest.voices.get(*key).copied().flatten().is_some()).collect();
            prop_assert_eq!(known.len(), loudest.len());
            if loudest.is_choosing() {
                let heard = known.iter().filter(|key| loudest.is_heard(**key)).count();
                prop_assert!(heard <= places && heard == loudest.heard.len());
            } else {
                prop_assert!(loudest.heard.is_empty() && known.iter().all(|key| loudest.is_heard(*key)));
            }
        }
    }

    #[test]
    fn who_speaks_alone_is_heard_at_once(places in 1..=5_usize, levels in prop::collection::vec(70..=127_u8, 8), who in 0..8_usize) {
        let mut room = Room::choosing(places, 8);
        room.hear(3_000, &levels);
        let mut speaking = levels.clone();
        speaking[who] = 30;
        room.hear(20, &speaking);
        prop_assert!(room.loudest.is_heard(who));
        room.hear(3_000, &speaking);
        prop_assert!(room.loudest.is_heard(who), "and stays so");
    }
}
