//! Messages: what a batch does, once, twice and in what order.

use super::*;

pub(in crate::store) async fn come_back_as_written(store: AnyStore) {
    opened(&store, 1).await;
    let plain = MessageRecord { display_name: None, ..a_message(1, 1) };
    let everything = MessageRecord {
        reply_to: Some(plain.id),
        to: Some(identity("ann")),
        file: Some(FileId(77)),
        edited_at: Some(at(3)),
        deleted_at: Some(at(4)),
        reactions: vec![
            Reaction { identity: identity("bob"), emoji: "👍".to_owned() },
            Reaction { identity: identity("ann"), emoji: "👍".to_owned() },
        ],
        ..a_message(1, 2)
    };
    store.write(&[said(plain.clone()), said(everything.clone())]).await.unwrap();
    assert_eq!(store.last_seq(RoomUid(1)).await.unwrap(), 2);
    let reader = Reader::Person(identity("ann"));
    let page = store.messages(RoomUid(1), &reader, Page::Latest, 10, at(1)).await.unwrap();
    assert_eq!(page, [plain.clone(), everything.clone()]);
    for message in [plain, everything] {
        assert_eq!(found(&store, 1, message.id).await, message);
    }
}

pub(in crate::store) async fn a_batch_written_twice_counts_once(store: AnyStore) {
    opened(&store, 1).await;
    let (first, second) = (a_message(1, 1), a_message(1, 2));
    let batch = [
        joined(a_session(1, 1)),
        said(first.clone()),
        said(second.clone()),
        edit(1, first.id, "better", 5),
        react(1, second.id, "bob", "🎉", true),
        react(1, second.id, "bob", "👀", true),
        react(1, second.id, "bob", "👀", false),
        react(1, second.id, "ann", "🎉", true),
        Write::Left { room: RoomUid(1), participant: participant(1), at: at(9), reason: "left".to_owned() },
    ];
    store.write(&batch).await.unwrap();
    let once = (everything(&store, 1).await, store.sessions(RoomUid(1), 0, 10, at(1)).await.unwrap());
    assert_eq!(once.0.len(), 2);
    assert_eq!((once.0[0].text.as_str(), once.0[0].edited_at), ("better", Some(at(5))));
    assert_eq!(once.0[1].reactions.len(), 2);
    assert_eq!((once.1.len(), once.1[0].left_at), (1, Some(at(9))));
    for _ in 0..2 {
        store.write(&batch).await.unwrap();
        assert_eq!((everything(&store, 1).await, store.sessions(RoomUid(1), 0, 10, at(1)).await.unwrap()), once);
    }
}

/// After an error a batch is repeated together with what has queued up behind it.
pub(in crate::store) async fn overlapping_batches_count_once(store: AnyStore) {
    opened(&store, 1).await;
    let message = a_message(1, 1);
    let all = [
        said(message.clone()),
        edit(1, message.id, "two", 2),
        react(1, message.id, "bob", "a", true),
        edit(1, message.id, "three", 3),
        react(1, message.id, "bob", "b", true),
        react(1, message.id, "bob", "a", false),
        said(a_message(1, 2)),
        edit(1, message.id, "four", 4),
    ];
    for (from, to) in [(0, 1), (0, 3), (2, 5), (3, 8), (0, 8)] {
        store.write(&all[from..to]).await.unwrap();
    }
    let messages = everything(&store, 1).await;
    assert_eq!(seqs(&messages), [1, 2]);
    assert_eq!((messages[0].text.as_str(), messages[0].edited_at), ("four", Some(at(4))));
    assert_eq!(messages[0].reactions, [Reaction { identity: identity("bob"), emoji: "b".to_owned() }]);
}

pub(in crate::store) async fn what_is_there_stays(store: AnyStore) {
    opened(&store, 1).await;
    let first = a_message(1, 1);
    store.write(&[said(first.clone())]).await.unwrap();
    let usurper = MessageRecord { id: MessageId(99), text: "not this".to_owned(), ..a_message(1, 1) };
    store.write(&[said(usurper.clone())]).await.unwrap();
    assert_eq!(everything(&store, 1).await, [first]);
    assert_eq!(store.message(RoomUid(1), usurper.id, at(1)).await.unwrap(), None);
}

pub(in crate::store) async fn edits_and_erasures_keep_to_their_order(store: AnyStore) {
    opened(&store, 1).await;
    let message = MessageRecord { file: Some(FileId(5)), ..a_message(1, 1) };
    let id = message.id;
    store.write(&[said(message), edit(1, id, "b", 2), edit(1, id, "c", 3)]).await.unwrap();
    let edited = found(&store, 1, id).await;
    assert_eq!((edited.text.as_str(), edited.edited_at, edited.file), ("c", Some(at(3)), Some(FileId(5))));

    store.write(&[react(1, id, "bob", "x", true), erase(1, id, 4)]).await.unwrap();
    let erased = MessageRecord {
        text: String::new(),
        file: None,
        reactions: Vec::new(),
        deleted_at: Some(at(4)),
        ..edited.clone()
    };
    assert_eq!(found(&store, 1, id).await, erased);

    let late = [edit(1, id, "back", 5), react(1, id, "bob", "x", true), erase(1, id, 6), said(edited)];
    store.write(&late).await.unwrap();
    assert_eq!(found(&store, 1, id).await, erased, "what is erased stays so, from the first time on");
    assert_eq!(store.last_seq(RoomUid(1)).await.unwrap(), 1, "its place stays");
}

