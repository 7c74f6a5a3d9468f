//! Who gets into a room.
//!
//! [`Arrival`] is who stands at the door, [`judgement`] the rules, [`crate::lobby`] where people wait for a host's word. What
//! takes longer than a lock may be held (a password's hash, an invite in the store, a place in the shard's channel) is done
//! between two judgements: after every wait the newcomer is judged anew, and only a judgement under the lock in which it
//! enters lets it in.

mod arrival;
mod judgement;

pub(crate) use arrival::{Arrival, INVITE_PREFIX, grant_for};
pub(crate) use judgement::check_space;

#[cfg(test)]
pub(crate) use arrival::guest_of_key;

use crate::access::Role;
use crate::chat::MemberChat;
use crate::gate::Who;
use crate::invites::MAX_INVITES;
use crate::join_trace::{JoinTrace, Stage};
use crate::limits::Kind;
use crate::lines::Entry;
use crate::password;
use crate::protocol::client::JoinRoom;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::server::ServerMessage;
use crate::protocol::{ParticipantRef, SecretText};
use crate::rights::rights;
use crate::room::{Member, Room, RoomState, encode};
use crate::session::{Place, Session, Token};
use crate::spreading;
use crate::stats::JoinOutcome;
use crate::store::{InviteRecord, Secret, StoreError};
use crate::switchboard::{Switchboard, entropy, expired};
use crate::visitor::Whence;
use crate::webhooks::Event;
use arrival::invite_invalid;
use judgement::{Proof, Verdict, judge};
use parlor_media::command::{Command, ParticipantSettings};
use parlor_media::quality::Quality;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::time::Instant;

/// How often a newcomer is judged. Four times is enough unless the room changes meanwhile.
const MAX_JUDGEMENTS: usize = 8;

impl Switchboard {
    /// Lets a session join a room, or wait in its lobby.
    pub(crate) async fn join(
        &self,
        session: &Arc<Session>,
        whence: Whence,
        id: Option<String>,
        join: JoinRoom,
    ) -> Result<(), Refusal> {
        let (trace, code) = (JoinTrace::begin(), join.room_id.clone());
        let door = trace.door();
        let result = self.try_to_join(session, whence, id, join, trace).await;
        if let Err(refusal) = &result {
            self.counters.joins.count(JoinOutcome::of(refusal.code));
            door.refuse(refusal.code);
            self.lines.join_refused(self.directory.room(&code).map(|room| room.key), refusal.code);
        }
        result
    }

    /// The same, neither counted nor written down.
    async fn try_to_join(
        &self,
        session: &Arc<Session>,
        whence: Whence,
        id: Option<String>,
        join: JoinRoom,
        trace: JoinTrace,
    ) -> Result<(), Refusal> {
        if session.place().is_some() {
            return Err(Refusal::already_joined());
        }
        if session.waiting().is_some() {
            return Err(Refusal::waiting());
        }
        let code = join.room_id.clone();
        let arrival = Arrival::of(self, session, whence, id, join, trace)?;
        let who = Who { address: whence.address, identity: Some(&arrival.identity), room: None };
        self.count(Kind::Join, who)?;
        let to_conceal = arrival.invite.filter(|_| !arrival.is_known);
        let room = self.room(&code);
        let mut proof = Proof::default();
        let result = match &room {
            Ok(room) => self.come_in(room, arrival, &mut proof).await,
            Err(refusal) => Err(refusal.clone()),
        };
        let Err(refusal) = result else { return Ok(()) };
        if let Some(invite) = proof.invite {
            self.put_back(invite).await;
        } else if let Some(secret) = to_conceal {
            self.check_invite(room.ok(), secret).await?;
        }
        Err(refusal)
    }

    /// Whether an invite is good, without using it up: who only claims to be invited to a room of a server with keys is not to
    /// learn from a refusal what the room is like.
    async fn check_invite(&self, room: Option<Arc<Room>>, secret: Secret) -> Result<(), Refusal> {
        let room = room.ok_or_else(invite_invalid)?;
        let invites = self.store.invites(room.uid, MAX_INVITES, self.wall_clock()).await?;
        if invites.iter().any(|invite| invite.secret == secret) { Ok(()) } else { Err(invite_invalid()) }
    }

