//! Negotiation: one participant's view of its one PeerConnection (RFC 8829).
//!
//! The client offers what it publishes, the server offers what it sends; both ride on one BUNDLE transport. A
//! [`Negotiator`] owns the m-lines in their order, the client's [`Numbering`], and the pool of sending m-lines. It is
//! pure: no I/O, no clock; its randomness is seeded.
//!
//! Always true:
//! - The client offers first: its offer brings the data channel's m-line, and the numbers that the server's offers use.
//! - At most one offer of the server's is outstanding, and no offer of the client's is taken meanwhile.
//! - A description is taken as a whole or not at all; after an error everything is as before.
//! - m-lines never change place; a sending line keeps its mid and SSRCs for life.

mod agreement;
mod candidate;
mod describe;
mod plan;
mod pool;
mod section;

#[cfg(test)]
mod tests;

pub use plan::ForwardPlan;
pub(crate) use plan::RedTypes;
pub use pool::{LineIndex, Msid, SendLine};
pub use section::ReceiveLine;

use crate::command::{Candidate, MediaKind, NegotiationError};
use crate::numbering::Numbering;
use crate::sdp::{Fingerprint, IceCredentials, MAX_MEDIA, Mid, RemoteDescription, SectionKind};
use agreement::{Agreement, invalid};
use describe::Description;
use pool::{Line, SPARE_LINES, Signalled};
use rand::SeedableRng;
use rand::rngs::StdRng;
use section::Section;
use std::sync::Arc;

/// The largest data-channel message that the server takes, as its SDP says (RFC 8841 section 6).
pub const MAX_MESSAGE_BYTES: u32 = 65_536;
/// SCTP's port inside DTLS: the one that everybody uses (RFC 8841 section 5).
pub const SCTP_PORT: u16 = 5000;

/// The server's side of all descriptions for one participant.
#[derive(Clone, Debug)]
pub struct LocalParameters {
    /// The SHA-256 fingerprint of the server's certificate.
    pub fingerprint: Fingerprint,
    /// The addresses to reach it at, best first.
    pub candidates: Arc<[Candidate]>,
    /// The client follows bindings: lines of the pool change their track without renegotiation.
    pub follows_bindings: bool,
    /// The canonical name of all that is sent to this participant (RFC 7022); token characters.
    pub cname: String,
    /// The session's number in `o=`, below 2^63 (RFC 8829 section 5.2.1).
    pub session_id: u64,
    /// Seeds the SSRCs.
    pub seed: u64,
}

/// The server's ICE credentials for one description.
#[derive(Clone, PartialEq, Eq)]
pub struct IceLocal {
    /// 4 to 256 ice-chars (RFC 8839 section 5.4).
    pub ufrag: String,
    /// 22 to 256 ice-chars.
    pub pwd: String,
}

impl std::fmt::Debug for IceLocal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceLocal").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// The server's part in the DTLS handshake; once agreed on it stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtlsRole {
    /// It waits for the ClientHello (`a=setup:passive`).
    Server,
    /// It sends the ClientHello (`a=setup:active`).
    Client,
}

impl DtlsRole {
    const fn setup(self) -> &'static str {
        match self {
            Self::Server => "passive",
            Self::Client => "active",
        }
    }
}

/// What the transport must know of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteParameters {
    /// Its ICE credentials.
    pub ice: IceCredentials,
    /// Its certificate must match one of these.
    pub fingerprints: Vec<Fingerprint>,
    /// The server's DTLS role.
    pub role: DtlsRole,
    /// The credentials differ from those before: ICE starts again (RFC 8445 section 9), DTLS and media go on.
    pub ice_restart: bool,
    /// There is an m-line for data channels.
    pub data: bool,
    /// The largest message that the client takes, in bytes; 0 for any size.
    pub max_message_size: u32,
}

