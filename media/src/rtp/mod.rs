//! RTP as forwarding needs it: views over received packets, numbering, and packets written straight into egress slots.
//!
//! Nothing here allocates per packet, and nothing trusts a length that came from outside: what does not fit inside the
//! packet does not parse.

pub mod header;
pub(crate) mod padding;
pub mod red;
pub mod ring;
pub mod sequence;
pub mod writer;
