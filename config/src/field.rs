//! One knob's place in a [`Config`](crate::Config): reading it from text or TOML, within its bounds.

use crate::{GsoMode, LogFormat, LogLevel};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use toml::Value;

/// A borrowed field with its type and bounds.
pub(crate) enum Field<'a> {
    Address(&'a mut SocketAddr),
    Addresses(&'a mut Vec<IpAddr>),
    Switch(&'a mut bool),
    Number16(&'a mut u16, RangeInclusive<u16>),
    Number32(&'a mut u32, RangeInclusive<u32>),
    Gso(&'a mut GsoMode),
    Level(&'a mut LogLevel),
    Format(&'a mut LogFormat),
}

const GSO_MODES: &[(&str, GsoMode)] = &[("auto", GsoMode::Auto), ("off", GsoMode::Off)];
const LOG_LEVELS: &[(&str, LogLevel)] = &[
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];
const LOG_FORMATS: &[(&str, LogFormat)] =
    &[("auto", LogFormat::Auto), ("human", LogFormat::Human), ("json", LogFormat::Json)];

/// Addresses that may be advertised: a candidate list of more is of no use to any client.
const MAX_ANNOUNCED: usize = 16;

impl Field<'_> {
    /// What the field takes, for an error's text.
    pub(crate) fn allowed(&self) -> String {
        match self {
            Self::Address(_) => "an IP address and a port, such as 0.0.0.0:8080 or [::1]:8080".to_owned(),
            Self::Addresses(_) => format!("up to {MAX_ANNOUNCED} IP addresses that clients can reach"),
            Self::Switch(_) => "true or false".to_owned(),
            Self::Number16(_, range) => format!("a whole number from {} to {}", range.start(), range.end()),
            Self::Number32(_, range) => format!("a whole number from {} to {}", range.start(), range.end()),
            Self::Gso(_) => names(GSO_MODES),
            Self::Level(_) => names(LOG_LEVELS),
            Self::Format(_) => names(LOG_FORMATS),
        }
    }

    /// Sets the field from a variable's or flag's text. `None`, and no change, unless it is valid.
    pub(crate) fn set_text(&mut self, text: &str) -> Option<()> {
        let text = text.trim();
        let value = match self {
            Self::Switch(_) => Value::Boolean(text.parse().ok()?),
            Self::Number16(..) | Self::Number32(..) => Value::Integer(text.parse().ok()?),
            Self::Addresses(_) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Value::Array(parts.map(|part| Value::String(part.to_owned())).collect())
            }
            Self::Address(_) | Self::Gso(_) | Self::Level(_) | Self::Format(_) => Value::String(text.to_owned()),
        };
        self.set(&value)
    }

    /// Sets the field from a file's value. `None`, and no change, unless it is valid.
    pub(crate) fn set(&mut self, value: &Value) -> Option<()> {
        match self {
            Self::Address(field) => **field = value.as_str()?.parse().ok()?,
            Self::Addresses(field) => **field = addresses(value)?,
            Self::Switch(field) => **field = value.as_bool()?,
            Self::Number16(field, range) => **field = number(value, range)?,
            Self::Number32(field, range) => **field = number(value, range)?,
            Self::Gso(field) => **field = choice(value, GSO_MODES)?,
            Self::Level(field) => **field = choice(value, LOG_LEVELS)?,
            Self::Format(field) => **field = choice(value, LOG_FORMATS)?,
        }
        Some(())
    }
}

fn number<N: TryFrom<i64> + PartialOrd>(value: &Value, range: &RangeInclusive<N>) -> Option<N> {
    let number = N::try_from(value.as_integer()?).ok()?;
    range.contains(&number).then_some(number)
}

fn choice<T: Copy>(value: &Value, choices: &[(&str, T)]) -> Option<T> {
    let text = value.as_str()?;
    choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice)
}

fn names<T>(choices: &[(&str, T)]) -> String {
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    format!("one of {}", names.join(", "))
}

fn addresses(value: &Value) -> Option<Vec<IpAddr>> {
    let list = value.as_array().filter(|list| list.len() <= MAX_ANNOUNCED)?;
    list.iter().map(|item| item.as_str()?.parse().ok().filter(reachable)).collect()
}

fn reachable(address: &IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast()
}
