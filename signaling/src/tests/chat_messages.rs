//! What is said about messages, to whom, and what is found of it afterwards.

use super::house::{House, Member, answer, pass};
use crate::access::Role;
use crate::protocol::FileId;
use crate::protocol::RoomCode;
use crate::room_settings::{Allowed, History};
use crate::store::{FileRecord, MAX_REACTIONS};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

/// A room with that history.
async fn open(history: History) -> House {
    let house = House::new();
    house.create(json!({"roomId": "abc"})).await;
    change(&house, |state| state.record.settings.history = history);
    house
}

fn change(house: &House, change: impl FnOnce(&mut crate::room::RoomState)) {
    change(&mut house.board().directory.room(&RoomCode::parse("abc").unwrap()).unwrap().lock());
}

async fn people<const N: usize>(house: &House) -> [Member; N] {
    let mut people = Vec::new();
    for number in 0..N {
        people.push(house.joined("abc", &format!("P{number}")).await);
    }
    people.iter_mut().for_each(|member| drop(member.all()));
    people.try_into().ok().unwrap()
}

fn with(kind: &str, fields: Value) -> Value {
    let mut message = json!({"type": kind, "roomId": "abc"});
    message.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    message
}

fn say(text: &str) -> Value {
    with("send-message", json!({"text": text}))
}

/// Says something and returns it as its sender sees it; the others read it too.
async fn said(sender: &mut Member, others: &mut [&mut Member], message: Value) -> Value {
    sender.send(message).await;
    let seen = sender.next();
    assert_eq!(seen["type"], "message-received", "{seen}");
    others.iter_mut().for_each(|other| drop(other.all()));
    seen
}

async fn page(reader: &mut Member, fields: Value) -> (Vec<Value>, bool) {
    reader.send(with("get-messages", fields)).await;
    let answer = reader.all().into_iter().find(|message| message["type"] == "messages").unwrap();
    (answer["messages"].as_array().unwrap().clone(), answer["more"].as_bool().unwrap())
}

fn seqs(messages: &[Value]) -> Vec<u64> {
    messages.iter().map(|message| message["seq"].as_u64().unwrap()).collect()
}

async fn get(house: &House, path: &str, bearer: &str) -> (StatusCode, Value) {
    let request = Request::get(path).header("host", "localhost").header("authorization", format!("Bearer {bearer}"));
    let (status, _, body) = answer(house.signaling.router(), request.body(Body::empty()).unwrap()).await;
    (status, body)
}

fn access(house: &House, member: &Member) -> String {
    let mut access = String::new();
    change(house, |state| {
        access = state.member(member.participant()).unwrap().access.written("access_").expose().to_owned();
    });
    access
}

#[tokio::test]
async fn own_messages_are_edited_and_deleted_hosts_delete_any() {
    let house = open(History::WhileOpen).await;
    let [mut ana, mut bo, mut host] = people(&house).await;
    change(&house, |state| state.members[2].role = Role::Host);
    let first = said(&mut ana, &mut [&mut bo, &mut host], say("one")).await;
    let second = said(&mut ana, &mut [&mut bo, &mut host], say("two")).await;
    let edit = |id: &Value, text: &str| with("edit-message", json!({"messageId": id, "text": text}));
    let delete = |id: &Value| with("delete-message", json!({"messageId": id}));

    ana.send(edit(&first["id"], " eins ")).await;
    let told = bo.next();
    assert_eq!((&told["type"], &told["text"], &told["seq"]), (&json!("message-edited"), &json!("eins"), &json!(1)));
    assert_eq!(ana.next(), told);
    host.next();
    for (text, code) in [("", "text-empty"), ("a\0", "bad-message"), (&"x".repeat(8193), "text-too-large")] {
        assert_eq!(ana.refused(edit(&first["id"], text)).await["code"], code);
    }
    for request in [edit(&first["id"], "mine"), delete(&first["id"])] {
        assert_eq!(bo.refused(request).await["code"], "forbidden");
    }
    assert_eq!(host.refused(edit(&first["id"], "mine")).await["code"], "forbidden");
    assert!(ana.next().is_null());

    host.send(delete(&first["id"])).await;
    let told = bo.next();
    assert_eq!((&told["type"], &told["id"]), (&json!("message-deleted"), &first["id"]));
    ana.send(delete(&second["id"])).await;
    bo.next();
    ana.all();
    // Again is harmless and not told.
    ana.send(delete(&second["id"])).await;
    assert!(bo.next().is_null() && ana.next().is_null());
    assert_eq!(ana.refused(edit(&first["id"], "again")).await["code"], "message-not-found");
    house.run_journal();
    house.board().journal.flushed().await.unwrap();
    ana.all();
    assert_eq!(ana.refused(delete(&json!("m0000000000000"))).await["code"], "message-not-found");
    let (messages, more) = page(&mut bo, json!({})).await;
    assert!(messages.iter().all(|message| message["text"] == "" && message["deletedAt"].is_string()) && !more);
}

