//! One participant's payload types and header-extension ids, both ways.
//!
//! All m-lines of a participant share one transport (BUNDLE), so a number means the same on each of them (RFC 9143
//! section 9.1). The client's own numbers hold in both directions: Parlor answers with what was offered, and offers
//! what it has learnt; the tables below make that as cheap per packet as fixed numbers would be.

use crate::formats::{EXTENSION_COUNT, Extension, FORMAT_COUNT, FormatId};

/// The largest header-extension id that is used: the one-byte form ends at 14, the two-byte form (RFC 8285) at 255.
pub const MAX_EXTENSION_ID: u8 = 15;

/// What a payload type stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Payload {
    /// Nothing that was negotiated.
    #[default]
    Unknown,
    /// Media of that format.
    Media(FormatId),
    /// Retransmissions (RFC 4588) of that format.
    Rtx(FormatId),
}

/// A format's payload types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadTypes {
    /// Of the media.
    pub media: u8,
    /// Of its retransmissions, where negotiated.
    pub rtx: Option<u8>,
}

/// The tables. Empty until the first description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbering {
    payloads: [Payload; 128],
    types: [Option<PayloadTypes>; FORMAT_COUNT],
    extensions: [Option<Extension>; MAX_EXTENSION_ID as usize + 1],
    ids: [u8; EXTENSION_COUNT],
}

impl Default for Numbering {
    fn default() -> Self {
        Self {
            payloads: [Payload::Unknown; 128],
            types: [None; FORMAT_COUNT],
            extensions: [None; MAX_EXTENSION_ID as usize + 1],
            ids: [0; EXTENSION_COUNT],
        }
    }
}

impl Numbering {
    /// What a packet's payload type (its 7 bits) stands for.
    #[must_use]
    pub fn payload(&self, payload_type: u8) -> Payload {
        self.payloads[usize::from(payload_type & 127)]
    }

    /// The payload types of a format, if negotiated.
    #[must_use]
    pub fn types(&self, format: FormatId) -> Option<PayloadTypes> {
        self.types[format.index()]
    }

    /// The payload type under which this client accepts a format: its own, or that of a more capable decoder.
    #[must_use]
    pub fn accepting(&self, format: FormatId) -> Option<PayloadTypes> {
        format.accepted_as().find_map(|f| self.types(f))
    }

    /// What a header extension's id stands for.
    #[must_use]
    pub fn extension(&self, id: u8) -> Option<Extension> {
        *self.extensions.get(usize::from(id))?
    }

    /// The id of an extension, if negotiated.
    #[must_use]
    pub fn id(&self, extension: Extension) -> Option<u8> {
        Some(self.ids[extension as usize]).filter(|id| *id != 0)
    }

    /// Learns a format's payload types. The first word holds: returns whether the numbers are free or already mean this.
    pub fn learn_format(&mut self, format: FormatId, media: u8, rtx: Option<u8>) -> bool {
        let known = self.types[format.index()];
        if let Some(known) = known {
            return known.media == media && (known.rtx == rtx || rtx.is_none());
        }
        let free = |pt: u8| pt < 128 && self.payloads[usize::from(pt)] == Payload::Unknown;
        let rtx = rtx.filter(|pt| free(*pt) && *pt != media);
        if !free(media) {
            return false;
        }
        self.payloads[usize::from(media)] = Payload::Media(format);
        if let Some(rtx) = rtx {
            self.payloads[usize::from(rtx)] = Payload::Rtx(format);
        }
        self.types[format.index()] = Some(PayloadTypes { media, rtx });
        true
    }

    /// Learns an extension's id. The first word holds: returns whether the id is usable and free, or already means this.
    pub fn learn_extension(&mut self, extension: Extension, id: u8) -> bool {
        if let Some(known) = self.id(extension) {
            return known == id;
        }
        match self.extensions.get_mut(usize::from(id)) {
            Some(slot @ None) if id != 0 && id != 15 => {
                *slot = Some(extension);
                self.ids[extension as usize] = id;
                true
            }
            _ => false,
        }
    }

    /// Gives the default payload types to every format of Parlor's that has none yet, as far as they are free.
    /// For the server's offers to a client that has not offered media of its own.
    pub fn complete_with_defaults(&mut self) {
        for id in FormatId::all() {
            let format = id.format();
            let rtx = Some(format.default_rtx_payload_type).filter(|pt| *pt != 0);
            self.learn_format(id, format.default_payload_type, rtx);
        }
        for (index, extension) in Extension::ALL.into_iter().enumerate() {
            self.learn_extension(extension, index as u8 + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_about_a_number_holds() {
        let mut numbering = Numbering::default();
        assert!(numbering.learn_format(FormatId::VP8, 120, Some(124)));
        assert!(numbering.learn_format(FormatId::VP8, 120, Some(124)));
        assert!(!numbering.learn_format(FormatId::VP8, 121, None));
        assert!(!numbering.learn_format(FormatId::OPUS, 124, None));
        assert_eq!(numbering.payload(124), Payload::Rtx(FormatId::VP8));
        assert!(numbering.learn_extension(Extension::Mid, 3));
        assert!(!numbering.learn_extension(Extension::Rid, 3));
        assert!(!numbering.learn_extension(Extension::Rid, 15) && !numbering.learn_extension(Extension::Rid, 0));
        assert_eq!((numbering.extension(3), numbering.id(Extension::Mid)), (Some(Extension::Mid), Some(3)));
        assert_eq!(numbering.extension(255), None);
    }

    #[test]
    fn defaults_fill_what_the_client_left_open() {
        let mut numbering = Numbering::default();
        numbering.learn_format(FormatId::VP8, 111, None);
        numbering.complete_with_defaults();
        assert_eq!(numbering.types(FormatId::VP8).map(|t| t.media), Some(111));
        assert_eq!(numbering.types(FormatId::OPUS), None, "its default number is taken");
        assert!(FormatId::all().filter(|f| numbering.types(*f).is_some()).count() >= 12);
    }
}
