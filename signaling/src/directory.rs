//! Where everything is found: rooms by their ids, rooms by participant, sessions by token.
//!
//! A map's lock is held for one look-up only and never while a room is locked for longer than that: maps are the last in the
//! order of locks.

use crate::protocol::RoomCode;
use crate::room::Room;
use crate::session::{Place, Session, Token, lock};
use crate::store::RoomUid;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use parlor_media::ids::{ParticipantId, RoomId};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// How long an expired room's id is remembered, so that latecomers are told why it is gone.
const REMEMBER_EXPIRED: Duration = Duration::from_secs(3600);
/// The most expired ids remembered; beyond, the oldest are forgotten early.
const MAX_EXPIRED: usize = 4096;

/// See the module.
#[derive(Default)]
pub(crate) struct Directory {
    by_code: DashMap<RoomCode, Arc<Room>>,
    by_key: DashMap<RoomId, Arc<Room>>,
    by_uid: DashMap<RoomUid, Arc<Room>>,
    by_participant: DashMap<ParticipantId, Arc<Room>>,
    by_token: DashMap<Token, Arc<Session>>,
    by_access: DashMap<Token, Place>,
    expired: Mutex<VecDeque<(RoomCode, Instant)>>,
}

impl Directory {
    /// Enters a room under its id; `false` when there is one.
    pub(crate) fn insert(&self, room: &Arc<Room>) -> bool {
        match self.by_code.entry(room.code.clone()) {
            Entry::Occupied(_) => return false,
            Entry::Vacant(entry) => entry.insert(Arc::clone(room)),
        };
        self.by_key.insert(room.key, Arc::clone(room));
        self.by_uid.insert(room.uid, Arc::clone(room));
        lock(&self.expired).retain(|(code, _)| *code != room.code);
        true
    }

    pub(crate) fn remove(&self, room: &Room) {
        self.by_code.remove_if(&room.code, |_, there| there.key == room.key);
        self.by_key.remove(&room.key);
        self.by_uid.remove_if(&room.uid, |_, there| there.key == room.key);
    }

    /// Remembers that a room expired.
    pub(crate) fn remember_expired(&self, code: &RoomCode, now: Instant) {
        let mut expired = lock(&self.expired);
        if expired.len() >= MAX_EXPIRED {
            expired.pop_front();
        }
        expired.push_back((code.clone(), now));
    }

    pub(crate) fn has_expired(&self, code: &RoomCode) -> bool {
        lock(&self.expired).iter().any(|(expired, _)| expired == code)
    }

    pub(crate) fn forget_expired(&self, now: Instant) {
        lock(&self.expired).retain(|&(_, at)| now.saturating_duration_since(at) < REMEMBER_EXPIRED);
    }

    pub(crate) fn room(&self, code: &RoomCode) -> Option<Arc<Room>> {
        self.by_code.get(code).map(|room| Arc::clone(&room))
    }

    pub(crate) fn room_by_key(&self, key: RoomId) -> Option<Arc<Room>> {
        self.by_key.get(&key).map(|room| Arc::clone(&room))
    }

    pub(crate) fn room_by_uid(&self, uid: RoomUid) -> Option<Arc<Room>> {
        self.by_uid.get(&uid).map(|room| Arc::clone(&room))
    }

    pub(crate) fn rooms(&self) -> Vec<Arc<Room>> {
        self.by_code.iter().map(|room| Arc::clone(&room)).collect()
    }

    pub(crate) fn enter(&self, participant: ParticipantId, room: &Arc<Room>) {
        self.by_participant.insert(participant, Arc::clone(room));
    }

    pub(crate) fn leave(&self, participant: ParticipantId) {
        self.by_participant.remove(&participant);
    }

    pub(crate) fn room_of(&self, participant: ParticipantId) -> Option<Arc<Room>> {
        self.by_participant.get(&participant).map(|room| Arc::clone(&room))
    }

    pub(crate) fn room_count(&self) -> usize {
        self.by_code.len()
    }

    pub(crate) fn participant_count(&self) -> usize {
        self.by_participant.len()
    }

    pub(crate) fn add_token(&self, token: Token, session: &Arc<Session>) {
        self.by_token.insert(token, Arc::clone(session));
    }

    pub(crate) fn void_tokens(&self, tokens: impl IntoIterator<Item = Option<Token>>) {
        for token in tokens.into_iter().flatten() {
            self.by_token.remove(&token);
        }
    }

    /// A participant can be known by an access token from now on.
    pub(crate) fn add_access(&self, access: Token, place: Place) {
        self.by_access.insert(access, place);
    }

    pub(crate) fn remove_access(&self, access: Token) {
        self.by_access.remove(&access);
    }

    /// The participant of an access token.
    pub(crate) fn place(&self, access: Token) -> Option<Place> {
        self.by_access.get(&access).map(|place| place.clone())
    }

    pub(crate) fn session(&self, token: Token) -> Option<Arc<Session>> {
        self.by_token.get(&token).map(|session| Arc::clone(&session))
    }

    #[cfg(test)]
    pub(crate) fn token_count(&self) -> usize {
        self.by_token.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::record;

    fn code(text: &str) -> RoomCode {
        RoomCode::parse(text).unwrap()
    }

    #[test]
    fn an_id_has_one_room() {
        let (directory, now) = (Directory::default(), Instant::now());
        let room = |key| Room::new(RoomId(key), record("abc"), 0, now);
        let (first, second) = (room(1), room(2));
        assert!(directory.insert(&first));
        assert!(!directory.insert(&second));
        // Removing a room that is not the one entered leaves that one alone.
        directory.remove(&second);
        assert!(directory.room(&code("abc")).is_some());
        directory.remove(&first);
        assert!(directory.room(&code("abc")).is_none() && directory.room_by_key(RoomId(1)).is_none());
    }

    #[test]
    fn expired_ids_are_bounded_and_forgotten() {
        let (directory, now) = (Directory::default(), Instant::now());
        for number in 0..=MAX_EXPIRED {
            directory.remember_expired(&code(&format!("room-{number}")), now);
        }
        assert!(!directory.has_expired(&code("room-0")));
        assert!(directory.has_expired(&code("room-1")));
        directory.forget_expired(now + REMEMBER_EXPIRED);
        assert!(!directory.has_expired(&code("room-1")));
    }
}
