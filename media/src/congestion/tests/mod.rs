//! Whole calls over simulated paths, on virtual time.

mod call;
mod path;
mod scenarios;
