//! The light way to receive: everything is read from what stands in plain text, nothing is decrypted.
//!
//! On this path nothing is allocated, locked or logged per packet, and what arrives is never trusted: a header that
//! does not make sense is dropped.

pub mod feedback;
pub mod header;
pub mod intake;
pub mod reception;
pub mod streams;
