//! The server: sockets, threads and clock around the media engine, and the web server beside it.

mod addresses;
mod assets;
pub mod cli;
mod clock;
pub mod doctor;
pub mod drain;
mod engine;
pub mod faults;
mod greeting;
mod health;
mod heartbeat;
mod http;
mod load;
pub mod logging;
pub mod memory;
mod metrics;
mod net;
pub mod process;
mod readings;
pub mod server;
mod shard_thread;
pub mod signals;
pub mod systemd;
mod tls;
pub mod traces;
