//! The textual forms of identities.
//!
//! Participants, tracks and messages are a letter and the thirteen Crockford base32 digits of a 64-bit number, lower case and
//! without alternatives: one number has one text. A room's id is chosen by people and therefore its own type, [`RoomCode`].

use parlor_media::ids::{ParticipantId, TrackId};
use parlor_media::{BASE32, parse_wire_id, wire_id};
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

macro_rules! textual_id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&write($prefix, self.0))
            }
        }

        impl $name {
            /// The identity that `text` names; `None` unless it is exactly the form that is written.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                parse($prefix, text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| unexpected(&text, &$expected))
            }
        }
    };
}

/// The first characters of a text that is quoted in an error message.
pub(crate) fn clip(text: &str) -> &str {
    text.char_indices().nth(40).map_or(text, |(end, _)| &text[..end])
}

/// The error for a text that is not the identity it should be.
pub(crate) fn unexpected<E: Error>(text: &str, expected: &&str) -> E {
    E::invalid_value(Unexpected::Str(clip(text)), expected)
}

pub(crate) fn parse<N: Number>(prefix: char, text: &str) -> Option<N> {
    parse_wire_id(prefix, text).map(N::from_number)
}

pub(crate) fn write<N: Number>(prefix: char, number: N) -> String {
    wire_id(prefix, number.into_number())
}

/// An identity that is a number inside.
pub(crate) trait Number {
    fn into_number(self) -> u64;
    fn from_number(number: u64) -> Self;
}

macro_rules! number {
    ($($inner:ty),*) => {$(
        impl Number for $inner {
            fn into_number(self) -> u64 {
                self.0
            }
            fn from_number(number: u64) -> Self {
                Self(number)
            }
        }
    )*};
}
number!(ParticipantId, TrackId);

impl Number for u64 {
    fn into_number(self) -> u64 {
        self
    }
    fn from_number(number: u64) -> Self {
        number
    }
}

textual_id! {
    /// A participant on the wire: `p` and 13 base32 digits.
    ParticipantRef(ParticipantId), 'p', "a participant's id: `p` and 13 base32 digits"
}
textual_id! {
    /// A track on the wire: `t` and 13 base32 digits.
    TrackRef(TrackId), 't', "a track's id: `t` and 13 base32 digits"
}
textual_id! {
    /// A shared file on the wire: `f` and 13 base32 digits. 63 bits, so that every database has an integer for it.
    FileId(u64), 'f', "a file's id: `f` and 13 base32 digits"
}
textual_id! {
    /// An invite, to withdraw it by: `i` and 13 base32 digits. 63 bits.
    InviteId(u64), 'i', "an invite's id: `i` and 13 base32 digits"
}
textual_id! {
    /// A chat message on the wire: `m` and 13 base32 digits.
    MessageId(u64), 'm', "a message's id: `m` and 13 base32 digits"
}

/// A room's id as people see it: 3 to 64 of `a`-`z`, `0`-`9`, `_` and `-`, lower-cased on entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomCode(std::sync::Arc<str>);

/// What a room's id must look like, for people.
pub const ROOM_CODE_RULE: &str = "3 to 64 letters a-z, digits, `-` or `_`";

impl RoomCode {
    /// The room's id that `text` spells, in any case; `None` outside of the alphabet or the bounds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let valid = (3..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        valid.then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// Four groups of four base32 digits: 80 bits, as `k7qd-m2xv-9hta-w3pc`.
    #[must_use]
    pub fn from_entropy(bytes: [u8; 10]) -> Self {
        let number = bytes.iter().fold(0_u128, |number, &byte| number << 8 | u128::from(byte));
        let mut text = String::with_capacity(19);
        for digit in 0..16 {
            if digit > 0 && digit % 4 == 0 {
                text.push('-');
            }
            text.push(char::from(BASE32[(number >> (5 * (15 - digit)) & 31) as usize]));
        }
        Self(text.into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for RoomCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RoomCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::invalid_value(Unexpected::Str(clip(&text)), &ROOM_CODE_RULE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_number_survives_its_text(number: u64) {
            let id = MessageId(number);
            prop_assert_eq!(MessageId::parse(&id.to_string()), Some(id));
        }

        #[test]
        fn a_text_has_one_spelling(text in "m[0-9a-z]{13}") {
            if let Some(id) = MessageId::parse(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn ids_keep_to_their_letter_and_length() {
        assert_eq!(ParticipantRef(ParticipantId(0)).to_string(), "p0000000000000");
        assert_eq!(ParticipantRef(ParticipantId(u64::MAX)).to_string(), "pfzzzzzzzzzzzz");
        for wrong in [
            "",
            "p",
            "t0000000000000",
            "p000000000000",
            "p00000000000000",
            "pg000000000000",
            "P0000000000000",
            "p000000000000é",
        ] {
            assert_eq!(ParticipantRef::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn room_codes_are_lower_cased_and_bounded() {
        assert_eq!(RoomCode::parse("Team_Call-1").unwrap().as_str(), "team_call-1");
        for wrong in ["", "ab", "a b", "röm", "a/b/c", "<script>", &"a".repeat(65), "..%2f"] {
            assert_eq!(RoomCode::parse(wrong), None, "{wrong}");
        }
        let generated = RoomCode::from_entropy([0xff; 10]);
        assert_eq!(generated.as_str(), "zzzz-zzzz-zzzz-zzzz");
        assert_eq!(RoomCode::parse(generated.as_str()), Some(generated));
    }
}
