//! What a token grants: its claims, understood.
//!
//! Claims are read one by one instead of by a derived type: the refusal names the claim and the rule, and quotes nothing of
//! the token. Claims that are not named here are ignored (RFC 7519 section 4).

use super::{Identity, Role};
use crate::protocol::ids::ROOM_CODE_RULE;
use crate::protocol::{RoomCode, Timestamp, text};
use serde_json::{Map, Value, json};

/// The kinds of media that somebody may publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PublishGrant {
    pub(crate) audio: bool,
    pub(crate) video: bool,
    pub(crate) screen: bool,
}

impl PublishGrant {
    /// Every kind, as without the claim.
    pub(crate) const ALL: Self = Self { audio: true, video: true, screen: true };
    /// No kind.
    pub(crate) const NONE: Self = Self { audio: false, video: false, screen: false };
    /// The names of the kinds, for people.
    pub(crate) const RULE: &'static str = "a list of `audio`, `video` and `screen`";

    /// The kinds of these names. `None` when one is of no kind.
    pub(crate) fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        names.into_iter().try_fold(Self::NONE, |kinds, name| match name {
            "audio" => Some(Self { audio: true, ..kinds }),
            "video" => Some(Self { video: true, ..kinds }),
            "screen" => Some(Self { screen: true, ..kinds }),
            _ => None,
        })
    }

    /// The names of the kinds.
    pub(crate) fn names(self) -> Vec<&'static str> {
        let kinds = [(self.audio, "audio"), (self.video, "video"), (self.screen, "screen")];
        kinds.into_iter().filter_map(|(granted, name)| granted.then_some(name)).collect()
    }
}

/// What a token says of who shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// `sub`
    pub(crate) identity: Identity,
    /// `name`: how the participant is called, whatever `join-room` says.
    pub(crate) name: Option<String>,
    /// `room`: the one room that the token opens. Without it none.
    pub(crate) room: Option<RoomCode>,
    /// `role`
    pub(crate) role: Role,
    /// `publish`
    pub(crate) publish: PublishGrant,
    /// `chat`
    pub(crate) chat: bool,
    /// `hidden`: the others are not shown that this participant is there.
    pub(crate) hidden: bool,
    /// `admin`: administers the server.
    pub(crate) admin: bool,
    /// `createRooms`
    pub(crate) create_rooms: bool,
    /// `exp`, in whole seconds
    pub(crate) expires_at: Timestamp,
}

impl Grant {
    /// The grant of a token's claims but for its times, which are `expires_at`'s matter.
    ///
    /// # Errors
    /// The claim that breaks a rule, and the rule.
    pub(super) fn from_claims(claims: &Map<String, Value>, expires_at: Timestamp) -> Result<Self, String> {
        let sub = string(claims, "sub")?.ok_or("the claim `sub` is missing")?;
        let identity = Identity::parse(sub).ok_or_else(|| rule("sub", Identity::RULE))?;
        let name =
            string(claims, "name")?.map(text::parse_name).transpose().map_err(|rule| format!("`name`: {rule}"))?;
        let room = string(claims, "room")?;
        let room = room.map(|text| RoomCode::parse(text).ok_or_else(|| rule("room", ROOM_CODE_RULE))).transpose()?;
        let role = match string(claims, "role")? {
            None => Role::Speaker,
            Some(name) => Role::parse(name).ok_or_else(|| rule("role", Role::RULE))?,
        };
        let publish = match present(claims, "publish") {
            None => PublishGrant::ALL,
            Some(list) => {
                let names = list.as_array().and_then(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
                names.and_then(PublishGrant::parse).ok_or_else(|| rule("publish", PublishGrant::RULE))?
            }
        };
        Ok(Self {
            identity,
            name: name.filter(|name| !name.is_empty()),
            room,
            role,
            publish,
            chat: switch(claims, "chat", true)?,
            hidden: switch(claims, "hidden", false)?,
            admin: switch(claims, "admin", false)?,
            create_rooms: switch(claims, "createRooms", false)?,
            expires_at,
        })
    }

    /// The claims of this grant; what is as without its claim is left out.
    pub(super) fn to_claims(&self, issuer: &str, issued_at: Timestamp) -> Map<String, Value> {
        let mut claims = Map::new();
        let mut claim = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        claim("iss", json!(issuer));
        claim("sub", json!(self.identity.as_str()));
        claim("iat", json!(issued_at.as_ms() / 1000));
        claim("exp", json!(self.expires_at.as_ms() / 1000));
        if let Some(name) = &self.name {
            claim("name", json!(name));
        }
        if let Some(room) = &self.room {
            claim("room", json!(room.as_str()));
            claim("role", json!(self.role.as_str()));
        }
        if self.publish != PublishGrant::ALL {
            claim("publish", json!(self.publish.names()));
        }
        if !self.chat {
            claim("chat", json!(false));
        }
        for (name, granted) in [("hidden", self.hidden), ("admin", self.admin), ("createRooms", self.create_rooms)] {
            if granted {
                claim(name, json!(true));
            }
        }
        claims
    }
}

fn rule(claim: &str, rule: &str) -> String {
    format!("the claim `{claim}` is not right: {rule} is allowed")
}

/// A claim that is there; `null` is as good as none.
fn present<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    claims.get(name).filter(|value| !value.is_null())
}

fn string<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    present(claims, name).map(|value| value.as_str().ok_or_else(|| rule(name, "a string"))).transpose()
}

fn switch(claims: &Map<String, Value>, name: &str, default: bool) -> Result<bool, String> {
    present(claims, name).map_or(Ok(default), |value| value.as_bool().ok_or_else(|| rule(name, "true or false")))
}

/// A point in time in seconds since 1970 (NumericDate of RFC 7519 section 2, whose fractions are dropped).
pub(super) fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, String> {
    let Some(value) = present(claims, name) else { return Ok(None) };
    // Beyond this the product with 1000 would not be exact; no honest token comes near it.
    const MOST: f64 = 1e12;
    let seconds = value.as_f64().filter(|seconds| (0.0..=MOST).contains(seconds));
    seconds
        .map(|seconds| Some(Timestamp::from_ms(seconds as u64 * 1000)))
        .ok_or_else(|| rule(name, "seconds since 1970"))
}
