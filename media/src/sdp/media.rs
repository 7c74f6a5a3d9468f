//! One m-line of a client's description.

use super::attributes::{flag, inherited, is_token, parameters, values};
use super::grammar::{Attribute, MediaText};
use super::{Mid, SdpError, brief};
use crate::command::{MediaKind, Rid};
use crate::formats::{Extension, FormatId};

/// The most simulcast encodings: browsers send three; RFC 8853 names no limit.
pub(super) const MAX_RIDS: usize = 8;
/// The most SSRCs of an m-line: [`MAX_RIDS`] encodings with media, RTX and forward error correction each.
pub(super) const MAX_SSRCS: usize = MAX_RIDS * 3;
/// The most payload types of an m-line: there are no more (7 bits).
const MAX_FORMATS: usize = 128;

/// What an m-line carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionKind {
    /// RTP over DTLS-SRTP.
    Media(MediaKind),
    /// Data channels over SCTP over DTLS (RFC 8841).
    Data,
    /// Something that Parlor does not speak, and rejects.
    Other,
}

/// Who sends, from the point of view of the one who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// `sendrecv`, also where nothing is said.
    SendRecv,
    /// `sendonly`
    SendOnly,
    /// `recvonly`
    RecvOnly,
    /// `inactive`
    Inactive,
}

impl Direction {
    /// The direction of one who sends or receives so.
    #[must_use]
    pub const fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// The same seen from the other side.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// Whether the speaker sends.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the speaker receives.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The attribute's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive].into_iter().find(|d| d.as_str() == text)
    }
}

/// The RTCP feedback of a format (`a=rtcp-fb`, RFC 4585).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    /// `transport-cc`
    pub transport_cc: bool,
    /// `ccm fir` (RFC 5104)
    pub fir: bool,
    /// `nack`
    pub nack: bool,
    /// `nack pli`
    pub pli: bool,
    /// `goog-remb` (draft-alvestrand-rmcat-remb-03)
    pub remb: bool,
}

impl Feedback {
    /// What either has.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            transport_cc: self.transport_cc | other.transport_cc,
            fir: self.fir | other.fir,
            nack: self.nack | other.nack,
            pli: self.pli | other.pli,
            remb: self.remb | other.remb,
        }
    }

    fn learn(&mut self, value: &str) {
        match value {
            "transport-cc" => self.transport_cc = true,
            "ccm fir" => self.fir = true,
            "nack" => self.nack = true,
            "nack pli" => self.pli = true,
            "goog-remb" => self.remb = true,
            _ => {}
        }
    }

    /// The values after the payload type.
    pub(crate) fn values(self) -> impl Iterator<Item = &'static str> {
        let all = [
            (self.transport_cc, "transport-cc"),
            (self.remb, "goog-remb"),
            (self.fir, "ccm fir"),
            (self.nack, "nack"),
            (self.pli, "nack pli"),
        ];
        all.into_iter().filter_map(|(on, value)| on.then_some(value))
    }
}

/// A payload type that stands for a format Parlor forwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFormat {
    /// The format.
    pub id: FormatId,
    /// Its payload type.
    pub payload_type: u8,
    /// The payload type of its retransmissions (RFC 4588).
    pub rtx: Option<u8>,
    /// The text of `a=fmtp`; empty without one.
    pub fmtp: String,
    /// Its RTCP feedback, `*` included.
    pub feedback: Feedback,
}

/// A header extension that Parlor knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteExtension {
    /// The extension.
    pub extension: Extension,
    /// Its id.
    pub id: u8,
    /// In which direction it is meant, where that is said.
    pub direction: Option<Direction>,
}

/// A stream's SSRCs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SsrcPair {
    /// Of the media.
    pub media: u32,
    /// Of its retransmissions, by `a=ssrc-group:FID`.
    pub rtx: Option<u32>,
}

