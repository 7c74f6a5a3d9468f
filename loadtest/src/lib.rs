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
//!
//! Nothing here depends on Parlor's engine: an instrument that shared code with what it measures would share its faults.

pub mod client;
pub mod clock;
pub mod content;
pub mod histogram;
mod ledger;
pub mod light;
pub mod net;
mod participant;
pub mod plan;
pub mod run;
pub mod tally;
pub mod target;
pub mod timetable;
pub mod worker;

pub use plan::Plan;
pub use run::{Observer, Phase, Snapshot, run};
pub use tally::Tally;
