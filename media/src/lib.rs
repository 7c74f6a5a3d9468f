//! Parlor's media engine: a pure SFU shard.
//!
//! A [`Shard`] owns rooms, the transports of their participants, and the forwarding between them. It is driven from
//! outside: datagrams, commands and the time come in as arguments; datagrams, events and the next deadline are polled.
//! It has no sockets, threads, clock or entropy of its own, so that everything it does can be replayed on virtual time.

#[cfg(test)]
pub(crate) mod allocations;
pub mod command;
pub mod drop_reason;
pub mod formats;
pub mod ids;
pub mod numbering;
pub mod outbox;
pub mod path;
pub mod sdp;
pub mod transport;
