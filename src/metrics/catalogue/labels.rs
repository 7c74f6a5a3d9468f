//! Labels: those that several parts use, and those of closed vocabularies.

use super::{Label, Values};
use parlor_signaling::protocol::{ClientType, ErrorCode, ServerType};
use parlor_signaling::{
    Backend, Carrier, CredentialFault, JoinOutcome, Limit, Operation, Outcome, ResumeOutcome, SocketEnd, Turned,
};

pub(super) const DIRECTION: Label = Label { name: "direction", values: Values::Closed(|| vec!["in", "out"]) };
pub(super) const PROTOCOL: Label = Label { name: "protocol", values: Values::Closed(|| PROTOCOLS.to_vec()) };
pub(super) const SHARD: Label = Label { name: "shard", values: Values::Open("the shard's number, from 0") };
pub(super) const OUTCOME_OF_WEBHOOKS: Label =
    Label { name: "outcome", values: Values::Closed(|| vec!["delivered", "given_up", "dropped"]) };
pub(super) const BACKEND: Label =
    Label { name: "store", values: Values::Closed(|| Backend::ALL.iter().map(|backend| backend.as_str()).collect()) };
pub(super) const CARRIER: Label =
    Label { name: "carrier", values: Values::Closed(|| Carrier::ALL.iter().map(|carrier| carrier.as_str()).collect()) };
pub(super) const OPERATION: Label = Label {
    name: "operation",
    values: Values::Closed(|| Operation::ALL.iter().map(|operation| operation.as_str()).collect()),
};
pub(super) const CODE: Label = Label {
    name: "code",
    values: Values::Elsewhere {
        values: || ErrorCode::ALL.iter().map(|code| code.as_str()).collect(),
        document: "[the protocol's codes](protocol.md#error-codes)",
    },
};
pub(super) const CLIENT_TYPE: Label = Label {
    name: "type",
    values: Values::Elsewhere {
        values: || ClientType::ALL.iter().map(|kind| kind.as_str()).collect(),
        document: "[the protocol's types](protocol.md#client-to-server), or `invalid`",
    },
};
pub(super) const SERVER_TYPE: Label = Label {
    name: "type",
    values: Values::Elsewhere {
        values: || ServerType::ALL.iter().map(|kind| kind.as_str()).collect(),
        document: "[the protocol's types](protocol.md#server-to-client)",
    },
};

/// In the order of [`Protocol`](parlor_media::path::Protocol).
pub(super) const PROTOCOLS: [&str; 2] = ["udp", "tcp"];

/// Labels whose values are the words of a vocabulary.
macro_rules! explained {
    ($($label:ident = $name:literal $words:ty;)*) => {
        $(pub(super) const $label: Label = Label {
            name: $name,
            values: Values::Explained(|| <$words>::ALL.iter().map(|word| (word.as_str(), word.meaning())).collect()),
        };)*
    };
}

explained! {
    CAUSE_OF_CLOSE = "cause" SocketEnd;
    CAUSE_OF_CREDENTIALS = "cause" CredentialFault;
    CAUSE_OF_REFUSAL = "cause" Turned;
    LIMIT = "limit" Limit;
    OUTCOME_OF_JOINS = "outcome" JoinOutcome;
    OUTCOME_OF_OPERATIONS = "outcome" Outcome;
    OUTCOME_OF_RESUMES = "outcome" ResumeOutcome;
}
