//! One m-line as both sides have agreed on it.

use super::pool::{Line, LineIndex};
use crate::command::{MediaKind, Rid};
use crate::formats::{Codec, Extension, FormatId};
use crate::numbering::{MAX_EXTENSION_ID, Numbering};
use crate::sdp::{
    Direction, Feedback, Mid, RemoteExtension, RemoteFormat, RemoteMedia, SectionKind, SsrcPair, parameters,
};
use std::sync::Arc;

/// An m-line of the session. What is the same on many of them is held once: see [`Self::share`].
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) kind: SectionKind,
    pub(super) mid: Option<Mid>,
    /// The m-line's words, which a rejection repeats.
    pub(super) words: Arc<Words>,
    pub(super) rejected: bool,
    /// The line of the pool that sends on it; `None` on the client's own m-lines.
    pub(super) line: Option<LineIndex>,
    /// The formats in the client's order, `fmtp` being what Parlor says of them.
    pub(super) formats: Arc<[RemoteFormat]>,
    /// The header extensions, directions as the client sees them.
    pub(super) extensions: Arc<[RemoteExtension]>,
    pub(super) rtcp_rsize: bool,
    pub(super) client_sends: bool,
    /// Matters on the pool's lines: the server sends nowhere else.
    pub(super) client_receives: bool,
    pub(super) rids: Vec<Rid>,
    pub(super) ssrcs: Vec<SsrcPair>,
}

/// The parts of an `m=` line that Parlor may not understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) media: String,
    pub(super) protocol: String,
    pub(super) format: String,
}

impl Section {
    fn new(media: &RemoteMedia, line: Option<LineIndex>) -> Self {
        Self {
            kind: media.kind,
            mid: media.mid,
            words: Arc::new(Words {
                media: media.media.clone(),
                protocol: media.protocol.clone(),
                format: media.first_format.clone(),
            }),
            rejected: false,
            line,
            formats: Arc::default(),
            extensions: Arc::default(),
            rtcp_rsize: media.rtcp_rsize,
            client_sends: false,
            client_receives: false,
            rids: Vec::new(),
            ssrcs: Vec::new(),
        }
    }

    /// An m-line that is refused, by whichever side.
    pub(super) fn rejected(media: &RemoteMedia, line: Option<LineIndex>) -> Self {
        Self { rejected: true, ..Self::new(media, line) }
    }

    /// Data channels.
    pub(super) fn data(media: &RemoteMedia) -> Self {
        Self::new(media, None)
    }

    /// The client's own m-line: what of its words is known, and does not contradict its earlier ones in `numbering`.
    ///
    /// It is rejected when no format is left.
    pub(super) fn received(media: &RemoteMedia, kind: MediaKind, numbering: &mut Numbering) -> Self {
        let mut section = Self::new(media, None);
        let mut formats = Vec::new();
        for format in &media.formats {
            let (id, pt) = (format.id, format.payload_type);
            if numbering.learn_format(id, pt, format.rtx) || numbering.learn_format(id, pt, None) {
                let rtx = numbering.types(id).and_then(|types| types.rtx).filter(|rtx| Some(*rtx) == format.rtx);
                formats.push(RemoteFormat { rtx, ..answered(format) });
            }
        }
        keep_red_with_opus(&mut formats);
        section.formats = formats.into();
        let usable = usable_extensions(media, kind).filter(|e| may_be_sent(e, &section.formats));
        section.extensions = usable.filter(|e| numbering.learn_extension(e.extension, e.id)).collect();
        section.rejected = section.formats.is_empty();
        section.hear(media);
        section
    }

