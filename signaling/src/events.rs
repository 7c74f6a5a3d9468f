//! What a shard tells becomes messages.
//!
//! Nothing here waits: the shard must always be rid of its events, also while its commands back up.

use crate::protocol::client::{AnswerDescription, AnswerType, CandidateInit, OfferDescription, OfferType};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::media::{
    MediaFailure, MediaProtocol, MediaState, PauseReason, SubscriptionFailure, WantedEncoding,
};
use crate::protocol::server::{From, ServerMessage, Speaker};
use crate::protocol::track::Track;
use crate::protocol::{ParticipantRef, TrackRef};
use crate::room::{Early, Member, Room, RoomState, encode};
use crate::session::Place;
use crate::switchboard::Switchboard;
use parlor_media::command::{
    self, Candidate, Channel, CloseReason, Event, NegotiationError, Rid, SubscriptionError, TrackInfo,
};
use parlor_media::ids::{ParticipantId, TrackId};
use parlor_media::path::Protocol;
use parlor_media::quality::Quality;
use std::sync::Arc;

/// Messages of a room that wait for the news of their track: the events of a tick of another shard, for a few hundred people.
/// Beyond that they are told at once; the clients of Parlor do not mind.
const MAX_EARLY: usize = 1024;

impl Switchboard {
    /// Handles one event. Those of participants who left meanwhile are ignored.
    pub(crate) fn handle_event(&self, event: Event) {
        match event {
            Event::Answered { participant, request, result } => self.on_answered(participant, request, result),
            Event::Offered { participant, negotiation, sdp } => {
                let offer = OfferDescription { kind: OfferType::Offer, sdp };
                self.tell(
                    participant,
                    &ServerMessage::OfferReceived { offer, from: From::Server, negotiation_id: negotiation },
                );
            }
            Event::AnswerRefused { participant, error } => self.with_member(participant, |member| {
                let refusal = negotiation_refusal(&error).with_id(member.answer_id.take());
                self.note_negotiation_failure(participant, refusal.code);
                self.refuse(&member.session, refusal);
            }),
            Event::Connected { participant, protocol } => {
                let protocol = match protocol {
                    Protocol::Udp => MediaProtocol::Udp,
                    Protocol::Tcp => MediaProtocol::Tcp,
                };
                self.on_connected(participant, protocol);
            }
            Event::Closed { participant, reason } => self.on_closed(participant, &reason),
            Event::Published { participant, info } => self.on_published(participant, info),
            Event::PublishRefused { participant, mid, source } => {
                self.tell(participant, &ServerMessage::PublishRefused { mid, source: source.into() });
            }
            Event::Unpublished { participant, track } => self.on_unpublished(participant, track),
            Event::Bound { participant, mid, track, publisher } => {
                let track_id = TrackRef(track);
                let participant_id = ParticipantRef(publisher);
                let bound = ServerMessage::SubscriptionBound { mid, track_id, participant_id };
                self.tell_of_track(participant, track, bound);
            }
            Event::Unbound { participant, mid, track } => {
                let track_id = TrackRef(track);
                self.tell_of_track(participant, track, ServerMessage::SubscriptionUnbound { mid, track_id });
            }
            Event::SubscriptionFailed { participant, track, reason } => {
                let reason = match reason {
                    SubscriptionError::NoTrack => SubscriptionFailure::NoTrack,
                    SubscriptionError::Codec => SubscriptionFailure::Codec,
                    SubscriptionError::Refused => SubscriptionFailure::Refused,
                    SubscriptionError::TooMany => SubscriptionFailure::TooMany,
                };
                let track_id = TrackRef(track);
                self.tell_of_track(participant, track, ServerMessage::SubscriptionFailed { track_id, reason });
            }
            Event::LayerChanged { participant, track, rid } => {
                let (track_id, rid) = (TrackRef(track), rid.as_str().to_owned());
                self.tell_of_track(participant, track, ServerMessage::LayerChanged { track_id, rid });
            }
            Event::SubscriptionPaused { participant, track, reason } => {
                let reason = match reason {
                    command::PauseReason::Bandwidth => PauseReason::Bandwidth,
                };
                let track_id = TrackRef(track);
                self.tell_of_track(participant, track, ServerMessage::SubscriptionPaused { track_id, reason });
            }
            Event::SubscriptionResumed { participant, track } => {
                let track_id = TrackRef(track);
                self.tell_of_track(participant, track, ServerMessage::SubscriptionResumed { track_id });
            }
            Event::EncodingsWanted { participant, mid, track, encodings } => {
                let encoding = |(rid, active): (Option<Rid>, bool)| WantedEncoding {
                    rid: rid.map(|rid| rid.as_str().to_owned()),
                    active,
                };
                let encodings = encodings.into_iter().map(encoding).collect();
                // Of the publisher's own shard, as the news of the track: they are in order.
                self.tell(participant, &ServerMessage::EncodingsWanted { track_id: TrackRef(track), mid, encodings });
            }
            Event::Speakers { room, speakers } => self.on_speakers(room, speakers),
            Event::Quality { room, participants } => self.on_quality(room, &participants),
            Event::RoomRead { request, stats } => self.readings.on_answer(request, stats),
            Event::ChannelOpened { participant, channel: Channel::Chat, opening } => {
                self.with_member(participant, |member| member.chat.line.open(opening, &member.session));
            }
            Event::ChannelClosed { participant, channel: Channel::Chat } => {
                self.with_member(participant, |member| member.chat.line.close(&member.session));
            }
            Event::Data { participant, channel: Channel::Chat, text } => {
                if let Some(room) = self.directory.room_of(participant) {
                    self.handle_data(&Place { room, participant }, &text);
                }
            }
            Event::DataRefused { participant, channel: Channel::Chat, opening } => {
                self.with_member(participant, |member| member.chat.line.refuse(opening, &member.session));
            }
        }
    }

