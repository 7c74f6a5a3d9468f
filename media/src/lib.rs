//! Parlor's media engine: a pure SFU shard.
//!
//! A [`Shard`] owns rooms, the transports of their participants, and the forwarding between them. It is driven from
//! outside: datagrams, commands and the time come in as arguments; datagrams, events and the next deadline are polled.
//! It has no sockets, threads, clock or entropy of its own, so that everything it does can be replayed on virtual time.

mod allocation;
#[cfg(test)]
pub(crate) mod allocations;
mod burst;
mod cache;
pub mod codec;
pub mod command;
mod congestion;
mod context;
pub mod drop_reason;
pub mod feedback;
mod flow;
pub mod formats;
mod handshakes;
pub mod histogram;
pub mod ids;
#[cfg(feature = "instruments")]
pub mod instruments;
mod key_set;
pub mod loudest;
mod loudness;
pub mod negotiation;
pub mod numbering;
pub mod outbox;
mod participant;
pub mod path;
mod publication;
pub mod quality;
pub mod relay;
mod room;
pub mod room_stats;
pub mod rtp;
pub mod sdp;
mod shard;
#[cfg(test)]
mod sim;
pub mod speakers;
pub mod stats;
mod subscription;
mod timers;
pub mod transport;
mod vocabulary;
mod wire_id;

pub use shard::{Shard, ShardSettings};
pub use stats::ShardStats;
pub use wire_id::{BASE32, parse_wire_id, wire_id};
