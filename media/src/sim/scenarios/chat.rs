//! The chat channel.

use super::call;
use crate::command::{Channel, Command, Event};
use crate::sim::network::Quality;

#[test]
fn messages_of_any_size_go_both_ways() {
    for quality in [Quality::GOOD, Quality::lossy(0.05)] {
        let mut world = call(quality, 1, 2);
        world.run_ms(3_000);
        assert_eq!(world.count_events(world.start, |event| matches!(event, Event::ChannelOpened { .. })), 2);
        let texts = [b"hello".to_vec(), vec![b'x'; 60_000], "grüße".as_bytes().to_vec(), vec![b'y'; 20_000]];
        for text in &texts {
            world.chat(0, text);
            world.send_data(1, text);
        }
        world.run_ms(20_000);
        let (id, mut arrived) = (world.clients[0].id, Vec::new());
        for (_, event) in &world.events {
            if let Event::Data { participant, channel: Channel::Chat, text } = event {
                assert_eq!(*participant, id);
                arrived.push(text.to_vec());
            }
        }
        assert!(arrived == texts, "{:?}", arrived.iter().map(Vec::len).collect::<Vec<_>>());
        let received: Vec<_> = world.clients[1].messages.iter().map(|text| text.to_vec()).collect();
        assert!(received == texts, "{:?}", received.iter().map(Vec::len).collect::<Vec<_>>());
        assert_eq!(world.count_events(world.start, |event| matches!(event, Event::DataRefused { .. })), 0);
    }
}

#[test]
fn what_cannot_be_sent_is_told_once() {
    let mut world = call(Quality::GOOD, 2, 1);
    let silent = world.join(true, true);
    let (participant, since) = (world.clients[silent].id, world.now);
    for opening in [0, 0, 7] {
        world.command(Command::SendData { participant, channel: Channel::Chat, opening, text: "early".into() });
    }
    let refused = |event: &Event| matches!(event, Event::DataRefused { opening: 0, .. });
    assert_eq!(world.count_events(since, refused), 1);
    // A client that reads nothing: its send buffer fills up, and that is told once.
    world.run_ms(1_000);
    world.clients[0].dead = true;
    let since = world.now;
    for _ in 0..200 {
        world.send_data(0, &vec![b'z'; 60_000]);
    }
    assert_eq!(world.count_events(since, |event| matches!(event, Event::DataRefused { opening: 1, .. })), 1);
}