    fn on_answered(&self, participant: ParticipantId, request: u64, result: Result<String, NegotiationError>) {
        self.with_member(participant, |member| {
            // Answers come in the order of the offers: earlier ones that are still there were lost with their shard.
            let position = member.offers.iter().position(|&(number, _)| number == request);
            let Some((_, id)) = position.and_then(|position| member.offers.drain(..=position).next_back()) else {
                return;
            };
            match result {
                Ok(sdp) => {
                    member.trace.answer();
                    let answer = AnswerDescription { kind: AnswerType::Answer, sdp };
                    member.tell(&ServerMessage::AnswerReceived { answer, from: From::Server, id });
                    trickle(member);
                }
                Err(error) => {
                    let refusal = negotiation_refusal(&error).with_id(id);
                    self.note_negotiation_failure(participant, refusal.code);
                    self.refuse(&member.session, refusal);
                }
            }
        });
    }

    fn on_connected(&self, participant: ParticipantId, protocol: MediaProtocol) {
        let Some(room) = self.directory.room_of(participant) else { return };
        let mut state = room.lock();
        let Some(member) = state.member(participant) else { return };
        member.trace.connect(protocol);
        let after = self.wall_clock().since(member.joined_at);
        self.lines.media_connected(room.key, participant, protocol, after);
        let state = MediaState::Connected;
        member.tell(&ServerMessage::MediaState { state, protocol: Some(protocol), reason: None, message: None });
    }

    /// An offer or answer could not be used. Glare is no failure: the client offers again.
    fn note_negotiation_failure(&self, participant: ParticipantId, code: ErrorCode) {
        if let Some(room) = self.directory.room_of(participant).filter(|_| code != ErrorCode::Glare) {
            self.lines.negotiation_failed(room.key, participant, code);
        }
    }

    fn on_closed(&self, participant: ParticipantId, reason: &CloseReason) {
        if let Some(room) = self.directory.room_of(participant) {
            let failure = match reason {
                CloseReason::ClosedByClient => MediaFailure::ClosedByClient,
                CloseReason::ConsentExpired => MediaFailure::ConsentExpired,
                CloseReason::HandshakeTimeout { .. } => MediaFailure::HandshakeTimeout,
                CloseReason::FingerprintMismatch => MediaFailure::FingerprintMismatch,
                CloseReason::Dtls(_) => MediaFailure::DtlsFailed,
            };
            self.remove_failed(&room, participant, failure, reason.to_string());
        }
    }

    fn on_published(&self, participant: ParticipantId, info: TrackInfo) {
        let Some(room) = self.directory.room_of(participant) else { return };
        let mut state = room.lock();
        let Some(member) = state.member(participant) else { return };
        let track = Track::from(info);
        // A track that is there already has changed: the latest word counts.
        member.tracks.retain(|published| published.track_id != track.track_id);
        member.tracks.push(track.clone());
        let participant_id = ParticipantRef(participant);
        let for_others = ServerMessage::TrackPublished { participant_id, track: track.without_mid() };
        let track_id = track.track_id;
        member.tell(&ServerMessage::TrackPublished { participant_id, track });
        state.tell_others(participant, &for_others);
        tell_early(&mut state, track_id);
    }

    fn on_unpublished(&self, participant: ParticipantId, track: TrackId) {
        let Some(room) = self.directory.room_of(participant) else { return };
        let mut state = room.lock();
        let Some(member) = state.member(participant) else { return };
        let track_id = TrackRef(track);
        member.tracks.retain(|published| published.track_id != track_id);
        state.tell_all(&ServerMessage::TrackUnpublished { participant_id: ParticipantRef(participant), track_id });
    }

    fn on_speakers(&self, room: parlor_media::ids::RoomId, speakers: Vec<(ParticipantId, u8)>) {
        let Some(room) = self.directory.room_by_key(room) else { return };
        let speaker = |(participant, level)| Speaker { participant_id: ParticipantRef(participant), level };
        let text = encode(&ServerMessage::ActiveSpeakers { speakers: speakers.into_iter().map(speaker).collect() });
        room.lock().members.iter().for_each(|member| member.session.post_ephemeral(text.clone()));
    }