/// A client's offer that was accepted.
#[derive(Clone, Debug)]
pub struct AcceptedOffer {
    /// The answer.
    pub sdp: String,
    /// What the transport must know.
    pub remote: RemoteParameters,
    /// All that the client sends now, in the order of m-lines.
    pub receives: Vec<ReceiveLine>,
}

/// A client's answer that was accepted.
#[derive(Clone, Debug)]
pub struct AcceptedAnswer {
    /// What the transport must know.
    pub remote: RemoteParameters,
    /// All lines of the pool on which the client receives now.
    pub lines: Vec<SendLine>,
    /// Lines that were offered as sending, and on which the client refuses to receive.
    pub refused: Vec<LineIndex>,
    /// All that the client sends now: an answer may end what an offer began.
    pub receives: Vec<ReceiveLine>,
}

/// The server's offer that waits for its answer.
#[derive(Clone, Debug)]
struct Outstanding {
    number: u32,
    sections: Vec<Section>,
    told: Vec<(LineIndex, Signalled)>,
}

/// One participant's negotiation.
#[derive(Debug)]
pub struct Negotiator {
    local: LocalParameters,
    rng: StdRng,
    agreement: Agreement,
    outstanding: Option<Outstanding>,
    /// Number of the next offer.
    next_number: u32,
    /// Version of the next description.
    version: u64,
    /// The last offer was withdrawn: the same is not offered again before something changes.
    withheld: bool,
}

impl Negotiator {
    /// Nothing is negotiated yet: the client offers first.
    #[must_use]
    pub fn new(local: LocalParameters) -> Self {
        let rng = StdRng::seed_from_u64(local.seed);
        let agreement = Agreement::default();
        Self { local, rng, agreement, outstanding: None, next_number: 1, version: 1, withheld: false }
    }

    /// Whether the offer starts ICE, anew or for the first time, so that its answer needs credentials of its own.
    #[must_use]
    pub fn needs_new_credentials(&self, offer: &RemoteDescription) -> bool {
        let known = self.agreement.remote.as_ref().map(|remote| &remote.ice);
        offer.transport.as_ref().is_some_and(|transport| known != Some(&transport.ice))
    }

    /// Takes the client's offer and answers it with the server's ICE credentials.
    ///
    /// # Errors
    /// [`NegotiationError::Glare`] while an offer of the server's is outstanding, [`NegotiationError::Invalid`] when the
    /// offer does not fit what is negotiated or cannot be served. Nothing has changed then.
    pub fn handle_offer(
        &mut self,
        offer: &RemoteDescription,
        ice: &IceLocal,
    ) -> Result<AcceptedOffer, NegotiationError> {
        if self.outstanding.is_some() {
            return Err(NegotiationError::Glare);
        }
        let mut next = self.agreement.clone();
        next.accept_offer(offer, self.local.follows_bindings)?;
        let ice_restart = self.agreement.remote.is_some() && self.needs_new_credentials(offer);
        let remote = remote_parameters(&next, offer, ice_restart)?;
        self.agreement = next;
        self.withheld = false;
        let sdp = self.describe(ice, remote.role.setup(), &self.agreement.sections);
        self.version += 1;
        Ok(AcceptedOffer { sdp, remote, receives: self.agreement.receives() })
    }

    /// Gives a track a sending line: a free one of its kind, or else a new one, which then waits for an offer.
    ///
    /// `None` when the participant has [`MAX_MEDIA`] m-lines.
    pub fn bind(&mut self, kind: MediaKind, msid: Msid) -> Option<LineIndex> {
        let free = |line: &&Line| line.kind == kind && !line.dead && line.msid.is_none();
        // Lines that work already come first, those that the client has switched off last.
        let cost = |line: &&Line| match (&line.agreed, &line.signalled) {
            (Some(_), _) => 0,
            (None, Some(told)) if !told.sends => 1,
            (None, None) => 2,
            (None, Some(_)) => 3,
        };
        let known = self.agreement.lines.iter().filter(free).filter(|line| cost(line) < 3).min_by_key(cost);
        let index = match known.map(|line| line.index) {
            Some(index) => index,
            None => self.grow(kind)?,
        };
        self.agreement.lines.get_mut(index.index())?.msid = Some(msid);
        self.withheld = false;
        Some(index)
    }

