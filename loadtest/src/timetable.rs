//! Who does what and when: a plan's scenarios, spelt out. Everything that looks random is drawn from the plan's seed.

use crate::plan::{Cast, Media, Plan, Scenario};
use crate::target::RoomSize;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

/// Someone who joins.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The place of the scenario in the plan.
    pub scenario: usize,
    /// The place of the room in [`Timetable::rooms`].
    pub room: usize,
    /// Different for everybody in the run.
    pub number: u32,
    /// What is sent, and as which publisher of the run.
    pub sends: Option<(u32, Media)>,
    /// Whether everything is decrypted and checked.
    pub witness: bool,
    /// When the join begins: after the start for those of [`Timetable::crew`], after the begin of the steady part for
    /// visitors.
    pub at: Duration,
    /// How long it stays; until the end without one.
    pub stay: Option<Duration>,
}

/// See the module's text.
pub struct Timetable {
    /// The rooms that are needed.
    pub rooms: Vec<RoomSize>,
    /// Those who join in the beginning and stay, in the order of their joining.
    pub crew: Vec<Part>,
    churns: Vec<Churn>,
    next_number: u32,
}

/// Visitors of one scenario, without end.
struct Churn {
    scenario: usize,
    rooms: std::ops::Range<usize>,
    interval: f64,
    stay: f64,
    /// Seconds.
    next: f64,
    random: StdRng,
}

