//! Reading `a=` attributes: a media-level one overrides the session-level one of the same name (RFC 8866 section 5.13).

use rtc::sdp::description::common::Attribute;

/// RFC 4566's token characters.
pub(super) fn is_token(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'^'..=b'~')
}

/// The values of every attribute of that name, in order. A flag has the empty value.
pub(super) fn values<'a>(attributes: &'a [Attribute], key: &'a str) -> impl Iterator<Item = &'a str> {
    attributes.iter().filter(move |a| a.key == key).map(|a| a.value.as_deref().unwrap_or_default().trim())
}

/// The values at media level, or where there are none, those at session level.
pub(super) fn inherited<'a>(session: &'a [Attribute], own: &'a [Attribute], key: &'a str) -> Vec<&'a str> {
    let level = if own.iter().any(|a| a.key == key) { own } else { session };
    values(level, key).collect()
}

/// Whether such an attribute is present at either level.
pub(super) fn flag(session: &[Attribute], own: &[Attribute], key: &str) -> bool {
    own.iter().chain(session).any(|a| a.key == key)
}

/// The parameters of an `a=fmtp` list: `key=value` pairs between semicolons.
pub(crate) fn parameters(fmtp: &str) -> impl Iterator<Item = (&str, &str)> {
    fmtp.split(';').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.trim(), value.trim()))
}
