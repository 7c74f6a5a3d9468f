//! Chat over sockets and data channels.

use super::house::{House, Member, pass, with_policy};
use crate::limits::Rates;
use crate::rate::Rate;
use crate::{Policy, Settings};
use bytes::Bytes;
use parlor_media::command::{Channel, Command, Event};
use parlor_media::ids::ParticipantId;
use serde_json::{Value, json};

async fn pair(house: &mut House) -> (Member, Member) {
    house.create(json!({"roomId": "abc"})).await;
    let mut ana = house.joined("abc", "Ana").await;
    let bo = house.joined("abc", "").await;
    ana.all();
    house.take_commands();
    (ana, bo)
}

fn say(text: &str) -> Value {
    json!({"type": "send-message", "roomId": "abc", "text": text})
}

fn data(member: &Member, message: &Value) -> Event {
    data_bytes(member, message.to_string().into())
}

fn data_bytes(member: &Member, text: Bytes) -> Event {
    Event::Data { participant: member.participant(), channel: Channel::Chat, text }
}

/// What went to data channels since the last call.
fn sent(house: &mut House) -> Vec<(ParticipantId, Value)> {
    let sent = |command| match command {
        Command::SendData { participant, channel: Channel::Chat, text, .. } => {
            (participant, serde_json::from_slice(&text).unwrap())
        }
        other => panic!("{other:?}"),
    };
    house.take_commands().into_iter().map(sent).collect()
}

#[tokio::test]
async fn a_message_reaches_everyone_with_the_servers_id_and_time() {
    let mut house = House::new();
    let (mut ana, mut bo) = pair(&mut house).await;
    let text = "<img src=x onerror=alert(1)> & \u{1F44B}\n";
    ana.send(json!({"type": "send-message", "roomId": "ABC", "text": text, "displayName": "Eve", "nonce": "n"})).await;
    let (own, others) = (ana.next(), bo.next());
    assert_eq!(others["text"], text.trim());
    assert_eq!((&others["sender"], &others["displayName"]), (&json!(ana.id), &json!("Ana")));
    assert_eq!((&others["seq"], &others["roomId"], &others["replyTo"]), (&json!(1), &json!("abc"), &Value::Null));
    assert!(others["id"].as_str().unwrap().starts_with('m'));
    assert!(crate::protocol::Timestamp::parse(others["timestamp"].as_str().unwrap()).is_some());
    assert_eq!((own["nonce"].as_str(), others.get("nonce")), (Some("n"), None));
    assert_eq!((&own["id"], &own["seq"]), (&others["id"], &others["seq"]));

    // Who joined without a name may bring one along with a message.
    bo.send(json!({"type": "send-message", "roomId": "abc", "text": "a", "displayName": "Bo", "replyTo": own["id"]}))
        .await;
    let reply = ana.next();
    assert_eq!((&reply["displayName"], &reply["replyTo"], &reply["seq"]), (&json!("Bo"), &own["id"], &json!(2)));
}

#[tokio::test]
async fn wrong_texts_are_refused() {
    let mut house = House::new();
    let (mut ana, mut bo) = pair(&mut house).await;
    for (text, code) in [
        (String::new(), "text-empty"),
        (" \n\t ".to_owned(), "text-empty"),
        ("x".repeat(8193), "text-too-large"),
        ("ä".repeat(4097), "text-too-large"),
        ("a\0b".to_owned(), "bad-message"),
        ("a\u{1b}[2J".to_owned(), "bad-message"),
    ] {
        let error = ana.refused(say(&text)).await;
        assert_eq!((&error["code"], &error["field"]), (&json!(code), &json!("text")), "{text:?}");
    }
    assert_eq!(ana.refused(json!({"type": "send-message", "roomId": "abc", "text": 7})).await["code"], "bad-message");
    let reply = json!({"type": "send-message", "roomId": "abc", "text": "a", "replyTo": "m<script>"});
    assert_eq!(ana.refused(reply).await["field"], "replyTo");
    assert!(bo.next().is_null());
    ana.send(say(&"x".repeat(8192))).await;
    assert_eq!(bo.next()["seq"], 1);
}

