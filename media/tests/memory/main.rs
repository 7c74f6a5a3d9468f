//! What a participant costs in memory: the engine's bytes on the heap, counted exactly.
//!
//! The clients are webrtc-rs connections, whose descriptions name as many formats as a browser's. A bound is on the difference
//! that a participant makes, so that what a shard has anyhow does not count. Figures are printed with `--nocapture`.

#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

#[path = "../webrtc_rs/client.rs"]
#[allow(dead_code, reason = "the other tests use all of it")]
mod client;
#[path = "../webrtc_rs/feedback.rs"]
mod feedback;
mod heap;
#[path = "../webrtc_rs/house.rs"]
#[allow(dead_code, reason = "the other tests use all of it")]
mod house;
#[path = "../webrtc_rs/speaker.rs"]
#[allow(dead_code, reason = "the other tests use all of it")]
mod speaker;

use heap::freed_by_dropping;
use house::House;
use speaker::Speaker;
use std::time::Duration;

const KIB: usize = 1_024;

/// The engine's bytes of a house with so many participants.
fn heap_of(fill: impl Fn(&mut House, usize), count: usize) -> usize {
    let mut house = House::new();
    fill(&mut house, count);
    let House { shard, .. } = house;
    freed_by_dropping(shard)
}

/// What each of ten participants adds, and prints it.
fn of_each(state: &str, fill: impl Fn(&mut House, usize)) -> usize {
    let [few, many] = [2, 12].map(|count| heap_of(&fill, count));
    let each = (many - few) / 10;
    #[allow(clippy::print_stdout, reason = "the figures for the document")]
    {
        println!("{state:<44}{:>7.1} KiB", each as f64 / KIB as f64);
    }
    each
}

/// So many join who publish nothing.
fn listen(house: &mut House, count: usize) {
    for _ in 0..count {
        house.join_silent();
    }
}

#[test]
fn a_participant_that_has_only_joined() {
    let each = of_each("joined", |house, count| (0..count).for_each(|_| house.enter()));
    assert!(each < 8 * KIB, "{each} bytes");
}

#[test]
fn a_participant_with_its_data_channel() {
    let each = of_each("connected, with a data channel", |house, count| {
        listen(house, count);
        house.run_for(Duration::from_secs(5));
    });
    assert!(each < 32 * KIB, "{each} bytes");
}

#[test]
fn a_participant_that_receives_two_tracks_of_somebody_who_is_silent() {
    let each = of_each("and two tracks subscribed", |house, count| {
        let mut speaker = Speaker::join(house, 1_000);
        speaker.speak(house, 3);
        listen(house, count);
        speaker.speak(house, 25);
        house.run_for(Duration::from_secs(5));
    });
    assert!(each < 48 * KIB, "{each} bytes");
}

/// Everybody sends video of 1 Mbit/s and audio for two seconds.
fn meet(house: &mut House, count: usize) {
    let mut senders = Vec::new();
    for number in 0..count as u32 {
        let mut client = house.new_client();
        senders.push((client.add_video(10 * number + 1), client.add_audio(10 * number + 5)));
        house.join(client);
    }
    for n in 0..200_u16 {
        for (client, (video, audio)) in house.clients.iter_mut().zip(&senders) {
            let mut frame = speaker::vp8(n, n == 0 || std::mem::take(&mut client.keyframes_wanted) > 0).to_vec();
            frame.resize(1_150, 0);
            client.send(house.now, *video, n, 900 * u32::from(n), frame.into());
            if n % 2 == 0 {
                client.send(house.now, *audio, n / 2, 480 * u32::from(n), speaker::opus(n));
            }
        }
        house.run_for(Duration::from_millis(10));
    }
}

#[test]
fn a_participant_of_a_ten_person_meeting() {
    let empty = heap_of(|_, _| {}, 0);
    let meeting = heap_of(meet, 10);
    let each = (meeting - empty) / 10;
    #[allow(clippy::print_stdout, reason = "the figures for the document")]
    {
        println!("{:<44}{:>7.1} KiB", "in a meeting of ten with 1 Mbit/s each", each as f64 / KIB as f64);
        println!("{:<44}{:>7.1} KiB", "a shard without anybody", empty as f64 / KIB as f64);
    }
    assert!(each < 164 * KIB, "{each} bytes");
}

/// What is left of so many who came, ten at a time, received something, said and heard something, and went.
fn left_by(joins: usize) -> usize {
    heap_of(
        |house, count| {
            let mut speaker = Speaker::join(house, 1_000);
            for round in 0..count / 10 {
                if round == 0 {
                    listen(house, 10);
                } else {
                    (1..=10).for_each(|number| house.join_again(number));
                }
                speaker.speak(house, 2);
                (1..=10).for_each(|number| house.leave(number));
                house.run_for(Duration::from_millis(100));
                // Nobody is left who is told of the speaker's tracks.
                house.events.clear();
            }
            // Until the last deadline of those who left would have come.
            house.run_for(Duration::from_secs(31));
        },
        joins,
    )
}

#[test]
fn those_who_left_leave_nothing_behind() {
    let joins: usize = std::env::var("PARLOR_JOINS").map_or(300, |text| text.parse().expect("a number"));
    let (few, many) = (left_by(joins / 10), left_by(joins));
    #[allow(clippy::print_stdout, reason = "the figures for the document")]
    {
        println!("the engine's heap after {} joins: {few} bytes; after {joins}: {many}", joins / 10);
    }
    // Most of it is the outbox; what may differ are capacities of a few collections.
    assert!(many.abs_diff(few) < 16 * KIB, "{few} bytes became {many}");
}
