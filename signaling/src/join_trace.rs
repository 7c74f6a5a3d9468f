//! The trace of a join: how long each stage took, from `join-room` until media flows.
//!
//! Spans are of the target [`TRACES`], which only an exporter of traces listens to: without one they do not exist and cost a
//! look at a flag. Their attributes are those of the log's lines, closed vocabularies and numbers; nothing that a client wrote
//! is in them.

use crate::access::Role;
use crate::problem::status;
use crate::protocol::ParticipantRef;
use crate::protocol::error::ErrorCode;
use crate::protocol::media::{MediaFailure, MediaProtocol};
use crate::protocol::server::Departure;
use parlor_media::ids::{ParticipantId, RoomId};
use std::time::Duration;
use tokio::time::Instant;
use tracing::Span;
use tracing::field::Empty;

/// The target of spans that are meant for traces.
pub const TRACES: &str = "traces";

/// When a participant without media is no longer taken for one that is about to have it.
const MEDIA_PATIENCE: Duration = Duration::from_secs(30);

/// What a join waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The rules of the door.
    Admission,
    /// A password is compared.
    Password,
    /// An invite is used up in the store.
    Invite,
    /// The shard takes a command.
    Shard,
    /// A host lets it in.
    Lobby,
    /// The client makes its first offer.
    Offer,
    /// The shard answers it.
    Answer,
    /// ICE and DTLS.
    Transport,
}

impl Stage {
    const fn name(self) -> &'static str {
        match self {
            Self::Admission => "join.admission",
            Self::Password => "join.password",
            Self::Invite => "join.invite",
            Self::Shard => "join.shard",
            Self::Lobby => "join.lobby",
            Self::Offer => "join.offer",
            Self::Answer => "join.answer",
            Self::Transport => "join.transport",
        }
    }
}

/// An open trace: its root, and the stage that the join is in. Both end when they are dropped.
#[derive(Debug)]
pub(crate) struct JoinTrace {
    root: Span,
    stage: Span,
    at: Stage,
    /// Since when it is in the room.
    entered: Option<Instant>,
}

impl JoinTrace {
    /// Somebody asks to be let in.
    pub(crate) fn begin() -> Self {
        let root = tracing::info_span!(
            target: TRACES, parent: None, "join",
            outcome = Empty, room = Empty, participant = Empty, role = Empty, how = Empty, protocol = Empty,
            otel.status_code = Empty
        );
        let mut trace = Self { root, stage: Span::none(), at: Stage::Admission, entered: None };
        trace.stage(Stage::Admission);
        trace
    }

    /// The trace's end for a join that is refused, while another owns the rest.
    pub(crate) fn door(&self) -> Door {
        Door(self.root.clone())
    }

    /// The join goes on to its next stage.
    pub(crate) fn stage(&mut self, stage: Stage) {
        // The earlier one ends first: stages follow one another.
        self.stage = Span::none();
        self.at = stage;
        if !self.root.is_disabled() {
            self.stage = tracing::info_span!(target: TRACES, parent: &self.root, "stage", otel.name = stage.name());
        }
    }

    /// It is in the room.
    pub(crate) fn enter(&mut self, room: RoomId, participant: ParticipantId, role: Role, how: &'static str) {
        if self.root.is_disabled() {
            return;
        }
        self.root.record("room", room.0);
        self.root.record("participant", tracing::field::display(ParticipantRef(participant)));
        self.root.record("role", role.as_str());
        self.root.record("how", how);
        self.entered = Some(Instant::now());
        self.stage(Stage::Offer);
    }

    /// The client offers; only its first offer ends a stage.
    pub(crate) fn offer(&mut self) {
        if self.at == Stage::Offer {
            self.stage(Stage::Answer);
        }
    }

    /// The client's offer is answered; only the first answer ends a stage.
    pub(crate) fn answer(&mut self) {
        if self.at == Stage::Answer {
            self.stage(Stage::Transport);
        }
    }

    /// Media flows: the join is complete.
    pub(crate) fn connect(&mut self, protocol: MediaProtocol) {
        self.root.record("protocol", protocol.as_str());
        self.end("connected");
    }

    /// It goes before media flowed: the trace ends when it is dropped. A failure that was told before stays the outcome.
    pub(crate) fn left(&self, reason: Departure) {
        if reason != Departure::MediaFailed {
            self.root.record("outcome", reason.as_str());
        }
    }

    /// The transport failed before media flowed.
    pub(crate) fn failed(&self, cause: MediaFailure) {
        self.root.record("outcome", cause.as_str());
        self.root.record("otel.status_code", "ERROR");
    }

    fn end(&mut self, outcome: &'static str) {
        self.root.record("outcome", outcome);
        (self.root, self.stage) = (Span::none(), Span::none());
    }

    /// Ends the trace of who takes part without media.
    pub(crate) fn end_late(&mut self, now: Instant) {
        if self.entered.is_some_and(|at| now.saturating_duration_since(at) >= MEDIA_PATIENCE) {
            self.entered = None;
            self.end("no-media");
        }
    }
}

/// See [`JoinTrace::door`].
pub(crate) struct Door(Span);

impl Door {
    /// The join is refused.
    pub(crate) fn refuse(&self, code: ErrorCode) {
        self.0.record("outcome", code.as_str());
        if status(code).is_server_error() {
            self.0.record("otel.status_code", "ERROR");
        }
    }
}