    /// An m-line of the pool's. Numbers concern the line alone, unless the client sends on it, too: then they must not
    /// contradict its other words in `numbering`, or else it is not heard there.
    pub(super) fn sent(media: &RemoteMedia, kind: MediaKind, line: LineIndex, numbering: &mut Numbering) -> Self {
        let mut section = Self::new(media, Some(line));
        let answered = |format: &RemoteFormat| RemoteFormat {
            feedback: Feedback { remb: format.feedback.remb && kind == MediaKind::Video, ..answered(format).feedback },
            ..answered(format)
        };
        section.formats = media.formats.iter().map(answered).collect();
        let sends = media.direction.sends();
        let usable = usable_extensions(media, kind).filter(|e| !sends || may_be_sent(e, &section.formats));
        section.extensions = usable.collect();
        section.rejected = section.formats.is_empty();
        section.client_receives = media.direction.receives();
        if sends {
            let mut words = numbering.clone();
            let formats = section.formats.iter().all(|f| words.learn_format(f.id, f.payload_type, f.rtx));
            if formats && section.extensions.iter().all(|e| words.learn_extension(e.extension, e.id)) {
                *numbering = words;
                section.hear(media);
            }
        }
        section
    }

    /// Takes over how the client sends, if it does.
    fn hear(&mut self, media: &RemoteMedia) {
        self.client_sends = media.direction.sends() && !self.rejected;
        // Encodings can be told apart by the rid extension alone.
        if self.extensions.iter().any(|e| e.extension == Extension::Rid) {
            self.rids.clone_from(&media.rids);
        }
        self.ssrcs.clone_from(&media.ssrcs);
    }

    /// A line of the pool that is to be offered for the first time, in the client's numbers.
    pub(super) fn sending(line: &Line, numbering: &Numbering) -> Self {
        let mut formats = FormatId::of_kind(line.kind).filter_map(|id| offered(id, numbering)).collect();
        keep_red_with_opus(&mut formats);
        let sent = Extension::ALL.into_iter().filter(|e| e.is_sent(line.kind));
        let known = sent.filter_map(|extension| Some((extension, numbering.id(extension)?)));
        Self {
            kind: SectionKind::Media(line.kind),
            mid: Some(line.mid),
            words: Arc::new(Words::rtp(line.kind)),
            rejected: false,
            line: Some(line.index),
            formats: formats.into(),
            extensions: known.map(|(extension, id)| RemoteExtension { extension, id, direction: None }).collect(),
            rtcp_rsize: true,
            client_sends: false,
            client_receives: true,
            rids: Vec::new(),
            ssrcs: Vec::new(),
        }
    }

    /// Holds in common with others what is the same: most m-lines of a session differ in their mids alone.
    pub(super) fn share(&mut self, others: &[Self]) {
        if let Some(other) = others.iter().find(|other| other.formats == self.formats) {
            self.formats = Arc::clone(&other.formats);
        }
        if let Some(other) = others.iter().find(|other| other.extensions == self.extensions) {
            self.extensions = Arc::clone(&other.extensions);
        }
        if let Some(other) = others.iter().find(|other| other.words == self.words) {
            self.words = Arc::clone(&other.words);
        }
    }

    /// What the client sends on it.
    pub(super) fn receives(&self, index: usize) -> Option<ReceiveLine> {
        let (SectionKind::Media(kind), Some(mid)) = (self.kind, self.mid) else { return None };
        (self.client_sends && !self.rejected).then(|| ReceiveLine {
            index,
            mid,
            kind,
            formats: self.formats.iter().map(|f| f.id).collect(),
            rids: self.rids.clone(),
            ssrcs: self.ssrcs.clone(),
            feedback: self.formats.iter().fold(Feedback::default(), |all, f| all.or(f.feedback)),
        })
    }

    /// The extensions that the server's description names, directions as the server sees them.
    pub(super) fn described_extensions(&self) -> impl Iterator<Item = RemoteExtension> + '_ {
        let of_use = move |e: &&RemoteExtension| match e.direction {
            None => true,
            Some(direction) => {
                (self.client_sends && direction.sends()) || (self.line.is_some() && direction.receives())
            }
        };
        self.extensions
            .iter()
            .filter(of_use)
            .map(|e| RemoteExtension { direction: e.direction.map(Direction::reversed), ..*e })
    }
}

impl Words {
    fn rtp(kind: MediaKind) -> Self {
        let media = match kind {
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
        };
        Self { media: media.to_owned(), protocol: "UDP/TLS/RTP/SAVPF".to_owned(), format: "0".to_owned() }
    }
}

