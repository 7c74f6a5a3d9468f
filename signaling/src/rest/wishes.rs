//! What a body asks of a room's settings, when it is created or changed.

use crate::access::Role;
use crate::openapi;
use crate::password::{self, MAX_PASSWORD_CHARS};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::schema::Name;
use crate::protocol::{RoomCode, SecretText, Timestamp, text};
use crate::room_settings::{Allowed, History};
use crate::settings::RoomBounds;
use crate::store::RoomRecord;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::time::Duration;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

/// The longest time that a room may ask to be empty for: 30 days.
const MAX_EMPTY_SECONDS: u64 = 30 * 24 * 3600;
/// The most metadata, as JSON.
const MAX_METADATA_BYTES: usize = 4096;
/// How deep metadata may nest, its outermost object included.
const MAX_METADATA_DEPTH: usize = 8;

/// What a room has at all times, in the order of [`Wishes::refuse_nulls`].
const LASTING: &[&str; 8] = &["maxParticipants", "history", "locked", "lobby", "joinAs", "publish", "chat", "metadata"];

/// A field that may be left out, `null`, or have a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Wish<T> {
    #[default]
    Unsaid,
    Null,
    Set(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Wish<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Set))
    }
}

impl<T> Wish<T> {
    /// What is left when `null` takes a value away.
    fn apply(self, to: &mut Option<T>) {
        match self {
            Self::Unsaid => {}
            Self::Null => *to = None,
            Self::Set(value) => *to = Some(value),
        }
    }

    fn set(self) -> Option<T> {
        if let Self::Set(value) = self { Some(value) } else { None }
    }

    fn check<U>(self, check: impl FnOnce(T) -> Result<U, Refusal>) -> Result<Wish<U>, Refusal> {
        Ok(match self {
            Self::Unsaid => Wish::Unsaid,
            Self::Null => Wish::Null,
            Self::Set(value) => Wish::Set(check(value)?),
        })
    }
}

/// A password that nobody sees.
#[derive(Clone, PartialEq)]
pub(super) struct Password(String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Whatever it is, it is not quoted.
        match Value::deserialize(deserializer)? {
            Value::String(text) if (1..=MAX_PASSWORD_CHARS).contains(&text.chars().count()) => Ok(Self(text)),
            _ => Err(D::Error::custom(format!("a string of 1 to {MAX_PASSWORD_CHARS} characters is allowed"))),
        }
    }
}

/// What people are made who come without another role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum JoinAs {
    Speaker,
    Listener,
}

/// Who may publish each kind of media; what is left out or `null` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PublishWishes {
    audio: Option<Allowed>,
    video: Option<Allowed>,
    screen: Option<Allowed>,
}

/// A room's settings, as far as they are given. On creation `null` stands for the default; in a change it takes `name`,
/// `password`, `expiresInSeconds`, `notBefore` and `emptyTimeoutSeconds` away.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = RoomSettings)]
pub(super) struct Wishes {
    /// On creation only; one is made up when it is left out.
    #[schema(value_type = Option<RoomCode>)]
    #[serde(default)]
    room_id: Wish<RoomCode>,
    /// For people.
    #[schema(value_type = Option<Name>)]
    #[serde(default)]
    name: Wish<String>,
    /// At a time.
    #[schema(value_type = Option<u64>, minimum = 1)]
    #[serde(default)]
    max_participants: Wish<u64>,
    /// From now on.
    #[schema(value_type = Option<u64>, minimum = 1)]
    #[serde(default)]
    expires_in_seconds: Wish<u64>,
    /// Nobody but hosts enters before.
    #[schema(value_type = Option<Timestamp>)]
    #[serde(default)]
    not_before: Wish<Timestamp>,
    /// How long it may be empty before it ends; `null` for ever.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 2_592_000)]
    #[serde(default)]
    empty_timeout_seconds: Wish<u64>,
    /// What becomes of what is said.
    #[schema(value_type = Option<History>)]
    #[serde(default)]
    history: Wish<History>,
    /// Nobody but hosts and invited people enters.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    locked: Wish<bool>,
    /// Who enters must know it.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128, format = Password)]
    #[serde(default)]
    password: Wish<Password>,
    /// Newcomers wait until a host admits them.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    lobby: Wish<bool>,
    /// What people are who come without another role.
    #[schema(value_type = Option<JoinAs>)]
    #[serde(default)]
    join_as: Wish<JoinAs>,
    /// Who may publish what.
    #[schema(value_type = Option<PublishWishes>)]
    #[serde(default)]
    publish: Wish<PublishWishes>,
    /// Who may write in the chat.
    #[schema(value_type = Option<Allowed>)]
    #[serde(default)]
    chat: Wish<Allowed>,
    /// The application's own words: an object of 4 KiB of JSON at most, 8 deep. It is replaced as a whole.
    #[schema(value_type = Option<Map<String, Value>>, example = json!({"course": "B2"}))]
    #[serde(default)]
    metadata: Wish<Map<String, Value>>,
}

