//! What both sides have agreed on so far. It changes as a whole or not at all: changes are made on a copy.

use super::pool::{Line, LineIndex, Signalled};
use super::section::{ReceiveLine, Section};
use super::{DtlsRole, Outstanding};
use crate::command::{MediaKind, NegotiationError};
use crate::formats::{Extension, FormatId};
use crate::numbering::Numbering;
use crate::sdp::{
    MAX_MEDIA, Mid, RemoteDescription, RemoteExtension, RemoteFormat, RemoteMedia, RemoteTransport, SectionKind, Setup,
};

pub(super) fn invalid(text: impl Into<String>) -> NegotiationError {
    NegotiationError::Invalid(text.into())
}

#[derive(Clone, Debug, Default)]
pub(super) struct Agreement {
    pub(super) sections: Vec<Section>,
    pub(super) lines: Vec<Line>,
    /// The numbers of what the client sends: its own words alone.
    pub(super) ingress: Numbering,
    /// All of the client's words about numbers, also on the lines where it receives: the base of the server's offers.
    words: Numbering,
    pub(super) remote: Option<RemoteTransport>,
    pub(super) role: Option<DtlsRole>,
    pub(super) extmap_allow_mixed: bool,
    /// The client has named numbers for audio, for video.
    named: [bool; 2],
    /// The payload types that the client has used for anything.
    taken: u128,
    /// The ids that it has used for any header extension.
    taken_ids: u16,
}

/// Chromium's id of the dependency descriptor: one that it will not want for another extension later.
const DESCRIPTOR_ID: u8 = 12;

impl Agreement {
    pub(super) fn accept_offer(
        &mut self,
        offer: &RemoteDescription,
        follows_bindings: bool,
    ) -> Result<(), NegotiationError> {
        if offer.ice_lite {
            return Err(invalid("a=ice-lite: the server is an ICE-lite agent, so the client must be a full one"));
        }
        let (had, has) = (self.sections.len(), offer.media.len());
        if has < had {
            return Err(invalid(format!(
                "the offer has {has} m-lines, but {had} are negotiated: m-lines never go away"
            )));
        }
        self.accept_transport(offer, true)?;
        self.extmap_allow_mixed = offer.extmap_allow_mixed;
        for (index, media) in offer.media.iter().enumerate() {
            let line = self.owner(index, media)?;
            let section = self.offered(index, media, line, offer)?;
            self.place(index, section);
        }
        for index in 0..self.lines.len() {
            self.settle(index, None, follows_bindings);
        }
        Ok(())
    }

    /// `offered` is what the outstanding offer described: its m-lines, and what it told of the pool's.
    pub(super) fn accept_answer(
        &mut self,
        answer: &RemoteDescription,
        offered: &Outstanding,
        follows_bindings: bool,
    ) -> Result<(), NegotiationError> {
        let (expected, has) = (offered.sections.len(), answer.media.len());
        if has != expected {
            return Err(invalid(format!("the answer has {has} m-lines, but the offer has {expected}")));
        }
        self.accept_transport(answer, false)?;
        for (index, (media, section)) in answer.media.iter().zip(&offered.sections).enumerate() {
            let same_kind = media.kind == section.kind || media.rejected;
            if !same_kind || (media.mid != section.mid && media.mid.is_some()) {
                return Err(invalid(format!("m-line {index}: the answer must keep the offer's kind and mid")));
            }
            let agreed = self.answered(index, media, section, answer);
            self.place(index, agreed);
        }
        for (line, told) in &offered.told {
            self.settle(line.index(), Some(told), follows_bindings);
        }
        Ok(())
    }

    /// Takes the client's end of the transport, which keeps its certificate and DTLS role from the first offer on.
    fn accept_transport(&mut self, description: &RemoteDescription, offers: bool) -> Result<(), NegotiationError> {
        let Some(remote) = &description.transport else {
            let known = self.remote.as_ref().map(|_| ());
            return known.ok_or_else(|| invalid("no m-line that is not rejected: there is nothing to connect"));
        };
        if self.remote.as_ref().is_some_and(|known| known.fingerprints != remote.fingerprints) {
            return Err(invalid("a=fingerprint changed: a new certificate needs a new connection; join again"));
        }
        let role = match (self.role, remote.setup) {
            (None, Setup::Passive) => DtlsRole::Client,
            (None, Setup::ActPass | Setup::Active) => DtlsRole::Server,
            (Some(DtlsRole::Server), Setup::Passive) | (Some(DtlsRole::Client), Setup::Active) if offers => {
                return Err(invalid("a=setup contradicts the DTLS roles that were agreed on; say actpass, or keep it"));
            }
            // The association stays (RFC 8842 section 4). webrtc-rs as the answerer names the opposite of its role then.
            (Some(role), _) => role,
        };
        self.role = Some(role);
        self.remote = Some(remote.clone());
        Ok(())
    }

