//! Chat and the store: outages, restarts, many people at once.

use super::FlakyStore;
use super::house::{House, Member, pass, with_policy};
use crate::limits::Rates;
use crate::protocol::{RoomCode, Timestamp};
use crate::rate::Rate;
use crate::room_settings::History;
use crate::store::{MAX_WRITES, Page, Reader, SessionRecord, Store, StoreError};
use crate::visitor::Whence;
use crate::{Policy, Settings, Storage};
use serde_json::{Value, json};
use std::sync::Arc;

const FAST: Rate = Rate { per_second: 1e6, burst: 1e6 };

async fn open() -> (House, Arc<FlakyStore>) {
    let store = Arc::new(FlakyStore::default());
    let house = over(&store);
    house.run_journal();
    house.create(json!({"roomId": "abc"})).await;
    house.board().room(&code()).unwrap().lock().record.settings.history = History::Keep;
    (house, store)
}

fn over(store: &Arc<FlakyStore>) -> House {
    let storage = Storage(Arc::clone(store) as Arc<dyn Store>);
    let rates = Rates { messages: FAST, ..Rates::default() };
    House::over(Settings { messages: FAST, ..with_policy(Policy { rates, ..Policy::default() }) }, 4096, storage)
}

fn code() -> RoomCode {
    RoomCode::parse("abc").unwrap()
}

fn say(text: &str) -> Value {
    json!({"type": "send-message", "roomId": "abc", "text": text})
}

fn messages(member: &mut Member) -> Vec<Value> {
    member.all().into_iter().filter(|message| message["type"] == "message-received").collect()
}

