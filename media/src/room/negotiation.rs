//! Offers and answers, and the publications that follow from them.

use super::Room;
use crate::command::{Event, NegotiationError, Source, TrackDescription};
use crate::context::Context;
use crate::negotiation::{AcceptedOffer, DtlsRole, ReceiveLine, RemoteParameters};
use crate::participant::{ice_local, max_publications};
use crate::publication::{Publication, Stream};
use crate::sdp::RemoteDescription;
use crate::transport::{IceCredentials, RemoteTransport};

impl Room {
    /// Applies a client's offer: answers it, publishes what is new in it, and ends what it no longer sends.
    pub(crate) fn handle_offer(
        &mut self,
        context: &mut Context<'_>,
        index: usize,
        request: u64,
        offer: &RemoteDescription,
        tracks: &[TrackDescription],
    ) {
        let Some(participant) = self.participants.get(index) else { return };
        let id = participant.id;
        let first = !participant.negotiated;
        match self.accept_offer(context, index, offer) {
            Ok(accepted) => {
                context.emit(Event::Answered { participant: id, request, result: Ok(accepted.sdp) });
                self.publish_lines(context, index, &accepted.receives, tracks);
                if first {
                    self.subscribe_to_all(context, index);
                }
                self.negotiate_all(context);
            }
            Err(error) => context.emit(Event::Answered { participant: id, request, result: Err(error) }),
        }
    }

    fn accept_offer(
        &mut self,
        context: &mut Context<'_>,
        index: usize,
        offer: &RemoteDescription,
    ) -> Result<AcceptedOffer, NegotiationError> {
        let participant = self.participants.get_mut(index).ok_or(NegotiationError::NoOffer)?;
        let restarts = participant.negotiated && participant.negotiator.needs_new_credentials(offer);
        let ice =
            if restarts { IceCredentials::generate(&mut context.core.rng) } else { participant.ice.clone() };
        let accepted = participant.negotiator.handle_offer(offer, &ice_local(&ice))?;
        if restarts {
            let core = &mut *context.core;
            core.ufrags.remove(&participant.ice.ufrag);
            core.ufrags.insert(ice.ufrag.clone(), participant.slot);
            participant.transport.restart_ice(ice.clone(), &accepted.remote.ice.ufrag);
            participant.ice = ice;
        }
        if !participant.negotiated {
            participant.negotiated = true;
            participant.transport.set_remote(context.now, &remote_transport(&accepted.remote));
        }
        Ok(accepted)
    }

    /// Applies a client's answer to the server's offer.
    pub(crate) fn handle_answer(
        &mut self,
        context: &mut Context<'_>,
        index: usize,
        negotiation: Option<u32>,
        answer: &RemoteDescription,
    ) {
        let Some(participant) = self.participants.get_mut(index) else { return };
        let id = participant.id;
        match participant.negotiator.handle_answer(negotiation, answer) {
            Ok(_) => {
                self.activate(context, index);
                if let Some(participant) = self.participants.get_mut(index) {
                    participant.negotiate(context);
                }
            }
            Err(error) => context.emit(Event::AnswerRefused { participant: id, error }),
        }
    }

    /// Brings the participant's publications in line with the m-lines on which its client sends.
    fn publish_lines(
        &mut self,
        context: &mut Context<'_>,
        index: usize,
        lines: &[ReceiveLine],
        tracks: &[TrackDescription],
    ) {
        let Some(participant) = self.participants.get(index) else { return };
        let ended: Vec<usize> = participant
            .publications
            .iter()
            .copied()
            .filter(|key| !lines.iter().any(|line| self.publications.get(*key).is_some_and(|p| p.mid == line.mid)))
            .collect();
        for key in ended {
            self.unpublish(context, key, true);
        }
        for line in lines {
            let description = tracks.iter().find(|track| track.mid == line.mid);
            self.publish(context, index, line, description);
        }
    }