/// A format as the server's own offers name it.
fn offered(id: FormatId, numbering: &Numbering) -> Option<RemoteFormat> {
    let types = numbering.types(id)?;
    let opus = numbering.types(FormatId::OPUS).map(|t| t.media.to_string()).unwrap_or_default();
    let feedback = match id.kind() {
        MediaKind::Video => {
            let transport_cc = numbering.id(Extension::TransportCc).is_some();
            Feedback { fir: true, nack: true, pli: true, transport_cc, remb: !transport_cc }
        }
        MediaKind::Audio => Feedback::default(),
    };
    let fmtp = id.format().fmtp.replace("{opus}", &opus);
    Some(RemoteFormat { id, payload_type: types.media, rtx: types.rtx, fmtp, feedback })
}

/// An m-line on which the client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiveLine {
    /// Its position among all m-lines.
    pub index: usize,
    /// Its identification; another mid at the same position is another line.
    pub mid: Mid,
    /// Audio or video.
    pub kind: MediaKind,
    /// The formats that it may carry, the client's favourite first.
    pub formats: Vec<FormatId>,
    /// The simulcast rids in SDP's order: the lowest quality first, by the convention of Parlor's client. Empty without
    /// simulcast, and where the client does not mark its packets with rids.
    pub rids: Vec<Rid>,
    /// The SSRCs that the client announced; a client without mid and rid extensions is told apart by these.
    pub ssrcs: Vec<SsrcPair>,
    /// The RTCP feedback that some format of it may get.
    pub feedback: Feedback,
}

/// The extensions of an m-line that Parlor can use: of its kind, with an id of the one-byte form.
fn usable_extensions(media: &RemoteMedia, kind: MediaKind) -> impl Iterator<Item = RemoteExtension> + '_ {
    let usable = move |e: &&RemoteExtension| e.extension.applies_to(kind) && (1..MAX_EXTENSION_ID).contains(&e.id);
    media.extensions.iter().filter(usable).copied()
}

/// Whether the server wants an extension from a client that sends in these formats. With the dependency descriptor Chromium leaves layers
/// and picture numbers out of the payloads of VP8 and VP9, from which they are read here. Of AV1, which has them nowhere else, it is taken.
fn may_be_sent(known: &RemoteExtension, formats: &[RemoteFormat]) -> bool {
    let sends_av1 = formats.first().is_some_and(|format| format.id.format().codec == Codec::Av1);
    sends_av1 || known.extension != Extension::DependencyDescriptor
}

/// The parameters that Parlor's answer repeats: those that describe the stream, and none that restrict its size.
const fn repeated_parameters(codec: Codec) -> &'static [&'static str] {
    match codec {
        Codec::Opus => &["minptime", "useinbandfec", "usedtx", "stereo"],
        Codec::Red | Codec::Vp8 => &[],
        Codec::Vp9 => &["profile-id"],
        Codec::H264 => &["level-asymmetry-allowed", "packetization-mode", "profile-level-id"],
        Codec::H265 => &["profile-id", "tier-flag", "level-id", "tx-mode"],
        Codec::Av1 => &["profile", "level-idx", "tier"],
    }
}

/// The client's format as Parlor answers it.
fn answered(format: &RemoteFormat) -> RemoteFormat {
    let codec = format.id.format().codec;
    let fmtp = if codec == Codec::Red {
        format.fmtp.clone()
    } else {
        let safe = |v: &str| v.len() <= 16 && v.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
        let kept = parameters(&format.fmtp).filter(|(k, v)| repeated_parameters(codec).contains(k) && safe(v));
        kept.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(";")
    };
    // Audio is repaired by RED and FEC; NACK is agreed on where the client wants it for Opus. It has no transport-wide numbers in either
    // direction: see `Extension::applies_to`.
    let feedback = match format.id.kind() {
        // The server estimates nothing for those who send to it.
        MediaKind::Video => Feedback { remb: false, ..format.feedback },
        MediaKind::Audio => Feedback { nack: format.feedback.nack && codec == Codec::Opus, ..Feedback::default() },
    };
    RemoteFormat { fmtp, feedback, ..*format }
}

fn keep_red_with_opus(formats: &mut Vec<RemoteFormat>) {
    if !formats.iter().any(|f| f.id == FormatId::OPUS) {
        formats.retain(|f| f.id != FormatId::RED);
    }
}
