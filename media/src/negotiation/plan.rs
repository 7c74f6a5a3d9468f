//! How one publisher's packets are renumbered for one subscriber, resolved once at negotiation.

use super::SendLine;
use crate::formats::{Extension, FORMAT_COUNT, FormatId};
use crate::numbering::{MAX_EXTENSION_ID, Numbering};
use crate::rtp::writer::{ExtensionMap, OWN_NUMBER};

/// The payload types under which a subscriber takes Opus with copies of earlier packets (RFC 2198), whatever the publisher's are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RedTypes {
    /// Of the packet.
    pub(crate) red: u8,
    /// Of each block in it.
    pub(crate) opus: u8,
}

/// The tables of one (publisher, sending m-line) pair: three array look-ups a packet, no strings.
///
/// It holds as long as both sides' numbers do: it is to be made anew when the publisher's offer taught new numbers, and
/// when the subscriber's m-line was negotiated again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardPlan {
    media: [Option<u8>; FORMAT_COUNT],
    rtx: [Option<u8>; FORMAT_COUNT],
    redundant: Option<RedTypes>,
    /// No element has id 0: there is the subscriber's id of the transport-wide number, which is this hop's own.
    extensions: ExtensionMap,
}

impl ForwardPlan {
    /// The plan for what `publisher` sends to go out on `line`.
    #[must_use]
    pub fn new(publisher: &Numbering, line: &SendLine) -> Self {
        let mut plan = Self {
            media: [None; FORMAT_COUNT],
            rtx: [None; FORMAT_COUNT],
            redundant: None,
            extensions: [0; MAX_EXTENSION_ID as usize + 1],
        };
        for format in FormatId::of_kind(line.kind) {
            let types = line.accepting(format);
            plan.media[format.index()] = types.map(|t| t.media);
            plan.rtx[format.index()] = types.and_then(|t| t.rtx).filter(|_| line.rtx_ssrc.is_some());
        }
        let of = |format: FormatId| plan.media[format.index()];
        plan.redundant = of(FormatId::RED).zip(of(FormatId::OPUS)).map(|(red, opus)| RedTypes { red, opus });
        // A publisher's RED names Opus's payload type inside its payload: it passes only where both sides mean the same by it.
        if publisher.types(FormatId::OPUS).map(|t| t.media) != plan.media[FormatId::OPUS.index()] {
            plan.media[FormatId::RED.index()] = None;
        }
        for (id, egress) in (0..).zip(&mut plan.extensions) {
            let forwarded = publisher.extension(id).filter(|extension| extension.is_forwarded());
            *egress = forwarded.and_then(|extension| line.id(extension)).unwrap_or(0);
        }
        // What is sent again without RTX must be byte for byte what it was, and cannot have another number.
        let numbered = plan.media.iter().zip(&plan.rtx).all(|(media, rtx)| media.is_none() || rtx.is_some());
        plan.extensions[OWN_NUMBER] = line.id(Extension::TransportCc).filter(|_| numbered).unwrap_or(0);
        plan
    }

    /// The payload type under which the subscriber takes a format; `None` where it cannot decode it.
    #[must_use]
    pub fn media(&self, format: FormatId) -> Option<u8> {
        self.media[format.index()]
    }

    /// The payload type of that format's retransmissions; `None` where there is no RTX.
    #[must_use]
    pub fn rtx(&self, format: FormatId) -> Option<u8> {
        self.rtx[format.index()]
    }

    /// How Parlor's own RED is named to the subscriber; `None` where it takes none.
    #[must_use]
    pub(crate) fn redundant(&self) -> Option<RedTypes> {
        self.redundant
    }

    /// The subscriber's ids of header extensions by the publisher's; 0 where one is not forwarded.
    #[must_use]
    pub(crate) fn extensions(&self) -> &ExtensionMap {
        &self.extensions
    }

    /// Whether packets carry transport-wide numbers.
    #[must_use]
    pub(crate) fn is_numbered(&self) -> bool {
        self.extensions[OWN_NUMBER] != 0
    }

    /// The subscriber's id of the header extension with the publisher's `id`; `None` where it is not forwarded.
    #[must_use]
    pub fn extension(&self, id: u8) -> Option<u8> {
        self.extensions.get(usize::from(id)).copied().filter(|egress| id != 0 && *egress != 0)
    }
}
