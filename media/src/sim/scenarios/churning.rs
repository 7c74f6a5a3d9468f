//! Everything at random: whatever is asked in whatever order, the shard stays whole, and who remains is served.

use super::{QUIET, camera, simulcast};
use crate::command::{Command, Rid};
use crate::ids::TrackId;
use crate::loudest::LoudestLimits;
use crate::sim::network::Quality;
use crate::sim::publisher::Media;
use crate::sim::world::World;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};

struct Churn {
    world: World,
    rng: SmallRng,
    alive: Vec<usize>,
}

impl Churn {
    fn new(seed: u64) -> Self {
        Self::choosing(seed, LoudestLimits::NEVER)
    }

    fn choosing(seed: u64, loudest: LoudestLimits) -> Self {
        let quality = if seed.is_multiple_of(2) { Quality::GOOD } else { Quality::lossy(0.05) };
        Self { world: World::choosing(quality, seed, loudest), rng: SmallRng::seed_from_u64(seed), alive: Vec::new() }
    }

    fn join(&mut self) {
        self.world.place = self.rng.random_range(0..=self.world.branches.len());
        let client = self.world.join(self.rng.random(), true);
        self.world.clients[client].add(QUIET);
        if self.rng.random_bool(0.3) {
            self.world.clients[client].add(if self.rng.random() { camera() } else { simulcast() });
        }
        self.world.offer(client);
        self.alive.push(client);
    }

    fn any_track(&mut self) -> TrackId {
        let known: Vec<TrackId> = self.world.tracks.keys().copied().collect();
        let mut sorted = known;
        sorted.sort_unstable();
        sorted.choose(&mut self.rng).copied().unwrap_or(TrackId(5))
    }

    fn step(&mut self) {
        if self.alive.len() < 2 {
            return self.join();
        }
        let place = self.rng.random_range(0..self.alive.len());
        let client = self.alive[place];
        let participant = self.world.clients[client].id;
        let track = self.any_track();
        match self.rng.random_range(0..17) {
            0 | 1 if self.alive.len() < 10 => self.join(),
            2 => {
                self.alive.swap_remove(place);
                self.world.leave(client);
            }
            3 => {
                self.alive.swap_remove(place);
                let now = self.world.now;
                self.world.clients[client].transport.close(now);
                self.world.send(client);
            }
            4 if self.world.clients[client].publisher.tracks.len() < 3 => {
                let media = if self.rng.random_bool(0.7) { QUIET } else { camera() };
                self.world.clients[client].add(media);
                self.world.offer(client);
            }
            5 => {
                let inactive = if self.rng.random() { vec!["0".to_owned()] } else { Vec::new() };
                self.world.clients[client].session.inactive = inactive;
                self.world.offer(client);
            }
            6 => self.world.command(Command::Subscribe { participant, track }),
            7 => self.world.command(Command::Unsubscribe { participant, track }),
            8 => {
                let rid = ["q", "h", "f", "x"].choose(&mut self.rng).and_then(|rid| Rid::new(rid));
                self.world.command(Command::SetLayer { participant, track, rid });
            }
            9 => {
                let muted = self.rng.random();
                self.world.command(Command::SetMuted { participant, track, muted });
            }
            10 => self.world.send_data(client, b"hello"),
            11 => self.world.clients[client].publisher.restart("0"),
            12 => {
                self.world.clients[client].port += 1_000;
                let now = self.world.now;
                self.world.clients[client].transport.check_now(now);
            }
            13 => {
                self.world.clients[client].transport.draw_credentials();
                self.world.offer(client);
            }
            14 => {
                let level = [10, 30, 60, 127].choose(&mut self.rng).copied().unwrap_or(127);
                self.world.clients[client].publisher.track("0").media = Media::Audio { level };
            }
            _ => self.rubbish(client),
        }
    }

    fn rubbish(&mut self, client: usize) {
        let path = self.world.clients[client].path();
        for _ in 0..20 {
            let mut datagram = vec![0; self.rng.random_range(0..200)];
            self.rng.fill_bytes(&mut datagram);
            if let Some(first) = datagram.first_mut() {
                *first = [0, 22, 0x80, 0x90, 200][usize::from(*first) % 5];
            }
            self.world.inject(&path, &datagram);
        }
    }

