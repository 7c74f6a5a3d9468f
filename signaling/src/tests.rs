//! Tests of the signalling as a whole: a fake shard, which is the receiving end of its command channel, and clients with or
//! without real sockets.

mod access;
mod access_table;
mod admission;
mod chat;
mod chat_delivery;
mod chat_messages;
mod chat_store;
mod counted;
mod draining;
mod files;
mod flaky;
mod house;
mod lives;
mod negotiation;
mod rest;
mod rooms;
mod secrecy;
mod sessions;
mod settings;
mod sockets;
mod spreading;
mod stats;
mod traces;
mod webhooks;

pub(crate) use flaky::FlakyStore;
pub(crate) use house::{board_with, record, wall_clock};