    /// Takes a line's track away. The line is free for another one.
    pub fn unbind(&mut self, line: LineIndex) {
        if let Some(line) = self.agreement.lines.get_mut(line.index()) {
            line.msid = None;
            self.withheld = false;
        }
    }

    /// Sees to it that so many lines of a kind are free, or are about to be offered, as far as there may be more.
    pub fn reserve(&mut self, kind: MediaKind, count: usize) {
        let is_free = |line: &&Line| line.kind == kind && !line.dead && line.msid.is_none();
        let free = self.agreement.lines.iter().filter(is_free).count();
        if free < count {
            self.grow_by(kind, count - free);
            self.withheld = false;
        }
    }

    /// Adds a line, and spare ones where they can be bound without renegotiation.
    fn grow(&mut self, kind: MediaKind) -> Option<LineIndex> {
        self.grow_by(kind, if self.local.follows_bindings { 1 + SPARE_LINES } else { 1 })
    }

    /// Adds so many lines, as far as there may be more. Returns the first.
    fn grow_by(&mut self, kind: MediaKind, wanted: usize) -> Option<LineIndex> {
        let pending = self.agreement.lines.iter().filter(|line| line.signalled.is_none() && !line.dead).count();
        let room = MAX_MEDIA.saturating_sub(self.agreement.sections.len() + pending);
        let mut first = None;
        for _ in 0..wanted.min(room) {
            let index = LineIndex(u16::try_from(self.agreement.lines.len()).ok()?);
            let mid = self.free_mid(index)?;
            self.agreement.lines.push(Line::new(index, mid, kind, &mut self.rng));
            first = first.or(Some(index));
        }
        first
    }

    /// `s<number>`: the line's own number, unless the client uses that mid.
    fn free_mid(&self, index: LineIndex) -> Option<Mid> {
        let mids = (index.index()..).filter_map(|n| Mid::new(&format!("s{n}")));
        mids.take(MAX_MEDIA * 2 + 1).find(|mid| !self.agreement.has_mid(*mid))
    }

    /// Whether something waits for an offer that could be made now.
    #[must_use]
    pub fn needs_offer(&self) -> bool {
        let changed = |line: &Line| line.signalled.is_some() && line.needs_offer(self.local.follows_bindings);
        self.outstanding.is_none()
            && !self.withheld
            && self.agreement.remote.is_some()
            && (self.agreement.pending().next().is_some() || self.agreement.lines.iter().any(changed))
    }

    /// The server's offer and its number, where [`Negotiator::needs_offer`]. It is outstanding from now on.
    pub fn create_offer(&mut self, ice: &IceLocal) -> Option<(u32, String)> {
        if !self.needs_offer() {
            return None;
        }
        let pending = self.agreement.pending().map(|line| line.index).collect::<Vec<_>>();
        let numbers = self.agreement.offered_numbers();
        let mut sections = self.agreement.sections.clone();
        let lines = &self.agreement.lines;
        let added = pending.iter().filter_map(|index| lines.get(index.index()));
        sections.extend(added.map(|line| Section::sending(line, &numbers)));
        for section in sections.iter_mut().filter(|s| s.line.is_some()) {
            section.client_receives = true;
        }
        let described = sections.iter().filter_map(|s| s.line).filter_map(|line| lines.get(line.index()));
        let told = described.map(|line| (line.index, line.wanted(self.local.follows_bindings))).collect();
        let sdp = self.describe(ice, "actpass", &sections);
        let number = self.next_number;
        self.next_number += 1;
        self.version += 1;
        self.outstanding = Some(Outstanding { number, sections, told });
        Some((number, sdp))
    }

    /// The number of the offer that waits for its answer.
    #[must_use]
    pub fn outstanding(&self) -> Option<u32> {
        self.outstanding.as_ref().map(|offer| offer.number)
    }

