//! The largest there is of everything.

use super::super::records::MAX_REACTIONS;
use super::*;
use crate::protocol::SecretText;
use serde_json::json;

/// An identity of 128 characters.
fn long_identity(number: usize) -> Identity {
    identity(&format!("{number:x>128}"))
}

pub(in crate::store) async fn the_largest_message_survives(store: AnyStore) {
    opened(&store, 1).await;
    let message = MessageRecord {
        identity: long_identity(1),
        display_name: Some("🦀".repeat(64)),
        text: "🦀".repeat(2048),
        reactions: (0..MAX_REACTIONS).map(|n| Reaction { identity: long_identity(n), emoji: "🦀".repeat(8) }).collect(),
        ..a_message(1, 1)
    };
    assert_eq!(message.text.len(), 8192);
    store.write(&[said(message.clone()), edit(1, message.id, &"x".repeat(8192), 2)]).await.unwrap();
    let edited = MessageRecord { text: "x".repeat(8192), edited_at: Some(at(2)), ..message };
    assert_eq!(everything(&store, 1).await, [edited]);
}

pub(in crate::store) async fn the_largest_room_survives(store: AnyStore) {
    let mut room = a_room(1, &"x".repeat(64));
    room.settings.name = Some("🦀".repeat(64));
    room.settings.metadata = json!({ "x".repeat(2000): "y".repeat(2080) }).as_object().unwrap().clone();
    room.password = Some(SecretText::new("$".repeat(256)));
    room.banned = (0..1024).map(long_identity).collect();
    room.host_secret = Some(Secret([0; 32]));
    store.create_room(&room, at(0)).await.unwrap();
    assert_eq!(store.room(&room.code, at(0)).await.unwrap(), Some(room.clone()));
    room.version = 2;
    room.banned.reverse();
    store.update_room(&room, 1).await.unwrap();
    assert_eq!(store.room(&room.code, at(0)).await.unwrap(), Some(room));
}

/// 512 writes, and 2 MiB.
pub(in crate::store) async fn the_largest_batch_survives(store: AnyStore) {
    opened(&store, 1).await;
    let text = "y".repeat(4000);
    let messages: Vec<MessageRecord> =
        (1..=512).map(|seq| MessageRecord { text: text.clone(), ..a_message(1, seq) }).collect();
    let batch: Vec<Write> = messages.iter().cloned().map(said).collect();
    for _ in 0..2 {
        store.write(&batch).await.unwrap();
    }
    assert_eq!(store.last_seq(RoomUid(1)).await.unwrap(), 512);
    let page = store.messages(RoomUid(1), &Reader::Public, Page::Latest, 200, at(1)).await.unwrap();
    assert_eq!(page, messages[312..]);

    let text = "z".repeat(8192);
    let large = |seq| said(MessageRecord { text: text.clone(), ..a_message(1, seq) });
    store.write(&(513..=752).map(large).collect::<Vec<_>>()).await.unwrap();
    let page = store.messages(RoomUid(1), &Reader::Public, Page::Latest, 200, at(1)).await.unwrap();
    assert!(page.len() == 200 && page.iter().all(|message| message.text == text), "a page of the largest texts");
}

pub(in crate::store) async fn reactions_are_bounded(store: AnyStore) {
    opened(&store, 1).await;
    let message = a_message(1, 1);
    let id = message.id;
    let emoji = |n: usize| format!("emoji {n}");
    let mut batch = vec![said(message)];
    batch.extend((0..MAX_REACTIONS + 3).map(|n| react(1, id, "bob", &emoji(n), true)));
    store.write(&batch).await.unwrap();
    let there = found(&store, 1, id).await.reactions;
    assert_eq!(there.len(), MAX_REACTIONS);
    assert_eq!(there[MAX_REACTIONS - 1].emoji, emoji(MAX_REACTIONS - 1), "what came too late is not there");
    store.write(&[react(1, id, "bob", &emoji(0), false), react(1, id, "bob", "room again", true)]).await.unwrap();
    let there = found(&store, 1, id).await.reactions;
    assert_eq!((there.len(), there[0].emoji.as_str()), (MAX_REACTIONS, "emoji 1"));
    assert_eq!(there[MAX_REACTIONS - 1].emoji, "room again");
}

/// Ids have 64 bits, uids 63.
pub(in crate::store) async fn the_largest_numbers_survive(store: AnyStore) {
    const LAST: u64 = u64::MAX >> 1;
    let end = Timestamp::parse("9999-12-31T23:59:59.999Z").unwrap();
    let mut room = RoomRecord { version: LAST, expires_at: Some(end), ..a_room(LAST, "last") };
    room.settings.empty_timeout_seconds = Some(u64::MAX);
    room.settings.max_participants = 10_000;
    store.create_room(&room, at(0)).await.unwrap();
    assert_eq!(store.room(&room.code, at(0)).await.unwrap(), Some(room));
    let messages = [(1, 0), (2, 1 << 63), (LAST - 1, u64::MAX)].map(|(seq, id)| MessageRecord {
        seq,
        id: MessageId(id),
        sender: participant(id),
        reply_to: Some(MessageId(id)),
        file: Some(FileId(LAST)),
        sent_at: end,
        ..a_message(LAST, 0)
    });
    store.write(&messages.clone().map(said)).await.unwrap();
    assert_eq!(everything(&store, LAST).await, messages);
    assert_eq!(found(&store, LAST, MessageId(u64::MAX)).await, messages[2]);
    assert_eq!(store.last_seq(RoomUid(LAST)).await.unwrap(), LAST - 1);
    let session = SessionRecord { participant: participant(u64::MAX), joined_at: end, ..a_session(LAST, 1) };
    let left =
        Write::Left { room: RoomUid(LAST), participant: participant(u64::MAX), at: end, reason: "left".to_owned() };
    store.write(&[joined(session.clone()), left]).await.unwrap();
    let closed = SessionRecord { left_at: Some(end), reason: Some("left".to_owned()), ..session };
    assert_eq!(store.sessions(RoomUid(LAST), 0, 10, at(1)).await.unwrap(), [closed]);
    let file = FileRecord { id: FileId(LAST), size: LAST, ..a_file(LAST, 1) };
    store.add_file(&file).await.unwrap();
    assert_eq!(store.file(RoomUid(LAST), FileId(LAST), at(1)).await.unwrap(), Some(file));
    let invite = InviteRecord { id: LAST, ..an_invite(LAST, 1) };
    store.add_invites(std::slice::from_ref(&invite)).await.unwrap();
    assert_eq!(store.invites(RoomUid(LAST), 10, at(1)).await.unwrap(), [invite]);
    store.remove_invite(RoomUid(LAST), LAST).await.unwrap();
}
