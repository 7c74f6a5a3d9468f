//! Whole calls over simulated paths, on virtual time.

mod call;
mod hostile;
mod path;
mod scenarios;
