//! Rooms over links of limited quality: what a subscriber behind such a link gets, and that another one does not suffer
//! for it.
//!
//! One file for each kind of link. In each room there are cameras of 720p in three encodings on clean links, one of
//! them with a microphone, a subscriber behind the link in question and one on a clean link beside it, who looks at the
//! first two.
//!
//! `PARLOR_QUALITY_SEEDS=20` runs so many seeds instead of three, `PARLOR_QUALITY_TABLE=1` prints each run second by
//! second (with `--nocapture`).

mod falling;
mod hiding;
mod jitter;
mod limited;
mod lossy;
mod outage;
mod spatial;
mod steps;
mod table;
mod temporal;
mod unlimited;
mod wanting;

use super::{QUIET, settle};
use crate::command::{Command, Event};
use crate::ids::TrackId;
use crate::sim::network::Quality;
use crate::sim::network::record::Record;
use crate::sim::oracles::Verdict;
use crate::sim::playback::Playback;
use crate::sim::publisher::{Encoded, Media};
use crate::sim::receiver::Stream;
use crate::sim::world::World;
use std::ops::Range;
use std::time::{Duration, Instant};

/// The encodings of a camera.
const LOWEST: u8 = 0;
const TOP: u8 = 2;

/// After so long everybody is connected, and what begins has settled.
const WARM_UP: Duration = Duration::from_secs(12);

/// Cameras that the neighbour subscribes to: more would be needed for nothing, and take most of a run's time.
const LOOKED_AT: usize = 2;

/// The cameras' m-line.
const CAMERA: &str = "1";
const MICROPHONE: &str = "0";

/// See the module's text.
struct Room {
    world: World,
    /// Those with cameras, the first of whom has a microphone.
    publishers: Vec<usize>,
    /// Behind the link in question.
    subscriber: usize,
    /// On a clean link.
    neighbour: usize,
    /// When the subscriber was connected.
    begin: Instant,
    name: String,
}

impl Room {
    /// A room with so many cameras in which all are connected, the subscriber behind a downlink of this quality.
    fn new(name: &str, down: Quality, seed: u64, cameras: usize) -> Self {
        Self::with(name, down, seed, cameras, &Encoded::of_chromium())
    }

    fn with(name: &str, down: Quality, seed: u64, cameras: usize, camera: &Encoded) -> Self {
        let mut world = World::new(Quality::GOOD, seed);
        let mut publishers = Vec::new();
        for place in 0..cameras {
            let client = world.join(true, false);
            // Numbers of m-lines are the same with and without a microphone.
            world.clients[client].add(QUIET);
            world.clients[client].publisher.track(MICROPHONE).enabled = place == 0;
            // Each has a little less to show than the one before, so that sums of layers are as various as in life.
            let camera = camera.scaled(1.0 - 0.05 * place as f64);
            world.clients[client].add(Media::Encoded(camera));
            world.clients[client].follows_wants = true;
            world.offer(client);
            publishers.push(client);
        }
        // Their pictures are there when the others come.
        world.run_ms(1_500);
        let [neighbour, subscriber] = [false, true].map(|auto_subscribe| {
            let client = world.join(true, auto_subscribe);
            world.clients[client].watch();
            client
        });
        let participant = world.clients[neighbour].id;
        let looked_at = publishers.iter().take(LOOKED_AT).map(|publisher| world.track(*publisher, CAMERA));
        for track in looked_at.chain([world.track(publishers[0], MICROPHONE)]).collect::<Vec<_>>() {
            world.command(Command::Subscribe { participant, track });
        }
        world.set_down(subscriber, down);
        world.clients[subscriber].receiver.repairs_audio = true;
        world.offer(neighbour);
        world.offer(subscriber);
        let end = world.now + Duration::from_secs(10);
        let connected = world.run_until(|world| world.clients.iter().all(|c| c.connected_at.is_some()), end);
        assert!(connected, "everybody gets connected");
        let begin = world.now;
        Self { world, publishers, subscriber, neighbour, begin, name: format!("{name}, seed {seed}") }
    }

    /// Runs for so long; returns that window.
    fn run(&mut self, duration: Duration) -> Range<Instant> {
        let start = self.world.now;
        self.world.run(duration);
        start..self.world.now
    }

    /// What the link in question carried.
    fn link(&self) -> &Record {
        &self.world.down(self.subscriber).record
    }

    fn stream(&self, subscriber: usize, publisher: usize, mid: &str) -> &Stream {
        let line = self.world.line_of(subscriber, publisher, mid).expect("a line");
        self.world.clients[subscriber].receiver.stream(&line)
    }

    /// What a subscriber saw of a publisher's camera.
    fn playback(&self, subscriber: usize, publisher: usize) -> Playback {
        let decoded = &self.stream(subscriber, publisher, CAMERA).decoder.decoded;
        Playback::new(decoded, self.pauses(subscriber, self.world.track(publisher, CAMERA)))
    }

    /// When a subscriber was told that a track is paused.
    fn pauses(&self, subscriber: usize, of: TrackId) -> Vec<Range<Instant>> {
        let id = self.world.clients[subscriber].id;
        let mut pauses: Vec<Range<Instant>> = Vec::new();
        let mut paused_at = None;
        for (at, event) in &self.world.events {
            match event {
                Event::SubscriptionPaused { participant, track, .. } if (*participant, *track) == (id, of) => {
                    paused_at.get_or_insert(*at);
                }
                Event::SubscriptionResumed { participant, track } if (*participant, *track) == (id, of) => {
                    pauses.extend(paused_at.take().map(|from| from..*at));
                }
                _ => {}
            }
        }
        pauses.extend(paused_at.map(|from| from..self.world.now));
        pauses
    }

    /// What the subscriber behind the link saw of each camera.
    fn playbacks(&self) -> Vec<Playback> {
        self.publishers.iter().map(|publisher| self.playback(self.subscriber, *publisher)).collect()
    }

    /// The same of the one beside it.
    fn neighbours_playbacks(&self) -> Vec<Playback> {
        let looked_at = self.publishers.iter().take(LOOKED_AT);
        looked_at.map(|publisher| self.playback(self.neighbour, *publisher)).collect()
    }

    /// The sound that the subscriber got.
    fn sound(&self) -> &Stream {
        self.stream(self.subscriber, self.publishers[0], MICROPHONE)
    }

    /// Every oracle that found something makes the test fail, with all that they say.
    fn expect(&self, verdicts: impl IntoIterator<Item = Verdict>) {
        self.print();
        let mut found: Vec<String> = verdicts.into_iter().filter_map(Result::err).collect();
        // Cameras that fare alike are named once.
        found.dedup();
        assert!(found.is_empty(), "{}: {}", self.name, found.join("; "));
    }

    /// Stops, waits for repair, and judges all streams of the neighbour, and of the subscriber if all that it lost
    /// could be repaired.
    fn judge(&mut self, subscriber_too: bool) {
        settle(&mut self.world);
        let all = if subscriber_too { self.publishers.len() } else { 0 };
        for (subscriber, cameras) in [(self.neighbour, LOOKED_AT), (self.subscriber, all)] {
            for publisher in self.publishers.iter().take(cameras) {
                self.stream(subscriber, *publisher, CAMERA).judge();
            }
            if cameras > 0 {
                self.stream(subscriber, self.publishers[0], MICROPHONE).judge();
            }
        }
    }
}

/// The seeds that a profile runs with.
fn seeds() -> std::ops::RangeInclusive<u64> {
    let count = std::env::var("PARLOR_QUALITY_SEEDS").ok().and_then(|count| count.parse().ok());
    1..=count.unwrap_or(3)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