impl Timetable {
    /// Spells a plan out.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let mut table = Self { rooms: Vec::new(), crew: Vec::new(), churns: Vec::new(), next_number: 0 };
        let groups: Vec<Vec<Part>> =
            plan.scenarios.iter().enumerate().map(|(index, scenario)| table.cast(plan, index, scenario)).collect();
        // Scenarios grow side by side, publishers before those who watch them.
        let longest = groups.iter().map(Vec::len).max().unwrap_or_default();
        for place in 0..longest {
            table.crew.extend(groups.iter().filter_map(|group| group.get(place)).cloned());
        }
        let (mut publishers, between) = (0, 1.0 / plan.joins_per_second);
        for (place, part) in table.crew.iter_mut().enumerate() {
            part.number = place as u32;
            part.at = Duration::from_secs_f64(place as f64 * between);
            if let Some((number, _)) = &mut part.sends {
                *number = publishers;
                publishers += 1;
            }
        }
        table.next_number = table.crew.len() as u32;
        table.choose_witnesses(plan.witnesses);
        table
    }

    /// The crew of one scenario, publishers first.
    fn cast(&mut self, plan: &Plan, scenario: usize, what: &Scenario) -> Vec<Part> {
        let nobody = Part { scenario, room: 0, number: 0, sends: None, witness: false, at: Duration::ZERO, stay: None };
        let first = self.rooms.len();
        let Cast { rooms, publishers, viewers, media } = what.cast();
        let mut visitors = 0;
        if let Scenario::Churn { joins_per_second, stay_seconds, .. } = *what {
            self.churns.push(Churn {
                scenario,
                rooms: first..first + rooms,
                interval: 1.0 / joins_per_second,
                stay: stay_seconds,
                next: 0.0,
                random: StdRng::seed_from_u64(plan.seed.wrapping_add(scenario as u64)),
            });
            // Room for three times as many visitors as there are on average: a server that is slow to let go has some more.
            let there = joins_per_second * stay_seconds.min(plan.duration_seconds);
            visitors = (3.0 * there / rooms as f64) as usize + 10;
        }
        let size = RoomSize { participants: publishers + viewers + visitors, publishers };
        self.rooms.extend((0..rooms).map(|_| size));
        let in_rooms = |count: usize, sends: Option<(u32, Media)>| {
            let part = Part { sends, ..nobody.clone() };
            (0..count).flat_map(move |_| first..first + rooms).map(move |room| Part { room, ..part.clone() })
        };
        in_rooms(publishers, Some((0, media))).chain(in_rooms(viewers, None)).collect()
    }

    /// Spreads witnesses evenly over those who have something to see.
    fn choose_witnesses(&mut self, wanted: usize) {
        let rooms = &self.rooms;
        let sees = |part: &&mut Part| {
            let publishers = rooms.get(part.room).map_or(0, |size| size.publishers);
            publishers > usize::from(part.sends.is_some())
        };
        let mut receivers: Vec<_> = self.crew.iter_mut().filter(sees).collect();
        let (count, wanted) = (receivers.len(), wanted.min(receivers.len()));
        for index in 0..wanted {
            if let Some(part) = receivers.get_mut(index * count / wanted) {
                part.witness = true;
            }
        }
    }

    /// Who comes next while the steady part goes on, in the order of coming; without end if there is any churn.
    pub fn next_visitor(&mut self) -> Option<Part> {
        let churn = self.churns.iter_mut().min_by(|a, b| a.next.total_cmp(&b.next))?;
        let part = Part {
            scenario: churn.scenario,
            room: churn.random.random_range(churn.rooms.clone()),
            number: self.next_number,
            sends: None,
            witness: false,
            at: Duration::from_secs_f64(churn.next),
            stay: Some(Duration::from_secs_f64(churn.stay * churn.random.random_range(0.5..1.5))),
        };
        // Not like clockwork, but at the planned rate.
        churn.next += churn.interval * churn.random.random_range(0.5..1.5);
        self.next_number = self.next_number.wrapping_add(1);
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(scenarios: Vec<Scenario>) -> Plan {
        Plan { scenarios, joins_per_second: 10.0, witnesses: 3, ..Plan::default() }
    }

    #[test]
    fn a_livestream_has_its_publisher_first_and_witnesses_among_the_viewers() {
        let media = Media::default();
        let table = Timetable::new(&plan(vec![Scenario::Livestream { publishers: 1, viewers: 9, media }]));
        assert_eq!(table.rooms, [RoomSize { participants: 10, publishers: 1 }]);
        let sending: Vec<_> = table.crew.iter().map(|part| part.sends.is_some()).collect();
        assert_eq!((sending.len(), sending[0], sending.iter().filter(|sends| **sends).count()), (10, true, 1));
        let witnesses: Vec<_> = table.crew.iter().filter(|part| part.witness).map(|part| part.number).collect();
        assert_eq!(witnesses, [1, 4, 7]);
        assert_eq!(table.crew[9].at, Duration::from_millis(900));
    }

    #[test]
    fn rooms_grow_evenly_and_publishers_are_told_apart() {
        let media = Media::default();
        let table = Timetable::new(&plan(vec![Scenario::Rooms { rooms: 3, participants: 2, media }]));
        let rooms: Vec<_> = table.crew.iter().map(|part| part.room).collect();
        assert_eq!((table.rooms.len(), rooms), (3, vec![0, 1, 2, 0, 1, 2]));
        let mut publishers: Vec<_> =
            table.crew.iter().filter_map(|part| part.sends.map(|(number, _)| number)).collect();
        publishers.dedup();
        assert_eq!(publishers, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn scenarios_mix_and_a_lone_publisher_is_no_witness() {
        let media = Media::default();
        let scenarios = vec![
            Scenario::Meeting { participants: 1, media },
            Scenario::Audio { speakers: 1, listeners: 1, audio: crate::plan::Audio::default() },
        ];
        let table = Timetable::new(&plan(scenarios));
        let order: Vec<_> = table.crew.iter().map(|part| (part.scenario, part.room, part.witness)).collect();
        assert_eq!(order, [(0, 0, false), (1, 1, false), (1, 1, true)]);
        assert!(table.crew[1].sends.is_some_and(|(number, media)| number == 1 && media.video.is_none()));
    }

    #[test]
    fn visitors_come_at_their_rate_and_the_same_with_the_same_seed() {
        let churn = |joins_per_second| Scenario::Churn {
            rooms: 2,
            publishers: 1,
            joins_per_second,
            stay_seconds: 4.0,
            media: Media::default(),
        };
        let plan = plan(vec![churn(20.0), churn(5.0)]);
        let (mut one, mut two) = (Timetable::new(&plan), Timetable::new(&plan));
        let visitors: Vec<_> = std::iter::from_fn(|| one.next_visitor()).take(1_000).collect();
        assert!(visitors.is_sorted_by_key(|part| part.at));
        let last = visitors.last().unwrap().at.as_secs_f64();
        assert!((38.0..42.0).contains(&last), "1,000 at 25 a second took {last} s");
        let stays = visitors.iter().filter_map(|part| part.stay).map(|stay| stay.as_secs_f64());
        assert!(stays.clone().all(|stay| (2.0..6.0).contains(&stay)) && stays.count() == 1_000);
        assert_eq!(std::iter::from_fn(|| two.next_visitor()).take(1_000).collect::<Vec<_>>(), visitors);
        assert_eq!(one.crew.len(), 4);
        assert_eq!(visitors[0].number, 4);
        assert_eq!(one.rooms[0].participants, 1 + 3 * 20 * 4 / 2 + 10);
        let brief = Timetable::new(&Plan { duration_seconds: 1.0, ..plan });
        assert_eq!(brief.rooms[0].participants, 1 + 3 * 20 / 2 + 10, "nobody comes after the end");
    }
}
