//! A room and its members.
//!
//! The members' list, the chat's order and the commands to the shard follow one sequence, that of the room's lock. Nothing is
//! awaited while it is held.

use crate::access::{ACCESS_PREFIX, Identity, Role};
use crate::chat::{ChatState, MemberChat};
use crate::join_trace::JoinTrace;
use crate::lobby::Lobby;
use crate::places::RoomPlace;
use crate::protocol::error::Refusal;
use crate::protocol::quality::ParticipantQuality;
use crate::protocol::server::{Departure, Membership, Rights, ServerMessage};
use crate::protocol::{Participant, ParticipantRef, RoomCode, RoomView, ServerType, Timestamp, Track, TrackRef};
use crate::rights::Grants;
use crate::session::{Session, Token, lock};
use crate::store::{RoomRecord, RoomUid};
use parlor_media::command::Candidate;
use parlor_media::ids::{ParticipantId, RoomId};
use parlor_media::quality::Quality;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// The most offers of one participant that await their answer.
pub(crate) const MAX_OFFERS: usize = 8;

/// See the module.
#[derive(Debug)]
pub(crate) struct Room {
    /// Its number on its shard and in the log.
    pub(crate) key: RoomId,
    /// Its number in the store.
    pub(crate) uid: RoomUid,
    pub(crate) code: RoomCode,
    /// The shard that it was placed on, by index: it has a part there for as long as it lives.
    pub(crate) home: usize,
    /// Held while its record is changed, in the store and then in memory; taken before its lock.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// Taken for as long as messages that are not in memory are read or changed in the store. No other lock is held while it
    /// is awaited.
    pub(crate) old_messages: tokio::sync::RwLock<()>,
    /// When its shard was last asked how it does; taken for as long as that takes.
    pub(crate) read_at: tokio::sync::Mutex<Option<Instant>>,
    state: Mutex<RoomState>,
}

/// What changes in a room.
#[derive(Debug)]
pub(crate) struct RoomState {
    /// As the store has it.
    pub(crate) record: RoomRecord,
    /// In the order of joining.
    pub(crate) members: Vec<Member>,
    /// Who waits to be let in.
    pub(crate) lobby: Lobby,
    pub(crate) chat: ChatState,
    /// Since when nobody is here.
    pub(crate) empty_since: Option<Instant>,
    /// It has left the directory: nobody enters any more.
    pub(crate) ended: bool,
    /// Its place among the rooms of the server.
    pub(crate) place: Option<RoomPlace>,
    /// The shards that have a part of it, its home first; see [`crate::spreading`].
    pub(crate) parts: Vec<usize>,
    /// What is to be told of tracks whose publication is not known yet; see [`crate::events`].
    pub(crate) early: Vec<Early>,
}

/// A message that has overtaken the news of the track that it is about: they come from different shards.
#[derive(Debug)]
pub(crate) struct Early {
    pub(crate) participant: ParticipantId,
    pub(crate) track: TrackRef,
    pub(crate) message: ServerMessage,
}

/// A participant.
pub(crate) struct Member {
    pub(crate) participant: ParticipantId,
    /// The shard that it lives on.
    pub(crate) shard: usize,
    pub(crate) session: Arc<Session>,
    pub(crate) identity: Identity,
    pub(crate) role: Role,
    /// What its token lets it do besides.
    pub(crate) grants: Grants,
    /// What it may do now; see [`crate::rights`].
    pub(crate) rights: Rights,
    /// Its credential for REST.
    pub(crate) access: Token,
    pub(crate) display_name: Option<String>,
    pub(crate) joined_at: Timestamp,
    /// With their mids.
    pub(crate) tracks: Vec<Track>,
    pub(crate) candidates: Arc<[Candidate]>,
    /// The candidates were told.
    pub(crate) trickled: bool,
    pub(crate) chat: MemberChat,
    /// Offers that await their answer: the number that the shard echoes, and the request's id.
    pub(crate) offers: VecDeque<(u64, Option<String>)>,
    pub(crate) next_offer: u64,
    /// The id of the latest `answer`.
    pub(crate) answer_id: Option<String>,
    /// As everybody was last told.
    pub(crate) quality: Quality,
    /// Of its join, until media flows.
    pub(crate) trace: JoinTrace,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").field("participant", &self.participant).finish_non_exhaustive()
    }
}

impl Room {
    pub(crate) fn new(key: RoomId, record: RoomRecord, home: usize, now: Instant) -> Arc<Self> {
        let (uid, code) = (record.uid, record.code.clone());
        let state = RoomState {
            record,
            members: Vec::new(),
            lobby: Lobby::default(),
            chat: ChatState::default(),
            empty_since: Some(now),
            ended: false,
            place: None,
            parts: vec![home],
            early: Vec::new(),
        };
        let (changing, old_messages) = (tokio::sync::Mutex::default(), tokio::sync::RwLock::default());
        let read_at = tokio::sync::Mutex::default();
        Arc::new(Self { key, uid, code, home, changing, old_messages, read_at, state: Mutex::new(state) })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, RoomState> {
        lock(&self.state)
    }
}

impl RoomState {
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.record.expires_at.is_some_and(|end| now >= end)
    }

