//! The server: sockets, threads and clock around the media engine, and the web server beside it.

mod clock;
mod engine;
mod metrics;
mod net;
mod readings;
mod shard_thread;
