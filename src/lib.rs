//! The server: sockets, threads and clock around the media engine, and the web server beside it.

mod addresses;
mod assets;
pub mod cli;
mod clock;
mod engine;
mod http;
pub mod logging;
mod memory;
mod metrics;
mod net;
mod readings;
pub mod server;
mod shard_thread;
pub mod signals;
