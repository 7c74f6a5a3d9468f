use super::*;
use crate::access::Identity;
use crate::protocol::{MessageId, ParticipantRef};
use crate::store::{MessageRecord, Page, Reader};
use crate::tests::{FlakyStore, record, wall_clock};
use parlor_media::ids::ParticipantId;
use std::sync::MutexGuard;

struct Desk {
    store: Arc<FlakyStore>,
    journal: Arc<Journal>,
    notices: Arc<Mutex<Vec<Notice>>>,
    room: RoomUid,
}

impl Desk {
    async fn open() -> Self {
        let store = Arc::new(FlakyStore::default());
        let room = record("abc");
        store.create_room(&room, wall_clock()).await.unwrap();
        let journal = Arc::new(Journal::new(Arc::clone(&store) as Arc<dyn Store>, wall_clock));
        Self { store, journal, notices: Arc::default(), room: room.uid }
    }

    fn run(&self) -> tokio::task::JoinHandle<()> {
        let (journal, notices) = (Arc::clone(&self.journal), Arc::clone(&self.notices));
        tokio::spawn(async move { journal.run(|notice| lock(&notices).push(notice)).await })
    }

    fn push(&self, seq: u64, text: &str) {
        self.journal.push(self.message(seq, text));
    }

    fn message(&self, seq: u64, text: &str) -> Write {
        Write::Message(Box::new(MessageRecord {
            room: self.room,
            id: MessageId(seq),
            seq,
            sender: ParticipantRef(ParticipantId(1)),
            identity: Identity::parse("ana").unwrap(),
            display_name: None,
            sent_at: wall_clock(),
            text: text.to_owned(),
            reply_to: None,
            to: None,
            file: None,
            edited_at: None,
            deleted_at: None,
            reactions: Vec::new(),
        }))
    }

    fn erase(&self, seq: u64) -> Write {
        Write::Erase { room: self.room, id: MessageId(seq), at: wall_clock() }
    }

    async fn stored(&self) -> Vec<MessageRecord> {
        self.store.messages(self.room, &Reader::Public, Page::After(0), usize::MAX, wall_clock()).await.unwrap()
    }

    fn notices(&self) -> MutexGuard<'_, Vec<Notice>> {
        lock(&self.notices)
    }

    fn saved(&self, up_to: u64) -> Notice {
        Notice::Saved { room: self.room, up_to }
    }
}