/// The same for a room that is there: its id stays, and what cannot be taken away is not `null`.
pub(super) struct RoomChange;

impl PartialSchema for RoomChange {
    fn schema() -> RefOr<Schema> {
        let mut schema = Wishes::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.properties.remove("roomId");
            for field in LASTING {
                if let Some(property) = object.properties.get_mut(*field) {
                    openapi::forbid_null(property);
                }
            }
        }
        schema
    }
}

impl ToSchema for RoomChange {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Wishes::schemas(schemas);
    }
}

/// Wishes that are within all bounds.
#[derive(Clone, Debug)]
pub(super) struct Change {
    name: Wish<String>,
    max_participants: Option<usize>,
    expires_in: Wish<Duration>,
    /// The longest life, which a room that keeps its history has at most.
    max_expiry: Duration,
    not_before: Wish<Timestamp>,
    empty_timeout_seconds: Wish<u64>,
    history: Option<History>,
    locked: Option<bool>,
    /// Hashed.
    password: Wish<SecretText>,
    lobby: Option<bool>,
    join_as: Option<Role>,
    publish: PublishWishes,
    chat: Option<Allowed>,
    metadata: Option<Map<String, Value>>,
}

impl Wishes {
    /// The id that the room shall have.
    pub(super) fn take_room_id(&mut self) -> Option<RoomCode> {
        std::mem::take(&mut self.room_id).set()
    }

    /// Checks what can be checked without the room, for a change of one that is there: what cannot be taken away must not be `null`.
    pub(super) fn refuse_nulls(&self) -> Result<(), Refusal> {
        if self.room_id != Wish::Unsaid {
            return Err(Refusal::new(ErrorCode::BadRoomId, "`roomId` cannot be changed").with_field("roomId"));
        }
        let nulls = [
            self.max_participants == Wish::Null,
            self.history == Wish::Null,
            self.locked == Wish::Null,
            self.lobby == Wish::Null,
            self.join_as == Wish::Null,
            self.publish == Wish::Null,
            self.chat == Wish::Null,
            self.metadata == Wish::Null,
        ];
        match LASTING.iter().zip(nulls).find(|&(_, is_null)| is_null) {
            Some((field, _)) => Err(Refusal::field(field, format!("`{field}` cannot be null"))),
            None => Ok(()),
        }
    }

    /// The wishes within the server's bounds, the password hashed.
    pub(super) async fn check(self, bounds: RoomBounds, now: Timestamp) -> Result<Change, Refusal> {
        let most = bounds.max_expiry.as_secs();
        let change = Change {
            name: name(self.name)?,
            max_participants: match self.max_participants.set() {
                None => None,
                Some(asked) => {
                    let asked = within("maxParticipants", asked, bounds.max_participants as u64)?;
                    Some(usize::try_from(asked).unwrap_or(1))
                }
            },
            expires_in: self
                .expires_in_seconds
                .check(|asked| within("expiresInSeconds", asked, most).map(Duration::from_secs))?,
            max_expiry: bounds.max_expiry,
            not_before: self.not_before.check(|at| {
                let last = now + bounds.max_expiry;
                let message = || format!("`notBefore` is {at}, {last} at the latest is allowed");
                if at <= last { Ok(at) } else { Err(Refusal::field("notBefore", message())) }
            })?,
            empty_timeout_seconds: self
                .empty_timeout_seconds
                .check(|asked| within("emptyTimeoutSeconds", asked, MAX_EMPTY_SECONDS))?,
            history: self.history.set(),
            locked: self.locked.set(),
            password: Wish::Unsaid,
            lobby: self.lobby.set(),
            join_as: self.join_as.set().map(|role| match role {
                JoinAs::Speaker => Role::Speaker,
                JoinAs::Listener => Role::Listener,
            }),
            publish: self.publish.set().unwrap_or_default(),
            chat: self.chat.set(),
            metadata: self.metadata.check(metadata)?.set(),
        };
        // Last: it is dear.
        let password = match self.password {
            Wish::Unsaid => Wish::Unsaid,
            Wish::Null => Wish::Null,
            Wish::Set(Password(text)) => Wish::Set(password::hash(&text).await?),
        };
        Ok(Change { password, ..change })
    }
}

