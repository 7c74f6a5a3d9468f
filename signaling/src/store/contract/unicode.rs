//! Texts of every script, and keys that mean something to some database.

use super::*;
use serde_json::json;

const TEXTS: &[&str] = &[
    "",
    "Grüße, Žižek",
    "👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪",
    "שלום עליכם",
    "مرحبا بكم",
    "e\u{301} ≠ é",
    "\u{fffd}\u{ffff}\u{fffe}\u{10ffff}",
    "\u{feff}begins with a mark",
    "\u{200b}\u{200d}\u{2028}\u{2029}",
    "漢字かな交じり文",
    "𝕋𝕙𝕚𝕤 𒀀",
    "line\nbreak\ttab\r\n",
    "'; DROP TABLE rooms; --",
    "$where",
    "{\"$gt\": \"\"}",
    "a.b.$[].c",
    "%_\\\"'`",
    "<script>alert(1)</script>",
    " spaces stay ",
];

pub(in crate::store) async fn texts_and_names_survive(store: AnyStore) {
    let mut room = a_room(1, "unicode");
    room.settings.name = Some(TEXTS.concat());
    store.create_room(&room, at(0)).await.unwrap();
    let messages: Vec<MessageRecord> = (1..)
        .zip(TEXTS)
        .map(|(seq, text)| MessageRecord {
            text: (*text).to_owned(),
            display_name: Some((*text).to_owned()),
            reactions: vec![Reaction { identity: identity("ann"), emoji: text.chars().take(8).collect() }],
            ..a_message(1, seq)
        })
        .collect();
    store.write(&messages.iter().cloned().map(said).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(everything(&store, 1).await, messages);
    let id = messages[0].id;
    for (number, text) in (1..).zip(TEXTS) {
        store.write(&[edit(1, id, text, number), react(1, id, "bob", text, true)]).await.unwrap();
        let message = found(&store, 1, id).await;
        assert_eq!(message.text, **text);
        assert!(message.reactions.iter().any(|r| r.emoji == **text && r.identity == identity("bob")), "{text}");
        let session = SessionRecord { display_name: Some((*text).to_owned()), ..a_session(1, number) };
        store.write(&[joined(session.clone())]).await.unwrap();
        assert_eq!(store.sessions(RoomUid(1), number - 1, 1, at(1)).await.unwrap(), [session]);
        let file = FileRecord { name: (*text).to_owned(), ..a_file(1, number) };
        store.add_file(&file).await.unwrap();
        assert_eq!(store.file(RoomUid(1), file.id, at(1)).await.unwrap(), Some(file));
    }
    assert_eq!(store.room(&room.code, at(0)).await.unwrap(), Some(room));
}

/// An application's words are kept to the letter: keys that are operators to some databases, and every kind of number.
pub(in crate::store) async fn metadata_survives(store: AnyStore) {
    let metadata = json!({
        "$where": "sleep(1000)",
        "$ne": null,
        "a.b": { "$set": { "c.d": [1, 1.0, -0.5, 1e300, u64::MAX, i64::MIN] } },
        "": "empty",
        "_id": 1,
        "uid": "x",
        "\u{0}": "\u{0}",
        "__proto__": [],
        "🎈": [[], {}, [null, true, false]],
    });
    let mut room = a_room(1, "metadata");
    room.settings.metadata = metadata.as_object().unwrap().clone();
    store.create_room(&room, at(0)).await.unwrap();
    assert_eq!(store.room(&room.code, at(0)).await.unwrap(), Some(room.clone()));
    let mut changed = RoomRecord { version: 2, ..room };
    changed.settings.metadata.remove("$ne");
    changed.settings.metadata.insert("$unset".to_owned(), json!({ "settings": 1 }));
    store.update_room(&changed, 1).await.unwrap();
    assert_eq!(store.rooms(at(0), 10).await.unwrap(), [changed]);
}

/// No collation, no numbers, no paths.
pub(in crate::store) async fn identities_are_compared_exactly(store: AnyStore) {
    opened(&store, 1).await;
    let names =
        ["ann", "Ann", "ANN", "a.nn", "ann.", "007", "7", "7.0", "null", "auth0|ann", "ann@example.org", "a:b+c=d"];
    let batch: Vec<Write> = (1..).zip(names).map(|(seq, name)| said(from_to(1, seq, "sender", name))).collect();
    store.write(&batch).await.unwrap();
    for (seq, name) in (1..).zip(names) {
        let reader = Reader::Person(identity(name));
        let page = store.messages(RoomUid(1), &reader, Page::Latest, 50, at(1)).await.unwrap();
        assert_eq!(seqs(&page), [seq], "{name}");
    }
}