    /// Takes the client's answer to the offer of that number, or without a number to the one outstanding.
    ///
    /// # Errors
    /// [`NegotiationError::NoOffer`] when none of that number is outstanding; nothing has changed then.
    /// [`NegotiationError::Invalid`] when the answer does not fit: the offer is withdrawn (see [`Negotiator::withdraw`]).
    pub fn handle_answer(
        &mut self,
        negotiation: Option<u32>,
        answer: &RemoteDescription,
    ) -> Result<AcceptedAnswer, NegotiationError> {
        let answers = |offer: &mut Outstanding| negotiation.is_none_or(|number| number == offer.number);
        let offer = self.outstanding.take_if(answers).ok_or(NegotiationError::NoOffer)?;
        let mut next = self.agreement.clone();
        let ice_restart = self.needs_new_credentials(answer);
        let accepted = next
            .accept_answer(answer, &offer, self.local.follows_bindings)
            .and_then(|()| remote_parameters(&next, answer, ice_restart));
        let remote = accepted.inspect_err(|_| self.withheld = true)?;
        self.agreement = next;
        let refused = offer.told.iter().filter(|(line, told)| told.sends && self.agreed(*line).is_none());
        Ok(AcceptedAnswer {
            remote,
            lines: self.agreement.lines.iter().filter_map(|line| line.agreed.clone()).collect(),
            refused: refused.map(|(line, _)| *line).collect(),
            receives: self.agreement.receives(),
        })
    }

    /// Takes the outstanding offer back, as if it had not been made. It is not made again before something changes.
    pub fn withdraw(&mut self) {
        if self.outstanding.take().is_some() {
            self.withheld = true;
        }
    }

    /// What was agreed on for a line; `None` until the client takes on it what is bound to it.
    ///
    /// A client that follows bindings takes any track on it, another one only the track that it was told of.
    #[must_use]
    pub fn send_line(&self, line: LineIndex) -> Option<&SendLine> {
        let known = self.agreement.lines.get(line.index())?;
        let told = self.local.follows_bindings || known.signalled.as_ref().is_some_and(|told| told.msid == known.msid);
        known.agreed.as_ref().filter(|_| told)
    }

    /// The mid of a line.
    #[must_use]
    pub fn mid(&self, line: LineIndex) -> Option<Mid> {
        self.agreement.lines.get(line.index()).map(|line| line.mid)
    }

    /// The canonical name of all that is sent to this participant.
    pub(crate) fn cname(&self) -> &str {
        &self.local.cname
    }

    /// The client's numbers for what it sends.
    #[must_use]
    pub fn numbering(&self) -> &Numbering {
        &self.agreement.ingress
    }

    fn agreed(&self, line: LineIndex) -> Option<&SendLine> {
        self.agreement.lines.get(line.index())?.agreed.as_ref()
    }

    fn describe(&self, ice: &IceLocal, setup: &'static str, sections: &[Section]) -> String {
        Description {
            local: &self.local,
            ice,
            version: self.version,
            setup,
            extmap_allow_mixed: self.agreement.extmap_allow_mixed,
            sections,
            lines: &self.agreement.lines,
        }
        .write()
    }
}

fn remote_parameters(
    agreement: &Agreement,
    description: &RemoteDescription,
    ice_restart: bool,
) -> Result<RemoteParameters, NegotiationError> {
    let (Some(remote), Some(role)) = (&agreement.remote, agreement.role) else {
        return Err(invalid("the first offer must hold an m-line that is not rejected"));
    };
    let data = agreement.sections.iter().position(|s| s.kind == SectionKind::Data && !s.rejected);
    let size = data.and_then(|index| description.media.get(index)).map(|media| media.max_message_size);
    Ok(RemoteParameters {
        ice: remote.ice.clone(),
        fingerprints: remote.fingerprints.clone(),
        role,
        ice_restart,
        data: data.is_some(),
        max_message_size: size.unwrap_or(65_536),
    })
}