impl Change {
    /// Makes the change. `has_spoken`: something was said in the room already.
    ///
    /// # Errors
    /// When the room would be over before it opens, or what was said would have to be forgotten.
    pub(super) fn apply(self, record: &mut RoomRecord, now: Timestamp, has_spoken: bool) -> Result<(), Refusal> {
        let settings = &mut record.settings;
        if self.history == Some(History::None) && settings.history != History::None && has_spoken {
            let message = "`history` cannot become none: what was said is stored already, until the room ends";
            return Err(Refusal::field("history", message));
        }
        self.name.apply(&mut settings.name);
        self.not_before.apply(&mut settings.not_before);
        // What keeps its history does not end by being empty, unless it was asked to.
        if self.history == Some(History::Keep) && settings.history != History::Keep {
            settings.empty_timeout_seconds = None;
        }
        self.empty_timeout_seconds.apply(&mut settings.empty_timeout_seconds);
        self.password.apply(&mut record.password);
        set(&mut settings.max_participants, self.max_participants);
        set(&mut settings.history, self.history);
        set(&mut settings.locked, self.locked);
        set(&mut settings.lobby, self.lobby);
        set(&mut settings.join_as, self.join_as);
        set(&mut settings.publish.audio, self.publish.audio);
        set(&mut settings.publish.video, self.publish.video);
        set(&mut settings.publish.screen, self.publish.screen);
        set(&mut settings.chat, self.chat);
        set(&mut settings.metadata, self.metadata);
        match self.expires_in {
            Wish::Unsaid => {}
            Wish::Null => record.expires_at = None,
            Wish::Set(life) => record.expires_at = Some(now + life),
        }
        if settings.history == History::Keep && record.expires_at.is_none() {
            record.expires_at = Some(now + self.max_expiry);
        }
        match (settings.not_before, record.expires_at) {
            (Some(opens), Some(ends)) if opens >= ends => {
                let message = format!("`notBefore` is {opens}, but the room ends at {ends}");
                Err(Refusal::field("notBefore", message))
            }
            _ => Ok(()),
        }
    }
}

fn set<T>(to: &mut T, wish: Option<T>) {
    if let Some(value) = wish {
        *to = value;
    }
}

/// A name; the empty one is none.
fn name(wish: Wish<String>) -> Result<Wish<String>, Refusal> {
    let name = wish.check(|name| {
        let refusal = |message: String| Refusal::new(ErrorCode::NameInvalid, message).with_field("name");
        text::parse_name(&name).map_err(refusal)
    })?;
    Ok(if name == Wish::Set(String::new()) { Wish::Null } else { name })
}

fn metadata(map: Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    let bytes = serde_json::to_string(&map).map_or(usize::MAX, |text| text.len());
    if bytes > MAX_METADATA_BYTES {
        let message = format!("`metadata` has {bytes} bytes of JSON, {MAX_METADATA_BYTES} at most are allowed");
        return Err(Refusal::field("metadata", message));
    }
    if map.values().any(|value| !is_within(value, MAX_METADATA_DEPTH - 1)) {
        let message = format!("`metadata` may be {MAX_METADATA_DEPTH} deep at most");
        return Err(Refusal::field("metadata", message));
    }
    Ok(map)
}

/// Whether a value nests no deeper than `depth` containers.
fn is_within(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(values) => depth > 0 && values.iter().all(|value| is_within(value, depth - 1)),
        Value::Object(map) => depth > 0 && map.values().all(|value| is_within(value, depth - 1)),
        _ => true,
    }
}

pub(super) fn within(field: &str, asked: u64, most: u64) -> Result<u64, Refusal> {
    if (1..=most).contains(&asked) {
        Ok(asked)
    } else {
        Err(Refusal::field(field, format!("`{field}` is {asked}, 1 to {most} is allowed")))
    }
}
