//! `parlor-loadtest`: real clients in large numbers, and what a server made of them.
//!
//! Every client does what a browser does: it joins by the server's signalling, connects by ICE and DTLS, and sends and
//! receives SRTP. Most receivers are *light*: they read only the headers of what arrives, which stand in plain text, so
//! that one core can take hundreds of thousands of packets a second. *Witnesses* decrypt everything and check it.
//!
//! - [`plan`]: what is to be done.
//! - [`target`]: the server under load, behind a small trait.
//! - [`run`]: does it.
//! - [`tally`]: what was measured.
//! - [`watch`]: what the server's process cost meanwhile.
//! - [`floor`]: what the same would cost at the least.
//! - [`report`]: both for people, for programs, and held against thresholds.
//! - [`cli`], [`command`], [`progress`]: the command line, what it orders, and how that goes.
//!
//! Nothing here depends on Parlor's engine: an instrument that shared code with what it measures would share its faults.

pub mod cli;
pub mod client;
pub mod clock;
pub mod command;
pub mod content;
pub mod descriptors;
pub mod floor;
pub mod histogram;
mod ledger;
pub mod light;
pub mod net;
mod participant;
pub mod plan;
pub mod progress;
pub mod report;
pub mod run;
pub mod tally;
pub mod target;
pub mod timetable;
pub mod watch;
pub mod worker;

pub use plan::Plan;
pub use run::{Observer, Phase, Snapshot, run};
pub use tally::Tally;
