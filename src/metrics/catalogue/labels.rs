//! Labels that several parts use.

use super::{Label, Values};
use parlor_media::drop_reason::DropReason;

pub(super) const DIRECTION: Label = Label { name: "direction", values: Values::Closed(|| vec!["in", "out"]) };
pub(super) const PROTOCOL: Label = Label { name: "protocol", values: Values::Closed(|| vec!["udp", "tcp"]) };
pub(super) const SHARD: Label = Label { name: "shard", values: Values::Open("the shard's number, from 0") };
pub(super) const REASON_OF_DROP: Label = Label {
    name: "reason",
    values: Values::Explained(|| DropReason::ALL.iter().map(|reason| (reason.name(), reason.meaning())).collect()),
};
