//! What members ask for: negotiation, tracks and subscriptions become commands.

use crate::access::{Action, require};
use crate::membership::place_in;
use crate::protocol::client::{
    Answer, ClientFrame, ClientMessage, IceCandidate, Offer, OfferedTrack, SetLayer, Subscription, TrackState,
};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::ids::{ParticipantRef, TrackRef, clip};
use crate::protocol::server::{Departure, ServerMessage};
use crate::protocol::track::Kind;
use crate::protocol::view::SetView;
use crate::room::{MAX_OFFERS, Member, RoomState};
use crate::session::{Place, Session};
use crate::switchboard::Switchboard;
use crate::visitor::Whence;
use parlor_media::command::{Command, Rid, TrackDescription};
use parlor_media::ids::ParticipantId;
use parlor_media::sdp::RemoteDescription;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The most commands reserved at once, so that one client's list does not wait for a whole channel to be free.
const BATCH: usize = 8;
/// The longest candidate; real ones take some hundred bytes.
const MAX_CANDIDATE_BYTES: usize = 1024;

impl Switchboard {
    /// Handles a message of a session's socket, `resume` apart.
    pub(crate) async fn handle(
        &self,
        session: &Arc<Session>,
        whence: Whence,
        frame: ClientFrame,
    ) -> Result<(), Refusal> {
        let ClientFrame { id, message } = frame;
        self.answer_to(session, whence, id.clone(), message).await.map_err(|refusal| refusal.with_id(id))
    }

    /// [`handle`](Self::handle), but that a refusal does not yet say of which request it is.
    async fn answer_to(
        &self,
        session: &Arc<Session>,
        whence: Whence,
        id: Option<String>,
        message: ClientMessage,
    ) -> Result<(), Refusal> {
        match message {
            ClientMessage::JoinRoom(join) => self.join(session, whence, id, join).await,
            ClientMessage::LeaveRoom(leave) => {
                if session.waiting().is_some() {
                    self.stop_waiting(session, &leave.room_id, id)
                } else {
                    match place_in(session, &leave.room_id) {
                        Ok(place) => self.leave(&place, id).await,
                        Err(refusal) => Err(refusal),
                    }
                }
            }
            ClientMessage::RenewToken(renewal) => self.renew_token(session, id, renewal).await,
            ClientMessage::SendMessage(message) => {
                let place = place_in(session, &message.room_id)?;
                self.send_message(&place, message).await
            }
            ClientMessage::EditMessage(edit) => self.edit_message(&place_in(session, &edit.room_id)?, edit).await,
            ClientMessage::DeleteMessage(delete) => {
                let place = place_in(session, &delete.room_id)?;
                self.delete_message(&place, delete.message_id).await
            }
            ClientMessage::React(react) => self.react(&place_in(session, &react.room_id)?, react).await,
            ClientMessage::GetMessages(get) => {
                let place = place_in(session, &get.room_id)?;
                self.get_messages(&place, id, get).await
            }
            ClientMessage::ChatReceived(_) => {
                let message = "`chat-received` is taken on the data channel only: it counts what came there";
                Err(Refusal::new(ErrorCode::NotAllowedHere, message).with_field("type"))
            }
            ClientMessage::Typing(typing) => self.typing(&place_in(session, &typing.room_id)?, typing.typing),
            ClientMessage::Offer(offer) => self.offer(session, id, offer).await,
            ClientMessage::Answer(answer) => self.answer(session, id, answer).await,
            ClientMessage::IceCandidate(candidate) => check_candidate(session, &candidate),
            ClientMessage::TrackState(state) => self.track_state(session, state).await,
            ClientMessage::Subscribe(list) => self.subscribe(session, list).await,
            ClientMessage::Unsubscribe(list) => self.unsubscribe(session, list).await,
            ClientMessage::SetLayer(layer) => self.set_layer(session, layer).await,
            ClientMessage::SetView(views) => self.set_view(session, views).await,
            ClientMessage::Ping(_) => {
                session.post(crate::room::encode(&ServerMessage::Pong { id }));
                Ok(())
            }
            ClientMessage::Resume(_) => Err(Refusal::already_joined()),
        }
    }

