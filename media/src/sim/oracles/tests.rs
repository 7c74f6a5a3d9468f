//! That each oracle fails when it must, and does not when it must not.

use super::*;
use crate::feedback::test_start;
use crate::sim::content::Content;
use crate::sim::network::record::Passage;
use crate::sim::playback::Shown;
use crate::sim::receiver::{Arrived, Receiver};

const RATE_BPS: u64 = 1_000_000;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Ten seconds.
fn window() -> Range<Instant> {
    let start = test_start();
    start..start + ms(10_000)
}

/// A datagram every 10 ms of these bytes, which waits as long as `queued` says of its millisecond.
fn record(window: &Range<Instant>, len: impl Fn(u64) -> usize, queued: impl Fn(u64) -> Option<u64>) -> Record {
    let passage = |number: u64| {
        let sent = window.start + ms(number * 10);
        let queued = queued(number * 10).map(ms);
        Passage {
            sent,
            left: queued.map(|queued| sent + queued),
            queued: queued.unwrap_or_default(),
            len: len(number * 10),
        }
    };
    Record { passages: (0..1_000).map(passage).collect() }
}

/// Shown every 40 ms, but for a hole, in the layer that is given for each millisecond.
fn playback(window: &Range<Instant>, hole: Range<u64>, layer: impl Fn(u64) -> u8) -> Playback {
    let times = (0..250).map(|number| number * 40).filter(|at| !hole.contains(at));
    let shown = times.map(|at| Shown { at: window.start + ms(at), frame: at as u32 / 40, layer: layer(at) });
    Playback { shown: shown.collect(), pauses: Vec::new() }
}

/// Sound of 50 packets a second, of which those of some milliseconds are lost.
fn sound(window: &Range<Instant>, is_lost: impl Fn(u64) -> bool) -> Receiver {
    let mut receiver = Receiver::default();
    receiver.learn("0", false, 1, None);
    for number in (0..500).filter(|number| !is_lost(number * 20)) {
        let frame = number as u32;
        let content = Content { track: 0, frame, key: false, ..Content::FIRST };
        let at = window.start + ms(number * 20);
        let arrived = Arrived { timestamp: frame * 960, marker: false, picture: None, svc: None, content, at };
        receiver.streams[0].packets.insert(number, arrived);
    }
    receiver
}

#[test]
fn a_link_that_is_not_used_is_noticed() {
    let window = window();
    let used = |len: usize| link_is_used(&record(&window, |_| len, |_| Some(0)), &window, RATE_BPS, 0.85);
    assert_eq!(used(1_100), Ok(()));
    assert_eq!(used(1_000), Err("only 80 % of the link are used".to_owned()));
}

#[test]
fn a_standing_queue_and_drops_are_noticed() {
    let window = window();
    let short =
        |queued: fn(u64) -> Option<u64>| queue_is_short(&record(&window, |_| 100, queued), &window, SHORT_QUEUE);
    assert_eq!(short(|_| Some(90)), Ok(()));
    assert_eq!(short(|at| Some(if at % 1_000 < 40 { 300 } else { 0 })), Ok(()), "one in twenty-five");
    assert!(short(|at| Some(if at % 1_000 < 60 { 300 } else { 0 })).is_err());
    assert!(short(|at| (at % 1_000 >= 30).then_some(0)).is_err(), "three percent find it full");
}

#[test]
fn what_settles_late_is_noticed() {
    let window = window();
    let queueing = |until: u64| record(&window, |_| 1_000, move |at| Some(if at < until { 200 } else { 20 }));
    assert_eq!(settles(&queueing(2_900), &window, RATE_BPS, ms(3_000)), Ok(()));
    assert!(settles(&queueing(3_100), &window, RATE_BPS, ms(3_000)).is_err());
    let full = record(&window, |_| 1_000, |at| (at > 3_500 || at % 100 > 0).then_some(0));
    assert!(settles(&full, &window, RATE_BPS, ms(3_000)).is_err(), "nor are drops");
    let sending = |until: u64| record(&window, move |at| if at < until { 1_500 } else { 1_000 }, |_| Some(0));
    assert_eq!(settles(&sending(2_500), &window, RATE_BPS, ms(3_000)), Ok(()));
    assert!(settles(&sending(4_000), &window, RATE_BPS, ms(3_000)).is_err(), "nor is too much");
    assert_eq!(settling(&sending(10_000), &window, RATE_BPS), ms(10_000));
}

#[test]
fn a_link_that_fills_late_is_noticed() {
    let window = window();
    let filling = |from: u64| record(&window, move |at| if at < from { 400 } else { 1_100 }, |_| Some(0));
    let fills = |from| fills(&filling(from), &window, RATE_BPS, 0.8, ms(5_000));
    assert_eq!(fills(4_000), Ok(()));
    assert!(fills(4_500).is_err());
    assert!(fills(10_000).is_err());
}

#[test]
fn a_budget_that_is_not_kept_is_noticed() {
    let window = window();
    // Twice the rate, for so many milliseconds.
    let burst = |long: u64| {
        let len = move |at| if (4_000..4_000 + long).contains(&at) { 2_500 } else { 1_000 };
        budget_is_kept(&record(&window, len, |_| Some(0)), &window, RATE_BPS, 1.2, ms(1_000))
    };
    assert_eq!(burst(300), Ok(()));
    assert!(burst(400).is_err());
}

#[test]
fn a_picture_that_stands_still_is_noticed() {
    let window = window();
    let moves = |long: u64| picture_moves(&playback(&window, 5_000..5_000 + long, |_| 2), &window, 0.05);
    assert_eq!((moves(0), moves(440)), (Ok(()), Ok(())));
    assert!(moves(600).is_err());
    let fluid = |hole: Range<u64>| picture_is_fluid(&playback(&window, hole, |_| 2), &window, 20.0);
    assert_eq!(fluid(0..1_000), Ok(()));
    assert!(fluid(0..3_000).is_err());
}

