//! One knob's place in a [`Config`](crate::Config): reading it from text or TOML, within its bounds.

use crate::announce::Announced;
use crate::auth::{AuthKey, HIDDEN, MAX_KEYS, MIN_SECRET_BYTES, Secret};
use crate::files::{FilesUrl, MAX_TYPES, MAX_URLS, WebhookUrl, content_type, shown_url, signing_secret};
use crate::traces::{self, MAX_HEADERS, Ratio, TraceHeader, service_name};
use crate::{GsoMode, LogFormat, LogLevel, TlsMode};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use toml::Value;

/// A borrowed field with its type and bounds.
#[derive(PartialEq)]
pub(crate) enum Field<'a> {
    Address(&'a mut SocketAddr),
    Announce(&'a mut Vec<Announced>),
    OptionalAddress(&'a mut Option<SocketAddr>),
    Networks(&'a mut Vec<IpNet>),
    Origins(&'a mut Vec<String>),
    Keys(&'a mut Vec<AuthKey>),
    Path(&'a mut Option<PathBuf>),
    Database(&'a mut Secret),
    Files(&'a mut FilesUrl),
    ContentTypes(&'a mut Vec<String>),
    Webhooks(&'a mut Vec<WebhookUrl>),
    SigningSecret(&'a mut Option<Secret>),
    Switch(&'a mut bool),
    Number16(&'a mut u16, RangeInclusive<u16>),
    Number32(&'a mut u32, RangeInclusive<u32>),
    Number64(&'a mut u64, RangeInclusive<u64>),
    Tls(&'a mut TlsMode),
    Gso(&'a mut GsoMode),
    Level(&'a mut LogLevel),
    Format(&'a mut LogFormat),
    Endpoint(&'a mut Option<Secret>),
    Headers(&'a mut Vec<TraceHeader>),
    Ratio(&'a mut Ratio),
    ServiceName(&'a mut String),
}

const TLS_MODES: &[(&str, TlsMode)] =
    &[("off", TlsMode::Off), ("files", TlsMode::Files), ("self-signed", TlsMode::SelfSigned)];
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
/// Networks of proxies and origins of pages; each request may be held against all of them.
const MAX_LISTED: usize = 256;

impl Field<'_> {
    /// Whether its value must not be shown.
    pub(crate) fn is_secret(&self) -> bool {
        // A place may have been written with credentials, which is why it is refused.
        matches!(
            self,
            Self::Keys(_)
                | Self::Database(_)
                | Self::Files(_)
                | Self::Webhooks(_)
                | Self::SigningSecret(_)
                | Self::Endpoint(_)
                | Self::Headers(_)
        )
    }

    /// What the field takes, for an error's text.
    pub(crate) fn allowed(&self) -> String {
        match self {
            Self::Address(_) => "an IP address and a port, such as 0.0.0.0:8080 or [::1]:8080".to_owned(),
            Self::Announce(_) => format!("up to {MAX_ANNOUNCED} of {}", Announced::RULE),
            Self::OptionalAddress(_) => "an IP address and a port, such as 127.0.0.1:9090, or nothing".to_owned(),
            Self::Networks(_) => format!("up to {MAX_LISTED} IP addresses or networks, such as 10.0.0.0/8"),
            Self::Origins(_) => format!("up to {MAX_LISTED} origins, such as https://example.org"),
            Self::Keys(_) => format!(
                "up to {MAX_KEYS} keys as name:secret, each name once, each secret of {MIN_SECRET_BYTES} bytes or more"
            ),
            Self::Path(_) => "the path of a file".to_owned(),
            Self::Database(_) => "memory:, sqlite: and the path of a file, mongodb://… or mongodb+srv://…".to_owned(),
            Self::Files(_) => FilesUrl::RULE.to_owned(),
            Self::ContentTypes(_) => format!("up to {MAX_TYPES} content types, such as image/png or image/*"),
            Self::Webhooks(_) => format!("up to {MAX_URLS} URLs that begin with https:// or http://"),
            Self::SigningSecret(_) => format!("{MIN_SECRET_BYTES} bytes or more, or nothing"),
            Self::Switch(_) => "true or false".to_owned(),
            Self::Number16(_, range) => format!("a whole number from {} to {}", range.start(), range.end()),
            Self::Number32(_, range) => format!("a whole number from {} to {}", range.start(), range.end()),
            Self::Number64(_, range) => format!("a whole number from {} to {}", range.start(), range.end()),
            Self::Tls(_) => names(TLS_MODES),
            Self::Gso(_) => names(GSO_MODES),
            Self::Level(_) => names(LOG_LEVELS),
            Self::Format(_) => names(LOG_FORMATS),
            Self::Endpoint(_) => "a URL that begins with http:// or https://, without a query, or nothing".to_owned(),
            Self::Headers(_) => format!("up to {MAX_HEADERS} headers as name=value"),
            Self::Ratio(_) => "a number from 0 to 1".to_owned(),
            Self::ServiceName(_) => "1 to 64 visible ASCII characters".to_owned(),
        }
    }

    /// The field as it stands in a file; of secrets what may be shown.
    pub(crate) fn shown(&self) -> Value {
        match self {
            Self::Address(field) => Value::String(field.to_string()),
            Self::OptionalAddress(field) => {
                Value::String(field.map_or_else(String::new, |address| address.to_string()))
            }
            Self::Announce(field) => texts(field, Announced::to_string),
            Self::Networks(field) => texts(field, IpNet::to_string),
            Self::Origins(field) | Self::ContentTypes(field) => texts(field, String::clone),
            Self::Keys(field) => texts(field, |key| format!("{}:{HIDDEN}", key.name)),
            Self::Path(field) => {
                Value::String(field.as_ref().map_or_else(String::new, |path| path.display().to_string()))
            }
            Self::Database(field) => Value::String(shown_database(field.expose())),
            Self::Files(field) => Value::String(field.to_string()),
            Self::Webhooks(field) => texts(field, WebhookUrl::shown),
            Self::SigningSecret(field) => Value::String(field.as_ref().map_or("", |_| HIDDEN).to_owned()),
            Self::Switch(field) => Value::Boolean(**field),
            Self::Number16(field, _) => Value::Integer((**field).into()),
            Self::Number32(field, _) => Value::Integer((**field).into()),
            Self::Number64(field, _) => Value::Integer(i64::try_from(**field).unwrap_or(i64::MAX)),
            Self::Tls(field) => name(**field, TLS_MODES),
            Self::Gso(field) => name(**field, GSO_MODES),
            Self::Level(field) => name(**field, LOG_LEVELS),
            Self::Format(field) => name(**field, LOG_FORMATS),
            Self::Endpoint(field) => {
                Value::String(field.as_ref().map_or_else(String::new, |url| shown_url(url.expose())))
            }
            Self::Headers(field) => texts(field, |header| format!("{}={HIDDEN}", header.name)),
            Self::Ratio(field) => Value::Float(field.as_f64()),
            Self::ServiceName(field) => Value::String(field.to_string()),
        }
    }

    /// Sets the field from a variable's or flag's text. `None`, and no change, unless it is valid.
    pub(crate) fn set_text(&mut self, text: &str) -> Option<()> {
        let text = text.trim();
        let value = match self {
            Self::Switch(_) => Value::Boolean(text.parse().ok()?),
            Self::Number16(..) | Self::Number32(..) | Self::Number64(..) => Value::Integer(text.parse().ok()?),
            Self::Ratio(_) => Value::Float(text.parse().ok()?),
            Self::Announce(_)
            | Self::Networks(_)
            | Self::Origins(_)
            | Self::Keys(_)
            | Self::ContentTypes(_)
            | Self::Webhooks(_)
            | Self::Headers(_) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Value::Array(parts.map(|part| Value::String(part.to_owned())).collect())
            }
            Self::Files(_)
            | Self::SigningSecret(_)
            | Self::Address(_)
            | Self::OptionalAddress(_)
            | Self::Path(_)
            | Self::Database(_)
            | Self::Tls(_)
            | Self::Gso(_)
            | Self::Level(_)
            | Self::Format(_)
            | Self::Endpoint(_)
            | Self::ServiceName(_) => Value::String(text.to_owned()),
        };
        self.set(&value)
    }

    /// Sets the field from a file's value. `None`, and no change, unless it is valid.
    pub(crate) fn set(&mut self, value: &Value) -> Option<()> {
        match self {
            Self::Address(field) => **field = value.as_str()?.parse().ok()?,
            Self::Announce(field) => **field = announced(value)?,
            Self::OptionalAddress(field) => {
                **field = Some(value.as_str()?).filter(|text| !text.is_empty()).map(str::parse).transpose().ok()?;
            }
            Self::Networks(field) => **field = list(value, MAX_LISTED, network)?,
            Self::Origins(field) => **field = list(value, MAX_LISTED, origin)?,
            Self::Keys(field) => **field = keys(value)?,
            Self::Path(field) => **field = Some(value.as_str()?).filter(|path| !path.is_empty()).map(PathBuf::from),
            Self::Database(field) => **field = Secret::new(Some(value.as_str()?).filter(|url| is_database(url))?),
            Self::Files(field) => **field = FilesUrl::parse(value.as_str()?)?,
            Self::ContentTypes(field) => **field = list(value, MAX_TYPES, content_type)?,
            Self::Webhooks(field) => **field = list(value, MAX_URLS, WebhookUrl::parse)?,
            Self::SigningSecret(field) => **field = signing_secret(value.as_str()?)?,
            Self::Switch(field) => **field = value.as_bool()?,
            Self::Number16(field, range) => **field = number(value, range)?,
            Self::Number32(field, range) => **field = number(value, range)?,
            Self::Number64(field, range) => **field = number(value, range)?,
            Self::Tls(field) => **field = choice(value, TLS_MODES)?,
            Self::Gso(field) => **field = choice(value, GSO_MODES)?,
            Self::Level(field) => **field = choice(value, LOG_LEVELS)?,
            Self::Format(field) => **field = choice(value, LOG_FORMATS)?,
            Self::Endpoint(field) => **field = traces::endpoint(value.as_str()?)?,
            Self::Headers(field) => **field = list(value, MAX_HEADERS, TraceHeader::parse)?,
            Self::Ratio(field) => **field = ratio(value)?,
            Self::ServiceName(field) => **field = service_name(value.as_str()?)?,
        }
        Some(())
    }
}

fn number<N: TryFrom<i64> + PartialOrd>(value: &Value, range: &RangeInclusive<N>) -> Option<N> {
    let number = N::try_from(value.as_integer()?).ok()?;
    range.contains(&number).then_some(number)
}

/// In a file 0 and 1 may be whole numbers.
fn ratio(value: &Value) -> Option<Ratio> {
    match value {
        Value::Float(share) => Ratio::new(*share),
        Value::Integer(share) => Ratio::new(f64::from(i32::try_from(*share).ok()?)),
        _ => None,
    }
}

fn choice<T: Copy>(value: &Value, choices: &[(&str, T)]) -> Option<T> {
    let text = value.as_str()?;
    choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice)
}

/// The choice as it is written.
fn name<T: PartialEq>(choice: T, choices: &[(&str, T)]) -> Value {
    let found = choices.iter().find(|(_, other)| *other == choice);
    Value::String(found.map_or("", |(name, _)| *name).to_owned())
}

fn texts<T>(list: &[T], text: impl Fn(&T) -> String) -> Value {
    Value::Array(list.iter().map(|item| Value::String(text(item))).collect())
}

fn names<T>(choices: &[(&str, T)]) -> String {
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    format!("one of {}", names.join(", "))
}

/// An empty list means what none means.
fn announced(value: &Value) -> Option<Vec<Announced>> {
    let entries = list(value, MAX_ANNOUNCED, Announced::parse)?;
    Some(if entries.is_empty() { vec![Announced::Auto] } else { entries })
}

fn list<T>(value: &Value, most: usize, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let list = value.as_array().filter(|list| list.len() <= most)?;
    list.iter().map(|item| parse(item.as_str()?)).collect()
}

/// Whether it is one of the kinds of databases; what follows is looked at when it is opened.
fn is_database(url: &str) -> bool {
    url == "memory:" || url.strip_prefix("sqlite:").is_some_and(|path| !path.is_empty()) || is_mongodb(url)
}

pub(crate) fn is_mongodb(url: &str) -> bool {
    ["mongodb://", "mongodb+srv://"].iter().any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
}

/// Of a database that may have a password its kind alone.
fn shown_database(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, _)) if is_mongodb(url) => format!("{scheme}://{HIDDEN}"),
        _ => url.to_owned(),
    }
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse().ok().map(|address: IpAddr| address.into()))
}

/// The origin of a page (RFC 6454 section 6.2) as browsers write it.
fn origin(text: &str) -> Option<String> {
    let text = text.trim_end_matches('/').to_ascii_lowercase();
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    let is_origin = !host.is_empty() && host.len() <= 255 && host.chars().all(is_host);
    is_origin.then_some(text)
}

fn keys(value: &Value) -> Option<Vec<AuthKey>> {
    let keys = list(value, MAX_KEYS, AuthKey::parse)?;
    let is_twice = |(index, key): (usize, &AuthKey)| keys[..index].iter().any(|other| other.name == key.name);
    (!keys.iter().enumerate().any(is_twice)).then_some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_left_out_but_not_be_half_there() {
        let mut address = Some(SocketAddr::from(([127, 0, 0, 1], 1)));
        let mut field = Field::OptionalAddress(&mut address);
        assert_eq!(field.set_text("localhost"), None);
        assert_eq!(field.set_text("127.0.0.1"), None);
        assert_eq!(field.set_text("[::1]:9090"), Some(()));
        assert_eq!(address, Some("[::1]:9090".parse().unwrap()));
        assert_eq!(Field::OptionalAddress(&mut address).set_text(" "), Some(()));
        assert_eq!(address, None);
    }
}
