//! What was said, a page at a time: from memory where it is there, else from the store.

use super::state::{History, show};
use crate::protocol::FileId;
use crate::protocol::chat::{DEFAULT_PAGE, GetMessages, MAX_PAGE};
use crate::protocol::error::Refusal;
use crate::protocol::file::SharedFile;
use crate::protocol::server::ServerMessage;
use crate::room::{Room, RoomState};
use crate::room_settings::History as Policy;
use crate::session::Place;
use crate::store::{MessageRecord, Page, Reader, StoreError};
use crate::switchboard::Switchboard;
use std::collections::HashMap;

/// How often a page is read again because messages of it left memory meanwhile.
const ATTEMPTS: usize = 3;

impl Switchboard {
    /// Answers a member's `get-messages`.
    pub(crate) async fn get_messages(
        &self,
        place: &Place,
        id: Option<String>,
        request: GetMessages,
    ) -> Result<(), Refusal> {
        let (page, limit) = asked_page(request.before, request.after, request.limit)?;
        let reader = |state: &RoomState| Ok(Reader::Person(state.member_ref(place.participant)?.identity.clone()));
        self.read_messages(&place.room, reader, page, limit, |state, history| {
            let History { messages, more } = history;
            // Under the lock: what is said about these messages next comes after them.
            if let Some(member) = state.member(place.participant) {
                member.tell(&ServerMessage::Messages { messages, more, id });
            }
        })
        .await
    }

    /// Reads a page for whom `reader` says, and hands it to `give` under the room's lock, as it is then.
    pub(crate) async fn read_messages<T>(
        &self,
        room: &Room,
        reader: impl Fn(&RoomState) -> Result<Reader, Refusal>,
        page: Page,
        limit: usize,
        give: impl FnOnce(&mut RoomState, History) -> T,
    ) -> Result<T, Refusal> {
        {
            let mut state = room.lock();
            let reader = reader(&state)?;
            if state.record.settings.history == Policy::None {
                return Ok(give(&mut state, History::default()));
            }
            if let Some(history) = state.chat.page(&reader, page, limit, &room.code) {
                return Ok(give(&mut state, history));
            }
        }
        // Messages that are not in memory stay as they are meanwhile.
        let _unchanged = room.old_messages.read().await;
        for _ in 0..ATTEMPTS {
            let (reader_before, started_at) = {
                let state = room.lock();
                (reader(&state)?, state.chat.starts_at())
            };
            let stored = self.stored(room, &reader_before, page, limit).await?;
            let mut state = room.lock();
            if reader(&state)? != reader_before {
                continue;
            }
            // What left memory since may have changed there, unseen by this read.
            let left = started_at..state.chat.starts_at();
            if stored.records.iter().any(|record| left.contains(&record.seq)) {
                continue;
            }
            let history = stored.history(&state, page, limit, room);
            return Ok(give(&mut state, history));
        }
        Err(Refusal::busy())
    }

    async fn stored(&self, room: &Room, reader: &Reader, page: Page, limit: usize) -> Result<Stored, StoreError> {
        self.journal.flushed().await?;
        let now = self.wall_clock();
        let records = self.store.messages(room.uid, reader, page, limit, now).await?;
        let beyond = match (page, records.first(), records.last()) {
            _ if records.len() < limit => None,
            (Page::After(_), _, Some(last)) => Some(Page::After(last.seq)),
            (_, Some(first), _) => Some(Page::Before(first.seq)),
            _ => None,
        };
        let more = match beyond {
            Some(page) => !self.store.messages(room.uid, reader, page, 1, now).await?.is_empty(),
            None => false,
        };
        let mut files = HashMap::new();
        for id in records.iter().filter_map(|record| record.file) {
            if let Some(file) = self.store.file(room.uid, id, now).await? {
                files.insert(id, SharedFile::from(file));
            }
        }
        Ok(Stored { records, more, files })
    }
}

/// What the store has of a page.
struct Stored {
    records: Vec<MessageRecord>,
    more: bool,
    files: HashMap<FileId, SharedFile>,
}

impl Stored {
    /// The page, with what memory knows better.
    fn history(mut self, state: &RoomState, page: Page, limit: usize, room: &Room) -> History {
        let backwards = !matches!(page, Page::After(_));
        if backwards {
            self.records.reverse();
        }
        let message = |record: &MessageRecord| {
            let record = state.chat.find(record.id).map_or(record, |recent| &recent.record);
            show(record, record.file.and_then(|id| self.files.get(&id).cloned()), &room.code)
        };
        let mut history = History::take(self.records.iter().map(message), limit);
        history.more |= self.more;
        if backwards {
            history.messages.reverse();
        }
        history
    }
}

/// The page that is asked for.
///
/// # Errors
/// When both directions are, or more than [`MAX_PAGE`] messages.
pub(crate) fn asked_page(
    before: Option<u64>,
    after: Option<u64>,
    limit: Option<u64>,
) -> Result<(Page, usize), Refusal> {
    let page = match (before, after) {
        (None, None) => Page::Latest,
        (Some(seq), None) => Page::Before(seq),
        (None, Some(seq)) => Page::After(seq),
        (Some(_), Some(_)) => return Err(Refusal::field("after", "only one of `before` and `after` is allowed")),
    };
    let limit = limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Refusal::field("limit", format!("`limit` is {limit}, 1 to {MAX_PAGE} is allowed")));
    }
    Ok((page, usize::try_from(limit).unwrap_or(1)))
}