#[tokio::test]
async fn reactions_are_one_of_a_kind_for_each_and_bounded() {
    let house = open(History::WhileOpen).await;
    let [mut ana, mut bo] = people(&house).await;
    let message = said(&mut ana, &mut [&mut bo], say("one")).await;
    let react = |emoji: &str, on: bool| with("react", json!({"messageId": message["id"], "emoji": emoji, "on": on}));
    bo.send(react("👍", true)).await;
    bo.send(react("👍", true)).await;
    bo.send(react("❤️", true)).await;
    bo.send(react("👍", false)).await;
    bo.send(react("👍", false)).await;
    let told = ana.all();
    let steps: Vec<_> = told.iter().map(|told| (told["emoji"].as_str().unwrap(), told["on"] == true)).collect();
    assert_eq!(steps, [("👍", true), ("❤️", true), ("👍", false)]);
    bo.all();
    for wrong in ["", "ok", "<b>", "👍👍"] {
        let error = bo.refused(react(wrong, true)).await;
        assert_eq!((&error["code"], &error["field"]), (&json!("bad-message"), &json!("emoji")));
    }
    let (messages, _) = page(&mut ana, json!({})).await;
    assert_eq!(messages[0]["reactions"], json!([{"emoji": "❤️", "identity": told[0]["identity"]}]));

    change(&house, |state| {
        let id = serde_json::from_value(message["id"].clone()).unwrap();
        let identity = state.members[0].identity.clone();
        state.chat.change(id, |record| {
            let reaction =
                |number: usize| crate::store::Reaction { identity: identity.clone(), emoji: number.to_string() };
            record.reactions = (0..MAX_REACTIONS).map(reaction).collect();
        });
    });
    assert_eq!(bo.refused(react("👍", true)).await["field"], "emoji");
}

