//! A room's chat in memory: its order and its latest messages in their latest form.
//!
//! The latest messages are what most changes, replies and pages are about; older ones are in the store. Of a message that is
//! not to be stored everything but the text is kept, so that it can be changed, replied to and reacted to for a while.

use crate::protocol::chat::{ChatMessage, Reacted};
use crate::protocol::file::SharedFile;
use crate::protocol::{MessageId, RoomCode, Timestamp};
use crate::store::{MessageRecord, Page, Reaction, Reader};
use std::collections::VecDeque;

/// The most messages kept: several pages.
pub(crate) const MAX_RECENT: usize = 256;
/// The most bytes of them: a page of long texts; ten thousand rooms of ordinary ones fit into some hundred megabytes.
pub(crate) const MAX_RECENT_BYTES: usize = 256 << 10;
/// The most bytes of a page: several of them fit into a socket's outbox.
pub(crate) const MAX_PAGE_BYTES: usize = 128 << 10;
/// What a message takes besides its texts, roughly.
const MESSAGE_BYTES: usize = 192;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ChatState {
    /// Of the latest message.
    seq: u64,
    /// Without gaps, the latest last.
    recent: VecDeque<Recent>,
    bytes: usize,
}

/// A message of the latest.
#[derive(Debug)]
pub(crate) struct Recent {
    pub(crate) record: MessageRecord,
    pub(crate) file: Option<SharedFile>,
    /// The store has it, or will have.
    pub(crate) kept: bool,
}

/// A page of messages.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) messages: Vec<ChatMessage>,
    pub(crate) more: bool,
}

impl ChatState {
    /// The `seq` of the latest message, 0 before the first.
    pub(crate) fn last_seq(&self) -> u64 {
        self.seq
    }

    /// Goes on after messages that only the store has.
    pub(crate) fn resume_from(&mut self, last_seq: u64) {
        self.seq = last_seq;
        self.recent.clear();
        self.bytes = 0;
    }

    /// The first `seq` that is in memory; the next one to be given, if none is.
    pub(crate) fn starts_at(&self) -> u64 {
        self.recent.front().map_or(self.seq + 1, |recent| recent.record.seq)
    }

    /// Appends a message, whose `seq` follows [`Self::last_seq`].
    pub(crate) fn add(&mut self, mut record: MessageRecord, file: Option<SharedFile>, kept: bool) {
        debug_assert_eq!(record.seq, self.seq + 1, "the order has no gaps");
        self.seq = record.seq;
        if !kept {
            record.text = String::new();
        }
        self.bytes += weigh(&record);
        self.recent.push_back(Recent { record, file, kept });
        self.shrink();
    }

    #[cfg(test)]
    pub(crate) fn latest(&self) -> Option<MessageId> {
        self.recent.back().map(|recent| recent.record.id)
    }

    pub(crate) fn find(&self, id: MessageId) -> Option<&Recent> {
        self.recent.iter().rev().find(|recent| recent.record.id == id)
    }

    /// Changes a message that is in memory.
    pub(crate) fn change(&mut self, id: MessageId, change: impl FnOnce(&mut MessageRecord)) {
        let Some(recent) = self.recent.iter_mut().rev().find(|recent| recent.record.id == id) else { return };
        let before = weigh(&recent.record);
        change(&mut recent.record);
        if recent.record.deleted_at.is_some() {
            recent.file = None;
        }
        if !recent.kept {
            recent.record.text = String::new();
        }
        self.bytes = self.bytes + weigh(&recent.record) - before;
        self.shrink();
    }

    /// A page, if all of it is in memory.
    pub(crate) fn page(&self, reader: &Reader, page: Page, limit: usize, room: &RoomCode) -> Option<History> {
        let start = self.starts_at();
        let is_visible = |recent: &&Recent| recent.kept && reader.sees(&recent.record);
        let show = |recent: &Recent| show(&recent.record, recent.file.clone(), room);
        if let Page::After(seq) = page {
            // What follows must be here from the first on.
            let all_here = seq.checked_add(1).is_none_or(|next| next >= start);
            let after = self.recent.iter().filter(|recent| recent.record.seq > seq).filter(is_visible);
            return all_here.then(|| History::take(after.map(show), limit));
        }
        let before = if let Page::Before(seq) = page { seq } else { u64::MAX };
        let older = self.recent.iter().rev().filter(|recent| recent.record.seq < before).filter(is_visible);
        let mut history = History::take(older.map(show), limit);
        history.messages.reverse();
        // Without more of it here there may be more in the store, unless all of the room's messages are here.
        (history.more || start == 1).then_some(history)
    }

    fn shrink(&mut self) {
        while self.recent.len() > MAX_RECENT || self.bytes > MAX_RECENT_BYTES {
            let Some(oldest) = self.recent.pop_front() else { return };
            self.bytes -= weigh(&oldest.record);
        }
    }
}

impl History {
    /// The first `limit` messages, fewer when they are large; one at least.
    pub(crate) fn take(messages: impl Iterator<Item = ChatMessage>, limit: usize) -> Self {
        let (mut taken, mut bytes) = (Self::default(), 0);
        for message in messages {
            bytes += message.text.len() + MESSAGE_BYTES * (1 + message.reactions.len());
            let fits = taken.messages.is_empty() || bytes <= MAX_PAGE_BYTES;
            if taken.messages.len() >= limit || !fits {
                taken.more = true;
                break;
            }
            taken.messages.push(message);
        }
        taken
    }
}

/// A message as people see it.
pub(crate) fn show(record: &MessageRecord, file: Option<SharedFile>, room: &RoomCode) -> ChatMessage {
    let reacted = |reaction: &Reaction| Reacted { emoji: reaction.emoji.clone(), identity: reaction.identity.clone() };
    ChatMessage {
        id: record.id,
        seq: record.seq,
        text: record.text.clone(),
        sender: record.sender,
        identity: record.identity.clone(),
        timestamp: record.sent_at,
        room_id: room.clone(),
        reply_to: record.reply_to,
        display_name: record.display_name.clone(),
        to: record.to.clone(),
        file,
        edited_at: record.edited_at,
        deleted_at: record.deleted_at,
        reactions: record.reactions.iter().map(reacted).collect(),
        nonce: None,
    }
}

/// What a message takes in memory, in bytes.
fn weigh(record: &MessageRecord) -> usize {
    let reaction = |reaction: &Reaction| reaction.emoji.len() + size_of::<Reaction>();
    let name = record.display_name.as_ref().map_or(0, String::len);
    MESSAGE_BYTES + record.text.len() + name + record.reactions.iter().map(reaction).sum::<usize>()
}

/// How a message changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Edit(String),
    Erase,
    React { emoji: String, on: bool },
}

impl Change {
    /// Applies it; `false` when the message is like that already.
    pub(crate) fn apply(&self, record: &mut MessageRecord, by: &crate::access::Identity, at: Timestamp) -> bool {
        match self {
            Self::Edit(text) => {
                record.text.clone_from(text);
                record.edited_at = Some(at);
                true
            }
            Self::Erase if record.deleted_at.is_some() => false,
            Self::Erase => {
                record.erase(at);
                true
            }
            Self::React { emoji, on } => record.react(&Reaction { identity: by.clone(), emoji: emoji.clone() }, *on),
        }
    }
}
