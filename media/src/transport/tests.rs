//! The transport against a client, over a virtual network.

mod allocations;
mod hostile;
mod network;
mod scenarios;

pub(super) use network::{identity, start};