#[tokio::test]
async fn one_order_holds_over_channels_and_sockets() {
    let mut house = House::new();
    let (mut ana, mut bo) = pair(&mut house).await;
    house.event(Event::ChannelOpened { participant: ana.participant(), channel: Channel::Chat, opening: 1 });
    for round in 0..10 {
        house.event(data(&ana, &say(&format!("channel {round}"))));
        bo.send(say(&format!("socket {round}"))).await;
    }
    let by_channel: Vec<_> = sent(&mut house)
        .into_iter()
        .map(|(to, message)| {
            assert_eq!(to, ana.participant());
            (message["seq"].as_u64().unwrap(), message["id"].clone())
        })
        .collect();
    let by_socket: Vec<_> = bo.all().iter().map(|m| (m["seq"].as_u64().unwrap(), m["id"].clone())).collect();
    assert_eq!(by_channel, by_socket);
    assert_eq!(by_channel.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    assert!(ana.next().is_null(), "nothing came twice");

    // What the client has not counted comes again by the socket.
    house.event(data(&ana, &json!({"type": "chat-received", "count": 18})));
    house.event(Event::ChannelClosed { participant: ana.participant(), channel: Channel::Chat });
    assert_eq!(ana.all().iter().map(|message| message["seq"].clone()).collect::<Vec<_>>(), [19, 20]);
    bo.send(say("x")).await;
    assert_eq!(ana.next()["seq"], 21);
}

#[tokio::test]
async fn what_a_channel_refuses_goes_by_socket() {
    let mut house = House::new();
    let (mut ana, mut bo) = pair(&mut house).await;
    house.event(Event::ChannelOpened { participant: ana.participant(), channel: Channel::Chat, opening: 1 });
    bo.send(say("x")).await;
    bo.send(say("y")).await;
    assert_eq!(sent(&mut house).len(), 2);
    house.event(Event::DataRefused { participant: ana.participant(), channel: Channel::Chat, opening: 1 });
    assert_eq!(ana.all().iter().map(|message| message["text"].clone()).collect::<Vec<_>>(), ["x", "y"]);
    // This opening is of no use any more; one that is gone says nothing of the next.
    bo.send(say("z")).await;
    assert_eq!(ana.next()["text"], "z");
    house.event(Event::ChannelOpened { participant: ana.participant(), channel: Channel::Chat, opening: 2 });
    house.event(Event::DataRefused { participant: ana.participant(), channel: Channel::Chat, opening: 1 });
    bo.send(say("a")).await;
    assert_eq!(sent(&mut house).len(), 1);
    assert!(ana.next().is_null());
}

#[tokio::test]
async fn a_shard_that_does_not_keep_up_is_not_waited_for() {
    let mut house = House::with(Settings::default(), 3);
    let (mut ana, mut bo) = pair(&mut house).await;
    house.event(Event::ChannelOpened { participant: ana.participant(), channel: Channel::Chat, opening: 1 });
    for _ in 0..5 {
        house.event(data(&bo, &say("x")));
    }
    assert_eq!(sent(&mut house).len(), 3);
    assert_eq!(ana.all().len(), 2);
    assert_eq!(bo.all().len(), 5);
}

#[tokio::test]
async fn the_channel_takes_chat_only_and_refusals_come_by_socket() {
    let mut house = House::new();
    let (mut ana, mut bo) = pair(&mut house).await;
    house.event(Event::ChannelOpened { participant: ana.participant(), channel: Channel::Chat, opening: 1 });
    let with_file = json!({"type": "send-message", "roomId": "abc", "text": "x", "fileId": "f3g9wd5ze0k1rf"});
    for (text, code) in [
        (json!({"type": "leave-room", "roomId": "abc", "id": "1"}).to_string().into_bytes(), "not-allowed-here"),
        (json!({"type": "resume", "resumeToken": "x"}).to_string().into_bytes(), "not-allowed-here"),
        (json!({"type": "send-message", "roomId": "other", "text": "x"}).to_string().into_bytes(), "wrong-room"),
        (with_file.to_string().into_bytes(), "not-allowed-here"),
        (json!({"type": "chat-received", "count": 1}).to_string().into_bytes(), "bad-message"),
        (say("").to_string().into_bytes(), "text-empty"),
        (json!({"type": "dance"}).to_string().into_bytes(), "unknown-type"),
        (b"\xff\xfe".to_vec(), "bad-frame"),
        (b"hello".to_vec(), "bad-frame"),
        (vec![b'x'; Settings::default().max_frame_bytes + 1], "frame-too-large"),
    ] {
        house.event(data_bytes(&ana, text.into()));
        let answer = ana.next();
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)));
    }
    assert_eq!(ana.refused(json!({"type": "chat-received", "count": 0})).await["code"], "not-allowed-here");
    assert!(bo.next().is_null() && sent(&mut house).is_empty());
}