    /// A participant leaves by its own will.
    pub(crate) async fn leave(&self, place: &Place, id: Option<String>) -> Result<(), Refusal> {
        let permits = self.shard_of(&place.room, place.participant).reserve(1).await.map_err(|_| Refusal::busy())?;
        self.remove(place, Departure::Left, id, permits)
    }

    /// Reserves room for one command, makes it under the room's lock, and sends it.
    async fn command(
        &self,
        place: &Place,
        make: impl FnOnce(&mut RoomState) -> Result<Command, Refusal>,
    ) -> Result<(), Refusal> {
        let mut permits =
            self.shard_of(&place.room, place.participant).reserve(1).await.map_err(|_| Refusal::busy())?;
        let mut state = place.room.lock();
        let command = make(&mut state)?;
        permits.send(command);
        Ok(())
    }

    async fn offer(&self, session: &Session, id: Option<String>, offer: Offer) -> Result<(), Refusal> {
        let place = place_in(session, &offer.room_id)?;
        let description = self.parse_sdp(&place, &offer.offer.sdp)?;
        let describe =
            |track: OfferedTrack| TrackDescription { mid: track.mid, source: track.source.into(), muted: track.muted };
        let tracks = offer.tracks.into_iter().map(describe).collect();
        self.command(&place, |state| {
            let member = member(state, place.participant)?;
            if member.offers.len() >= MAX_OFFERS {
                let message = format!("{MAX_OFFERS} offers await their answer already");
                return Err(Refusal::new(ErrorCode::RateLimited, message));
            }
            let request = member.next_offer;
            member.next_offer += 1;
            member.offers.push_back((request, id));
            member.trace.offer();
            Ok(Command::Offer { participant: place.participant, request, offer: Box::new(description), tracks })
        })
        .await
    }

    async fn answer(&self, session: &Session, id: Option<String>, answer: Answer) -> Result<(), Refusal> {
        let place = place_in(session, &answer.room_id)?;
        let description = self.parse_sdp(&place, &answer.answer.sdp)?;
        self.command(&place, |state| {
            member(state, place.participant)?.answer_id = id;
            Ok(Command::Answer {
                participant: place.participant,
                negotiation: answer.negotiation_id,
                answer: Box::new(description),
            })
        })
        .await
    }

    fn parse_sdp(&self, place: &Place, sdp: &str) -> Result<RemoteDescription, Refusal> {
        RemoteDescription::parse(sdp).map_err(|error| {
            self.lines.negotiation_failed(place.room.key, place.participant, ErrorCode::BadSdp);
            Refusal::new(ErrorCode::BadSdp, error.to_string()).with_field("sdp")
        })
    }

    async fn track_state(&self, session: &Session, request: TrackState) -> Result<(), Refusal> {
        let place = place_in(session, &request.room_id)?;
        let TrackState { track_id, muted, .. } = request;
        self.command(&place, |state| {
            let member = member(state, place.participant)?;
            let rights = member.rights;
            let Some(track) = member.tracks.iter_mut().find(|track| track.track_id == track_id) else {
                return Err(unknown_track("trackId", track_id, "a track of your own"));
            };
            if !muted && !rights.allow(track.source) {
                return Err(Refusal::new(ErrorCode::Forbidden, "you may not publish this now").with_field("trackId"));
            }
            track.muted = muted;
            let participant_id = ParticipantRef(place.participant);
            state.tell_others(
                place.participant,
                &ServerMessage::TrackState { participant_id, track_id, muted, by: None },
            );
            Ok(Command::SetMuted { participant: place.participant, track: track_id.0, muted })
        })
        .await
    }

    async fn subscribe(&self, session: &Session, request: Subscription) -> Result<(), Refusal> {
        let place = place_in(session, &request.room_id)?;
        {
            let state = place.room.lock();
            may_subscribe(&state, place.participant)?;
            if let Some(&unknown) = request.track_ids.iter().find(|&&track| !is_published(&state, track)) {
                return Err(unknown_track("trackIds", unknown, "a track of this room"));
            }
        }
        let participant = place.participant;
        self.send_each(&place, &request.track_ids, |track| Command::Subscribe { participant, track: track.0 }).await
    }

    /// Tracks that are not there any more are fine: their end crossed the request.
    async fn unsubscribe(&self, session: &Session, request: Subscription) -> Result<(), Refusal> {
        let place = place_in(session, &request.room_id)?;
        let participant = place.participant;
        self.send_each(&place, &request.track_ids, |track| Command::Unsubscribe { participant, track: track.0 }).await
    }