async fn pass(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn writes_are_gathered_and_told_once_durable() {
    let desk = Desk::open().await;
    desk.run();
    for seq in 1..=1200 {
        desk.push(seq, "x");
    }
    desk.journal.flushed().await.unwrap();
    assert_eq!(desk.store.take_batches(), [512, 512, 176]);
    assert_eq!(desk.stored().await.len(), 1200);
    assert_eq!(*desk.notices(), [desk.saved(512), desk.saved(1024), desk.saved(1200)]);
    let health = desk.journal.health();
    let nothing = Health {
        available: true,
        since: None,
        reason: None,
        queued: 0,
        queued_bytes: 0,
        oldest: Duration::ZERO,
        dropped: 0,
    };
    assert_eq!(health, nothing);
}

#[tokio::test(start_paused = true)]
async fn batches_are_bounded_in_bytes_too() {
    let desk = Desk::open().await;
    let big = "x".repeat(BATCH_BYTES / 3);
    for seq in 1..=4 {
        desk.push(seq, &big);
    }
    // One that is larger than a batch may be goes alone.
    desk.push(5, &"x".repeat(2 * BATCH_BYTES));
    desk.run();
    desk.journal.flushed().await.unwrap();
    assert_eq!(desk.store.take_batches(), [2, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_delays_and_loses_nothing() {
    let desk = Desk::open().await;
    desk.run();
    desk.push(1, "before");
    desk.journal.flushed().await.unwrap();
    desk.store.set_down(true);
    for seq in 2..=700 {
        desk.push(seq, "meanwhile");
    }
    pass(30.0).await;
    let health = desk.journal.health();
    assert_eq!((health.available, health.queued, health.dropped), (false, 699, 0));
    assert_eq!(health.oldest, Duration::from_secs(30));
    assert_eq!(health.queued_bytes, 699 * (WRITE_BYTES + "meanwhile".len()));
    assert!(health.since.unwrap() < wall_clock() && health.reason.unwrap().contains("nobody listens"));
    assert!(matches!(desk.journal.flushed().await, Err(StoreError::Unavailable(_))));
    // The attempts become rarer, to one in five seconds.
    assert!((8..20).contains(&desk.store.take_batches().len()));

    // It comes back, and breaks in the midst of a batch: what was done is not done twice.
    desk.store.set_down(false);
    desk.store.tear_next(300);
    pass(11.0).await;
    let seqs: Vec<_> = desk.stored().await.iter().map(|message| message.seq).collect();
    assert_eq!(seqs, (1..=700).collect::<Vec<_>>());
    assert_eq!(desk.notices().last(), Some(&desk.saved(700)));
    assert!(desk.journal.health().available);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_is_found_dropped_and_told() {
    let desk = Desk::open().await;
    desk.store.poison(Some(|write| matches!(write, Write::Message(message) if message.text == "bad")));
    for seq in 1..=512 {
        desk.push(seq, if seq == 300 { "bad" } else { "good" });
    }
    desk.run();
    desk.journal.flushed().await.unwrap();
    let seqs: Vec<_> = desk.stored().await.iter().map(|message| message.seq).collect();
    assert_eq!(seqs, (1..=512).filter(|&seq| seq != 300).collect::<Vec<_>>());
    assert!(desk.store.take_batches().len() < 40, "the culprit is found by halves");
    let loss = Loss { count: 1, from_seq: 300, to_seq: 300 };
    assert_eq!(desk.notices().iter().filter(|notice| **notice == Notice::Lost { room: desk.room, loss }).count(), 1);
    assert_eq!(desk.journal.health().dropped, 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_everything_costs_little_until_it_is_mended() {
    let desk = Desk::open().await;
    desk.store.poison(Some(|_| true));
    for seq in 1..=100 {
        desk.push(seq, "x");
    }
    desk.run();
    pass(60.0).await;
    let health = desk.journal.health();
    assert!((5..25).contains(&health.dropped) && !health.available, "{health:?}");
    desk.store.poison(None);
    pass(10.0).await;
    let health = desk.journal.health();
    assert!(health.available && health.queued == 0);
    assert_eq!(desk.stored().await.len() as u64, 100 - health.dropped);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_the_newest_and_tells_of_them_once() {
    let desk = Desk::open().await;
    desk.store.set_down(true);
    desk.run();
    let last = MAX_WRITES as u64 + 10;
    for seq in 1..=last {
        desk.push(seq, "x");
    }
    // Erasures have a reserve, which ends as well.
    for seq in 1..=RESERVED_WRITES as u64 + 1 {
        desk.journal.push_change(seq, desk.erase(seq));
    }
    let health = desk.journal.health();
    assert_eq!((health.queued, health.dropped), (MAX_WRITES + RESERVED_WRITES, 11));
    pass(1.0).await;
    assert!(desk.notices().is_empty());
    desk.store.set_down(false);
    pass(20.0).await;
    let stored = desk.stored().await;
    assert_eq!(stored.len(), MAX_WRITES);
    assert!(stored[..RESERVED_WRITES].iter().all(|message| message.deleted_at.is_some()));
    assert!(stored[RESERVED_WRITES].deleted_at.is_none());
    let lost: Vec<_> = desk.notices().iter().filter(|n| matches!(n, Notice::Lost { .. })).copied().collect();
    let (from_seq, to_seq) = (RESERVED_WRITES as u64 + 1, last);
    assert_eq!(lost, [Notice::Lost { room: desk.room, loss: Loss { count: 11, from_seq, to_seq } }]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_full_by_its_bytes_too() {
    let desk = Desk::open().await;
    let text = "x".repeat(1 << 20);
    for seq in 1..=100 {
        desk.push(seq, &text);
    }
    let health = desk.journal.health();
    assert_eq!((health.queued, health.dropped), (63, 37));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cut_off_forgets_nothing() {
    let desk = Desk::open().await;
    desk.store.set_down(true);
    let run = desk.run();
    desk.push(1, "x");
    pass(1.0).await;
    run.abort();
    assert_eq!(desk.journal.drain(Duration::from_secs(3)).await, 1);
    desk.store.set_down(false);
    desk.run();
    assert_eq!(desk.journal.drain(Duration::from_secs(3)).await, 0);
    assert_eq!(desk.stored().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_asks_once_more_at_once() {
    let desk = Desk::open().await;
    desk.store.set_down(true);
    desk.run();
    desk.push(1, "x");
    pass(60.0).await;
    desk.store.set_down(false);
    let before = Instant::now();
    assert_eq!(desk.journal.drain(Duration::from_secs(3)).await, 0);
    assert!(before.elapsed() < Duration::from_millis(100));
}
