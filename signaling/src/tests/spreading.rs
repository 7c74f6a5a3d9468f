//! One room on several shards.

use super::house::{House, Member, pass};
use crate::{Announce, Settings, ShardHandle, Signaling, Spread, Storage};
use parlor_media::command::{Channel, Command, Event, MediaKind, Source, TrackInfo};
use parlor_media::ids::{ParticipantId, TrackId};
use parlor_media::room_stats::{ParticipantStats, PublicationStats, RoomStats, TransportStats};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// A house of several shards, whose loads the test sets.
struct Shards {
    house: House,
    commands: Vec<mpsc::Receiver<Command>>,
    loads: Vec<Arc<AtomicU32>>,
}

impl Shards {
    fn new(count: usize, spread: Spread) -> Self {
        let (senders, commands): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::channel(64)).unzip();
        let loads: Vec<Arc<AtomicU32>> = (0..count).map(|_| Arc::default()).collect();
        let handles = senders.into_iter().zip(&loads).zip(7900..).map(|((sender, load), port)| {
            let load = Arc::clone(load);
            let busy = Arc::new(move || load.load(Ordering::Relaxed) as f32 / 100.0);
            ShardHandle::new(sender, Arc::new(|| {}), port).with_load(busy)
        });
        let announce = Announce { addresses: vec!["192.0.2.1".parse().unwrap()], loopback: Vec::new() };
        let settings = Settings { spread, wall_clock: super::house::wall_clock, ..Settings::default() };
        let signaling = Signaling::new(settings, announce, Storage::memory(), handles.collect());
        Self { house: House { signaling, commands: mpsc::channel(1).1 }, commands, loads }
    }

    /// Two shards, and a room that takes one person on each as long as that is possible.
    async fn pair() -> (Self, Member, Member) {
        let mut shards = Self::new(2, Spread { participants: 1, ..Spread::default() });
        shards.house.create(json!({"roomId": "abc"})).await;
        let ana = shards.house.joined("abc", "Ana").await;
        let bo = shards.house.joined("abc", "Bo").await;
        assert_eq!(shards.names(0), ["OpenRoom", "Join", "LinkRoom"]);
        assert_eq!(shards.names(1), ["OpenRoom", "LinkRoom", "Join"]);
        (shards, ana, bo)
    }

    fn busy(&self, shard: usize, percent: u32) {
        self.loads[shard].store(percent, Ordering::Relaxed);
    }

    fn take(&mut self, shard: usize) -> Vec<Command> {
        std::iter::from_fn(|| self.commands[shard].try_recv().ok()).collect()
    }

    fn names(&mut self, shard: usize) -> Vec<String> {
        let name = |command| format!("{command:?}").split([' ', '{']).next().unwrap().to_owned();
        self.take(shard).into_iter().map(name).collect()
    }
}

fn published(participant: ParticipantId, track: u64) -> Event {
    let (mid, kind, source) = ("0".to_owned(), MediaKind::Audio, Source::Microphone);
    let info = TrackInfo { track: TrackId(track), mid, kind, source, muted: false, rids: Vec::new() };
    Event::Published { participant, info }
}