    fn run(mut self) {
        self.churn();
        self.assert_served();
    }

    fn churn(&mut self) {
        for _ in 0..120 {
            self.step();
            let pause = self.rng.random_range(0..100);
            // Now and then shards do not hear one another.
            self.world.relay_is_full = !self.world.branches.is_empty() && self.rng.random_bool(0.1);
            self.world.run_ms(pause);
        }
        self.world.relay_is_full = false;
    }

    /// Everybody who is left receives everything that they want, and something comes on each line.
    fn assert_served(&mut self) {
        for client in self.alive.clone() {
            self.world.clients[client].session.inactive.clear();
            self.world.offer(client);
        }
        self.world.run_ms(3_000);
        let tracks: Vec<TrackId> = self.world.tracks.keys().copied().collect();
        for subscriber in self.alive.clone() {
            let participant = self.world.clients[subscriber].id;
            for track in &tracks {
                let own = self.world.tracks[track].0 == participant;
                let gone = !self.alive.iter().any(|c| self.world.clients[*c].id == self.world.tracks[track].0);
                if !own && !gone {
                    self.world.command(Command::Subscribe { participant, track: *track });
                }
            }
        }
        self.world.run_ms(3_000);
        for subscriber in self.alive.clone() {
            for publisher in self.alive.clone().into_iter().filter(|publisher| *publisher != subscriber) {
                let mids: Vec<String> =
                    self.world.clients[publisher].publisher.tracks.iter().map(|track| track.mid.clone()).collect();
                for mid in mids {
                    let line = self.world.line_of(subscriber, publisher, &mid);
                    let line = line.unwrap_or_else(|| panic!("{subscriber} has no line for {mid} of {publisher}"));
                    let stream = self.world.clients[subscriber].receiver.stream(&line);
                    let newest = stream.packets.last_key_value().map(|(_, packet)| packet);
                    let recent = newest.is_some_and(|p| self.world.now - p.at < std::time::Duration::from_millis(500));
                    assert!(recent, "{subscriber} receives nothing on {line} of {publisher}'s {mid}: {newest:?}");
                }
            }
        }
    }
}

#[test]
fn a_room_survives_everything() {
    for seed in 1..=2 {
        Churn::new(seed).run();
    }
}

#[test]
fn a_room_on_three_shards_survives_everything() {
    for seed in 3..=4 {
        let mut churn = Churn::new(seed);
        churn.world.branch();
        churn.world.branch();
        churn.run();
    }
}

/// What each client receives is checked all the time, and so is who has lines (`Room::check_voices`): at the end somebody speaks up.
#[test]
fn a_room_in_which_few_are_heard_survives_everything() {
    for seed in 5..=8 {
        let mut churn = Churn::choosing(seed, LoudestLimits { above: 3, places: 2 });
        if seed > 6 {
            churn.world.branch();
        }
        churn.churn();
        while churn.alive.len() < 6 {
            churn.join();
        }
        for client in churn.alive.clone() {
            churn.world.clients[client].session.inactive.clear();
            churn.world.clients[client].publisher.track("0").media = QUIET;
            churn.world.offer(client);
        }
        churn.world.run_ms(5_000);
        let speaker = churn.alive[0];
        let (participant, track) = (churn.world.clients[speaker].id, churn.world.track(speaker, "0"));
        churn.world.command(Command::SetMuted { participant, track, muted: false });
        for listener in churn.alive.clone() {
            let participant = churn.world.clients[listener].id;
            churn.world.command(Command::Subscribe { participant, track });
        }
        churn.world.clients[speaker].publisher.track("0").media = Media::Audio { level: 10 };
        let since = churn.world.now;
        churn.world.run_ms(1_000);
        for listener in churn.alive.iter().filter(|listener| **listener != speaker) {
            let streams = &churn.world.clients[*listener].receiver.streams;
            let mut packets = streams.iter().flat_map(|stream| stream.packets.values());
            let is_heard =
                packets.any(|p| p.at > since && p.content.publisher == participant.0 && p.content.track == 0);
            assert!(is_heard, "seed {seed}: {listener} does not hear {speaker}");
        }
    }
}
