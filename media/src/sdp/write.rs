//! Writing SDP, line by line.

use std::fmt::{self, Write};

/// What a description with a few m-lines takes, so that it does not move while it grows.
const USUAL_BYTES: usize = 4 * 1_024;

/// An SDP in the making.
pub(crate) struct Writer {
    text: String,
}

impl Writer {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self { text: String::with_capacity(USUAL_BYTES) }
    }

    /// Adds one line. Values come from types that cannot hold a line break.
    pub(crate) fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a `String` cannot fail.
        let _ = self.text.write_fmt(line);
        self.text.push_str("\r\n");
    }

    /// The finished text.
    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// One line of an SDP, as `format!` would write it.
macro_rules! line {
    ($writer:expr, $($part:tt)*) => { $writer.line(format_args!($($part)*)) };
}
pub(crate) use line;