    /// Whose an offered m-line is: a line of the pool's, or the client's own.
    fn owner(&mut self, index: usize, media: &RemoteMedia) -> Result<Option<LineIndex>, NegotiationError> {
        let known = self.sections.get(index);
        if let Some(known) = known.filter(|known| !known.rejected || known.mid == media.mid) {
            let same_kind = media.kind == known.kind || media.rejected || known.rejected;
            if !same_kind || (media.mid != known.mid && media.mid.is_some()) {
                let mid = known.mid.map(|mid| mid.to_string()).unwrap_or_default();
                return Err(invalid(format!("m-line {index}: kind and mid must stay what they are (mid {mid})")));
            }
            let alive = |line: &LineIndex| self.lines.get(line.index()).is_some_and(|line| !line.dead);
            return Ok(known.line.filter(alive));
        }
        // A new m-line, perhaps in the place of a rejected one (RFC 8829 section 5.2.2), whose line of the pool is gone.
        // The server's mids in it mean that the client has kept an offer which the server withdrew.
        let line = self.lines.iter().find(|line| Some(line.mid) == media.mid && !line.dead && line.signalled.is_none());
        match line {
            Some(line) if media.kind != SectionKind::Media(line.kind) && !media.rejected => {
                Err(invalid(format!("m-line {index}: mid {} is the server's, for another kind", line.mid)))
            }
            Some(line) => Ok(Some(line.index)),
            None => Ok(None),
        }
    }

    fn offered(
        &mut self,
        index: usize,
        media: &RemoteMedia,
        line: Option<LineIndex>,
        offer: &RemoteDescription,
    ) -> Result<Section, NegotiationError> {
        if media.rejected || !offer.is_bundled(index) {
            return Ok(Section::rejected(media, line));
        }
        match media.kind {
            SectionKind::Other => Ok(Section::rejected(media, line)),
            // One association carries all data channels (RFC 8831 section 6.5).
            SectionKind::Data if self.sections.iter().take(index).any(|s| s.kind == media.kind && !s.rejected) => {
                Ok(Section::rejected(media, line))
            }
            SectionKind::Data => Ok(Section::data(media)),
            SectionKind::Media(_) if !media.rtcp_mux => {
                Err(invalid(format!("m-line {index}: a=rtcp-mux is missing; RTP and RTCP must share the port")))
            }
            SectionKind::Media(kind) => {
                self.listen(kind, media);
                Ok(self.media(kind, media, line))
            }
        }
    }

    fn answered(
        &mut self,
        index: usize,
        media: &RemoteMedia,
        section: &Section,
        answer: &RemoteDescription,
    ) -> Section {
        if media.rejected || section.rejected || !answer.is_bundled(index) {
            return Section { rejected: true, client_sends: false, ..section.clone() };
        }
        let SectionKind::Media(kind) = section.kind else { return section.clone() };
        self.listen(kind, media);
        let mut agreed = self.media(kind, media, section.line);
        // The answer chooses among what was offered, and adds nothing.
        let offered =
            |f: &&RemoteFormat| section.formats.iter().any(|o| (o.id, o.payload_type) == (f.id, f.payload_type));
        agreed.formats = agreed.formats.iter().filter(offered).cloned().collect();
        let offered =
            |e: &&RemoteExtension| section.extensions.iter().any(|o| (o.extension, o.id) == (e.extension, e.id));
        agreed.extensions = agreed.extensions.iter().filter(offered).copied().collect();
        agreed.rids.retain(|rid| section.rids.contains(rid));
        agreed.rejected = agreed.formats.is_empty();
        agreed.client_sends &= !agreed.rejected && section.client_sends;
        agreed.mid = section.mid;
        agreed
    }

    fn media(&mut self, kind: MediaKind, media: &RemoteMedia, line: Option<LineIndex>) -> Section {
        match line {
            Some(line) => Section::sent(media, kind, line, &mut self.ingress),
            None => Section::received(media, kind, &mut self.ingress),
        }
    }