#[test]
fn a_pause_is_noticed() {
    let window = window();
    let paused = |from: u64, to: u64| {
        let pauses = vec![window.start + ms(from)..window.start + ms(to)];
        is_never_paused(&Playback { pauses, ..playback(&window, 0..0, |_| 2) }, &window)
    };
    assert_eq!(paused(10_000, 12_000), Ok(()), "afterwards");
    assert_eq!(paused(9_000, 12_000), Err("the picture is paused for 1000 ms".to_owned()));
}

#[test]
fn layers_that_change_or_are_not_the_wanted_one_are_noticed() {
    let window = window();
    let steady = playback(&window, 0..0, |_| 2);
    let nervous = playback(&window, 0..0, |at| (at / 2_500 % 2) as u8 + 1);
    assert_eq!((layers_are_steady(&steady, &window, 4.0), layer_is_kept(&steady, &window, 2)), (Ok(()), Ok(())));
    assert!(layers_are_steady(&nervous, &window, 4.0).is_err());
    assert!(layer_is_kept(&nervous, &window, 2).is_err() && layer_is_kept(&steady, &window, 1).is_err());
    let back =
        |at| layer_is_back(&playback(&window, 0..0, move |time| if time < at { 0 } else { 2 }), &window, 2, ms(5_000));
    assert_eq!(back(4_900), Ok(()));
    assert!(back(5_200).is_err());
}

#[test]
fn a_switch_behind_a_freeze_is_noticed() {
    let window = window();
    let switch = |hole: Range<u64>| playback(&window, hole, |at| if at < 5_000 { 2 } else { 0 });
    assert_eq!(switches_are_smooth(&switch(4_600..5_000), &window, ms(500)), Ok(()));
    assert!(switches_are_smooth(&switch(4_400..5_000), &window, ms(500)).is_err());
    assert_eq!(switches_are_smooth(&switch(2_000..3_000), &window, ms(500)), Ok(()), "not at a switch");
}

#[test]
fn sound_that_is_lost_is_noticed() {
    let window = window();
    let arrives = |is_lost: fn(u64) -> bool| {
        let receiver = sound(&window, is_lost);
        sound_arrives(receiver.stream("0"), &window, 0.995, ms(200))
    };
    assert_eq!((arrives(|_| false), arrives(|at| at == 4_000)), (Ok(()), Ok(())));
    assert!(arrives(|at| at % 1_000 == 500).is_err(), "two percent");
    assert!(arrives(|at| at >= 9_000).is_err(), "the end is missing");
    assert!(arrives(|_| true).is_err());
}

#[test]
fn what_arrives_of_a_hidden_track_is_noticed() {
    let window = window();
    let receiver = sound(&window, |at| (3_000..5_000).contains(&at));
    let hidden =
        |from: u64, to: u64| nothing_arrives(receiver.stream("0"), &(window.start + ms(from)..window.start + ms(to)));
    assert_eq!(hidden(3_000, 5_000), Ok(()));
    assert!(hidden(2_900, 5_000).is_err());
}

/// Video that the judge takes, changed somewhere.
fn judge(change: impl Fn(&mut Vec<(u64, Arrived)>)) -> std::thread::Result<usize> {
    use crate::sim::content::Vp8Numbers;
    let start = test_start();
    let frame = |number: u64| {
        let key = number == 0;
        let layer = [0, 2, 1, 2][number as usize % 4];
        let refers = if key { 0 } else { [0b1000, 0b1, 0b10, 0b101][number as usize % 4] };
        let content = Content { frame: number as u32, key, refers, ..Content::FIRST };
        let picture = Vp8Numbers { picture: number as u16, tl0: (number / 4) as u8, layer, is_sync: false };
        let timestamp = number as u32 * 3_000;
        (number, Arrived { timestamp, marker: true, picture: Some(picture), svc: None, content, at: start })
    };
    let mut packets: Vec<_> = (0..12).map(frame).collect();
    change(&mut packets);
    let mut receiver = Receiver::default();
    receiver.learn("1", true, 1, None);
    receiver.streams[0].packets.extend(packets);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| receiver.stream("1").judge().len()))
}

#[test]
fn the_judge_notices_what_breaks_a_stream() {
    assert_eq!(judge(|_| ()).ok(), Some(12));
    // The top layer left out, and the numbers closed.
    let thinned = judge(|packets| {
        packets.retain(|(_, packet)| packet.picture.is_some_and(|picture| picture.layer < 2));
        for (place, (sequence, packet)) in packets.iter_mut().enumerate() {
            *sequence = place as u64;
            packet.picture.as_mut().expect("video").picture = place as u16;
        }
    });
    assert_eq!(thinned.ok(), Some(6));
    assert!(judge(|packets| packets.retain(|(sequence, _)| *sequence != 5)).is_err(), "a gap");
    assert!(judge(|packets| packets[5].1.timestamp = 0).is_err(), "time runs back");
    assert!(judge(|packets| packets[5].1.picture.as_mut().expect("video").picture += 1).is_err(), "picture ids");
    assert!(judge(|packets| packets[5].1.picture.as_mut().expect("video").tl0 += 1).is_err(), "base layers");
    assert!(judge(|packets| packets[5].1.content.frame += 20).is_err(), "what it refers to is missing");
    assert!(judge(|packets| packets[6].1.content.life = 1).is_err(), "a source begins without a key frame");
}
