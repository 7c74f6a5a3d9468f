//! Offers and answers, and the publications that follow from them.

use super::Room;
use crate::command::{Event, MediaKind, NegotiationError, Source, TrackDescription};
use crate::context::Context;
use crate::negotiation::{AcceptedOffer, DtlsRole, ReceiveLine, RemoteParameters};
use crate::participant::{MAX_PUBLICATIONS, ice_local};
use crate::publication::{Publication, Stream};
use crate::sdp::{RemoteDescription, SectionKind};
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
                self.replan_subscribers(index);
                self.share_all_of(context, index);
                self.replan(context, index);
                self.activate(context, index);
                if first {
                    self.subscribe_at_first(context, index);
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
        check_counts(offer)?;
        let participant = self.participants.get_mut(index).ok_or(NegotiationError::NoOffer)?;
        let restarts = participant.negotiated && participant.negotiator.needs_new_credentials(offer);
        let ice = if restarts { IceCredentials::generate(&mut context.core.rng) } else { participant.ice.clone() };
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
            participant.milestones.on_offer(context.now);
            participant.transport.set_remote(context.now, &remote_transport(&accepted.remote));
        } else if accepted.remote.data {
            let size = accepted.remote.max_message_size as usize;
            participant.transport.enable_data(context.now, size, &mut context.core.outbox);
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
            Ok(accepted) => {
                self.end_publications(context, index, &accepted.receives);
                self.drop_refused(context, index, &accepted.refused);
                self.replan(context, index);
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
        self.end_publications(context, index, lines);
        for line in lines {
            let description = tracks.iter().find(|track| track.mid == line.mid.as_str());
            self.publish(context, index, line, description);
        }
    }

    /// Ends the publications whose m-lines are not among those on which the client sends.
    fn end_publications(&mut self, context: &mut Context<'_>, index: usize, lines: &[ReceiveLine]) {
        let Some(participant) = self.participants.get(index) else { return };
        let mid_of = |key: &usize| self.publications.get(*key).map(|publication| publication.mid);
        let sends = |key: &usize| lines.iter().any(|line| mid_of(key) == Some(line.mid));
        let ended: Vec<usize> = participant.publications.iter().copied().filter(|key| !sends(key)).collect();
        for key in ended {
            self.unpublish(context, key, true);
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
        let mut known = participant.publications.iter().filter_map(|key| self.publications.get(*key));
        if known.any(|publication| publication.mid == line.mid) {
            return;
        }
        let source = description.map_or(default_source(line), |description| description.source);
        if !participant.settings.rights.allow(line.kind, source) {
            let mid = line.mid.as_str().to_owned();
            return context.emit(Event::PublishRefused { participant: participant.id, mid, source });
        }
        let publication = Publication::new(
            context.next_track(),
            index,
            line,
            source,
            description.is_some_and(|description| description.muted),
        );
        let publisher = participant.id;
        let info = publication.info();
        let key = self.publications.insert(publication);
        context.core.stats.publications += 1;
        participant.publications.push(key);
        let publication = self.publications.get(key);
        participant.streams.restore(key, line.mid, |rid| publication?.encoding_of(rid));
        if let [pair] = line.ssrcs.as_slice() {
            let streams = [(Some(pair.media), false), (pair.rtx, true)];
            for (ssrc, rtx) in streams.into_iter().filter_map(|(ssrc, rtx)| Some((ssrc?, rtx))) {
                // Without room they are learnt, and counted as dropped, when their packets come.
                let _ = participant.streams.learn(ssrc, Stream { publication: key, encoding: 0, rtx });
            }
        }
        context.emit(Event::Published { participant: publisher, info });
        self.share(context, key);
        self.add_voice(context, key, publisher);
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

    /// Ends a publication and everybody's subscription to it; `announce` says so to the control plane, if it is of this shard.
    pub(super) fn unpublish(&mut self, context: &mut Context<'_>, key: usize, announce: bool) {
        let receivers: Vec<usize> = self.participants.iter().map(|(index, _)| index).collect();
        for index in receivers {
            self.unbind(context, index, key);
            if let Some(participant) = self.participants.get_mut(index) {
                participant.listens.remove(key);
            }
        }
        let Some(publication) = self.publications.try_remove(key) else { return };
        self.remove_voice(context, key, &publication);
        let Some(publisher) = publication.member() else {
            context.core.mirrors.remove(&publication.track);
            context.core.stats.mirrors -= 1;
            return;
        };
        context.core.stats.publications -= 1;
        self.unshare(context, publication.track);
        if let Some(participant) = self.participants.get_mut(publisher) {
            let transport = &mut participant.transport;
            let rid_of = |encoding: usize| publication.encodings.get(encoding).and_then(|encoding| encoding.rid);
            participant.streams.retire(key, publication.mid, rid_of, |ssrc| transport.forget_ssrc(ssrc));
            participant.publications.retain(|known| *known != key);
            if announce {
                context.emit(Event::Unpublished { participant: participant.id, track: publication.track });
            }
        }
    }

    /// Subscribes a newly negotiated participant to what it has asked for: all that the room has, or what it named.
    fn subscribe_at_first(&mut self, context: &mut Context<'_>, index: usize) {
        let Some(participant) = self.participants.get_mut(index) else { return };
        let (all, wishes) = (participant.settings.auto_subscribe, std::mem::take(&mut participant.wishes));
        let listens = participant.listens.clone();
        let keys: Vec<usize> = self
            .publications
            .iter()
            .filter(|(_, publication)| publication.member() != Some(index))
            .filter(|(key, publication)| all || wishes.contains(&publication.track) || listens.contains(*key))
            .map(|(key, _)| key)
            .collect();
        for key in keys {
            self.bind(context, index, key);
        }
        self.activate(context, index);
    }
}

/// Refuses an offer that sends more tracks than a participant may publish.
fn check_counts(offer: &RemoteDescription) -> Result<(), NegotiationError> {
    for (section, kind) in
        [(SectionKind::Media(MediaKind::Audio), "audio"), (SectionKind::Media(MediaKind::Video), "video")]
    {
        let sending = offer.media.iter().filter(|media| media.kind == section && media.direction.sends()).count();
        if sending > MAX_PUBLICATIONS {
            let text = format!("the offer sends {sending} {kind} tracks; at most {MAX_PUBLICATIONS} are allowed");
            return Err(NegotiationError::Invalid(text));
        }
    }
    Ok(())
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
        MediaKind::Audio => Source::Microphone,
        MediaKind::Video => Source::Camera,
    }
}
