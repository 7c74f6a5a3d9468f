//! What each standing may do: one table, held against `docs/access.md` and against the server's answers by tests.

use super::{Role, Standing};
use crate::protocol::error::{ErrorCode, Refusal};

macro_rules! actions {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal: $($standing:ident)*;)*) => {
        /// What somebody may want to do in a room, or to one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Action {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Action {
            /// Every action, in the order of the table.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// For the table in the docs.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Who may do it. What a room's settings or a token forbid besides is checked where it is done.
            const fn allowed(self) -> &'static [Column] {
                match self {
                    $(Self::$variant => &[$(Column::$standing),*],)*
                }
            }
        }
    };
}

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Admin,
    Loopback,
    Host,
    Speaker,
    Listener,
    Lobby,
    Stranger,
}

actions! {
    /// See the settings and how many people are in.
    SeeRoom = "see the room": Admin Loopback Host Speaker Listener Lobby Stranger;
    /// See who is in.
    SeeUsers = "see who is in": Admin Loopback Host Speaker Listener;
    /// Read the chat.
    ReadMessages = "read messages": Admin Host Speaker Listener;
    /// Write in the chat, react, show as writing.
    Chat = "write, react": Host Speaker Listener;
    /// Change or delete a message of one's own.
    EditOwnMessage = "edit or delete own messages": Host Speaker Listener;
    /// Delete a message of somebody else's.
    DeleteMessage = "delete others' messages": Admin Host;
    /// Share a file.
    UploadFile = "upload files": Host Speaker;
    /// Fetch a shared file.
    DownloadFile = "download files": Admin Host Speaker Listener;
    /// Remove a file of somebody else's.
    DeleteFile = "delete others' files": Admin Host;
    /// Send media.
    Publish = "publish media": Host Speaker;
    /// Receive media.
    Subscribe = "receive media": Host Speaker Listener;
    /// Change the settings.
    ChangeRoom = "change the room": Admin Host;
    /// Delete the room.
    DeleteRoom = "delete the room": Admin Host;
    /// End the call.
    EndRoom = "end the call": Admin Loopback Host;
    /// Put somebody out, who may come back.
    Kick = "kick": Admin Loopback Host;
    /// Mute, ban, give another role.
    Moderate = "mute, ban, promote": Admin Host;
    /// Admit from the lobby, or not.
    ManageLobby = "admit from the lobby": Admin Host;
    /// Make, list and withdraw invites and tokens.
    Invite = "make invites and tokens": Admin Host;
    /// See who was in, when, and why they left.
    SeeSessions = "see past sessions": Admin Host;
    /// See how well media gets through.
    SeeStats = "see the quality": Admin Loopback Host;
}

impl Column {
    fn of(standing: Standing) -> Self {
        match standing {
            Standing::Admin => Self::Admin,
            Standing::Loopback => Self::Loopback,
            Standing::Member(Role::Host) => Self::Host,
            Standing::Member(Role::Speaker) => Self::Speaker,
            Standing::Member(Role::Listener) => Self::Listener,
            Standing::Lobby => Self::Lobby,
            Standing::Stranger => Self::Stranger,
        }
    }
}

/// Whether that standing has that right.
pub(crate) fn may(standing: Standing, action: Action) -> bool {
    action.allowed().contains(&Column::of(standing))
}

/// The same as a refusal: `unauthorized` for strangers, who may have a credential to show, `forbidden` for others.
pub(crate) fn require(standing: Standing, action: Action) -> Result<(), Refusal> {
    if may(standing, action) {
        return Ok(());
    }
    let name = action.name();
    Err(match standing {
        Standing::Stranger => Refusal::new(ErrorCode::Unauthorized, format!("to {name} a credential is needed")),
        _ => Refusal::new(ErrorCode::Forbidden, format!("your role does not allow to {name}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns of the table in the document, in its order.
    const STANDINGS: [(&str, Standing); 7] = [
        ("administrator", Standing::Admin),
        ("loopback", Standing::Loopback),
        ("host", Standing::Member(Role::Host)),
        ("speaker", Standing::Member(Role::Speaker)),
        ("listener", Standing::Member(Role::Listener)),
        ("lobby", Standing::Lobby),
        ("stranger", Standing::Stranger),
    ];

    fn table() -> String {
        let cell = |action, standing| if may(standing, action) { "yes" } else { "–" };
        let row = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
        let mut table = row(std::iter::once("to…").chain(STANDINGS.map(|(name, _)| name)).collect());
        table += &format!("|---|{}\n", "---|".repeat(STANDINGS.len()));
        for &action in Action::ALL {
            let cells = STANDINGS.map(|(_, standing)| cell(action, standing));
            table += &row(std::iter::once(action.name()).chain(cells).collect());
        }
        table
    }

    #[test]
    fn the_document_has_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/access.md");
        let document = std::fs::read_to_string(path).unwrap();
        let start = document.find("| to… |").expect("docs/access.md has a table");
        let documented = document[start..].split("\n\n").next().unwrap();
        for (line, expected) in documented.lines().zip(table().lines()) {
            assert_eq!(line, expected);
        }
        assert_eq!(documented.lines().count(), Action::ALL.len() + 2);
    }

    #[test]
    fn who_waits_reads_nothing_and_sends_nothing() {
        let allowed: Vec<_> = Action::ALL.iter().filter(|&&action| may(Standing::Lobby, action)).collect();
        assert_eq!(allowed, [&Action::SeeRoom]);
        assert!(Action::ALL.iter().all(|&action| may(Standing::Lobby, action) || !may(Standing::Stranger, action)));
    }

    #[test]
    fn refusals_tell_who_may_try_with_a_credential() {
        let refused = |standing| require(standing, Action::DeleteRoom).unwrap_err().code;
        assert_eq!(refused(Standing::Stranger), ErrorCode::Unauthorized);
        for standing in [Standing::Lobby, Standing::Member(Role::Listener), Standing::Member(Role::Speaker)] {
            assert_eq!(refused(standing), ErrorCode::Forbidden);
        }
        assert!(require(Standing::Admin, Action::DeleteRoom).is_ok());
        assert_eq!(refused(Standing::Loopback), ErrorCode::Forbidden);
    }
}
