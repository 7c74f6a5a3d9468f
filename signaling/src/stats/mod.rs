//! What the signalling counts, and how it is shown to the metrics endpoint.
//!
//! [`Counters`] are counted where things happen; [`Stats`] is a copy of them with what there is now. What labels can say is in
//! [`vocabulary`].

mod counter;
mod vocabulary;

pub(crate) use counter::{Counter, Stopwatch, Tally, words};
pub use counter::{Counts, Latencies, Word};
pub use vocabulary::{
    Carrier, Cause, CredentialFault, Direction, JoinOutcome, Limit, ResumeOutcome, SocketEnd, Turned,
};

use crate::protocol::{ClientFrame, ClientType, ErrorCode, Refusal, ServerType};
use crate::store::{StoreCalls, StoreStats};
use crate::webhooks::WebhookStats;
use parlor_media::stats::{StageTimes, stage_times};

/// A snapshot of what the signalling does and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Rooms now.
    pub rooms: usize,
    /// Rooms created so far.
    pub rooms_created: u64,
    /// Rooms that have ended and of which something may be left.
    pub purges_pending: usize,
    /// Participants now.
    pub participants: usize,
    /// Participants whose socket is lost and may resume.
    pub detached: usize,
    /// Whether the server is about to end and begins no new calls.
    pub draining: bool,
    /// People who wait in lobbies now.
    pub waiting: usize,
    /// What became of joins so far.
    pub joins: Counts<JoinOutcome>,
    /// From a `join-room` to its `room-joined`, the time in a lobby left out.
    pub join_latency: StageTimes,
    /// What became of wishes to resume so far.
    pub resumes: Counts<ResumeOutcome>,
    /// WebSockets.
    pub sockets: SocketStats,
    /// Messages of the protocol.
    pub messages: MessageStats,
    /// Shared files.
    pub files: FileStats,
    /// The store.
    pub store: StoreStats,
    /// Webhooks now and so far.
    pub webhooks: WebhookStats,
    /// Errors told to clients so far, by code.
    pub errors: Counts<ErrorCode>,
    /// What limits refused so far.
    pub limits: Counts<Limit>,
    /// Credentials refused so far as `token-invalid`.
    pub credentials_refused: Counts<CredentialFault>,
}

/// WebSockets now and so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketStats {
    /// Those that are open.
    pub open: usize,
    /// Those that were opened.
    pub opened: u64,
    /// Why those ended that are no longer open.
    pub closed: Counts<SocketEnd>,
    /// Why others were not let in.
    pub refused: Counts<Turned>,
    /// Outboxes that held more than they may: their sessions end.
    pub overflows: u64,
}

/// Messages so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageStats {
    /// Messages of clients that were within their rate.
    pub received: Counts<(Carrier, ClientType)>,
    /// Messages handed to a socket or a data channel; some go twice, since nobody knows whether they arrived.
    pub sent: Counts<(Carrier, ServerType)>,
    /// Messages of clients that were dropped for their rate.
    pub dropped: Counts<Carrier>,
    /// Chat messages relayed.
    pub chat: u64,
}

/// Shared files so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileStats {
    /// Uploads that ended well.
    pub shared: u64,
    /// Bytes of uploads, those that failed included, and of downloads.
    pub bytes: Counts<Direction>,
    /// Requests that the storage of files did not do.
    pub storage_errors: u64,
}

/// What only grows.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) rooms_created: Counter,
    pub(crate) joins: Tally<JoinOutcome>,
    pub(crate) join_latency: Stopwatch<StageTimes>,
    pub(crate) resumes: Tally<ResumeOutcome>,
    pub(crate) sockets_opened: Counter,
    pub(crate) sockets_closed: Tally<SocketEnd>,
    pub(crate) sockets_refused: Tally<Turned>,
    pub(crate) outbox_overflows: Counter,
    pub(crate) messages_received: Tally<(Carrier, ClientType)>,
    pub(crate) messages_sent: Tally<(Carrier, ServerType)>,
    pub(crate) messages_dropped: Tally<Carrier>,
    pub(crate) chat_messages: Counter,
    pub(crate) files_shared: Counter,
    pub(crate) file_bytes: Tally<Direction>,
    pub(crate) storage_errors: Counter,
    pub(crate) store: StoreCalls,
    errors: Tally<ErrorCode>,
    limits: Tally<Limit>,
    credentials_refused: Tally<CredentialFault>,
}

impl Counters {
    /// A client is refused something.
    pub(crate) fn count_refusal(&self, code: ErrorCode, cause: Option<Cause>) {
        self.errors.count(code);
        match cause {
            Some(Cause::Limit(limit)) => self.limits.count(limit),
            Some(Cause::Credential(fault)) => self.credentials_refused.count(fault),
            None => {}
        }
    }

    /// A client says something, within its rate.
    pub(crate) fn count_received(&self, carrier: Carrier, frame: &Result<ClientFrame, Refusal>) {
        let kind = frame.as_ref().map_or(ClientType::Invalid, |frame| frame.message.message_type());
        self.messages_received.count((carrier, kind));
    }

    /// What was counted, without anything now.
    pub(crate) fn snapshot(&self) -> Stats {
        Stats {
            rooms_created: self.rooms_created.read(),
            joins: self.joins.read(),
            join_latency: self.join_latency.read(),
            resumes: self.resumes.read(),
            sockets: SocketStats {
                open: 0,
                opened: self.sockets_opened.read(),
                closed: self.sockets_closed.read(),
                refused: self.sockets_refused.read(),
                overflows: self.outbox_overflows.read(),
            },
            messages: MessageStats {
                received: self.messages_received.read(),
                sent: self.messages_sent.read(),
                dropped: self.messages_dropped.read(),
                chat: self.chat_messages.read(),
            },
            files: FileStats {
                shared: self.files_shared.read(),
                bytes: self.file_bytes.read(),
                storage_errors: self.storage_errors.read(),
            },
            store: self.store.read(),
            errors: self.errors.read(),
            limits: self.limits.read(),
            credentials_refused: self.credentials_refused.read(),
            ..Stats::default()
        }
    }
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            rooms: 0,
            rooms_created: 0,
            purges_pending: 0,
            participants: 0,
            detached: 0,
            draining: false,
            waiting: 0,
            joins: Counts::default(),
            join_latency: stage_times(),
            resumes: Counts::default(),
            sockets: SocketStats::default(),
            messages: MessageStats::default(),
            files: FileStats::default(),
            store: StoreStats::default(),
            webhooks: WebhookStats::default(),
            errors: Counts::default(),
            limits: Counts::default(),
            credentials_refused: Counts::default(),
        }
    }
}
