//! How many commands a tick takes on: so many that media does not wait for them long, by what they cost.

use parlor_media::command::Command;

/// What one tick may spend, in units of some ten to twenty microseconds: eight offers, or sixty-four cheap commands, a
/// millisecond either way.
const OF_A_TICK: u32 = 64;

/// What is left of a tick's spending. A command may overdraw it; the next one waits for the next tick.
pub(super) struct Allowance(u32);

impl Allowance {
    pub(super) fn of_a_tick() -> Self {
        Self(OF_A_TICK)
    }

    pub(super) fn is_spent(&self) -> bool {
        self.0 == 0
    }

    pub(super) fn spend(&mut self, command: &Command) {
        self.0 = self.0.saturating_sub(cost(command));
    }
}

/// In units of some ten to twenty microseconds.
fn cost(command: &Command) -> u32 {
    match command {
        // A description is compared with what is agreed on, and one is written.
        Command::Offer { .. } | Command::Answer { .. } => 8,
        // Everybody in the room is taken leave of.
        Command::CloseRoom { .. } => 16,
        Command::ReadRoom { .. } => 4,
        // A participant's state is made or taken apart.
        Command::Join { .. } | Command::Leave { .. } => 2,
        // The other parts of a room are told of what is published here.
        Command::LinkRoom { .. } => 2,
        Command::OpenRoom { .. }
        | Command::SetMuted { .. }
        | Command::Silence { .. }
        | Command::SetRights { .. }
        | Command::Subscribe { .. }
        | Command::Unsubscribe { .. }
        | Command::SetLayer { .. }
        | Command::SetView { .. }
        | Command::SendData { .. } => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parlor_media::ids::{ParticipantId, RoomId};

    fn taken(command: &Command) -> usize {
        let mut allowance = Allowance::of_a_tick();
        let mut taken = 0;
        while !allowance.is_spent() {
            allowance.spend(command);
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_tick_takes_on_fewer_of_what_costs_more() {
        let participant = ParticipantId(1);
        assert_eq!(taken(&Command::OpenRoom { room: RoomId(1) }), 64);
        assert_eq!(taken(&Command::Leave { participant }), 32);
        assert_eq!(taken(&Command::CloseRoom { room: RoomId(1) }), 4);
        let sdp = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n";
        let answer = Box::new(parlor_media::sdp::RemoteDescription::parse(sdp).unwrap());
        assert_eq!(taken(&Command::Answer { participant, negotiation: None, answer }), 8);
    }
}