#[tokio::test]
async fn direct_messages_stay_between_two_people() {
    let house = open(History::WhileOpen).await;
    let [mut ana, mut bo, mut carl, mut second] = people(&house).await;
    // Bo is here with two devices; Carl is a host, which does not let him read along.
    change(&house, |state| {
        state.members[3].identity = state.members[1].identity.clone();
        state.members[2].role = Role::Host;
    });
    let to_bo = |text: &str| with("send-message", json!({"text": text, "to": bo.id.clone(), "nonce": "n"}));
    let request = to_bo("secret");
    ana.send(request.clone()).await;
    let own = ana.next();
    let theirs = bo.next();
    assert_eq!((&own["nonce"], theirs.get("nonce")), (&json!("n"), None));
    assert_eq!((&theirs["text"], &theirs["seq"]), (&json!("secret"), &json!(1)));
    assert!(theirs["to"].is_string() && second.next() == theirs && carl.next().is_null());
    let id = own["id"].clone();

    // Nobody else can find it, reply to it, delete it or react to it.
    for request in [
        with("delete-message", json!({"messageId": id})),
        with("react", json!({"messageId": id, "emoji": "👍", "on": true})),
        with("send-message", json!({"text": "x", "replyTo": id})),
    ] {
        assert_eq!(carl.refused(request).await["code"], "message-not-found");
    }
    // A reply stays between the two.
    for reply in [json!({"text": "x", "replyTo": id}), json!({"text": "x", "replyTo": id, "to": carl.id})] {
        assert_eq!(bo.refused(with("send-message", reply)).await["field"], "replyTo");
    }
    bo.send(with("send-message", json!({"text": "yes", "replyTo": id, "to": ana.id}))).await;
    assert_eq!((ana.next()["seq"].clone(), carl.next()), (json!(2), Value::Null));
    bo.send(with("react", json!({"messageId": id, "emoji": "👍", "on": true}))).await;
    assert_eq!((ana.next()["type"].clone(), carl.next()), (json!("message-reacted"), Value::Null));
    let missing = with("send-message", json!({"text": "x", "to": "p0000000000000"}));
    assert_eq!(ana.refused(missing).await["code"], "user-not-found");

    carl.send(say("to all")).await;
    [&mut ana, &mut bo, &mut carl, &mut second].into_iter().for_each(|member| drop(member.all()));
    assert_eq!(seqs(&page(&mut carl, json!({})).await.0), [3]);
    assert_eq!(seqs(&page(&mut second, json!({})).await.0), [1, 2, 3]);
    let mut secret = crate::session::Token::from_entropy([7; 32]);
    change(&house, |state| state.record.host_secret = Some(secret.digest()));
    let path = "/api/rooms/abc/messages";
    let (_, body) = get(&house, path, secret.written("host_").expose()).await;
    assert_eq!(seqs(body["messages"].as_array().unwrap()), [3], "a secret is no person");
    secret = crate::session::Token::from_entropy([8; 32]);
    assert_eq!(get(&house, path, secret.written("host_").expose()).await.0, StatusCode::UNAUTHORIZED);
    let (status, body) = get(&house, path, &access(&house, &ana)).await;
    assert_eq!((status, seqs(body["messages"].as_array().unwrap())), (StatusCode::OK, vec![1, 2, 3]));
    let (status, _, _) = house.request("GET", path, None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_nonce_says_its_message_once() {
    let house = open(History::None).await;
    let [mut ana, mut bo] = people(&house).await;
    let request = with("send-message", json!({"text": "once", "nonce": "n-1"}));
    ana.send(request.clone()).await;
    let first = ana.next();
    ana.send(request.clone()).await;
    assert_eq!(ana.next(), first, "also where nothing is kept");
    ana.lose_socket();
    let token = ana.token.clone();
    ana.send(json!({"type": "resume", "resumeToken": token, "received": 2})).await;
    ana.all();
    ana.send(request.clone()).await;
    assert_eq!(ana.next(), first);
    assert_eq!(bo.all().len(), 1);
    // Another's nonce is another message.
    bo.send(request).await;
    assert_eq!(bo.next()["seq"], 2);
}

#[tokio::test(start_paused = true)]
async fn history_is_paged_both_ways_from_memory_and_store() {
    let house = open(History::WhileOpen).await;
    house.run_journal();
    let [mut ana, mut bo] = people(&house).await;
    for number in 1..=400 {
        ana.send(say(&number.to_string())).await;
        ana.all();
        bo.all();
        if number % 50 == 0 {
            pass(1.0).await;
        }
    }
    // Memory has the latest 256.
    for (fields, expected, more) in [
        (json!({}), (351..=400).collect::<Vec<_>>(), true),
        (json!({"limit": 200}), (201..=400).collect(), true),
        (json!({"before": 351, "limit": 10}), (341..=350).collect(), true),
        (json!({"before": 150, "limit": 10}), (140..=149).collect(), true),
        (json!({"before": 11, "limit": 20}), (1..=10).collect(), false),
        (json!({"before": 21, "limit": 20}), (1..=20).collect(), false),
        (json!({"before": 1}), vec![], false),
        (json!({"before": 0}), vec![], false),
        (json!({"after": 0, "limit": 5}), (1..=5).collect(), true),
        (json!({"after": 140, "limit": 10}), (141..=150).collect(), true),
        (json!({"after": 390}), (391..=400).collect(), false),
        (json!({"after": 400}), vec![], false),
        (json!({"after": u64::MAX}), vec![], false),
    ] {
        let (messages, told_more) = page(&mut bo, fields.clone()).await;
        assert_eq!((seqs(&messages), told_more), (expected, more), "{fields}");
        assert!(messages.iter().all(|message| message["text"].as_str() == Some(&*message["seq"].to_string())));
    }
    for (fields, field) in [
        (json!({"limit": 0}), "limit"),
        (json!({"limit": 201}), "limit"),
        (json!({"before": 1, "after": 1}), "after"),
        (json!({"before": -1}), "before"),
        (json!({"before": {"$gt": 0}}), "before"),
    ] {
        assert_eq!(bo.refused(with("get-messages", fields)).await["field"], field);
    }
    let access = access(&house, &bo);
    let (_, body) = get(&house, "/api/rooms/abc/messages?after=10&limit=2", &access).await;
    assert_eq!((seqs(body["messages"].as_array().unwrap()), &body["more"]), (vec![11, 12], &json!(true)));
    for query in ["limit=0", "limit=x", "before=1&after=2", "sort=asc", "before=-1", "before[$gt]=1"] {
        let (status, body) = get(&house, &format!("/api/rooms/abc/messages?{query}"), &access).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn old_messages_change_too() {
    let house = open(History::Keep).await;
    house.run_journal();
    let [mut ana, mut bo] = people(&house).await;
    let old = said(&mut ana, &mut [&mut bo], say("old")).await;
    for number in 0..300 {
        ana.send(say(&number.to_string())).await;
        ana.all();
        bo.all();
        if number % 50 == 0 {
            pass(1.0).await;
        }
    }
    let id = &old["id"];
    ana.send(with("edit-message", json!({"messageId": id, "text": "older"}))).await;
    bo.send(with("react", json!({"messageId": id, "emoji": "👍", "on": true}))).await;
    bo.all();
    assert_eq!(bo.refused(with("edit-message", json!({"messageId": id, "text": "x"}))).await["code"], "forbidden");
    let (messages, _) = page(&mut bo, json!({"before": 2})).await;
    assert_eq!((&messages[0]["text"], &messages[0]["reactions"][0]["emoji"]), (&json!("older"), &json!("👍")));
    assert!(messages[0]["editedAt"].is_string());
    // Two at a time: who comes second sees what the first did.
    let board = house.board();
    let place = ana.session.place().unwrap();
    let message_id = serde_json::from_value(id.clone()).unwrap();
    let edit = serde_json::from_value(json!({"roomId": "abc", "messageId": id, "text": "late"})).unwrap();
    let (deleted, edited) = tokio::join!(board.delete_message(&place, message_id), board.edit_message(&place, edit));
    assert!(deleted.is_ok());
    assert_eq!(edited.unwrap_err().code.as_str(), "message-not-found");
    let (messages, _) = page(&mut bo, json!({"before": 2})).await;
    assert_eq!((&messages[0]["text"], messages[0].get("reactions")), (&json!(""), None));
}

#[tokio::test]
async fn without_a_history_nothing_is_stored_and_recent_messages_still_change() {
    let house = open(History::None).await;
    house.run_journal();
    let [mut ana, mut bo] = people(&house).await;
    let message = said(&mut ana, &mut [&mut bo], say("passing")).await;
    house.board().journal.flushed().await.unwrap();
    assert_eq!(page(&mut bo, json!({})).await, (vec![], false));
    let uid = house.board().directory.room(&RoomCode::parse("abc").unwrap()).unwrap().uid;
    assert_eq!(house.board().store.last_seq(uid).await.unwrap(), 0);
    change(&house, |state| {
        let recent = state.chat.find(serde_json::from_value(message["id"].clone()).unwrap()).unwrap();
        assert!(recent.record.text.is_empty(), "not even in memory");
    });
    ana.send(with("edit-message", json!({"messageId": message["id"], "text": "changed"}))).await;
    assert_eq!(bo.next()["text"], "changed");
    bo.send(with("send-message", json!({"text": "re", "replyTo": message["id"]}))).await;
    assert_eq!(ana.all()[1]["replyTo"], message["id"]);
    // What was said before there was a history is not in it.
    change(&house, |state| state.record.settings.history = History::WhileOpen);
    said(&mut ana, &mut [&mut bo], say("kept")).await;
    assert_eq!(seqs(&page(&mut bo, json!({})).await.0), [3]);
}

#[tokio::test]
async fn roles_and_settings_decide_who_writes() {
    let house = open(History::WhileOpen).await;
    let [mut ana, mut host] = people(&house).await;
    let own = said(&mut ana, &mut [&mut host], say("mine")).await;
    change(&house, |state| state.members[1].role = Role::Host);
    for (allowed, guest, boss) in [(Allowed::Hosts, false, true), (Allowed::Nobody, false, false)] {
        change(&house, |state| state.record.settings.chat = allowed);
        for (member, may) in [(&mut ana, guest), (&mut host, boss)] {
            for request in [
                say("x"),
                with("react", json!({"messageId": own["id"], "emoji": "👍", "on": true})),
                with("typing", json!({"typing": true})),
            ] {
                member.send(request).await;
                let error = member.all().into_iter().find(|message| message["type"] == "error");
                assert_eq!(error.map(|error| error["code"].clone()), (!may).then(|| json!("forbidden")));
            }
        }
        ana.all();
        host.all();
    }
    assert_eq!(
        ana.refused(with("edit-message", json!({"messageId": own["id"], "text": "x"}))).await["code"],
        "forbidden"
    );
    // Taking back what one said is always possible.
    ana.send(with("delete-message", json!({"messageId": own["id"]}))).await;
    assert_eq!(ana.next()["type"], "message-deleted");
}

#[tokio::test]
async fn a_file_goes_with_a_message_of_its_room() {
    let house = open(History::WhileOpen).await;
    let [mut ana, mut bo] = people(&house).await;
    let uid = house.board().directory.room(&RoomCode::parse("abc").unwrap()).unwrap().uid;
    let mut uploader = None;
    change(&house, |state| uploader = Some(state.members[0].identity.clone()));
    let file = FileRecord {
        room: uid,
        id: FileId(5),
        name: "../<plan>.pdf".to_owned(),
        size: 7,
        content_type: "application/pdf".to_owned(),
        uploader: uploader.unwrap(),
        uploaded_at: house.board().wall_clock(),
    };
    house.board().store.add_file(&file).await.unwrap();
    ana.send(with("send-message", json!({"text": " ", "fileId": FileId(5).to_string()}))).await;
    let seen = bo.next();
    assert_eq!((&seen["text"], &seen["file"]["name"]), (&json!(""), &json!("../<plan>.pdf")));
    assert_eq!(page(&mut bo, json!({})).await.0[0]["file"], seen["file"]);
    ana.all();
    let missing = with("send-message", json!({"text": "x", "fileId": FileId(6).to_string()}));
    assert_eq!(ana.refused(missing).await["code"], "file-not-found");
    ana.send(with("delete-message", json!({"messageId": seen["id"]}))).await;
    bo.all();
    assert!(page(&mut bo, json!({})).await.0[0].get("file").is_none());
}
