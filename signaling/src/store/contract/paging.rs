//! Pages of messages, both ways, for every kind of reader.

use super::*;

async fn filled(store: &AnyStore, messages: impl Iterator<Item = MessageRecord>) {
    opened(store, 1).await;
    let batch: Vec<Write> = messages.map(said).collect();
    for part in batch.chunks(512) {
        store.write(part).await.unwrap();
    }
}

async fn page(store: &AnyStore, reader: &Reader, page: Page, limit: usize) -> Vec<u64> {
    seqs(&store.messages(RoomUid(1), reader, page, limit, at(1)).await.unwrap())
}

/// Places have gaps: what was not stored has left one.
pub(in crate::store) async fn both_ways_meet(store: AnyStore) {
    let all: Vec<u64> = (1..=40).map(|n| n * 3).collect();
    filled(&store, all.iter().map(|&seq| a_message(1, seq))).await;
    let public = Reader::Public;
    let (mut backwards, mut end) = (Vec::new(), Page::Latest);
    loop {
        let part = page(&store, &public, end, 7).await;
        let Some(&first) = part.first() else { break };
        end = Page::Before(first);
        backwards.splice(0..0, part);
    }
    assert_eq!(backwards, all);
    let (mut forwards, mut start) = (Vec::new(), 0);
    loop {
        let part = page(&store, &public, Page::After(start), 7).await;
        let Some(&last) = part.last() else { break };
        start = last;
        forwards.extend(part);
    }
    assert_eq!(forwards, all);
    assert_eq!(page(&store, &public, Page::Before(61), 2).await, [57, 60], "a cursor need not be a message");
    assert_eq!(page(&store, &public, Page::After(61), 2).await, [63, 66]);
}

pub(in crate::store) async fn limits_hold(store: AnyStore) {
    filled(&store, (1..=300).map(|seq| a_message(1, seq))).await;
    let public = Reader::Public;
    assert_eq!(page(&store, &public, Page::Latest, 1).await, [300]);
    assert_eq!(page(&store, &public, Page::Latest, 200).await, (101..=300).collect::<Vec<_>>());
    assert_eq!(page(&store, &public, Page::Before(300), 1).await, [299]);
    assert_eq!(page(&store, &public, Page::Before(250), 200).await, (50..250).collect::<Vec<_>>());
    assert_eq!(page(&store, &public, Page::After(1), 1).await, [2]);
    assert_eq!(page(&store, &public, Page::After(50), 200).await, (51..=250).collect::<Vec<_>>());
    assert_eq!(store.last_seq(RoomUid(1)).await.unwrap(), 300);
}

pub(in crate::store) async fn ends_are_empty(store: AnyStore) {
    let public = Reader::Public;
    assert_eq!(page(&store, &public, Page::Latest, 5).await, [0; 0], "there is no room");
    filled(&store, std::iter::empty()).await;
    assert_eq!(page(&store, &public, Page::Latest, 5).await, [0; 0]);
    assert_eq!(store.last_seq(RoomUid(1)).await.unwrap(), 0);
    store.write(&[said(a_message(1, 1)), said(a_message(1, 2))]).await.unwrap();
    for (cursor, expected) in [
        (Page::Before(0), vec![]),
        (Page::Before(1), vec![]),
        (Page::Before(2), vec![1]),
        (Page::Before(u64::MAX), vec![1, 2]),
        (Page::After(0), vec![1, 2]),
        (Page::After(1), vec![2]),
        (Page::After(2), vec![]),
        (Page::After(u64::MAX), vec![]),
    ] {
        assert_eq!(page(&store, &public, cursor, 5).await, expected, "{cursor:?}");
    }
}

pub(in crate::store) async fn everyone_sees_what_is_for_their_eyes(store: AnyStore) {
    let messages = vec![
        a_message(1, 1),
        from_to(1, 2, "ann", "bob"),
        from_to(1, 3, "bob", "ann"),
        from_to(1, 4, "bob", "eve"),
        a_message(1, 5),
        from_to(1, 6, "ann", "ann"),
        from_to(1, 7, "eve", "ann"),
        a_message(1, 8),
    ];
    filled(&store, messages.clone().into_iter()).await;
    for (reader, expected) in [
        (Reader::Public, vec![1, 5, 8]),
        (Reader::Person(identity("zoe")), vec![1, 5, 8]),
        (Reader::Person(identity("ann")), vec![1, 2, 3, 5, 6, 7, 8]),
        (Reader::Person(identity("bob")), vec![1, 2, 3, 4, 5, 8]),
        (Reader::Person(identity("eve")), vec![1, 4, 5, 7, 8]),
    ] {
        let seen: Vec<u64> = seqs(&messages.iter().filter(|m| reader.sees(m)).cloned().collect::<Vec<_>>());
        assert_eq!(seen, expected, "the rule itself, for {reader:?}");
        assert_eq!(page(&store, &reader, Page::Latest, 200).await, expected, "{reader:?}");
        assert_eq!(page(&store, &reader, Page::After(0), 200).await, expected, "{reader:?}");
        assert_eq!(page(&store, &reader, Page::Before(9), 200).await, expected, "{reader:?}");
        for cursor in 0..=9 {
            let before: Vec<u64> = expected.iter().copied().filter(|&seq| seq < cursor).collect();
            let tail = before[before.len().saturating_sub(2)..].to_vec();
            assert_eq!(page(&store, &reader, Page::Before(cursor), 2).await, tail, "{reader:?} before {cursor}");
            let after: Vec<u64> = expected.iter().copied().filter(|&seq| seq > cursor).take(2).collect();
            assert_eq!(page(&store, &reader, Page::After(cursor), 2).await, after, "{reader:?} after {cursor}");
        }
    }
}

/// A limit counts what is shown, not what was looked at.
pub(in crate::store) async fn a_page_is_full_among_other_peoples_messages(store: AnyStore) {
    let message = |seq: u64| match seq % 50 {
        0 => a_message(1, seq),
        25 => from_to(1, seq, "zoe", "ann"),
        _ => from_to(1, seq, "bob", "eve"),
    };
    filled(&store, (1..=1000).map(message)).await;
    let ann = Reader::Person(identity("ann"));
    assert_eq!(page(&store, &Reader::Public, Page::Latest, 3).await, [900, 950, 1000]);
    assert_eq!(page(&store, &Reader::Public, Page::Before(500), 2).await, [400, 450]);
    assert_eq!(page(&store, &Reader::Public, Page::After(500), 2).await, [550, 600]);
    assert_eq!(page(&store, &ann, Page::Latest, 3).await, [950, 975, 1000]);
    assert_eq!(page(&store, &ann, Page::Before(500), 3).await, [425, 450, 475]);
    assert_eq!(page(&store, &ann, Page::After(500), 3).await, [525, 550, 575]);
}