/// One m-line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteMedia {
    /// What it carries; [`SectionKind::Other`] also for a transport protocol that Parlor does not speak.
    pub kind: SectionKind,
    /// The m-line's media type, as it stands there.
    pub media: String,
    /// Its transport protocol, as it stands there.
    pub protocol: String,
    /// Its first format, as it stands there; a rejecting answer repeats it.
    pub first_format: String,
    /// Its identification; `None` only on rejected m-lines.
    pub mid: Option<Mid>,
    /// Port 0 without `a=bundle-only`: the m-line is stopped, or refused.
    pub rejected: bool,
    /// Who sends.
    pub direction: Direction,
    /// RTP and RTCP share a port (RFC 5761).
    pub rtcp_mux: bool,
    /// RTCP packets need not be compound (RFC 5506).
    pub rtcp_rsize: bool,
    /// All payload types that the m-line lists, known or not: bit n for type n.
    pub payload_types: u128,
    /// The payload types that Parlor knows, in the client's order of preference.
    pub formats: Vec<RemoteFormat>,
    /// The header extensions that Parlor knows.
    pub extensions: Vec<RemoteExtension>,
    /// The ids of all header extensions, known or not, as far as the one-byte form has them (RFC 8285 section 4.2): bit n for id n.
    pub extension_ids: u16,
    /// The rids that the client sends, in the order of `a=simulcast`, else of `a=rid`: a client that configures its
    /// encodings from the lowest to the highest, as Parlor's does, names the lowest first.
    pub rids: Vec<Rid>,
    /// Those of `rids` that are paused at first (`~`).
    pub paused: Vec<Rid>,
    /// Stream and track of the first `a=msid`.
    pub msid: Option<(String, String)>,
    /// The SSRCs that are announced, in order.
    pub ssrcs: Vec<SsrcPair>,
    /// SCTP's port inside DTLS.
    pub sctp_port: Option<u16>,
    /// The largest data-channel message that the client takes; 0 for any size, 65,536 where nothing is said (RFC 8841).
    pub max_message_size: u32,
}

