//! What a participant may do now.
//!
//! Three things decide: its role, what its token grants, and the room's settings. [`rights`] is the one place where they meet;
//! whatever changes one of them computes anew and tells the participant and its shard.

use crate::access::{Action, Grant, PublishGrant, Role, Standing, may};
use crate::protocol::Timestamp;
use crate::protocol::server::Rights;
use crate::protocol::track::Source;
use crate::room::Member;
use crate::room_settings::{Allowed, RoomSettings};
use parlor_media::command;
use std::time::Duration;

/// What a token lets its holder do besides its role. Who comes without a token may all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grants {
    pub(crate) audio: bool,
    pub(crate) video: bool,
    pub(crate) screen: bool,
    pub(crate) chat: bool,
    /// The others are not shown that it is there; it neither publishes nor writes.
    pub(crate) hidden: bool,
    /// When the token is over by every clock, and the stay with it.
    pub(crate) ends_at: Option<Timestamp>,
}

impl Grants {
    /// Everything, for ever.
    pub(crate) const ALL: Self =
        Self { audio: true, video: true, screen: true, chat: true, hidden: false, ends_at: None };

    /// Those of a token, where clocks may differ by `leeway`.
    pub(crate) fn of(grant: &Grant, leeway: Duration) -> Self {
        let PublishGrant { audio, video, screen } = grant.publish;
        let ends_at = Some(grant.expires_at + leeway);
        Self { audio, video, screen, chat: grant.chat, hidden: grant.hidden, ends_at }
    }

    /// Whether the token's time is over.
    pub(crate) fn are_over(&self, now: Timestamp) -> bool {
        self.ends_at.is_some_and(|end| now >= end)
    }
}

/// What somebody of that role and these grants may do in a room of these settings.
pub(crate) fn rights(role: Role, grants: &Grants, settings: &RoomSettings) -> Rights {
    let standing = Standing::Member(role);
    let lets = |allowed| match allowed {
        Allowed::Everyone => true,
        Allowed::Hosts => role == Role::Host,
        Allowed::Nobody => false,
    };
    let publishes = may(standing, Action::Publish) && !grants.hidden;
    Rights {
        audio: publishes && grants.audio && lets(settings.publish.audio),
        video: publishes && grants.video && lets(settings.publish.video),
        screen: publishes && grants.screen && lets(settings.publish.screen),
        chat: may(standing, Action::Chat) && !grants.hidden && grants.chat && lets(settings.chat),
    }
}

impl Rights {
    /// The part that a shard keeps to.
    pub(crate) fn media(self) -> command::Rights {
        command::Rights { audio: self.audio, video: self.video, screen: self.screen }
    }

    /// Whether a track of that source may be published.
    pub(crate) fn allow(self, source: Source) -> bool {
        match source {
            Source::Microphone => self.audio,
            Source::Camera => self.video,
            Source::Screen | Source::ScreenAudio => self.screen,
        }
    }
}

impl Member {
    /// What it stands for in its room.
    pub(crate) fn standing(&self) -> Standing {
        Standing::Member(self.role)
    }

    /// Whether it may write in the chat, react, and show as writing, by these settings of its room.
    pub(crate) fn may_chat(&self, settings: &RoomSettings) -> bool {
        rights(self.role, &self.grants, settings).chat
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room_settings::PublishPolicy;
    use crate::tests::record;

    const NOTHING: Rights = Rights { audio: false, video: false, screen: false, chat: false };
    const EVERYTHING: Rights = Rights { audio: true, video: true, screen: true, chat: true };

    #[test]
    fn roles_bound_what_a_room_lets_everyone_do() {
        let settings = record("abc").settings;
        assert_eq!(rights(Role::Host, &Grants::ALL, &settings), EVERYTHING);
        assert_eq!(rights(Role::Speaker, &Grants::ALL, &settings), EVERYTHING);
        assert_eq!(rights(Role::Listener, &Grants::ALL, &settings), Rights { chat: true, ..NOTHING });
    }

    #[test]
    fn settings_and_grants_take_away_and_never_add() {
        let mut settings = record("abc").settings;
        settings.publish = PublishPolicy { audio: Allowed::Everyone, video: Allowed::Hosts, screen: Allowed::Nobody };
        settings.chat = Allowed::Hosts;
        assert_eq!(rights(Role::Host, &Grants::ALL, &settings), Rights { screen: false, ..EVERYTHING });
        assert_eq!(rights(Role::Speaker, &Grants::ALL, &settings), Rights { audio: true, ..NOTHING });
        assert_eq!(rights(Role::Listener, &Grants::ALL, &settings), NOTHING);
        let mute = Grants { audio: false, ..Grants::ALL };
        assert_eq!(rights(Role::Host, &mute, &settings), Rights { audio: false, screen: false, ..EVERYTHING });
        let hidden = Grants { hidden: true, ..Grants::ALL };
        assert_eq!(rights(Role::Host, &hidden, &record("abc").settings), NOTHING);
    }
}
