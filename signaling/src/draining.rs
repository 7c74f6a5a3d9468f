//! The last while of a server that is about to end: calls go on, no new ones begin.
//!
//! A call is on in a room where somebody is; who is hidden does not count. From [`Switchboard::drain`] on no room is created,
//! and nobody enters a room without a call: so calls only end, and [`Switchboard::until_no_calls`] means for good.

use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::server::ServerMessage;
use crate::room::{Member, RoomState};
use crate::switchboard::Switchboard;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    /// When the server ends at the latest, once that is decided.
    until: OnceLock<Instant>,
    /// Somebody left a room.
    departed: Notify,
}

/// How many calls are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Rooms with somebody in them.
    pub rooms: usize,
    /// People in them, those included whose connection is lost and who may resume.
    pub participants: usize,
}

impl Drain {
    /// Whole seconds until the server ends at the latest; `None` unless it drains.
    pub(crate) fn seconds_left(&self) -> Option<u64> {
        let left = self.until.get()?.saturating_duration_since(Instant::now());
        Some(left.as_millis().div_ceil(1000) as u64)
    }

    pub(crate) fn on_departure(&self) {
        self.departed.notify_one();
    }
}

impl Switchboard {
    /// The server ends when no call is on, after `bound` at the latest: everybody in a room is told. Once is enough.
    pub(crate) fn drain(&self, bound: Duration) {
        if self.drain.until.set(Instant::now() + bound).is_ok() {
            // Who joins from here on is told on the way in, some perhaps twice.
            self.directory.rooms().iter().for_each(|room| {
                room.lock().members.iter().for_each(|member| self.tell_draining(member));
            });
        }
    }

    /// Tells a member, if there is something to tell.
    pub(crate) fn tell_draining(&self, member: &Member) {
        if let Some(seconds_left) = self.drain.seconds_left() {
            member.tell(&ServerMessage::ServerDraining { seconds_left });
        }
    }

    /// Whether a new call may begin.
    ///
    /// # Errors
    /// `draining`
    pub(crate) fn check_draining(&self) -> Result<(), Refusal> {
        let Some(seconds_left) = self.drain.seconds_left() else { return Ok(()) };
        let seconds = u32::try_from(seconds_left.max(1)).unwrap_or(u32::MAX);
        let message = format!("the server is about to be restarted and begins no new calls: try again in {seconds} s");
        Err(Refusal::new(ErrorCode::Draining, message).with_retry_after(seconds))
    }

    /// Whether somebody may enter a room, as far as draining is concerned: where a call is on.
    ///
    /// # Errors
    /// `draining`
    pub(crate) fn check_call(&self, state: &RoomState) -> Result<(), Refusal> {
        if state.count() > 0 { Ok(()) } else { self.check_draining() }
    }

    /// The calls that are on now.
    pub(crate) fn calls(&self) -> Calls {
        let mut calls = Calls::default();
        for room in self.directory.rooms() {
            let participants = room.lock().count();
            calls.rooms += usize::from(participants > 0);
            calls.participants += participants;
        }
        calls
    }

    /// Waits until no call is on. One may wait at a time.
    pub(crate) async fn until_no_calls(&self) {
        while self.calls() != Calls::default() {
            self.drain.departed.notified().await;
        }
    }
}