impl RemoteMedia {
    pub(super) fn parse(
        session: &[Attribute<'_>],
        text: &MediaText<'_>,
        own: &[Attribute<'_>],
    ) -> Result<Self, SdpError> {
        let kind = section_kind(text);
        let rejected = text.port == 0 && !flag(&[], own, "bundle-only");
        let mid = mid(values(own, "mid").next(), rejected)?;
        let (listed, formats) = match kind {
            SectionKind::Media(kind) => {
                let listed = payload_types(&text.formats)?;
                let formats = formats(kind, &listed, own);
                (listed, formats)
            }
            SectionKind::Data | SectionKind::Other => Default::default(),
        };
        let (rids, paused) = rids(own)?;
        let number = |key| values(own, key).next().and_then(|value| value.parse::<u32>().ok());
        Ok(Self {
            kind,
            media: text.media.to_owned(),
            protocol: text.protocol.to_owned(),
            first_format: text.formats.first().map_or("0", |format| *format).to_owned(),
            mid,
            rejected,
            direction: direction(session, own),
            rtcp_mux: flag(session, own, "rtcp-mux"),
            rtcp_rsize: flag(session, own, "rtcp-rsize"),
            payload_types: listed.iter().fold(0, |all, pt| all | 1 << pt),
            formats,
            extensions: extensions(session, own),
            extension_ids: extension_ids(session, own),
            rids,
            paused,
            msid: msid(own),
            ssrcs: ssrcs(own)?,
            sctp_port: number("sctp-port").and_then(|port| port.try_into().ok()),
            max_message_size: number("max-message-size").unwrap_or(65_536),
        })
    }
}

fn section_kind(text: &MediaText<'_>) -> SectionKind {
    let rtp = matches!(text.protocol, "UDP/TLS/RTP/SAVPF" | "TCP/TLS/RTP/SAVPF");
    let sctp = matches!(text.protocol, "UDP/DTLS/SCTP" | "TCP/DTLS/SCTP");
    match text.media {
        "audio" if rtp => SectionKind::Media(MediaKind::Audio),
        "video" if rtp => SectionKind::Media(MediaKind::Video),
        "application" if sctp && text.formats.contains(&"webrtc-datachannel") => SectionKind::Data,
        _ => SectionKind::Other,
    }
}

fn mid(value: Option<&str>, rejected: bool) -> Result<Option<Mid>, SdpError> {
    match value {
        None if rejected => Ok(None),
        None => Err(SdpError::new("a=mid is missing")),
        Some(text) => Mid::new(text).map(Some).ok_or_else(|| {
            SdpError(format!("a=mid:{} is not 1 to 16 token characters (RFC 8866 section 9)", brief(text)))
        }),
    }
}

fn direction(session: &[Attribute<'_>], own: &[Attribute<'_>]) -> Direction {
    let last = |level: &[Attribute<'_>]| level.iter().rev().find_map(|a| Direction::parse(a.key));
    last(own).or_else(|| last(session)).unwrap_or(Direction::SendRecv)
}

fn payload_types(listed: &[&str]) -> Result<Vec<u8>, SdpError> {
    if listed.len() > MAX_FORMATS {
        let count = listed.len();
        return Err(SdpError(format!("{count} payload types; at most {MAX_FORMATS} are allowed")));
    }
    let number = |text: &&str| {
        let number = text.parse::<u8>().ok().filter(|pt| *pt < 128);
        number.ok_or_else(|| SdpError(format!("payload type {} is not a number from 0 to 127", brief(text))))
    };
    listed.iter().map(number).collect()
}

fn formats(kind: MediaKind, listed: &[u8], own: &[Attribute<'_>]) -> Vec<RemoteFormat> {
    let encodings = ByPayloadType::read(own, "rtpmap");
    let fmtps = ByPayloadType::read(own, "fmtp");
    let feedback: Vec<(&str, &str)> = values(own, "rtcp-fb").filter_map(|value| value.split_once(' ')).collect();
    let mut formats: Vec<RemoteFormat> = Vec::new();
    for &pt in listed {
        let fmtp = fmtps.get(pt).unwrap_or_default();
        let id = encodings.get(pt).and_then(|encoding| FormatId::from_sdp(encoding, fmtp));
        let Some(id) = id.filter(|id| id.kind() == kind) else { continue };
        // Two payload types of one format are one to a forwarder: the preferred one is taken.
        if formats.iter().any(|f| f.id == id) {
            continue;
        }
        let (rtx, feedback) = (retransmitted_as(pt, listed, &encodings, &fmtps), feedback_of(pt, &feedback));
        formats.push(RemoteFormat { id, payload_type: pt, rtx, fmtp: fmtp.to_owned(), feedback });
    }
    drop_unusable_red(&mut formats);
    formats
}

/// RED is of use only where its blocks are the Opus of the same m-line.
fn drop_unusable_red(formats: &mut Vec<RemoteFormat>) {
    let opus = formats.iter().find(|f| f.id == FormatId::OPUS).map(|f| f.payload_type.to_string());
    formats.retain(|f| {
        f.id != FormatId::RED || opus.as_ref().is_some_and(|opus| f.fmtp.split('/').all(|block| block.trim() == opus))
    });
}

/// The values of `a=<key>:<payload type> <value>`; the last one where there are several.
struct ByPayloadType<'a>([Option<&'a str>; MAX_FORMATS]);

impl<'a> ByPayloadType<'a> {
    fn read(own: &[Attribute<'a>], key: &str) -> Self {
        let mut all = [None; MAX_FORMATS];
        for (pt, value) in values(own, key).filter_map(|value| value.split_once(' ')) {
            if let Some(slot) = pt.parse().ok().and_then(|pt: usize| all.get_mut(pt)) {
                *slot = Some(value.trim());
            }
        }
        Self(all)
    }

    fn get(&self, payload_type: u8) -> Option<&'a str> {
        self.0.get(usize::from(payload_type)).copied().flatten()
    }
}

/// The last payload type that retransmits this one.
fn retransmitted_as(
    payload_type: u8,
    listed: &[u8],
    encodings: &ByPayloadType<'_>,
    fmtps: &ByPayloadType<'_>,
) -> Option<u8> {
    let repairs = |rtx: &u8| {
        let name = encodings.get(*rtx).unwrap_or_default().split('/').next();
        name.is_some_and(|name| name.eq_ignore_ascii_case("rtx"))
            && parameters(fmtps.get(*rtx).unwrap_or_default())
                .find(|(key, _)| *key == "apt")
                .is_some_and(|(_, apt)| apt.parse() == Ok(payload_type))
    };
    listed.iter().rev().copied().find(repairs)
}

fn feedback_of(payload_type: u8, values: &[(&str, &str)]) -> Feedback {
    let mut feedback = Feedback::default();
    for (pt, value) in values {
        if *pt == "*" || pt.parse() == Ok(payload_type) {
            feedback.learn(value.trim());
        }
    }
    feedback
}

/// `a=extmap:<id>[/<direction>] <uri> [<attributes>]` (RFC 8285 section 5): id, direction and URI.
fn extmap(value: &str) -> Option<(u8, Option<Direction>, &str)> {
    let mut words = value.split_ascii_whitespace();
    let (id, uri) = (words.next()?, words.next()?);
    let (id, direction) = id.split_once('/').map_or((id, None), |(id, d)| (id, Direction::parse(d)));
    Some((id.parse().ok()?, direction, uri))
}

fn extension_ids(session: &[Attribute<'_>], own: &[Attribute<'_>]) -> u16 {
    let ids = inherited(session, own, "extmap").into_iter().filter_map(extmap).map(|(id, ..)| id);
    ids.filter(|id| *id < 15).fold(0, |all, id| all | 1 << id)
}

fn extensions(session: &[Attribute<'_>], own: &[Attribute<'_>]) -> Vec<RemoteExtension> {
    let mut known: Vec<RemoteExtension> = Vec::new();
    for (id, direction, uri) in inherited(session, own, "extmap").into_iter().filter_map(extmap) {
        let Some(extension) = Extension::from_uri(uri) else { continue };
        if known.iter().all(|k| k.extension != extension && k.id != id) {
            known.push(RemoteExtension { extension, id, direction });
        }
    }
    known
}

/// The rids sent and those of them that start paused: `a=rid` (RFC 8851) in the order of `a=simulcast` (RFC 8853).
fn rids(own: &[Attribute<'_>]) -> Result<(Vec<Rid>, Vec<Rid>), SdpError> {
    let mut sent = Vec::new();
    for value in values(own, "rid") {
        let mut words = value.split_ascii_whitespace();
        let (Some(rid), Some("send")) = (words.next(), words.next()) else { continue };
        let invalid = || SdpError(format!("a=rid:{} is not 1 to 16 letters, digits, - or _", brief(rid)));
        let rid = Rid::new(rid).ok_or_else(invalid)?;
        if !sent.contains(&rid) {
            sent.push(rid);
        }
        if sent.len() > MAX_RIDS {
            return Err(SdpError(format!("more than {MAX_RIDS} a=rid lines of sent encodings")));
        }
    }
    let simulcast = values(own, "simulcast").next().unwrap_or_default();
    let mut words = simulcast.split_ascii_whitespace();
    let Some(list) = words.by_ref().find(|word| *word == "send").and_then(|_| words.next()) else {
        return Ok((sent, Vec::new()));
    };
    let (mut order, mut paused) = (Vec::new(), Vec::new());
    // Between commas stand alternative formats of one encoding, of which the first is preferred.
    for name in list.split(';').filter_map(|encoding| encoding.split(',').next()) {
        let Some(rid) = Rid::new(name.trim_start_matches('~')) else { continue };
        if sent.contains(&rid) && !order.contains(&rid) {
            order.push(rid);
            if name.starts_with('~') {
                paused.push(rid);
            }
        }
    }
    Ok((order, paused))
}

/// `a=msid:<stream> [<track>]`, each at most 64 token characters; RFC 8830 section 2.
fn msid(own: &[Attribute<'_>]) -> Option<(String, String)> {
    let value = values(own, "msid").next()?;
    let mut words = value.split_ascii_whitespace().map(|word| {
        // Firefox wraps its identifiers in braces, which token-char includes.
        (word.len() <= 64 && word.bytes().all(is_token)).then(|| word.to_owned())
    });
    Some((words.next()??, words.next().flatten().unwrap_or_default()))
}

/// The announced SSRCs in order, retransmissions beside what they repair.
fn ssrcs(own: &[Attribute<'_>]) -> Result<Vec<SsrcPair>, SdpError> {
    let mut all: Vec<u32> = Vec::new();
    for value in values(own, "ssrc") {
        let number = value.split_ascii_whitespace().next().and_then(|n| n.parse().ok());
        if let Some(ssrc) = number.filter(|n| !all.contains(n)) {
            all.push(ssrc);
        }
        if all.len() > MAX_SSRCS {
            return Err(SdpError(format!("more than {MAX_SSRCS} SSRCs in one m-line")));
        }
    }
    let groups = values(own, "ssrc-group").take(MAX_SSRCS).filter_map(|value| {
        let mut words = value.split_ascii_whitespace();
        let semantics = words.next()?;
        Some((semantics, words.next()?.parse::<u32>().ok()?, words.next()?.parse::<u32>().ok()?))
    });
    let mut rtx = Vec::new();
    for (semantics, first, second) in groups {
        if matches!(semantics, "FID" | "FEC-FR") {
            all.retain(|ssrc| *ssrc != second);
        }
        if semantics == "FID" && all.contains(&first) {
            rtx.push((first, second));
        }
    }
    // The last word on a stream holds.
    let rtx_of = |media| rtx.iter().rev().find(|(first, _)| *first == media).map(|(_, second)| *second);
    Ok(all.into_iter().map(|media| SsrcPair { media, rtx: rtx_of(media) }).collect())
}
