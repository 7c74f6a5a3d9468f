//! A client's PeerConnection, driven without its own sockets or clock, and what it sends.

pub mod description;
pub mod peer;
pub mod publisher;
pub mod tap;
pub mod witness;
