//! What a description says about its transport: ICE credentials, certificate, DTLS role.

use super::attributes::inherited;
use super::grammar::Attribute;
use super::{SdpError, brief};
use std::fmt;

/// The most fingerprints of a certificate: one per hash function that RFC 8122 knows, sha-256 counting alone.
const MAX_FINGERPRINTS: usize = 8;

/// A username fragment and password, validated by RFC 8839 section 5.4.
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// 4 to 256 ice-chars.
    pub ufrag: String,
    /// 22 to 256 ice-chars. A secret: it never appears in logs.
    pub pwd: String,
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// The SHA-256 hash of a certificate (RFC 8122).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Reads 32 hexadecimal bytes between colons; either case, as RFC 8122's upper case is not what everyone writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let mut pairs = text.split(':');
        for byte in &mut bytes {
            let pair = pairs.next().filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        pairs.next().is_none().then_some(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 };
        let mut text = [b':'; 3 * 32 - 1];
        for (pair, byte) in text.chunks_mut(3).zip(self.0) {
            pair[0] = digit(byte >> 4);
            pair[1] = digit(byte & 15);
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `a=setup` (RFC 8842): who sends the ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// Either.
    ActPass,
    /// The one who says so.
    Active,
    /// The other one.
    Passive,
}

/// A client's end of the transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteTransport {
    /// The client's ICE credentials.
    pub ice: IceCredentials,
    /// The sha-256 fingerprints, at least one: the certificate must match one of them.
    pub fingerprints: Vec<Fingerprint>,
    /// The DTLS role that the client offers or has taken.
    pub setup: Setup,
}

impl RemoteTransport {
    pub(super) fn parse(session: &[Attribute<'_>], own: &[Attribute<'_>]) -> Result<Self, SdpError> {
        let first = |key| inherited(session, own, key).into_iter().next();
        let ice = IceCredentials {
            ufrag: ice_chars(first("ice-ufrag"), "a=ice-ufrag", 4)?,
            pwd: ice_chars(first("ice-pwd"), "a=ice-pwd", 22)?,
        };
        let setup = match first("setup") {
            None | Some("actpass") => Setup::ActPass,
            Some("active") => Setup::Active,
            Some("passive") => Setup::Passive,
            Some(other) => {
                let other = brief(other);
                return Err(SdpError(format!("a=setup:{other} is not one of actpass, active and passive")));
            }
        };
        Ok(Self { ice, fingerprints: fingerprints(&inherited(session, own, "fingerprint"))?, setup })
    }
}

/// RFC 8839 section 5.4: ice-char is a letter, a digit, `+` or `/`. The value is not quoted in errors: it may be a secret.
fn ice_chars(value: Option<&str>, name: &str, least: usize) -> Result<String, SdpError> {
    let value = value.ok_or_else(|| SdpError(format!("{name} is missing")))?;
    let valid = (least..=256).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
    let wrong = || SdpError(format!("{name} must be {least} to 256 letters, digits, + or /"));
    valid.then(|| value.to_owned()).ok_or_else(wrong)
}

fn fingerprints(values: &[&str]) -> Result<Vec<Fingerprint>, SdpError> {
    if values.len() > MAX_FINGERPRINTS {
        let count = values.len();
        return Err(SdpError(format!("{count} a=fingerprint lines; at most {MAX_FINGERPRINTS} are allowed")));
    }
    let sha256 = values.iter().filter_map(|value| {
        let (hash, digest) = value.split_once(' ').unwrap_or((value, ""));
        hash.eq_ignore_ascii_case("sha-256").then(|| digest.trim())
    });
    let parsed = sha256.map(|digest| {
        Fingerprint::parse(digest)
            .ok_or_else(|| SdpError::new("a=fingerprint:sha-256 must hold 32 hexadecimal bytes between colons"))
    });
    let parsed = parsed.collect::<Result<Vec<_>, _>>()?;
    if parsed.is_empty() {
        return Err(SdpError::new("a=fingerprint with sha-256 is missing; it is the only hash that is accepted"));
    }
    Ok(parsed)
}
