//! How the texts of the wire are described in OpenAPI.

use super::ids::{FileId, InviteId, MessageId, ParticipantRef, RoomCode, TrackRef};
use super::time::Timestamp;
use crate::access::Identity;

/// White space, which is trimmed.
macro_rules! space {
    () => {
        "[\\t-\\r \u{85}\u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}]*"
    };
}
/// What [`super::text::is_hidden`] finds.
macro_rules! hidden {
    () => {
        concat!(
            "\\x00-\\x1f\\x7f-\\x9f\u{61c}\u{115f}\u{1160}\u{200b}\u{200e}\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{3164}\u{feff}",
            "\u{fff9}-\u{fffb}\u{e0000}-\u{e007f}"
        )
    };
}
/// What [`super::text::parse_name`] takes.
const NAME_PATTERN: &str = concat!("^", space!(), "[^", hidden!(), "]{0,64}", space!(), "$");
/// What [`crate::files::parse_file_name`] takes, but for its length in bytes.
const FILE_NAME_PATTERN: &str =
    concat!("^(?!\\s*\\.{0,2}\\s*$)", space!(), "[^", hidden!(), "/\\\\]{1,255}", space!(), "$");

/// Describes a type that is a string on the wire.
macro_rules! text_schema {
    ($type:ty, $name:literal, $description:literal, $pattern:expr, $example:literal $(, format: $format:expr)?) => {
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .description(Some($description))
                    $(.format(Some($format)))?
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
pub(crate) use text_schema;

/// A name of a room or person, as it is sent.
pub(crate) struct Name;
text_schema!(
    Name,
    "Name",
    "For people: at most 64 characters, white space around it is trimmed.",
    NAME_PATTERN,
    "Monday call"
);
/// A file's name, as it is sent.
pub(crate) struct FileName;
text_schema!(FileName, "FileName", "What people call a file: 1 to 255 bytes, no path.", FILE_NAME_PATTERN, "plan.pdf");
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
text_schema!(
    InviteId,
    "InviteId",
    "An invite, to withdraw it by.",
    "^i[0-9a-f][0-9a-hjkmnp-tv-z]{12}$",
    "i4x8c2n6v0b5tq"
);
text_schema!(MessageId, "MessageId", "A chat message.", "^m[0-9a-f][0-9a-hjkmnp-tv-z]{12}$", "m5h2v9c0qk7xn3");
text_schema!(
    Timestamp,
    "Time",
    "A point in time: ISO 8601, UTC, milliseconds.",
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$",
    "2026-11-22T18:44:22.007Z",
    format: utoipa::openapi::SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::DateTime)
);
text_schema!(
    Identity,
    "Identity",
    "Who somebody is, over joins and devices.",
    r"^[A-Za-z0-9._@:|+=-]{1,128}$",
    "guest-0q4n6x8s2b7mj"
);