/// Every message that the store has, by texts.
async fn stored(house: &House, store: &FlakyStore) -> Vec<String> {
    let uid = house.board().room(&code()).unwrap().uid;
    let (now, mut texts) = (house.board().wall_clock(), Vec::new());
    loop {
        let page = Page::After(texts.len() as u64);
        let found = store.messages(uid, &Reader::Public, page, 200, now).await.unwrap();
        if found.is_empty() {
            return texts;
        }
        texts.extend(found.into_iter().map(|record| record.text));
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_messages_of_twenty_people_come_in_one_order() {
    let (house, store) = open().await;
    let mut people = Vec::new();
    for number in 0..20 {
        people.push(house.joined("abc", &format!("P{number}")).await);
    }
    people.iter_mut().for_each(|member| drop(member.all()));
    let mut seen = vec![Vec::new(); people.len()];
    for round in 0..50 {
        // All of them at once, on as many tasks.
        let board = house.board();
        let saying: Vec<_> = people
            .iter()
            .enumerate()
            .map(|(number, member)| {
                let (board, session) = (Arc::clone(board), Arc::clone(&member.session));
                let text = say(&format!("{round} of {number}")).to_string();
                tokio::spawn(async move {
                    let frame = crate::protocol::ClientFrame::parse(&text).unwrap();
                    board.handle(&session, Whence::default(), frame).await
                })
            })
            .collect();
        for said in saying {
            said.await.unwrap().unwrap();
        }
        for (member, seen) in people.iter_mut().zip(&mut seen) {
            seen.extend(messages(member).into_iter().map(|message| (message["seq"].clone(), message["text"].clone())));
        }
    }
    assert_eq!(seen[0].len(), 1000);
    assert!(seen.iter().all(|order| *order == seen[0]));
    assert!(seen[0].iter().zip(1..).all(|((seq, _), expected)| *seq == expected));
    house.board().journal.flushed().await.unwrap();
    assert_eq!(
        stored(&house, &store).await,
        seen[0].iter().map(|(_, text)| text.as_str().unwrap()).collect::<Vec<_>>()
    );
    let saved = people[0].all().into_iter().rfind(|message| message["type"] == "messages-saved");
    assert!(saved.unwrap()["upTo"].as_u64().unwrap() >= 981, "told up to its own last message");
}

#[tokio::test(start_paused = true)]
async fn the_chat_goes_on_while_the_store_is_away() {
    let (house, store) = open().await;
    let (mut ana, mut bo) = (house.joined("abc", "Ana").await, house.joined("abc", "Bo").await);
    let mut expected = Vec::new();
    let mut talk = async |from: u64, to: u64, ana: &mut Member, bo: &mut Member| {
        for number in from..to {
            ana.send(say(&number.to_string())).await;
            expected.push(number.to_string());
            pass(0.05).await;
            assert_eq!(messages(bo).len(), 1);
            ana.all();
        }
    };
    talk(0, 10, &mut ana, &mut bo).await;
    store.set_down(true);
    talk(10, 400, &mut ana, &mut bo).await;
    assert!(!house.signaling.store_health().available && house.signaling.stats().store.queued > 300);
    // What memory has can be read; what it has not is refused in time.
    bo.send(json!({"type": "get-messages", "roomId": "abc", "limit": 200})).await;
    assert_eq!(bo.next()["messages"].as_array().unwrap().len(), 200);
    let old = bo.refused(json!({"type": "get-messages", "roomId": "abc", "before": 10, "id": "7"})).await;
    assert_eq!((&old["code"], &old["id"]), (&json!("store-unavailable"), &json!("7")));
    // An old message cannot be changed now, one in memory can.
    let id = house.board().room(&code()).unwrap().lock().chat.latest().unwrap().to_string();
    ana.send(json!({"type": "edit-message", "roomId": "abc", "text": "last", "messageId": id})).await;
    assert_eq!(bo.next()["type"], "message-edited");

    store.tear_next(100);
    store.set_down(false);
    pass(15.0).await;
    talk(400, 420, &mut ana, &mut bo).await;
    house.board().journal.flushed().await.unwrap();
    expected[399] = "last".to_owned();
    assert_eq!(stored(&house, &store).await, expected);
    let health = house.signaling.store_health();
    assert!(health.available && health.queued == 0 && health.dropped == 0);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_kept_is_told_and_counted() {
    let (house, store) = open().await;
    let mut ana = house.joined("abc", "Ana").await;
    house.board().journal.flushed().await.unwrap();
    store.set_down(true);
    for number in 1..=MAX_WRITES + 5 {
        ana.send(say(&number.to_string())).await;
        ana.all();
    }
    assert_eq!(house.signaling.stats().store.writes_lost, 5);
    store.set_down(false);
    pass(60.0).await;
    let lost: Vec<_> = ana.all().into_iter().filter(|message| message["type"] == "messages-lost").collect();
    let (from, to) = (MAX_WRITES + 1, MAX_WRITES + 5);
    assert_eq!(lost, [json!({"type": "messages-lost", "count": 5, "fromSeq": from, "toSeq": to})]);
    assert_eq!(stored(&house, &store).await.len(), MAX_WRITES);
}

#[tokio::test(start_paused = true)]
async fn a_room_goes_on_where_it_was_after_a_restart() {
    let (house, store) = open().await;
    let mut ana = house.joined("abc", "Ana").await;
    for number in 1..=3 {
        ana.send(say(&number.to_string())).await;
    }
    let first = messages(&mut ana).remove(0);
    house.board().journal.flushed().await.unwrap();
    let record = house.board().room(&code()).unwrap().lock().record.clone();
    drop(house);

    let house = over(&store);
    house.run_journal();
    let room = crate::room::Room::new(parlor_media::ids::RoomId(9), record, 0, tokio::time::Instant::now());
    let last = store.last_seq(room.uid).await.unwrap();
    room.lock().chat.resume_from(last);
    assert!(house.board().directory.insert(&room));
    let mut bo = house.joined("abc", "Bo").await;
    bo.send(say("again")).await;
    assert_eq!(messages(&mut bo)[0]["seq"], 4);
    bo.send(json!({"type": "get-messages", "roomId": "abc"})).await;
    let history = bo.all().into_iter().find(|message| message["type"] == "messages").unwrap();
    let texts: Vec<_> = history["messages"].as_array().unwrap().iter().map(|m| m["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["1", "2", "3", "again"]);
    assert_eq!(history["messages"][0]["id"], first["id"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_the_store_but_not_for_ever() {
    let (house, store) = open().await;
    let mut ana = house.joined("abc", "Ana").await;
    ana.send(say("last words")).await;
    store.set_down(true);
    let before = tokio::time::Instant::now();
    house.signaling.shutdown().await;
    assert!((3.0..4.0).contains(&before.elapsed().as_secs_f64()));
    assert!(house.signaling.store_health().queued > 0);
}

#[tokio::test(start_paused = true)]
async fn stays_are_logged_with_their_ends() {
    let (house, store) = open().await;
    let mut ana = house.joined("abc", "Ana").await;
    pass(5.0).await;
    let bo = house.joined("abc", "Bo").await;
    let carl = house.joined("abc", "Carl").await;
    ana.send(json!({"type": "leave-room", "roomId": "abc"})).await;
    bo.lose_socket();
    house.run_timers();
    pass(60.0).await;
    house.board().journal.flushed().await.unwrap();
    let uid = house.board().room(&code()).unwrap().uid;
    let now: Timestamp = house.board().wall_clock();
    let log: Result<Vec<SessionRecord>, StoreError> = store.sessions(uid, 0, 10, now).await;
    let log = log.unwrap();
    let seen: Vec<_> = log.iter().map(|stay| (stay.display_name.as_deref().unwrap(), stay.reason.as_deref())).collect();
    assert_eq!(seen, [("Ana", Some("left")), ("Bo", Some("disconnected")), ("Carl", None)]);
    assert!(log[0].joined_at < log[0].left_at.unwrap() && log[2].left_at.is_none());
    assert_eq!(log[2].participant.to_string(), carl.id);
}