    /// Each shard of a room tells of its own participants. Who is hidden is told of itself alone.
    fn on_quality(&self, room: parlor_media::ids::RoomId, news: &[(ParticipantId, Quality)]) {
        let Some(room) = self.directory.room_by_key(room) else { return };
        let mut state = room.lock();
        let mut participants = Vec::with_capacity(news.len());
        for (participant, quality) in news {
            let Some(member) = state.member(*participant) else { continue };
            member.quality = *quality;
            if member.grants.hidden {
                member.tell(&ServerMessage::Quality { participants: vec![member.quality_view()] });
            } else {
                participants.push(member.quality_view());
            }
        }
        if !participants.is_empty() {
            state.tell_all(&ServerMessage::Quality { participants });
        }
    }

    /// Tells a member of a track that it receives. In a room with parts on several shards the news of the track itself may come
    /// later, from another one: then this waits for it.
    fn tell_of_track(&self, participant: ParticipantId, track: TrackId, message: ServerMessage) {
        let Some(room) = self.directory.room_of(participant) else { return };
        let mut state = room.lock();
        let track = TrackRef(track);
        if state.parts.len() > 1 && is_early(&state, participant, track, &message) && state.early.len() < MAX_EARLY {
            state.early.push(Early { participant, track, message });
            return;
        }
        if matches!(message, ServerMessage::SubscriptionUnbound { .. }) {
            let (waiting, others) = std::mem::take(&mut state.early)
                .into_iter()
                .partition::<Vec<_>, _>(|early| (early.participant, early.track) == (participant, track));
            state.early = others;
            if !waiting.is_empty() {
                // It ended before anybody was told that it began.
                return;
            }
        }
        if let Some(member) = state.member(participant) {
            member.tell(&message);
        }
    }

    fn tell(&self, participant: ParticipantId, message: &ServerMessage) {
        self.with_member(participant, |member| member.tell(message));
    }

    fn with_member(&self, participant: ParticipantId, act: impl FnOnce(&mut Member)) {
        let room: Option<Arc<Room>> = self.directory.room_of(participant);
        if let Some(room) = room
            && let Some(member) = room.lock().member(participant)
        {
            act(member);
        }
    }
}

/// Whether what is to be told of a track comes before the news of the track, or behind something that does.
fn is_early(state: &RoomState, participant: ParticipantId, track: TrackRef, message: &ServerMessage) -> bool {
    match message {
        ServerMessage::SubscriptionBound { participant_id, .. } => {
            let publisher = state.members.iter().find(|member| member.participant == participant_id.0);
            // Of one who has left, nothing follows.
            publisher.is_some_and(|member| !member.tracks.iter().any(|published| published.track_id == track))
        }
        ServerMessage::SubscriptionUnbound { .. } => false,
        _ => state.early.iter().any(|early| (early.participant, early.track) == (participant, track)),
    }
}

/// A track is known now: tells what waited for that.
fn tell_early(state: &mut RoomState, track: TrackRef) {
    for early in std::mem::take(&mut state.early) {
        if early.track != track {
            state.early.push(early);
        } else if let Some(member) = state.member(early.participant) {
            member.tell(&early.message);
        }
    }
}

fn negotiation_refusal(error: &NegotiationError) -> Refusal {
    let code = match error {
        NegotiationError::Glare => ErrorCode::Glare,
        NegotiationError::NoOffer => ErrorCode::NoOffer,
        NegotiationError::Invalid(_) => ErrorCode::BadSdp,
    };
    Refusal::new(code, error.to_string())
}

/// Tells the server's candidates after the first answer, for clients that take them by message only.
fn trickle(member: &mut Member) {
    if std::mem::replace(&mut member.trickled, true) {
        return;
    }
    for (index, candidate) in member.candidates.iter().enumerate() {
        let candidate =
            CandidateInit { candidate: attribute(index, candidate), sdp_mid: None, sdp_m_line_index: Some(0) };
        member.tell(&ServerMessage::IceCandidateReceived { candidate, from: From::Server });
    }
}

/// A host candidate as an attribute (RFC 8839 section 5.1, RFC 6544 section 4.5).
fn attribute(index: usize, candidate: &Candidate) -> String {
    let foundation = index + 1;
    // RFC 8445 section 5.1.2.1: type preference 126 for host candidates; the local preference falls with the order.
    let local = 65_535_u32.saturating_sub(u32::try_from(index).unwrap_or(u32::MAX));
    let priority = (126 << 24) | (local << 8) | 255;
    let (ip, port) = (candidate.address.ip(), candidate.address.port());
    match candidate.protocol {
        Protocol::Udp => format!("candidate:{foundation} 1 udp {priority} {ip} {port} typ host"),
        Protocol::Tcp => format!("candidate:{foundation} 1 tcp {priority} {ip} {port} typ host tcptype passive"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_written_as_attributes() {
        let candidate = |protocol, address: &str| Candidate { protocol, address: address.parse().unwrap() };
        assert_eq!(
            attribute(0, &candidate(Protocol::Udp, "192.0.2.1:7900")),
            "candidate:1 1 udp 2130706431 192.0.2.1 7900 typ host"
        );
        assert_eq!(
            attribute(1, &candidate(Protocol::Tcp, "[2001:db8::1]:7901")),
            "candidate:2 1 tcp 2130706175 2001:db8::1 7901 typ host tcptype passive"
        );
    }
}
