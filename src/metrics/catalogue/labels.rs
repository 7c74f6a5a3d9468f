//! Labels that several parts use.

use super::{Label, Values};

pub(super) const DIRECTION: Label = Label { name: "direction", values: Values::Closed(|| vec!["in", "out"]) };
pub(super) const PROTOCOL: Label = Label { name: "protocol", values: Values::Closed(|| PROTOCOLS.to_vec()) };
pub(super) const SHARD: Label = Label { name: "shard", values: Values::Open("the shard's number, from 0") };

/// In the order of [`Protocol`](parlor_media::path::Protocol).
pub(super) const PROTOCOLS: [&str; 2] = ["udp", "tcp"];
