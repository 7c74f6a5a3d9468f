//! Who gets into a room.

use crate::access::{Identity, Role};
use crate::chat::MemberChat;
use crate::membership::parse_display_name;
use crate::protocol::ParticipantRef;
use crate::protocol::client::JoinRoom;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::server::ServerMessage;
use crate::room::{Member, Room, RoomState};
use crate::session::{Place, Session, Token};
use crate::stats::count;
use crate::switchboard::{Switchboard, entropy, expired};
use crate::visitor::Whence;
use crate::webhooks::Event;
use parlor_media::command::{Command, ParticipantSettings, Rights};
use parlor_media::ids::ParticipantId;
use std::collections::VecDeque;
use std::sync::Arc;

impl Switchboard {
    /// Lets a session join a room.
    pub(crate) async fn join(
        &self,
        session: &Arc<Session>,
        whence: Whence,
        id: Option<String>,
        join: JoinRoom,
    ) -> Result<(), Refusal> {
        if session.place().is_some() {
            return Err(Refusal::already_joined());
        }
        let display_name = parse_display_name(join.display_name.as_deref())?;
        let room = self.room(&join.room_id)?;
        let shard = self.shard_of(&room);
        let candidates = shard.candidates(&self.announce.for_client(whence.on_loopback));
        let participant = ParticipantId(u64::from_le_bytes(entropy()?));
        let token = Token::from_entropy(entropy()?);
        let access = Token::from_entropy(entropy()?);
        let identity = Identity::parse(&format!("guest-{}", ParticipantRef(participant))).ok_or_else(Refusal::busy)?;
        let mut permits = shard.reserve(1).await.map_err(|_| Refusal::busy())?;

        let mut state = room.lock();
        self.check_entrance(&room, &state)?;
        if !session.enter(Place { room: Arc::clone(&room), participant }, token) {
            return Err(Refusal::already_joined());
        }
        let member = Member {
            participant,
            session: Arc::clone(session),
            identity,
            role: Role::Speaker,
            access,
            display_name,
            joined_at: self.wall_clock(),
            tracks: Vec::new(),
            candidates: Arc::clone(&candidates),
            trickled: false,
            chat: MemberChat::default(),
            offers: VecDeque::new(),
            next_offer: 0,
            answer_id: None,
        };
        let settings = ParticipantSettings {
            candidates,
            follows_bindings: join.follows_bindings,
            auto_subscribe: join.auto_subscribe,
            rights: Rights::ALL,
        };
        permits.send(Command::Join { room: room.key, participant, settings });
        shard.count_participant();
        self.directory.enter(participant, &room);
        self.directory.add_token(token, session);
        self.directory.add_access(access, Place { room: Arc::clone(&room), participant });
        self.webhooks.emit(&Event::ParticipantJoined {
            room_id: &room.code,
            participant_id: ParticipantRef(participant),
            identity: &member.identity,
            display_name: member.display_name.as_deref(),
            role: member.role,
            joined_at: member.joined_at,
        });
        self.log_joined(&room, &member);
        let participant_view = member.seen_by(None);
        state.members.push(member);
        state.empty_since = None;
        let view = room.membership(&state, participant, &self.surroundings, token.to_text(), id);
        session.post(crate::room::encode(&ServerMessage::RoomJoined(view)));
        let participant_count = state.members.len();
        state.tell_others(participant, &ServerMessage::UserJoined { participant_count, participant: participant_view });
        drop(state);
        count(&self.counters.joins);
        Ok(())
    }

    fn check_entrance(&self, room: &Room, state: &RoomState) -> Result<(), Refusal> {
        if self.is_stopping() {
            return Err(Refusal::busy());
        }
        if state.is_expired(self.wall_clock()) {
            return Err(expired(&room.code));
        }
        if state.ended {
            // It ended while the command was reserved: say what the directory says now.
            return Err(self.room(&room.code).err().unwrap_or_else(Refusal::busy));
        }
        self.check_capacity()?;
        let most = state.record.settings.max_participants;
        if state.members.len() >= most {
            let message = format!("the room is full: at most {most} participants are allowed");
            return Err(Refusal::new(ErrorCode::RoomFull, message));
        }
        Ok(())
    }
}