    fn listen(&mut self, kind: MediaKind, media: &RemoteMedia) {
        self.named[kind as usize] |= !media.formats.is_empty();
        self.taken |= media.payload_types;
        self.taken_ids |= media.extension_ids;
        for format in &media.formats {
            let (id, pt) = (format.id, format.payload_type);
            let _ = self.words.learn_format(id, pt, format.rtx) || self.words.learn_format(id, pt, None);
        }
        for known in &media.extensions {
            self.words.learn_extension(known.extension, known.id);
        }
    }

    /// The numbers that the server offers: the client's words, completed where it has not spoken. Formats of a kind
    /// that it never named get payload types that it has not used, header extensions their default ids if it named
    /// no media at all. The dependency descriptor is always offered, under an id that is free: who does not name it of itself, as browsers
    /// that send no layers, takes it all the same; without it each frame of AV1 seems to need the one before, also what a lower frame rate
    /// leaves out.
    pub(super) fn offered_numbers(&self) -> Numbering {
        let (mut numbers, mut taken) = (self.words.clone(), self.taken);
        for kind in [MediaKind::Audio, MediaKind::Video].into_iter().filter(|kind| !self.named[*kind as usize]) {
            for id in FormatId::of_kind(kind) {
                let format = id.format();
                let Some(media) = take_free(&mut taken, format.default_payload_type) else { break };
                let rtx = Some(format.default_rtx_payload_type).filter(|pt| *pt != 0);
                numbers.learn_format(id, media, rtx.and_then(|rtx| take_free(&mut taken, rtx)));
            }
        }
        if !self.named.contains(&true) {
            for (extension, id) in Extension::ALL.into_iter().zip(1..) {
                numbers.learn_extension(extension, id);
            }
        }
        let is_free = |id: &u8| self.taken_ids >> id & 1 == 0;
        if let Some(id) = std::iter::once(DESCRIPTOR_ID).chain((1..15).rev()).find(is_free) {
            numbers.learn_extension(Extension::DependencyDescriptor, id);
        }
        numbers
    }

    fn place(&mut self, index: usize, mut section: Section) {
        section.share(&self.sections);
        match self.sections.get_mut(index) {
            Some(known) => {
                // A line whose m-line now is another's will never come back.
                let lost = known.line.filter(|line| Some(*line) != section.line);
                *known = section;
                if let Some(line) = lost.and_then(|line| self.lines.get_mut(line.index())) {
                    line.dead = true;
                    line.agreed = None;
                }
            }
            None => self.sections.push(section),
        }
    }

    /// Brings a line of the pool to what its m-line now says. `told` is what the client was told of it; without it,
    /// what the answer that is about to be written tells.
    fn settle(&mut self, index: usize, told: Option<&Signalled>, follows_bindings: bool) {
        let Some(line) = self.lines.get_mut(index) else { return };
        let Some(section) = self.sections.iter().find(|s| s.line == Some(line.index)) else { return };
        if section.rejected {
            line.dead = true;
            line.agreed = None;
            return;
        }
        let told = told.cloned().unwrap_or_else(|| {
            let wanted = line.wanted(follows_bindings);
            // On an m-line on which the client does not receive an answer tells of no track: what is new waits for an offer.
            let tells = section.client_receives || line.signalled.as_ref() == Some(&wanted);
            if tells { wanted } else { Signalled { sends: false, msid: None } }
        });
        if told.sends && section.client_receives {
            line.agree(&section.formats, &section.extensions);
        } else {
            line.agreed = None;
        }
        line.signalled = Some(told);
    }

    /// The lines that have no m-line yet, as far as there is room for them.
    pub(super) fn pending(&self) -> impl Iterator<Item = &Line> {
        let room = MAX_MEDIA.saturating_sub(self.sections.len());
        self.lines.iter().filter(|line| line.signalled.is_none() && !line.dead).take(room)
    }

    pub(super) fn has_mid(&self, mid: Mid) -> bool {
        self.sections.iter().any(|s| s.mid == Some(mid)) || self.lines.iter().any(|l| l.mid == mid)
    }

    pub(super) fn receives(&self) -> Vec<ReceiveLine> {
        self.sections.iter().enumerate().filter_map(|(index, section)| section.receives(index)).collect()
    }
}

/// The wished payload type if it is free, else any dynamic one (RFC 5761 section 4 leaves 35 to 63 and 96 to 127).
fn take_free(taken: &mut u128, wished: u8) -> Option<u8> {
    let free = |pt: &u8| *taken & 1 << pt == 0;
    let found = std::iter::once(wished).chain(96..128).chain(35..64).find(free)?;
    *taken |= 1 << found;
    Some(found)
}
