//! What happens by itself: rooms expire, empty rooms end, lost sessions and tokens end, typing ends.
//!
//! A sweep looks at everything twice a second; with ten thousand rooms that is a few milliseconds. It never waits: what a shard
//! does not take now is done in the next sweep.

use crate::protocol::server::Departure;
use crate::room::{Member, Room, RoomState};
use crate::session::Place;
use crate::switchboard::Switchboard;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Between sweeps.
const SWEEP_INTERVAL: Duration = Duration::from_millis(500);

impl Switchboard {
    /// Sweeps until it is dropped.
    pub(crate) async fn run_timers(&self) {
        let mut sweeps = interval(SWEEP_INTERVAL);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            sweeps.tick().await;
            self.sweep(Instant::now());
        }
    }

    fn sweep(&self, now: Instant) {
        for room in self.directory.rooms() {
            self.sweep_room(&room, now);
        }
        self.directory.forget_expired(now);
        self.gate.prune(now);
        self.lines.flush(now);
    }

    fn sweep_room(&self, room: &Arc<Room>, now: Instant) {
        let is_due = self.end_due(&room.lock(), now).is_some();
        if is_due {
            // Somebody may have joined since: only what is seen under the lock counts.
            self.end_room_if(room, self.try_reserve_parts(room, 1), |state| self.end_due(state, now));
            return;
        }
        self.expire_typing(room, now);
        self.settle(room);
        self.fold(room);
        let look_at = |member: &mut Member| {
            member.trace.end_late(now);
            member.session.is_lost(self.settings.resume_grace, now).then_some(member.participant)
        };
        let lost: Vec<_> = room.lock().members.iter_mut().filter_map(look_at).collect();
        for participant in lost {
            let Ok(permits) = self.shard_of(room, participant).try_reserve(1) else { return };
            self.remove_lost(&Place { room: Arc::clone(room), participant }, permits, now);
        }
    }

    fn end_due(&self, state: &RoomState, now: Instant) -> Option<Departure> {
        if state.is_expired(self.wall_clock()) {
            return Some(Departure::RoomExpired);
        }
        let settings = &state.record.settings;
        let most = Duration::from_secs(settings.empty_timeout_seconds?);
        let empty = now.saturating_duration_since(state.empty_since?);
        // Before it opens nobody can be blamed for not being there.
        let open = settings.not_before.map_or(empty, |opens| self.wall_clock().since(opens));
        let too_long = empty.min(open) >= most;
        too_long.then_some(Departure::RoomClosed)
    }
}
