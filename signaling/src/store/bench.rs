//! What `benches/history.rs` may see of a store: a room full of messages, and pages of it.

use super::{MessageRecord, Page, Reader, RoomRecord, RoomUid, Storage, StoreError, Write};
use crate::access::Identity;
use crate::protocol::{MessageId, ParticipantRef, RoomCode, Timestamp};
use parlor_media::ids::ParticipantId;

/// A room with a long history, in a store.
#[derive(Debug)]
pub struct LongHistory {
    storage: Storage,
    room: RoomUid,
    messages: u64,
    reader: Reader,
}

/// Messages of one batch while it is filled.
const BATCH: u64 = 500;

impl LongHistory {
    /// Fills a room with so many messages, of which each tenth is for one person's eyes, none of them the reader.
    ///
    /// # Panics
    /// When the store does not do it: then there is nothing to be measured.
    #[allow(clippy::expect_used, reason = "a failed expectation is a failed benchmark")]
    pub async fn fill(storage: Storage, messages: u64) -> Self {
        let now = Timestamp::now();
        let room = RoomUid(now.as_ms());
        storage.0.create_room(&record(room, now), now).await.expect("the room is created");
        let name = |text| Identity::parse(text).expect("it is an identity");
        let (ann, eve) = (name("ann"), name("eve"));
        for first in (1..=messages).step_by(usize::try_from(BATCH).expect("it is small")) {
            let message = |seq: u64| MessageRecord {
                room,
                id: MessageId(seq.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
                seq,
                sender: ParticipantRef(ParticipantId(seq % 20)),
                identity: ann.clone(),
                display_name: Some("Ann".to_owned()),
                sent_at: now,
                text: format!("Message {seq} of a conversation that has been going on for quite some time by now."),
                reply_to: None,
                to: seq.is_multiple_of(10).then(|| eve.clone()),
                file: None,
                edited_at: None,
                deleted_at: None,
                reactions: Vec::new(),
            };
            let last = messages.min(first + BATCH - 1);
            let batch: Vec<Write> = (first..=last).map(|seq| Write::Message(Box::new(message(seq)))).collect();
            storage.0.write(&batch).await.expect("the messages are written");
        }
        Self { storage, room, messages, reader: Reader::Person(name("ben")) }
    }

    /// Reads the last page; how many messages came.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn last_page(&self, limit: usize) -> usize {
        self.page(Page::Latest, limit).await
    }

    /// Reads the page that ends in the middle.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn page_before_the_middle(&self, limit: usize) -> usize {
        self.page(Page::Before(self.messages / 2), limit).await
    }

    /// Reads the page that begins in the middle.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn page_after_the_middle(&self, limit: usize) -> usize {
        self.page(Page::After(self.messages / 2), limit).await
    }

    #[allow(clippy::expect_used, reason = "a failed expectation is a failed benchmark")]
    async fn page(&self, page: Page, limit: usize) -> usize {
        let read = self.storage.0.messages(self.room, &self.reader, page, limit, Timestamp::now());
        read.await.expect("the page is read").len()
    }

    /// Removes the room and everything in it.
    ///
    /// # Panics
    /// When the store fails.
    #[allow(clippy::expect_used, reason = "a failed expectation is a failed benchmark")]
    pub async fn purge(self) {
        self.storage.0.end_room(self.room).await.expect("the room ends");
        // What takes longer than a call may take goes on with the next.
        while let Err(StoreError::Unavailable(_)) = self.storage.0.purge(self.room).await {}
    }
}

#[allow(clippy::expect_used, reason = "a failed expectation is a failed benchmark")]
fn record(uid: RoomUid, now: Timestamp) -> RoomRecord {
    let settings = serde_json::json!({
        "maxParticipants": 100, "history": "keep", "locked": false, "lobby": false, "joinAs": "speaker", "publish": {},
        "chat": "everyone", "metadata": {},
    });
    RoomRecord {
        uid,
        code: RoomCode::parse(&format!("bench-{}", uid.0)).expect("it is a room's code"),
        version: 1,
        created_at: now,
        expires_at: None,
        settings: serde_json::from_value(settings).expect("they are settings"),
        host_secret: None,
        password: None,
        banned: Vec::new(),
    }
}
