//! How the texts of the wire are described in OpenAPI.

use super::ids::{FileId, MessageId, ParticipantRef, RoomCode, TrackRef};
use super::time::Timestamp;
use crate::access::Identity;

/// Describes a type that is a string on the wire.
macro_rules! text_schema {
    ($type:ty, $name:literal, $description:literal, $pattern:expr, $example:literal) => {
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .description(Some($description))
                    .pattern(Some($pattern))
                    .examples([$example])
                    .into()
            }
        }

        impl utoipa::ToSchema for $type {
            fn name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
        }
    };
}

text_schema!(
    RoomCode,
    "RoomId",
    "A room's id. Case does not matter on entry; the server writes lower case.",
    "^[A-Za-z0-9_-]{3,64}$",
    "k7qd-m2xv-9hta-w3pc"
);
text_schema!(
    ParticipantRef,
    "ParticipantId",
    "A participant of a room, new at each join.",
    "^p[0-9a-f][0-9a-hjkmnp-tv-z]{12}$",
    "p7b3mq0x9d2kfa"
);
text_schema!(FileId, "FileId", "A shared file.", "^f[0-9a-f][0-9a-hjkmnp-tv-z]{12}$", "f2c5r8vkz41hyt");
text_schema!(TrackRef, "TrackId", "A track.", "^t[0-9a-f][0-9a-hjkmnp-tv-z]{12}$", "t0q4n6x8s2b7mj");
text_schema!(MessageId, "MessageId", "A chat message.", "^m[0-9a-f][0-9a-hjkmnp-tv-z]{12}$", "m5h2v9c0qk7xn3");
text_schema!(
    Timestamp,
    "Time",
    "A point in time: ISO 8601, UTC, milliseconds.",
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$",
    "2026-11-22T18:44:22.007Z"
);
text_schema!(
    Identity,
    "Identity",
    "Who somebody is, over joins and devices.",
    r"^[A-Za-z0-9._@:|+=-]{1,128}$",
    "guest-0q4n6x8s2b7mj"
);