    fn publish(
        &mut self,
        context: &mut Context<'_>,
        index: usize,
        line: &ReceiveLine,
        description: Option<&TrackDescription>,
    ) {
        let Some(participant) = self.participants.get_mut(index) else { return };
        let known = participant.publications.iter().filter_map(|key| self.publications.get(*key));
        let (mut of_kind, mut exists) = (0, false);
        for publication in known {
            of_kind += usize::from(publication.kind == line.kind);
            exists |= publication.mid == line.mid;
        }
        if exists || of_kind >= max_publications(line.kind) {
            return;
        }
        let mut publication = Publication::new(
            context.next_track(),
            index,
            line,
            description.map_or(default_source(line), |description| description.source),
            description.is_some_and(|description| description.muted),
        );
        if publication.source == Source::Microphone {
            let voice = self.speakers.add(participant.id);
            self.speakers.set_muted(voice, publication.muted);
            publication.voice = Some(voice);
        }
        let info = publication.info();
        let key = self.publications.insert(publication);
        context.core.stats.publications += 1;
        participant.publications.push(key);
        if let [pair] = line.ssrcs.as_slice() {
            participant.streams.learn(pair.media, Stream { publication: key, encoding: 0, rtx: false });
            if let Some(rtx) = pair.rtx {
                participant.streams.learn(rtx, Stream { publication: key, encoding: 0, rtx: true });
            }
        }
        context.emit(Event::Published { participant: participant.id, info });
        self.start_upkeep(context);
        let others: Vec<usize> = self
            .participants
            .iter()
            .filter(|(other, participant)| *other != index && participant.settings.auto_subscribe)
            .map(|(other, _)| other)
            .collect();
        for other in others {
            self.bind(context, other, key);
            self.activate(context, other);
        }
    }

    /// Ends a publication and everybody's subscription to it; `announce` says so to the control plane.
    pub(super) fn unpublish(&mut self, context: &mut Context<'_>, key: usize, announce: bool) {
        let Some(publisher) = self.publications.get(key).map(|publication| publication.publisher) else { return };
        let receivers: Vec<usize> = self.participants.iter().map(|(index, _)| index).collect();
        for index in receivers {
            self.unbind(context, index, key);
        }
        let Some(publication) = self.publications.try_remove(key) else { return };
        context.core.stats.publications -= 1;
        if let Some(voice) = publication.voice {
            self.speakers.remove(voice);
        }
        if let Some(participant) = self.participants.get_mut(publisher) {
            participant.streams.forget(key);
            participant.publications.retain(|known| *known != key);
            if announce {
                context.emit(Event::Unpublished { participant: participant.id, track: publication.track });
            }
        }
    }

    /// Subscribes a newly negotiated participant to what the room has, if it wants that.
    fn subscribe_to_all(&mut self, context: &mut Context<'_>, index: usize) {
        let Some(participant) = self.participants.get(index) else { return };
        if !participant.settings.auto_subscribe {
            return;
        }
        let keys: Vec<usize> = self
            .publications
            .iter()
            .filter(|(_, publication)| publication.publisher != index)
            .map(|(key, _)| key)
            .collect();
        for key in keys {
            self.bind(context, index, key);
        }
        self.activate(context, index);
    }
}

/// What the transport needs of what was negotiated.
fn remote_transport(remote: &RemoteParameters) -> RemoteTransport {
    RemoteTransport {
        ufrag: remote.ice.ufrag.clone(),
        pwd: remote.ice.pwd.clone(),
        fingerprints: remote.fingerprints.iter().map(ToString::to_string).collect(),
        dtls_client: remote.role == DtlsRole::Client,
        data: remote.data,
        max_message_size: remote.max_message_size as usize,
    }
}

/// Without a word from the client its first audio is a microphone and its first video a camera.
fn default_source(line: &ReceiveLine) -> Source {
    match line.kind {
        crate::command::MediaKind::Audio => Source::Microphone,
        crate::command::MediaKind::Video => Source::Camera,
    }
}