pub(in crate::store) async fn reactions_keep_their_order(store: AnyStore) {
    opened(&store, 1).await;
    let message = a_message(1, 1);
    let id = message.id;
    let shown = |message: MessageRecord| {
        let texts = message.reactions.iter().map(|r| format!("{}{}", r.identity, r.emoji));
        texts.collect::<Vec<_>>().join(" ")
    };
    store.write(&[said(message)]).await.unwrap();
    for (who, emoji, on, expected) in [
        ("bob", "👍", true, "bob👍"),
        ("ann", "👍", true, "bob👍 ann👍"),
        ("bob", "👍", true, "bob👍 ann👍"),
        ("bob", "👎", true, "bob👍 ann👍 bob👎"),
        ("bob", "👍", false, "ann👍 bob👎"),
        ("bob", "👍", false, "ann👍 bob👎"),
        ("eve", "👎", false, "ann👍 bob👎"),
        ("bob", "👍", true, "ann👍 bob👎 bob👍"),
    ] {
        store.write(&[react(1, id, who, emoji, on)]).await.unwrap();
        assert_eq!(shown(found(&store, 1, id).await), expected, "{who} {emoji} {on}");
    }
}

pub(in crate::store) async fn what_refers_to_nothing_is_left_out(store: AnyStore) {
    opened(&store, 1).await;
    let id = MessageId(4711);
    let batch = [
        edit(1, id, "x", 1),
        erase(1, id, 1),
        react(1, id, "bob", "x", true),
        Write::Left { room: RoomUid(1), participant: participant(9), at: at(1), reason: "left".to_owned() },
        said(a_message(99, 1)),
        joined(a_session(99, 1)),
        edit(99, id, "x", 1),
        said(a_message(1, 1)),
    ];
    store.write(&batch).await.unwrap();
    store.write(&[]).await.unwrap();
    assert_eq!(everything(&store, 1).await, [a_message(1, 1)], "the rest of the batch is written");
    assert_eq!(store.sessions(RoomUid(1), 0, 10, at(1)).await.unwrap(), []);
    assert_eq!(store.last_seq(RoomUid(99)).await.unwrap(), 0);
}

/// Ids are unguessable, but nothing may rest on that.
pub(in crate::store) async fn rooms_do_not_reach_into_one_another(store: AnyStore) {
    for room in [1, 2] {
        opened(&store, room).await;
        store.write(&[said(a_message(room, 1)), joined(a_session(room, 1))]).await.unwrap();
    }
    let id = a_message(1, 1).id;
    let left = Write::Left { room: RoomUid(1), participant: participant(1), at: at(2), reason: "left".to_owned() };
    store.write(&[edit(1, id, "x", 1), react(1, id, "bob", "y", true), left]).await.unwrap();
    assert_eq!(everything(&store, 2).await, [a_message(2, 1)]);
    assert_eq!(store.sessions(RoomUid(2), 0, 10, at(1)).await.unwrap(), [a_session(2, 1)]);
    store.write(&[erase(1, id, 2)]).await.unwrap();
    assert_eq!(everything(&store, 2).await, [a_message(2, 1)]);
    assert_eq!(everything(&store, 1).await[0].deleted_at, Some(at(2)));
}

pub(in crate::store) async fn one_message_is_found(store: AnyStore) {
    opened(&store, 1).await;
    opened(&store, 2).await;
    let private = from_to(1, 2, "ann", "bob");
    store.write(&[said(a_message(1, 1)), said(private.clone())]).await.unwrap();
    assert_eq!(found(&store, 1, private.id).await, private, "whose eyes it is for is the caller's matter");
    assert_eq!(store.message(RoomUid(2), private.id, at(1)).await.unwrap(), None);
    assert_eq!(store.message(RoomUid(3), private.id, at(1)).await.unwrap(), None);
    assert_eq!(store.message(RoomUid(1), MessageId(0), at(1)).await.unwrap(), None);
}

pub(in crate::store) async fn a_batch_may_touch_many_rooms(store: AnyStore) {
    for room in 1..=8 {
        opened(&store, room).await;
    }
    let batch: Vec<Write> = (1..=10).flat_map(|seq| (1..=8).map(move |room| said(a_message(room, seq)))).collect();
    store.write(&batch).await.unwrap();
    for room in 1..=8 {
        assert_eq!(everything(&store, room).await, (1..=10).map(|seq| a_message(room, seq)).collect::<Vec<_>>());
    }
}