    pub(crate) fn member(&mut self, participant: ParticipantId) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.participant == participant)
    }

    /// A member, if it is still here.
    pub(crate) fn member_ref(&self, participant: ParticipantId) -> Result<&Member, Refusal> {
        let member = self.members.iter().find(|member| member.participant == participant);
        member.ok_or_else(Refusal::not_joined)
    }

    /// Takes a member out; its departure is told by [`Self::tell_departure`].
    pub(crate) fn remove(&mut self, participant: ParticipantId, now: Instant) -> Option<Member> {
        let index = self.members.iter().position(|member| member.participant == participant)?;
        let member = self.members.remove(index);
        self.early.retain(|early| early.participant != participant);
        self.note_presence(now);
        Some(member)
    }

    /// Somebody came or went: notes since when nobody is here. Those who are hidden do not keep a room open.
    pub(crate) fn note_presence(&mut self, now: Instant) {
        self.empty_since = if self.count() > 0 { None } else { self.empty_since.or(Some(now)) };
    }

    /// How many are here, as the room is shown: without those who are hidden.
    pub(crate) fn count(&self) -> usize {
        self.members.iter().filter(|member| !member.grants.hidden).count()
    }

    /// Tells those who stay that someone left, unless it was hidden.
    pub(crate) fn tell_departure(&self, member: &Member, reason: Departure) {
        if member.grants.hidden {
            return;
        }
        self.tell_all(&ServerMessage::UserLeft {
            participant_count: self.count(),
            participant_id: ParticipantRef(member.participant),
            reason,
        });
    }

    /// Tells everyone.
    pub(crate) fn tell_all(&self, message: &ServerMessage) {
        let text = encode(message);
        self.members.iter().for_each(|member| member.session.post(text.clone()));
    }

    /// Tells everyone but one.
    pub(crate) fn tell_others(&self, participant: ParticipantId, message: &ServerMessage) {
        let text = encode(message);
        let others = self.members.iter().filter(|member| member.participant != participant);
        others.for_each(|member| member.session.post(text.clone()));
    }

    /// Tells somebody new how good everybody's connection is, as far as that is known.
    pub(crate) fn tell_quality_to(&self, newcomer: &Member) {
        let known = |member: &&Member| !member.grants.hidden && member.quality != Quality::UNKNOWN;
        let participants: Vec<_> = self.members.iter().filter(known).map(Member::quality_view).collect();
        if !participants.is_empty() {
            newcomer.tell(&ServerMessage::Quality { participants });
        }
    }

    /// Everyone, as `viewer` sees them: those who are hidden see themselves.
    pub(crate) fn participants(&self, viewer: Option<ParticipantId>) -> Vec<Participant> {
        let shown = |member: &&Member| !member.grants.hidden || viewer == Some(member.participant);
        self.members.iter().filter(shown).map(|member| member.seen_by(viewer)).collect()
    }
}

impl Member {
    pub(crate) fn tell(&self, message: &ServerMessage) {
        self.session.post(encode(message));
    }

    /// How good its connection is, as it was last told.
    pub(crate) fn quality_view(&self) -> ParticipantQuality {
        ParticipantQuality::new(self.participant, self.quality)
    }

    /// The member as `viewer` sees it: its mids are its own business.
    pub(crate) fn seen_by(&self, viewer: Option<ParticipantId>) -> Participant {
        let own = viewer == Some(self.participant);
        let tracks = self.tracks.iter();
        Participant {
            participant_id: ParticipantRef(self.participant),
            identity: self.identity.clone(),
            role: self.role,
            display_name: self.display_name.clone(),
            joined_at: self.joined_at,
            tracks: tracks.map(|track| if own { track.clone() } else { track.without_mid() }).collect(),
        }
    }
}

/// A message as it goes out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Encoded {
    /// What it is counted as.
    pub(crate) kind: ServerType,
    pub(crate) text: Utf8Bytes,
}

pub(crate) fn encode(message: &ServerMessage) -> Encoded {
    // Maps with string keys, numbers and strings always serialise.
    let mut text = serde_json::to_string(message).unwrap_or_default();
    // It is held until it has arrived.
    text.shrink_to_fit();
    Encoded { kind: message.message_type(), text: text.into() }
}

/// The parts of [`Membership`] that are the same for every room.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) ice_servers: Vec<crate::protocol::server::IceServer>,
    pub(crate) resume_grace_seconds: u64,
    pub(crate) server_id: String,
}

impl RoomState {
    /// The room as the wire shows it; its metadata is for those inside, hosts and administrators.
    pub(crate) fn view(&self, with_metadata: bool) -> RoomView {
        let RoomRecord { code, version, created_at, expires_at, settings, password, .. } = self.record.clone();
        RoomView {
            room_id: code,
            name: settings.name,
            created_at,
            expires_at,
            not_before: settings.not_before,
            participant_count: self.count(),
            max_participants: settings.max_participants,
            history: settings.history,
            locked: settings.locked,
            lobby: settings.lobby,
            password_required: password.is_some(),
            join_as: settings.join_as,
            publish: settings.publish,
            chat: settings.chat,
            empty_timeout_seconds: settings.empty_timeout_seconds,
            metadata: with_metadata.then_some(settings.metadata),
            version,
        }
    }
}

impl Room {
    /// The room as a member is told of it.
    pub(crate) fn membership(
        &self,
        state: &RoomState,
        member: &Member,
        surroundings: &Surroundings,
        resume_token: Token,
        id: Option<String>,
    ) -> Membership {
        Membership {
            room_id: self.code.clone(),
            name: state.record.settings.name.clone(),
            participant_id: ParticipantRef(member.participant),
            participant_count: state.count(),
            participants: state.participants(Some(member.participant)),
            identity: member.identity.clone(),
            role: member.role,
            rights: member.rights,
            access_token: member.access.written(ACCESS_PREFIX),
            room: state.view(true),
            last_seq: state.chat.last_seq(),
            ice_servers: surroundings.ice_servers.clone(),
            resume_token: resume_token.written(""),
            resume_grace_seconds: surroundings.resume_grace_seconds,
            expires_at: state.record.expires_at,
            server_id: surroundings.server_id.clone(),
            id,
        }
    }
}
