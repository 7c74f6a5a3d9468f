//! SDP's grammar (RFC 8866 section 9), as far as it tells a description from other text: which line stands where.
//!
//! Everything is borrowed from the text: a description has hundreds of lines, few of which mean anything here. Lines that
//! nobody reads, such as bandwidths and time zones, may hold anything.

use super::{SdpError, brief};
use std::ops::Range;

/// A session description, line by line.
#[derive(Debug)]
pub(super) struct SessionText<'a> {
    pub(super) media: Vec<MediaText<'a>>,
    /// All of them, in their order; the m-lines say which are theirs, and what is before is the session's.
    attributes: Vec<Attribute<'a>>,
}

/// An m-line.
#[derive(Debug)]
pub(super) struct MediaText<'a> {
    pub(super) media: &'a str,
    pub(super) port: u16,
    pub(super) protocol: &'a str,
    /// At least one.
    pub(super) formats: Vec<&'a str>,
    /// Which attributes follow it.
    attributes: Range<usize>,
}

/// An `a=` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attribute<'a> {
    pub(super) key: &'a str,
    /// Without white space around it; empty for a flag.
    pub(super) value: &'a str,
    mark: u32,
}

/// What tells most keys apart at a glance: an m-line's attributes are gone through once for each key.
fn mark(key: &str) -> u32 {
    let key = key.as_bytes();
    let at = |index: usize| key.get(index).copied().unwrap_or_default();
    u32::from_be_bytes([key.len() as u8, at(0), at(key.len() / 2), at(key.len().wrapping_sub(1))])
}

/// Those of a key, in their order.
pub(super) fn of_key<'l, 'a>(list: &'l [Attribute<'a>], key: &'l str) -> impl Iterator<Item = &'l Attribute<'a>> {
    let mark = mark(key);
    list.iter().filter(move |attribute| attribute.mark == mark && attribute.key == key)
}

impl<'a> SessionText<'a> {
    /// Reads a text whose size has been bounded, line by line, without the line feeds.
    pub(super) fn parse(lines: &[&'a str]) -> Result<Self, SdpError> {
        let mut attributes = Vec::with_capacity(lines.len());
        let mut lines = lines.iter().filter_map(|line| Line::read(line));
        let mut expect = |kind| match lines.next() {
            Some(Ok(line)) if line.kind == kind => Ok(line.value),
            Some(Ok(line)) => Err(line.refused()),
            Some(Err(error)) => Err(error),
            None => Err(SdpError::new("not an SDP: it ends early")),
        };
        // JSEP allows no other version than 0 (RFC 8829 section 5.8.1).
        if expect(b'v')?.parse() != Ok(0_u32) {
            return Err(SdpError::new("not an SDP: its version is not 0"));
        }
        if !is_origin(expect(b'o')?) {
            return Err(SdpError::new("not an SDP: its o= line is not as it must be"));
        }
        expect(b's')?;
        let (mut media, mut timed) = (Vec::<MediaText<'a>>::new(), false);
        for line in lines {
            let line = line?;
            match (line.kind, media.last_mut()) {
                (b'm', _) if timed => media.push(MediaText::parse(line.value, attributes.len())?),
                (b'a', Some(media)) => {
                    attributes.push(Attribute::parse(line.value));
                    media.attributes.end = attributes.len();
                }
                (b'i' | b'c' | b'b' | b'k', Some(_)) => {}
                (b'a', None) if timed => attributes.push(Attribute::parse(line.value)),
                (b't' | b'r' | b'z' | b'k', None) if timed => {}
                (b'i' | b'u' | b'e' | b'p' | b'c' | b'b', None) if !timed => {}
                (b't', None) => timed = true,
                _ => return Err(line.refused()),
            }
        }
        if timed { Ok(Self { media, attributes }) } else { Err(SdpError::new("not an SDP: it has no t= line")) }
    }

    /// The session's own attributes.
    pub(super) fn attributes(&self) -> &[Attribute<'a>] {
        let end = self.media.first().map_or(self.attributes.len(), |media| media.attributes.start);
        self.attributes.get(..end).unwrap_or_default()
    }

    /// An m-line's.
    pub(super) fn attributes_of(&self, media: &MediaText<'a>) -> &[Attribute<'a>] {
        self.attributes.get(media.attributes.clone()).unwrap_or_default()
    }
}

impl<'a> MediaText<'a> {
    fn parse(value: &'a str, attributes: usize) -> Result<Self, SdpError> {
        let refused = || SdpError(format!("not an SDP: m={}", brief(value)));
        let mut words = value.split_whitespace();
        let [Some(media), Some(port), Some(protocol)] = std::array::from_fn(|_| words.next()) else {
            return Err(refused());
        };
        let formats: Vec<&str> = words.collect();
        let known = ["audio", "video", "text", "application", "message", "image"].contains(&media);
        // `9/2` stands for two ports.
        let port = port.split('/').next().and_then(|port| port.parse().ok());
        let port = port.filter(|_| known && !formats.is_empty() && protocol.split('/').all(|word| !word.is_empty()));
        Ok(Self { media, port: port.ok_or_else(refused)?, protocol, formats, attributes: attributes..attributes })
    }
}

impl<'a> Attribute<'a> {
    fn parse(line: &'a str) -> Self {
        let (key, value) = line.split_once(':').unwrap_or((line, ""));
        Self { key, value: value.trim(), mark: mark(key) }
    }
}

struct Line<'a> {
    kind: u8,
    value: &'a str,
}

impl<'a> Line<'a> {
    /// `<type>=<value>`; `None` for an empty line.
    fn read(text: &'a str) -> Option<Result<Self, SdpError>> {
        // Some end their lines by CR LF, some by LF alone.
        let text = text.trim_start_matches('\r');
        match text.as_bytes() {
            [] => None,
            [kind, b'=', ..] => Some(Ok(Self { kind: *kind, value: text.get(2..).unwrap_or_default().trim() })),
            _ => Some(Err(SdpError(format!("not an SDP: {}", brief(text))))),
        }
    }

