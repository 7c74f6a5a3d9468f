//! What the numbers of the metrics mean: each is moved by what people do, and by nothing else.

mod people;
mod sockets;
mod storage;

use crate::stats::{Counts, Word};

/// The words that were counted, with their counts.
fn counted<W: Word>(counts: &Counts<W>) -> Vec<(W, u64)> {
    counts.occurred().collect()
}
