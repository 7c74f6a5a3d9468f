//! SDP: what a client said, parsed once into types, and the lines that Parlor writes.
//!
//! The grammar tells which line is what ([`grammar`]); what a description means is decided here. Everything is bounded
//! before the grammar sees it: a description that passed [`RemoteDescription::parse`] holds nothing whose size a client
//! could choose freely.

mod attributes;
mod grammar;
mod media;
mod transport;
pub(crate) mod write;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use attributes::parameters;
use attributes::{flag, values};
pub use media::{Direction, Feedback, RemoteExtension, RemoteFormat, RemoteMedia, SectionKind, SsrcPair};
pub use transport::{Fingerprint, IceCredentials, RemoteTransport, Setup};

use grammar::{Attribute, SessionText};
use std::fmt;

/// The most m-lines of a description, and so of a participant: 60 others with camera and microphone, and one's own.
pub const MAX_MEDIA: usize = 128;
/// The largest description: a browser states a video m-line with all its codecs in less than 6 KiB and repeats only
/// those that were offered in the lines of an answer, so that [`MAX_MEDIA`] mixed lines stay below 3 KiB each.
pub const MAX_BYTES: usize = MAX_MEDIA * 3 * 1024;
/// The longest line: `a=group:BUNDLE` and `a=msid-semantic` name each m-line or stream, up to 64 bytes each.
pub const MAX_LINE_BYTES: usize = MAX_MEDIA * 64;
/// The most lines: a browser's longest m-line has 160, an answer's 110; keeps the parsed form of small lines small.
pub const MAX_LINES: usize = MAX_MEDIA * 128;
/// The most lines before the first m-line, which are looked through for each m-line: browsers write ten.
pub const MAX_SESSION_LINES: usize = 128;

/// Why an SDP was refused. The text names what was wrong and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SdpError(pub String);

impl SdpError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The same with the m-line's position, counted from 0 as JavaScript's `sdpMLineIndex` does.
    fn at(self, index: usize) -> Self {
        Self(format!("m-line {index}: {}", self.0))
    }
}

/// An m-line's identification (RFC 9143): 1 to 16 ASCII token characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mid {
    bytes: [u8; 16],
    len: u8,
}

impl Mid {
    /// `None` unless `text` is a valid mid of at most 16 bytes.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        Self::from_bytes(text.as_bytes())
    }

    /// The same from the bytes of a header extension.
    #[must_use]
    pub fn from_bytes(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; 16];
        let slot = bytes.get_mut(..text.len())?;
        slot.copy_from_slice(text);
        let valid = !text.is_empty() && text.iter().all(|b| attributes::is_token(*b));
        valid.then_some(Self { bytes, len: text.len() as u8 })
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.bytes.get(..usize::from(self.len)).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or_default()
    }
}

impl fmt::Display for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A client's offer or answer, parsed and bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteDescription {
    /// The client is an ICE-lite agent itself, and so will never check a path.
    pub ice_lite: bool,
    /// One- and two-byte header extensions may be mixed (RFC 8285 section 4.1.2).
    pub extmap_allow_mixed: bool,
    /// The mids of the BUNDLE group (RFC 9143), in its order; empty without one.
    pub bundle: Vec<Mid>,
    /// Credentials and certificate of the BUNDLE group's transport; `None` when every m-line is rejected.
    pub transport: Option<RemoteTransport>,
    /// The m-lines.
    pub media: Vec<RemoteMedia>,
}

impl RemoteDescription {
    /// Parses a client's SDP.
    ///
    /// # Errors
    /// When it is malformed, breaks one of the module's bounds, or lacks what a connection needs: a mid for each m-line,
    /// ICE credentials (RFC 8839 section 5.4) and a sha-256 fingerprint (RFC 8122) for the transport.
    pub fn parse(sdp: &str) -> Result<Self, SdpError> {
        let text = SessionText::parse(&lines(sdp)?)?;
        let session = text.attributes();
        let media = text.media.iter().enumerate();
        let media = media.map(|(i, m)| RemoteMedia::parse(session, m, text.attributes_of(m)).map_err(|e| e.at(i)));
        let media = media.collect::<Result<Vec<_>, _>>()?;
        unique_mids(&media)?;
        let bundle = bundle(session)?;
        let transport = match tagged(&media, &bundle) {
            None => None,
            Some(index) => {
                let own = text.media.get(index).map_or(&[][..], |m| text.attributes_of(m));
                Some(RemoteTransport::parse(session, own).map_err(|e| e.at(index))?)
            }
        };
        Ok(Self {
            ice_lite: flag(session, &[], "ice-lite"),
            extmap_allow_mixed: flag(session, &[], "extmap-allow-mixed")
                || text.media.iter().any(|m| flag(&[], text.attributes_of(m), "extmap-allow-mixed")),
            bundle,
            transport,
            media,
        })
    }

