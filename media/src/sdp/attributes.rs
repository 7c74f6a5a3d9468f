//! Reading `a=` attributes: a media-level one overrides the session-level one of the same name (RFC 8866 section 5.13).

use super::grammar::{Attribute, of_key};

/// RFC 4566's token characters.
pub(super) fn is_token(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'^'..=b'~')
}

/// The values of every attribute of that name, in order. A flag has the empty value.
pub(super) fn values<'l, 'a>(attributes: &'l [Attribute<'a>], key: &'l str) -> impl Iterator<Item = &'a str> + 'l {
    of_key(attributes, key).map(|a| a.value)
}

/// The values at media level, or where there are none, those at session level.
pub(super) fn inherited<'a>(session: &[Attribute<'a>], own: &[Attribute<'a>], key: &str) -> Vec<&'a str> {
    let level = if of_key(own, key).next().is_some() { own } else { session };
    values(level, key).collect()
}

/// Whether such an attribute is present at either level.
pub(super) fn flag(session: &[Attribute<'_>], own: &[Attribute<'_>], key: &str) -> bool {
    of_key(own, key).chain(of_key(session, key)).next().is_some()
}

/// The parameters of an `a=fmtp` list: `key=value` pairs between semicolons.
pub(crate) fn parameters(fmtp: &str) -> impl Iterator<Item = (&str, &str)> {
    fmtp.split(';').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.trim(), value.trim()))
}
