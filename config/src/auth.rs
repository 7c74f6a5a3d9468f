//! The keys of `[auth]`: secrets that nothing prints.

use std::fmt;

/// The shortest secret in bytes: as many as SHA-256 gives (RFC 7518 section 3.2).
pub(crate) const MIN_SECRET_BYTES: usize = 32;
/// The most keys: a few, while one replaces another.
pub(crate) const MAX_KEYS: usize = 16;

/// A secret where it would be shown.
pub(crate) const HIDDEN: &str = "…";

/// A text that must not reach a log: it is shown as `…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text, for whoever needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// A shared key for HS256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthKey {
    /// What tokens call it: their `iss`, or their header's `kid`.
    pub name: String,
    /// What they are signed with.
    pub secret: Secret,
}

impl AuthKey {
    /// The key that `name:secret` writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (name, secret) = text.split_once(':')?;
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let is_right = (1..=64).contains(&name.len()) && name.bytes().all(is_name) && secret.len() >= MIN_SECRET_BYTES;
        is_right.then(|| Self { name: name.to_owned(), secret: Secret(secret.to_owned()) })
    }
}
