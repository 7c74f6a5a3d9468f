//! Simulations of a whole shard: seeded networks, clients that behave like browsers, virtual time.
//!
//! [`world::World`] owns all of it and checks at every step what must always hold; the scenarios check what must come
//! of it. Nothing here depends on the machine's speed, and a failure repeats with its seed.

mod client;
pub(crate) mod content;
mod description;
mod network;
mod oracles;
mod playback;
mod publisher;
mod receiver;
mod scenarios;
mod world;