fn types(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_room_gets_a_part_where_there_is_room_and_people_the_ports_of_their_shard() {
    let mut shards = Shards::new(3, Spread { participants: 2, ..Spread::default() });
    shards.house.create(json!({"roomId": "abc"})).await;
    let mut people = Vec::new();
    for _ in 0..5 {
        people.push(shards.house.joined("abc", "").await);
    }
    let home = shards.take(0);
    let linked = home.iter().filter_map(|command| match command {
        Command::LinkRoom { home: 0, shards, .. } => Some(shards.iter().collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(linked.collect::<Vec<_>>(), [vec![0, 1], vec![0, 1, 2]]);
    assert_eq!(shards.names(1), ["OpenRoom", "LinkRoom", "Join", "Join", "LinkRoom"]);
    let last = shards.take(2);
    let [Command::OpenRoom { .. }, Command::LinkRoom { home: 0, .. }, Command::Join { participant, settings, .. }] =
        &last[..]
    else {
        panic!("{last:?}")
    };
    assert_eq!(*participant, people[4].participant());
    assert!(settings.candidates.iter().all(|candidate| candidate.address.port() == 7902));
    // With nowhere to go they stay where there are fewest.
    people.push(shards.house.joined("abc", "").await);
    people.push(shards.house.joined("abc", "").await);
    assert_eq!((shards.names(0).len(), shards.names(1).len(), shards.names(2)), (1, 0, vec!["Join".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_busy_shard_sends_newcomers_to_one_that_is_clearly_less_so() {
    let mut shards = Shards::new(2, Spread::default());
    shards.busy(1, 10);
    shards.house.create(json!({"roomId": "abc"})).await;
    let _ana = shards.house.joined("abc", "").await;
    shards.busy(0, 80);
    shards.busy(1, 65);
    let _bo = shards.house.joined("abc", "").await;
    assert_eq!(shards.names(0), ["OpenRoom", "Join", "Join"], "a part costs work of its own");
    shards.busy(1, 30);
    let _cy = shards.house.joined("abc", "").await;
    assert_eq!(
        (shards.names(0), shards.names(1)),
        (vec!["LinkRoom".into()], vec!["OpenRoom".into(), "LinkRoom".into(), "Join".into()])
    );
    shards.busy(0, 20);
    let _di = shards.house.joined("abc", "").await;
    assert_eq!((shards.names(0).len(), shards.names(1).len()), (1, 0), "home again, once it can");
}

#[tokio::test(start_paused = true)]
async fn rooms_are_placed_by_load_and_by_what_was_just_placed() {
    let mut shards = Shards::new(2, Spread::default());
    shards.busy(0, 40);
    shards.house.create(json!({"roomId": "one"})).await;
    assert_eq!((shards.names(0).len(), shards.names(1).len()), (0, 1));
    let _people = [shards.house.joined("one", "").await, shards.house.joined("one", "").await];
    shards.take(1);
    shards.busy(0, 3);
    shards.house.create(json!({"roomId": "two"})).await;
    assert_eq!((shards.names(0).len(), shards.names(1).len()), (1, 0), "as busy, with fewer people");
    let mut many = Vec::new();
    for _ in 0..30 {
        many.push(shards.house.joined("two", "").await);
    }
    shards.take(0);
    shards.busy(1, 8);
    shards.house.create(json!({"roomId": "three"})).await;
    assert_eq!(shards.names(1).len(), 1, "they will bring some load");
    pass(3.0).await;
    shards.house.create(json!({"roomId": "four"})).await;
    assert_eq!(shards.names(0).len(), 1, "what is measured counts");
    let (_, _, server) = shards.house.request_on_loopback("GET", "/api/server", None).await;
    assert_eq!((&server["shards"][0]["load"], &server["shards"][1]["load"]), (&json!(0.03), &json!(0.08)));
}

#[tokio::test]
async fn commands_go_to_the_shard_of_whom_they_concern() {
    let (mut shards, mut ana, mut bo) = Shards::pair().await;
    shards.house.event(published(ana.participant(), 7));
    shards.house.event(published(bo.participant(), 1 << 48 | 7));
    let track = |client: &mut Member| {
        let told = client.all();
        told.iter().rev().find(|message| message["type"] == "track-published").unwrap()["track"]["trackId"].clone()
    };
    let (of_bo, _) = (track(&mut ana), track(&mut bo));
    ana.send(json!({"type": "subscribe", "roomId": "abc", "trackIds": [of_bo]})).await;
    bo.send(json!({"type": "track-state", "roomId": "abc", "trackId": of_bo, "muted": true})).await;
    assert_eq!((shards.names(0), shards.names(1)), (vec!["Subscribe".into()], vec!["SetMuted".into()]));
    bo.send(json!({"type": "leave-room", "roomId": "abc"})).await;
    assert_eq!((shards.names(0), shards.names(1)), (vec![], vec!["Leave".into()]));
    let (_, _, server) = shards.house.request_on_loopback("GET", "/api/server", None).await;
    assert_eq!(
        (&server["shards"][0]["participantCount"], &server["shards"][1]["participantCount"]),
        (&json!(1), &json!(0))
    );
}

#[tokio::test]
async fn chat_reaches_everybodys_channel_on_their_own_shard() {
    let (mut shards, mut ana, bo) = Shards::pair().await;
    for member in [&ana, &bo] {
        let (participant, channel) = (member.participant(), Channel::Chat);
        shards.house.event(Event::ChannelOpened { participant, channel, opening: 1 });
    }
    ana.send(json!({"type": "send-message", "roomId": "abc", "text": "hello"})).await;
    for (shard, member) in [(0, &ana), (1, &bo)] {
        let sent = shards.take(shard);
        let [Command::SendData { participant, opening: 1, .. }] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!(*participant, member.participant());
    }
}

#[tokio::test]
async fn what_overtakes_the_news_of_its_track_waits_for_it() {
    let (shards, ana, mut bo) = Shards::pair().await;
    bo.all();
    let (participant, publisher, track) = (bo.participant(), ana.participant(), TrackId(7));
    let bound = |track| Event::Bound { participant, mid: "3".to_owned(), track, publisher };
    let rid = parlor_media::command::Rid::new("h").unwrap();
    shards.house.event(bound(track));
    shards.house.event(Event::LayerChanged { participant, track, rid });
    assert!(bo.next().is_null());
    shards.house.event(published(publisher, 7));
    assert_eq!(types(&bo.all()), ["track-published", "subscription-bound", "layer-changed"]);
    shards.house.event(Event::Unbound { participant, mid: "3".to_owned(), track });
    assert_eq!(types(&bo.all()), ["subscription-unbound"]);
    // A track that has ended by the time at which its binding is told.
    shards.house.event(bound(TrackId(8)));
    shards.house.event(Event::Unbound { participant, mid: "3".to_owned(), track: TrackId(8) });
    shards.house.event(published(publisher, 8));
    assert_eq!(types(&bo.all()), ["track-published"]);
    shards.house.event(bound(TrackId(8)));
    assert_eq!(types(&bo.all()), ["subscription-bound"]);
}

#[tokio::test]
async fn a_room_is_read_on_all_its_shards() {
    let (mut shards, ana, bo) = Shards::pair().await;
    let board = Arc::clone(shards.house.board());
    let room = board.room(&crate::protocol::RoomCode::parse("abc").unwrap()).unwrap();
    let asking = tokio::spawn(async move { board.read_room(&room).await });
    let publication = PublicationStats {
        track: TrackId(7),
        kind: MediaKind::Audio,
        source: Source::Microphone,
        muted: false,
        subscribers: 1,
        encodings: Vec::new(),
    };
    for (shard, member) in [(0, &ana), (1, &bo)] {
        let Some(Command::ReadRoom { request, .. }) = shards.commands[shard].recv().await else { panic!("a question") };
        let publications = if shard == 0 { vec![publication.clone()] } else { Vec::new() };
        let person = ParticipantStats {
            participant: member.participant(),
            transport: TransportStats::default(),
            quality: parlor_media::quality::Quality::UNKNOWN,
            publications,
            subscriptions: Vec::new(),
            subscriptions_left_out: 0,
        };
        let mirrors = if shard == 1 { vec![(TrackId(7), 4)] } else { Vec::new() };
        let stats = Box::new(RoomStats { participants: vec![person], mirrors });
        shards.house.event(Event::RoomRead { request, stats });
    }
    let stats = asking.await.unwrap().unwrap();
    assert_eq!(stats.participants.len(), 2);
    assert_eq!(stats.participants[0].publications[0].subscribers, 5, "on both shards");
    assert_eq!(shards.house.board().readings.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_empty_part_is_given_up_and_opened_again() {
    let (mut shards, _ana, mut bo) = Shards::pair().await;
    shards.house.run_timers();
    bo.send(json!({"type": "leave-room", "roomId": "abc"})).await;
    pass(1.0).await;
    assert_eq!(shards.names(1), ["Leave", "CloseRoom"]);
    let home = shards.take(0);
    let [Command::LinkRoom { shards: left, .. }] = &home[..] else { panic!("{home:?}") };
    assert_eq!(left.iter().collect::<Vec<_>>(), [0]);
    let _cy = shards.house.joined("abc", "").await;
    assert_eq!(shards.names(1), ["OpenRoom", "LinkRoom", "Join"]);
}

#[tokio::test]
async fn a_room_ends_on_all_its_shards() {
    let mut shards = Shards::new(2, Spread { participants: 1, ..Spread::default() });
    let host = shards.house.create(json!({"roomId": "abc"})).await;
    let _people = [shards.house.joined("abc", "").await, shards.house.joined("abc", "").await];
    shards.take(0);
    shards.take(1);
    let (status, body) = shards.house.request_as(&host, "DELETE", "/api/rooms/abc", None).await;
    assert!(status.is_success(), "{body}");
    assert_eq!((shards.names(0), shards.names(1)), (vec!["CloseRoom".into()], vec!["CloseRoom".into()]));
}

#[tokio::test]
async fn a_room_is_lost_with_any_of_its_shards() {
    for lost in [0, 1] {
        let (mut shards, mut ana, mut bo) = Shards::pair().await;
        ana.all();
        bo.all();
        shards.house.signaling.shard_lost(lost).await;
        assert_eq!(shards.names(0), ["CloseRoom", "OpenRoom"]);
        assert_eq!(shards.names(1), ["CloseRoom"]);
        assert_eq!(ana.next()["reason"], "server-restarted");
        assert_eq!(bo.next()["reason"], "server-restarted");
        let again = [shards.house.joined("abc", "").await, shards.house.joined("abc", "").await];
        assert_eq!((shards.names(0).len(), shards.names(1).len(), again.len()), (2, 3, 2));
    }
}

#[tokio::test]
async fn newcomers_at_once_open_a_part_once() {
    let mut shards = Shards::new(2, Spread { participants: 1, ..Spread::default() });
    shards.house.create(json!({"roomId": "abc"})).await;
    let _first = shards.house.joined("abc", "").await;
    let ends = Arc::new(Mutex::new(Vec::new()));
    let joins = (0..4).map(|_| {
        let (mut client, ends) = (shards.house.client(), Arc::clone(&ends));
        async move {
            client.send(json!({"type": "join-room", "roomId": "abc"})).await;
            ends.lock().unwrap().push(client.next()["type"].clone());
        }
    });
    futures_util::future::join_all(joins).await;
    assert_eq!(*ends.lock().unwrap(), vec![json!("room-joined"); 4]);
    let opened = shards.names(1);
    assert_eq!(opened.iter().filter(|name| *name == "OpenRoom").count(), 1, "{opened:?}");
}
