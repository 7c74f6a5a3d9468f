//! Many calls at a time.

use super::*;
use std::future::Future;
use tokio::task::JoinSet;

/// How many calls run at a time.
const TASKS: u64 = 24;

/// The results of `call` with the numbers from 1, all at a time.
async fn all<T, F>(call: impl Fn(u64) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for number in 1..=TASKS {
        tasks.spawn(call(number));
    }
    tasks.join_all().await
}

pub(in crate::store) async fn one_of_many_creates_a_code(store: AnyStore) {
    let results = all(|uid| {
        let store = Arc::clone(&store);
        async move { store.create_room(&a_room(uid, "wanted"), at(0)).await }
    })
    .await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert!(results.into_iter().all(|result| result.is_ok() || is_conflict(result)));
    assert_eq!(store.rooms(at(0), 100).await.unwrap().len(), 1);
}

pub(in crate::store) async fn one_of_many_uses_an_invite(store: AnyStore) {
    opened(&store, 1).await;
    store.add_invites(&[an_invite(1, 1), an_invite(1, 2)]).await.unwrap();
    let results = all(|_| {
        let store = Arc::clone(&store);
        async move { store.redeem_invite(RoomUid(1), Secret([1; 32]), at(1)).await }
    })
    .await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert!(results.into_iter().all(|result| result.is_ok() || is_missing(result)));
    assert_eq!(store.invites(RoomUid(1), 10, at(1)).await.unwrap(), [an_invite(1, 2)]);
}

pub(in crate::store) async fn one_of_many_changes_a_room(store: AnyStore) {
    let room = opened(&store, 1).await;
    let results = all(|number| {
        let (store, mut changed) = (Arc::clone(&store), RoomRecord { version: 2, ..room.clone() });
        changed.settings.name = Some(format!("by {number}"));
        async move { store.update_room(&changed, 1).await.map(|()| changed) }
    })
    .await;
    let (done, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert!(failed.into_iter().all(is_conflict));
    assert_eq!(store.rooms(at(0), 10).await.unwrap(), done.into_iter().map(Result::unwrap).collect::<Vec<_>>());
}

pub(in crate::store) async fn many_writers_lose_nothing(store: AnyStore) {
    for room in [1, 2] {
        opened(&store, room).await;
    }
    let results = all(|task| {
        let store = Arc::clone(&store);
        async move {
            for round in 0..4 {
                let seq = round * TASKS + task;
                store.write(&[said(a_message(1, seq)), said(a_message(2, seq))]).await?;
            }
            Ok::<_, StoreError>(())
        }
    })
    .await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    for room in [1, 2] {
        assert_eq!(everything(&store, room).await, (1..=TASKS * 4).map(|n| a_message(room, n)).collect::<Vec<_>>());
    }
}

/// What the journal does, and people who read meanwhile.
pub(in crate::store) async fn readers_see_whole_batches_in_order(store: AnyStore) {
    opened(&store, 1).await;
    let writer = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for round in 0..10 {
                let batch: Vec<Write> = (1..=10).map(|n| said(a_message(1, round * 10 + n))).collect();
                store.write(&batch).await.unwrap();
            }
        })
    };
    let results = all(|_| {
        let store = Arc::clone(&store);
        async move {
            let mut last = 0;
            for _ in 0..6 {
                let page = everything(&store, 1).await;
                assert_eq!(seqs(&page), (1..=page.len() as u64).collect::<Vec<_>>(), "without a gap");
                assert!(page.len() >= last, "what was there stays");
                last = page.len();
            }
        }
    })
    .await;
    writer.await.unwrap();
    assert_eq!(results.len() as u64, TASKS);
    assert_eq!(everything(&store, 1).await.len(), 100);
}

pub(in crate::store) async fn a_purge_wins_over_writers(store: AnyStore) {
    opened(&store, 1).await;
    let results = all(|task| {
        let store = Arc::clone(&store);
        async move {
            if task == TASKS / 2 {
                store.end_room(RoomUid(1)).await?;
                return store.purge(RoomUid(1)).await;
            }
            for round in 0..4 {
                let batch = [said(a_message(1, round * TASKS + task)), joined(a_session(1, round * TASKS + task))];
                store.write(&batch).await?;
            }
            Ok(())
        }
    })
    .await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(store.last_seq(RoomUid(1)).await.unwrap(), 0);
    assert_eq!(store.close_sessions(at(9), "server-lost").await.unwrap(), 0);
}

/// A request whose client went away.
pub(in crate::store) async fn a_dropped_call_harms_nobody(store: AnyStore) {
    opened(&store, 1).await;
    for seq in 1..=20 {
        let batch = [said(a_message(1, seq))];
        tokio::select! {
            biased;
            done = store.write(&batch) => done.unwrap(),
            () = std::future::ready(()) => {}
        }
        tokio::select! {
            biased;
            page = store.messages(RoomUid(1), &Reader::Public, Page::Latest, 10, at(1)) => drop(page.unwrap()),
            () = std::future::ready(()) => {}
        }
    }
    // What nobody waited for may or may not have been written: repeating it is harmless.
    store.write(&(1..=20).map(|seq| said(a_message(1, seq))).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(everything(&store, 1).await, (1..=20).map(|seq| a_message(1, seq)).collect::<Vec<_>>());
}