    /// Whether an m-line shares the description's transport. Without a BUNDLE group only the first live one has it.
    #[must_use]
    pub fn is_bundled(&self, index: usize) -> bool {
        let mid = self.media.get(index).and_then(|media| media.mid);
        mid.is_some_and(|mid| self.bundle.contains(&mid)) || tagged(&self.media, &self.bundle) == Some(index)
    }
}

/// The m-line whose transport is the group's: the first live one of the BUNDLE group (RFC 9143 section 7.2).
fn tagged(media: &[RemoteMedia], bundle: &[Mid]) -> Option<usize> {
    let of_mid = |mid: &Mid| media.iter().position(|m| m.mid == Some(*mid) && !m.rejected);
    bundle.iter().find_map(of_mid).or_else(|| media.iter().position(|m| !m.rejected))
}

/// The lines of a description, whose sizes and numbers are bounded.
fn lines(sdp: &str) -> Result<Vec<&str>, SdpError> {
    if sdp.len() > MAX_BYTES {
        return Err(SdpError(format!("the SDP has {} bytes; at most {MAX_BYTES} are allowed", sdp.len())));
    }
    let count = 1 + sdp.bytes().filter(|byte| *byte == b'\n').count();
    if count > MAX_LINES {
        return Err(SdpError(format!("the SDP has {count} lines; at most {MAX_LINES} are allowed")));
    }
    let mut lines = Vec::with_capacity(count);
    let mut media = 0;
    for line in sdp.split('\n') {
        lines.push(line);
        if line.len() > MAX_LINE_BYTES {
            let (number, length) = (lines.len(), line.len());
            return Err(SdpError(format!("line {number} has {length} bytes; at most {MAX_LINE_BYTES} are allowed")));
        }
        // The grammar skips carriage returns before a line's type.
        media += usize::from(line.trim_start_matches('\r').starts_with("m="));
        if media == 0 && lines.len() > MAX_SESSION_LINES {
            return Err(SdpError(format!("more than {MAX_SESSION_LINES} lines before the first m-line")));
        }
    }
    if media > MAX_MEDIA {
        return Err(SdpError(format!("the SDP has {media} m-lines; at most {MAX_MEDIA} are allowed")));
    }
    Ok(lines)
}

fn unique_mids(media: &[RemoteMedia]) -> Result<(), SdpError> {
    for (index, mid) in media.iter().enumerate().filter_map(|(i, m)| Some((i, m.mid?))) {
        // At most MAX_MEDIA, and mostly a few: comparing costs less than a table.
        if media.iter().take(index).any(|earlier| earlier.mid == Some(mid)) {
            return Err(SdpError(format!("a=mid:{mid} is used twice; each m-line needs its own")).at(index));
        }
    }
    Ok(())
}

/// The first BUNDLE group; WebRTC knows no second one.
fn bundle(session: &[Attribute<'_>]) -> Result<Vec<Mid>, SdpError> {
    let Some(mids) = values(session, "group").find_map(|value| value.strip_prefix("BUNDLE")) else {
        return Ok(Vec::new());
    };
    let mids = mids.split_ascii_whitespace().map(|text| {
        Mid::new(text).ok_or_else(|| SdpError::new("a=group:BUNDLE holds a mid that is not 1 to 16 token characters"))
    });
    let mids = mids.collect::<Result<Vec<_>, _>>()?;
    if mids.len() > MAX_MEDIA {
        return Err(SdpError(format!("a=group:BUNDLE names {} mids; at most {MAX_MEDIA} are allowed", mids.len())));
    }
    Ok(mids)
}

/// A foreign text, short enough to be quoted in an error.
fn brief(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}