#[tokio::test]
async fn a_flood_on_the_channel_is_cut_off() {
    let mut house = House::new();
    let (mut ana, mut bo) = pair(&mut house).await;
    for _ in 0..10_000 {
        house.event(data(&ana, &say("x")));
    }
    let heard = bo.all().len();
    assert!((100..200).contains(&heard), "{heard}");
    let warnings = ana.all().iter().filter(|message| message["code"] == "rate-limited").count();
    assert!((1..3).contains(&warnings), "{warnings}");
    bo.send(say("y")).await;
    assert_eq!(bo.next()["text"], "y");
}

#[tokio::test(start_paused = true)]
async fn typing_is_told_when_it_changes_and_ends_by_itself() {
    let mut house = House::new();
    house.run_timers();
    let (mut ana, mut bo) = pair(&mut house).await;
    let typing = |typing: bool| json!({"type": "typing", "roomId": "abc", "typing": typing});
    let told = |typing: bool| json!({"type": "typing", "participantId": ana.id.clone(), "typing": typing});
    let (on, off) = (told(true), told(false));
    ana.send(typing(true)).await;
    assert_eq!(bo.next(), on);
    pass(4.0).await;
    ana.send(typing(true)).await;
    pass(4.0).await;
    assert!(bo.next().is_null(), "said again in time, and not told again");
    pass(3.0).await;
    assert_eq!(bo.next(), off);
    ana.send(typing(false)).await;
    assert!(bo.next().is_null());

    ana.send(typing(true)).await;
    ana.send(say("done")).await;
    let told = bo.all();
    assert_eq!(told[..2], [on, off]);
    assert_eq!(told[2]["text"], "done");
    assert_eq!(ana.types(), ["message-received"]);
}

#[tokio::test(start_paused = true)]
async fn a_person_says_no_more_on_two_devices_than_on_one() {
    let rates = Rates { messages: Rate::per_minute(3), ..Rates::default() };
    let house = House::with(with_policy(Policy { rates, ..Policy::default() }), 256);
    house.create(json!({"roomId": "abc"})).await;
    let mut devices = [house.client(), house.client()];
    for device in &mut devices {
        device.send(json!({"type": "join-room", "roomId": "abc", "guestKey": "the key of one browser"})).await;
        device.all();
    }
    let mut bo = house.joined("abc", "Bo").await;
    let [first, second] = &mut devices;
    first.all();
    let nonced = json!({"type": "send-message", "roomId": "abc", "text": "a", "nonce": "n"});
    first.send(nonced.clone()).await;
    let id = first.next()["id"].clone();
    second.send(say("b")).await;
    let react = json!({"type": "react", "roomId": "abc", "messageId": id, "emoji": "\u{1F44D}", "on": true});
    second.send(react.clone()).await;
    devices.iter_mut().for_each(|device| drop(device.all()));
    bo.all();

    let edit = json!({"type": "edit-message", "roomId": "abc", "messageId": id, "text": "c"});
    for (message, device) in [(say("c"), 0), (say("c"), 1), (edit, 1)] {
        let error = devices[device].refused(message).await;
        assert_eq!((&error["code"], &error["retryAfterSeconds"]), (&json!("rate-limited"), &json!(20)), "{error}");
    }
    assert_eq!(bo.all(), Vec::<Value>::new());
    // What repeats something, or changes nothing, is nothing new.
    devices[0].send(nonced).await;
    assert_eq!(devices[0].next()["type"], "message-received");
    devices[1].send(react).await;
    assert_eq!(devices[1].next(), Value::Null);
    bo.send(say("d")).await;
    assert_eq!(bo.next()["text"], "d");
    devices.iter_mut().for_each(|device| drop(device.all()));
    tokio::time::advance(std::time::Duration::from_secs(20)).await;
    devices[0].send(say("e")).await;
    assert_eq!(bo.next()["text"], "e");
}

#[tokio::test]
async fn who_is_in_no_room_learns_which_of_its_requests_was_refused() {
    let house = House::new();
    house.create(json!({"roomId": "abc"})).await;
    let mut client = house.client();
    let message_id = "m0000000000000";
    for (kind, fields) in [
        ("send-message", json!({"text": "a"})),
        ("edit-message", json!({"messageId": message_id, "text": "a"})),
        ("delete-message", json!({"messageId": message_id})),
        ("react", json!({"messageId": message_id, "emoji": "\u{1F44D}", "on": true})),
        ("get-messages", json!({})),
        ("typing", json!({"typing": true})),
        ("subscribe", json!({"trackIds": []})),
        ("leave-room", json!({})),
    ] {
        let mut message = json!({"type": kind, "roomId": "abc", "id": kind});
        message.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let error = client.refused(message).await;
        assert_eq!((&error["code"], &error["id"]), (&json!("not-joined"), &json!(kind)), "{error}");
    }
}