    /// Makes a command of each entry of a client's list, and sends them, a few at a time.
    async fn send_each<T>(&self, place: &Place, entries: &[T], command: impl Fn(&T) -> Command) -> Result<(), Refusal> {
        for batch in entries.chunks(BATCH) {
            let shard = self.shard_of(&place.room, place.participant);
            let mut permits = shard.reserve(batch.len()).await.map_err(|_| Refusal::busy())?;
            let mut state = place.room.lock();
            member(&mut state, place.participant)?;
            batch.iter().for_each(|entry| permits.send(command(entry)));
        }
        Ok(())
    }

    async fn set_layer(&self, session: &Session, request: SetLayer) -> Result<(), Refusal> {
        let place = place_in(session, &request.room_id)?;
        let rid = match &request.rid {
            None => None,
            Some(text) => Some(Rid::new(text).ok_or_else(|| {
                let message = format!("`rid` is \"{}\": 1 to 16 letters, digits, `-` or `_` are allowed", clip(text));
                Refusal::field("rid", message)
            })?),
        };
        self.command(&place, |state| {
            may_subscribe(state, place.participant)?;
            if !is_published(state, request.track_id) {
                return Err(unknown_track("trackId", request.track_id, "a track of this room"));
            }
            Ok(Command::SetLayer { participant: place.participant, track: request.track_id.0, rid })
        })
        .await
    }

    /// Tracks that are not there any more are fine: what is shown changes all the time, and the end of a track crosses it.
    async fn set_view(&self, session: &Session, request: SetView) -> Result<(), Refusal> {
        let place = place_in(session, &request.room_id)?;
        let mut views = request.views;
        {
            let state = place.room.lock();
            may_subscribe(&state, place.participant)?;
            // Once through the room, however many views there are: it may have a thousand tracks.
            let named: HashSet<TrackRef> = views.iter().map(|view| view.track_id).collect();
            let tracks = state.members.iter().flat_map(|member| &member.tracks);
            let kinds: HashMap<TrackRef, Kind> = tracks
                .filter(|track| named.contains(&track.track_id))
                .map(|track| (track.track_id, track.kind))
                .collect();
            if let Some(sound) = views.iter().find(|view| kinds.get(&view.track_id) == Some(&Kind::Audio)) {
                let message = format!("`views`: {} is audio, tracks of video are allowed", sound.track_id);
                return Err(Refusal::field("views", message));
            }
            views.retain(|view| kinds.contains_key(&view.track_id));
        }
        let participant = place.participant;
        self.send_each(&place, &views, |seen| Command::SetView { participant, track: seen.track_id.0, view: seen.view })
            .await
    }
}

/// The server is ICE-lite: it answers checks and has no use for candidates. They are checked all the same, so that a client
/// that sends nonsense learns of it.
fn check_candidate(session: &Session, request: &IceCandidate) -> Result<(), Refusal> {
    place_in(session, &request.room_id)?;
    let text = request.candidate.as_ref().map_or("", |candidate| candidate.candidate.as_str());
    let is_candidate = text.is_empty() || text.starts_with("candidate:");
    if !is_candidate || text.len() > MAX_CANDIDATE_BYTES {
        let rule = format!("empty, or `candidate:…` of at most {MAX_CANDIDATE_BYTES} bytes, is allowed");
        return Err(Refusal::field("candidate", format!("`candidate`: {rule}")));
    }
    Ok(())
}

fn member(state: &mut RoomState, participant: ParticipantId) -> Result<&mut Member, Refusal> {
    state.member(participant).ok_or_else(Refusal::not_joined)
}

fn may_subscribe(state: &RoomState, participant: ParticipantId) -> Result<(), Refusal> {
    let member = state.members.iter().find(|member| member.participant == participant);
    require(member.ok_or_else(Refusal::not_joined)?.standing(), Action::Subscribe)
}

fn is_published(state: &RoomState, track: TrackRef) -> bool {
    state.members.iter().any(|member| member.tracks.iter().any(|published| published.track_id == track))
}

fn unknown_track(field: &str, track: TrackRef, allowed: &str) -> Refusal {
    Refusal::new(ErrorCode::UnknownTrack, format!("`{field}`: {track} is not {allowed}")).with_field(field)
}