    async fn come_in(&self, room: &Arc<Room>, mut arrival: Arrival, proof: &mut Proof) -> Result<(), Refusal> {
        let mut entry = None;
        for _ in 0..MAX_JUDGEMENTS {
            let verdict = {
                let mut state = room.lock();
                self.check_life(room, &state)?;
                let fitting = entry.take().filter(|entry: &spreading::Entry<'_>| entry.fits(&state));
                match (judge(&state, &arrival, proof, self.wall_clock())?, fitting) {
                    (Verdict::Enter(role), Some(entry)) => {
                        return self.take_in(room, &mut state, arrival, role, entry);
                    }
                    (Verdict::Wait(role), _) => return self.wait(room, &mut state, arrival, role),
                    (verdict, _) => verdict,
                }
            };
            arrival.trace.stage(match verdict {
                Verdict::AskPassword(_) => Stage::Password,
                Verdict::RedeemInvite(_) => Stage::Invite,
                Verdict::Enter(_) | Verdict::Wait(_) => Stage::Shard,
            });
            match verdict {
                Verdict::AskPassword(hash) => {
                    self.check_password(room, &arrival, &hash).await?;
                    proof.password = Some(hash);
                }
                Verdict::RedeemInvite(secret) => proof.invite = Some(self.redeem(room, secret).await?),
                Verdict::Enter(_) | Verdict::Wait(_) => {
                    entry = Some(self.reserve_entry(room).await?);
                }
            }
        }
        Err(Refusal::busy())
    }

    /// Refuses when the server or the room goes no further.
    fn check_life(&self, room: &Room, state: &RoomState) -> Result<(), Refusal> {
        if self.is_stopping() {
            return Err(Refusal::busy());
        }
        if state.is_expired(self.wall_clock()) {
            return Err(expired(&room.code));
        }
        if state.ended {
            // It ended meanwhile: say what the directory says now.
            return Err(self.gone(room));
        }
        self.check_call(state)?;
        self.check_capacity()
    }

    async fn check_password(&self, room: &Room, arrival: &Arrival, hash: &SecretText) -> Result<(), Refusal> {
        let who = Who { address: arrival.whence.address, room: Some(room.key), identity: None };
        let password = arrival.password.as_ref().map_or("", SecretText::expose);
        // Before it is tried, so that many at once get no further than many in turn.
        self.count(Kind::FailedPassword, who)?;
        let verified = password::verify(hash.expose(), password).await;
        if !matches!(verified, Ok(false)) {
            self.gate.give_back(Kind::FailedPassword, who);
        }
        if verified? {
            Ok(())
        } else {
            Err(Refusal::new(ErrorCode::PasswordWrong, "that is not the room's password").with_field("password"))
        }
    }

    async fn redeem(&self, room: &Room, secret: Secret) -> Result<InviteRecord, Refusal> {
        match self.store.redeem_invite(room.uid, secret, self.wall_clock()).await {
            Ok(invite) => Ok(invite),
            Err(StoreError::Missing) => Err(invite_invalid()),
            Err(error) => Err(error.into()),
        }
    }

    /// An invite was used up and did not let anybody in.
    async fn put_back(&self, invite: InviteRecord) {
        if let Err(error) = self.store.add_invites(std::slice::from_ref(&invite)).await {
            tracing::warn!(%error, invite = invite.id, "an invite that let nobody in is lost");
        }
    }

    /// Makes a member of somebody who may come in by an entry that fits. This is the only way to become one.
    pub(crate) fn take_in(
        &self,
        room: &Arc<Room>,
        state: &mut RoomState,
        arrival: Arrival,
        role: Role,
        entry: spreading::Entry<'_>,
    ) -> Result<(), Refusal> {
        let (how, waited) = (arrival.how(), arrival.session.waiting().is_some());
        let Arrival { participant, session, grants, asked_at, mut trace, .. } = arrival;
        let (index, shard) = (entry.shard, &self.shards[entry.shard]);
        let token = Token::from_entropy(entropy()?);
        let access = Token::from_entropy(entropy()?);
        let place = Place { room: Arc::clone(room), participant };
        if !session.enter(place.clone(), token) {
            return Err(Refusal::already_joined());
        }
        let rights = rights(role, &grants, &state.record.settings);
        let candidates = shard.candidates(&self.announce.for_client(arrival.whence.on_loopback));
        let settings = ParticipantSettings {
            candidates: Arc::clone(&candidates),
            follows_bindings: arrival.follows_bindings,
            auto_subscribe: arrival.auto_subscribe,
            rights: rights.media(),
        };
        entry.enter(room, state, Command::Join { room: room.key, participant, settings });
        shard.count_participant();
        self.directory.enter(participant, room);
        self.directory.add_token(token, &session);
        self.directory.add_access(access, place);
        trace.enter(room.key, participant, role, how);
        self.lines.joined(room.key, participant, &Entry { role, how, waited, sdk: arrival.follows_bindings });
        state.members.push(Member {
            participant,
            shard: index,
            session,
            identity: arrival.identity,
            role,
            grants,
            rights,
            access,
            display_name: arrival.display_name,
            joined_at: self.wall_clock(),
            tracks: Vec::new(),
            candidates,
            trickled: false,
            chat: MemberChat::default(),
            offers: VecDeque::new(),
            next_offer: 0,
            answer_id: None,
            quality: Quality::UNKNOWN,
            trace,
        });
        state.note_presence(Instant::now());
        self.announce_member(room, state);
        self.welcome(room, state, token, arrival.id);
        self.counters.joins.count(JoinOutcome::Joined);
        self.counters.join_latency.observe(asked_at.elapsed());
        Ok(())
    }

    /// Tells the session log and the application of the latest member.
    fn announce_member(&self, room: &Room, state: &RoomState) {
        let Some(member) = state.members.last() else { return };
        self.webhooks.emit(&Event::ParticipantJoined {
            room_id: &room.code,
            participant_id: ParticipantRef(member.participant),
            identity: &member.identity,
            display_name: member.display_name.as_deref(),
            role: member.role,
            joined_at: member.joined_at,
        });
        self.log_joined(room, member);
    }

    /// Tells the latest member where it is, and the others who it is.
    fn welcome(&self, room: &Room, state: &RoomState, token: Token, id: Option<String>) {
        let Some(member) = state.members.last() else { return };
        let view = room.membership(state, member, &self.surroundings, token, id);
        member.session.post(encode(&ServerMessage::RoomJoined(view)));
        if !member.grants.hidden {
            let (participant_count, participant) = (state.count(), member.seen_by(None));
            state.tell_others(member.participant, &ServerMessage::UserJoined { participant_count, participant });
        }
        if member.role == Role::Host {
            state.tell_lobby_to(member);
        }
        state.tell_quality_to(member);
        self.tell_draining(member);
    }
}
