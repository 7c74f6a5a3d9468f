//! Tests of the signalling as a whole: a fake shard, which is the receiving end of its command channel, and clients with or
//! without real sockets.

mod chat;
mod files;
mod flaky;
mod house;
mod negotiation;
mod rest;
mod rooms;
mod sessions;
mod sockets;

pub(crate) use flaky::FlakyStore;
pub(crate) use house::{board_with, record, wall_clock};
