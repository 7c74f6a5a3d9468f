//! What can be wrong with a configuration, each in one line.

use std::fmt;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file, by its path as given.
    File(String),
    /// An environment variable, by its name.
    Environment(String),
    /// A command line flag, with its dashes.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "in {path}"),
            Self::Environment(name) => write!(f, "from the environment variable {name}"),
            Self::Flag(flag) => write!(f, "from the flag {flag}"),
        }
    }
}

/// Why there is no configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {reason}")]
    Unreadable {
        /// As given.
        path: String,
        /// The system's words.
        reason: String,
    },
    /// The file is not TOML.
    #[error("{path}, line {line}: {message}")]
    Syntax {
        /// As given.
        path: String,
        /// From 1.
        line: usize,
        /// The parser's words.
        message: String,
    },
    /// A key that no knob has.
    #[error("unknown key {key} in {path}{}", did_you_mean(nearest))]
    UnknownKey {
        /// As written, with its section.
        key: String,
        /// The file.
        path: String,
        /// The most similar key.
        nearest: Option<String>,
    },
    /// A key that another one needs.
    #[error("{key} must be set, since {because}")]
    Missing {
        /// What is not set.
        key: &'static str,
        /// What is.
        because: &'static str,
    },
    /// A key that another one makes useless.
    #[error("{key} must not be set, since {because}")]
    Useless {
        /// What is set.
        key: &'static str,
        /// What is not.
        because: &'static str,
    },
    /// A `PARLOR_…` variable that no knob has.
    #[error("unknown environment variable {name}{}", did_you_mean(nearest))]
    UnknownVariable {
        /// As set.
        name: String,
        /// The most similar variable.
        nearest: Option<String>,
    },
    /// A flag that does not exist.
    #[error("unknown flag {flag}{}", did_you_mean(nearest))]
    UnknownFlag {
        /// As given.
        flag: String,
        /// The most similar flag.
        nearest: Option<String>,
    },
    /// A value out of its knob's bounds.
    #[error("{key} = {value} ({source_of_value}) is not valid: expected {allowed}")]
    BadValue {
        /// The knob.
        key: String,
        /// As written.
        value: String,
        /// What the knob takes.
        allowed: String,
        /// Where the value stands.
        source_of_value: Source,
    },
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(|| "; parlor --help lists all".to_owned(), |name| format!("; did you mean {name}?"))
}
