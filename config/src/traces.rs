//! The keys of `[traces]` that are more than switches.

use crate::auth::Secret;
use std::fmt;

/// The most headers: a collector wants one or two.
pub(crate) const MAX_HEADERS: usize = 8;

/// A header of requests to the collector. Its value is a credential as a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceHeader {
    /// In lower case.
    pub name: String,
    /// What nothing prints.
    pub value: Secret,
}

impl TraceHeader {
    /// The header that `name=value` writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (name, value) = text.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
        let is_right = (1..=64).contains(&name.len())
            && name.bytes().all(is_name)
            && (1..=2048).contains(&value.len())
            && value.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        is_right.then(|| Self { name: name.to_ascii_lowercase(), value: Secret::new(value) })
    }
}

/// A share from none to all, to a millionth.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ratio(u32);

impl Ratio {
    /// All.
    pub const ONE: Self = Self(1_000_000);

    /// The nearest share; `None` outside of 0 to 1.
    #[must_use]
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then(|| Self((share * 1e6).round() as u32))
    }

    /// From 0 to 1.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

impl fmt::Debug for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_f64())
    }
}

/// The address of a collector; nothing for the empty text. It may hold a password.
pub(crate) fn endpoint(text: &str) -> Option<Option<Secret>> {
    if text.is_empty() {
        return Some(None);
    }
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
    let is_right = !rest.is_empty() && text.len() <= 2048 && text.bytes().all(|b| b.is_ascii_graphic());
    (is_right && !text.contains(['?', '#'])).then(|| Some(Secret::new(text.trim_end_matches('/'))))
}

/// The name that traces carry.
pub(crate) fn service_name(text: &str) -> Option<String> {
    let is_right = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    is_right.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_names_and_values_that_nobody_sees() {
        let header = TraceHeader::parse("Authorization = Bearer abc=").unwrap();
        assert_eq!((header.name.as_str(), header.value.expose()), ("authorization", "Bearer abc="));
        assert!(!format!("{header:?}").contains("abc"));
        for wrong in ["", "name", "name=", "=value", "na me=value", "name=a\nb", "näme=value"] {
            assert_eq!(TraceHeader::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn ratios_are_from_none_to_all() {
        assert_eq!(Ratio::new(1.0), Some(Ratio::ONE));
        assert_eq!(Ratio::new(0.000_001).map(Ratio::as_f64), Some(0.000_001));
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Ratio::new(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn endpoints_are_addresses_that_nobody_sees() {
        let shown = |text| endpoint(text).map(|endpoint| endpoint.map(|url| url.expose().to_owned()));
        assert_eq!(shown(""), Some(None));
        assert_eq!(shown("http://collector:4318/"), Some(Some("http://collector:4318".to_owned())));
        assert_eq!(shown("https://u:p@c.example/otlp"), Some(Some("https://u:p@c.example/otlp".to_owned())));
        assert!(!format!("{:?}", endpoint("https://u:p@c.example")).contains("u:p"));
        for wrong in ["collector:4318", "grpc://c", "http://", "http://c?token=1", "http://c d"] {
            assert_eq!(endpoint(wrong), None, "{wrong}");
        }
    }
}