    fn refused(&self) -> SdpError {
        SdpError(format!("not an SDP: {}= stands where it may not", char::from(self.kind)))
    }
}

/// `<username> <session id> <version> IN IP4|IP6 <address>`
fn is_origin(value: &str) -> bool {
    let mut words = value.split_whitespace();
    let [Some(_), Some(id), Some(version), Some("IN"), Some("IP4" | "IP6"), Some(_), None] =
        std::array::from_fn(|_| words.next())
    else {
        return false;
    };
    id.parse::<u64>().is_ok() && version.parse::<u64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::super::tests::{ALL, damaged};
    use super::*;
    use proptest::prelude::*;
    use rtc::sdp::description::common::Attribute as Theirs;
    use rtc::sdp::description::session::SessionDescription;

    /// Asserts that whatever webrtc-rs's grammar takes, this one takes, and reads as the same. Tells whether it did.
    fn agrees(sdp: &str) -> bool {
        let Ok(theirs) = SessionDescription::unmarshal(&mut std::io::Cursor::new(sdp.as_bytes())) else { return false };
        let lines: Vec<&str> = sdp.split('\n').collect();
        let own = SessionText::parse(&lines).unwrap_or_else(|error| panic!("{error}: {sdp}"));
        let pairs = |own: &[Attribute<'_>]| own.iter().map(|a| (a.key.to_owned(), a.value.to_owned())).collect();
        let read = |theirs: &[Theirs]| -> Vec<(String, String)> {
            theirs.iter().map(|a| (a.key.clone(), a.value.as_deref().unwrap_or_default().trim().to_owned())).collect()
        };
        let own_session: Vec<(String, String)> = pairs(own.attributes());
        assert_eq!(own_session, read(&theirs.attributes));
        assert_eq!(own.media.len(), theirs.media_descriptions.len());
        for (media, theirs) in own.media.iter().zip(&theirs.media_descriptions) {
            let name = &theirs.media_name;
            assert_eq!((media.media, isize::try_from(media.port).unwrap()), (name.media.as_str(), name.port.value));
            assert_eq!((media.protocol, media.formats.join(" ")), (&*name.protos.join("/"), name.formats.join(" ")));
            let attributes: Vec<(String, String)> = pairs(own.attributes_of(media));
            assert_eq!(attributes, read(&theirs.attributes));
        }
        true
    }

    #[test]
    fn real_descriptions_are_read_as_webrtc_rs_reads_them() {
        assert!(ALL.iter().all(|sdp| agrees(sdp)));
    }

    #[test]
    fn lines_stand_in_their_order() {
        let head = "v=0\no=- 1 1 IN IP4 0\ns=-\n";
        let parses = |sdp: &str| SessionText::parse(&lines(sdp).unwrap()).is_ok();
        let accepted = |rest: &str| parses(&format!("{head}{rest}"));
        assert!(
            accepted("t=0 0") && accepted("\r\n\r\nc=IN IP4 0\r\nb=AS:5\r\nt=0 0\r\na=x\r\nm=audio 9 UDP 0\r\ni=x")
        );
        for wrong in
            ["", "a=x\nt=0 0", "m=audio 9 UDP 0", "t=0 0\nu=x", "t=0 0\nm=audio 9 UDP", "t=0 0\nm=sound 9 UDP 0"]
        {
            assert!(!accepted(wrong), "{wrong}");
        }
        for wrong in
            ["t=0 0\nm=audio 65536 UDP 0", "t=0 0\nm=audio 9 UDP//X 0", "t=0 0\nhello", "t=0 0\nm=audio 9 U 0\nt=0 0"]
        {
            assert!(!accepted(wrong), "{wrong}");
        }
        let origin = |line: &str| parses(&format!("v=0\no={line}\ns=-\nt=0 0"));
        assert!(origin("- 18446744073709551615 2 IN IP6 ::1"));
        for wrong in ["- 1 1 IN IP4", "- 1 1 IN IP4 0 0", "- -1 1 IN IP4 0", "- 1 x IN IP4 0", "- 1 1 ATM IP4 0"] {
            assert!(!origin(wrong), "{wrong}");
        }
        assert!(!parses("v=1\no=- 1 1 IN IP4 0\ns=-\nt=0 0"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn damaged_descriptions_are_read_as_webrtc_rs_reads_them(sdp in damaged()) {
            agrees(&sdp);
        }
    }
}
