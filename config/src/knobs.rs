//! The table of knobs, and the names derived from it.

use crate::field::Field;
use crate::nearest::nearest;
use crate::{Config, ConfigError};

/// One configurable value.
#[derive(Debug)]
pub struct Knob {
    /// Its key in the file: `section.name`.
    pub key: &'static str,
    /// What it is, for `--help`. Begins with a capital, without a full stop.
    pub help: &'static str,
    /// What a value looks like, for `--help`.
    pub placeholder: &'static str,
    /// Whether a running server takes a new value on SIGHUP; for the others it needs a restart.
    pub reload: bool,
    pub(crate) field: fn(&mut Config) -> Field<'_>,
}

/// A part of an upload has 5 MiB, and clouds take 10,000 of them.
const MAX_FILE_BYTES: u64 = 32 << 30;
/// A terabyte.
const MAX_ROOM_BYTES: u64 = 1 << 40;

/// Every knob, in the order of the sample file.
pub const KNOBS: &[Knob] = &[
    Knob {
        key: "http.listen",
        help: "Address and port of the web server",
        placeholder: "ADDRESS:PORT",
        reload: false,
        field: |c| Field::Address(&mut c.http.listen),
    },
    Knob {
        key: "http.tls",
        help: "Serve by HTTPS: with a certificate of files, or with one that the server makes itself",
        placeholder: "off|files|self-signed",
        reload: false,
        field: |c| Field::Tls(&mut c.http.tls),
    },
    Knob {
        key: "http.tls_certificate",
        help: "PEM file of the certificate and those that vouch for it, for http.tls = files",
        placeholder: "FILE",
        reload: true,
        field: |c| Field::Path(&mut c.http.tls_certificate),
    },
    Knob {
        key: "http.tls_key",
        help: "PEM file of the certificate's private key, for http.tls = files",
        placeholder: "FILE",
        reload: true,
        field: |c| Field::Path(&mut c.http.tls_key),
    },
    Knob {
        key: "http.trusted_proxies",
        help: "Addresses or networks of proxies whose X-Forwarded-For and -Proto are believed, separated by commas",
        placeholder: "NETWORKS",
        reload: true,
        field: |c| Field::Networks(&mut c.http.trusted_proxies),
    },
    Knob {
        key: "http.allowed_origins",
        help: "Origins whose pages may use this server besides its own, separated by commas",
        placeholder: "ORIGINS",
        reload: true,
        field: |c| Field::Origins(&mut c.http.allowed_origins),
    },
    Knob {
        key: "auth.keys",
        help: "Keys for tokens as name:secret, separated by commas; none means that rooms are open",
        placeholder: "KEYS",
        reload: true,
        field: |c| Field::Keys(&mut c.auth.keys),
    },
    Knob {
        key: "auth.jwks",
        help: "JSON Web Key Set for tokens signed by RS256 or ES256",
        placeholder: "FILE",
        reload: true,
        field: |c| Field::Path(&mut c.auth.jwks),
    },
    Knob {
        key: "auth.leeway_seconds",
        help: "How far the clocks of who signs tokens and of this server may differ",
        placeholder: "SECONDS",
        reload: true,
        field: |c| Field::Number32(&mut c.auth.leeway_seconds, 0..=300),
    },
    Knob {
        key: "auth.max_token_seconds",
        help: "The longest time for which a token may be good",
        placeholder: "SECONDS",
        reload: true,
        field: |c| Field::Number32(&mut c.auth.max_token_seconds, 60..=31_536_000),
    },
    Knob {
        key: "media.udp_port",
        help: "First media port, UDP and ICE-TCP; shard i uses this + i; 0 takes any free ports",
        placeholder: "PORT",
        reload: false,
        field: |c| Field::Number16(&mut c.media.udp_port, 0..=u16::MAX),
    },
    Knob {
        key: "media.shards",
        help: "Media threads; 0 means one for each core",
        placeholder: "NUMBER",
        reload: false,
        field: |c| Field::Number16(&mut c.media.shards, 0..=256),
    },
    Knob {
        key: "media.spread_busy_percent",
        help: "Load of a shard from which on a room's newcomers go to another one",
        placeholder: "PERCENT",
        reload: false,
        field: |c| Field::Number16(&mut c.media.spread_busy_percent, 1..=100),
    },
    Knob {
        key: "media.spread_participants",
        help: "Participants of a room on one shard from which on newcomers go to another one",
        placeholder: "NUMBER",
        reload: false,
        field: |c| Field::Number32(&mut c.media.spread_participants, 1..=10_000),
    },
    Knob {
        key: "media.loudest_above",
        help: "Microphones of a room above which only the loudest voices are forwarded; 0 for never",
        placeholder: "NUMBER",
        reload: false,
        field: |c| Field::Number32(&mut c.media.loudest_above, 0..=10_000),
    },
    Knob {
        key: "media.loudest",
        help: "Voices that are forwarded in such rooms",
        placeholder: "NUMBER",
        reload: false,
        field: |c| Field::Number16(&mut c.media.loudest, 1..=32),
    },
    Knob {
        key: "media.opus_red",
        help: "Send sound with copies of earlier packets (RED) to those who lose packets",
        placeholder: "true|false",
        reload: false,
        field: |c| Field::Switch(&mut c.media.opus_red),
    },
    Knob {
        key: "media.announce",
        help: "Addresses to tell clients, separated by commas: auto, IP, LOCAL=PUBLIC, stun:HOST:PORT",
        placeholder: "ADDRESSES",
        reload: false,
        field: |c| Field::Announce(&mut c.media.announce),
    },
    Knob {
        key: "media.gso",
        help: "UDP segmentation offload: auto uses it where the kernel has it",
        placeholder: "auto|off",
        reload: false,
        field: |c| Field::Gso(&mut c.media.gso),
    },
    Knob {
        key: "media.tcp",
        help: "Offer ICE-TCP to networks without UDP",
        placeholder: "true|false",
        reload: false,
        field: |c| Field::Switch(&mut c.media.tcp),
    },
    Knob {
        key: "media.max_tcp_connections",
        help: "ICE-TCP connections of one shard",
        placeholder: "NUMBER",
        reload: false,
        field: |c| Field::Number32(&mut c.media.max_tcp_connections, 1..=65_536),
    },
    Knob {
        key: "media.max_tcp_connections_per_address",
        help: "ICE-TCP connections of one shard from one address",
        placeholder: "NUMBER",
        reload: false,
        field: |c| Field::Number32(&mut c.media.max_tcp_connections_per_address, 1..=65_536),
    },
    Knob {
        key: "limits.max_rooms",
        help: "Rooms at a time",
        placeholder: "NUMBER",
        reload: true,
        field: |c| Field::Number32(&mut c.limits.max_rooms, 1..=1_000_000),
    },
    Knob {
        key: "limits.max_participants_per_room",
        help: "Participants of one room, unless the room asks for fewer",
        placeholder: "NUMBER",
        reload: true,
        field: |c| Field::Number32(&mut c.limits.max_participants_per_room, 1..=10_000),
    },
    Knob {
        key: "limits.max_participants",
        help: "Participants at a time, of all rooms",
        placeholder: "NUMBER",
        reload: true,
        field: |c| Field::Number32(&mut c.limits.max_participants, 1..=1_000_000),
    },
    Knob {
        key: "limits.max_memory_mib",
        help: "Memory in MiB beyond which nobody new is let in; 0 means nine tenths of what there is",
        placeholder: "MIB",
        reload: true,
        field: |c| Field::Number32(&mut c.limits.max_memory_mib, 0..=16_777_216),
    },
    Knob {
        key: "limits.max_connections",
        help: "WebSocket connections at a time",
        placeholder: "NUMBER",
        reload: true,
        field: |c| Field::Number32(&mut c.limits.max_connections, 1..=1_000_000),
    },
    Knob {
        key: "limits.max_connections_per_address",
        help: "WebSocket connections from one address at a time; loopback is exempt",
        placeholder: "NUMBER",
        reload: true,
        field: |c| Field::Number32(&mut c.limits.max_connections_per_address, 1..=1_000_000),
    },
    Knob {
        key: "limits.room_creations_per_minute",
        help: "Rooms that one address, and one identity, may create in a minute",
        placeholder: "NUMBER",
        reload: true,
        field: |c| Field::Number32(&mut c.limits.room_creations_per_minute, 1..=1_000_000),
    },
    Knob {
        key: "limits.joins_per_minute",
        help: "Joins of one address, and of one identity, in a minute",
        placeholder: "NUMBER",
        reload: true,
        field: |c| Field::Number32(&mut c.limits.joins_per_minute, 1..=1_000_000),
    },
    Knob {
        key: "limits.messages_per_minute",
        help: "Chat messages of one identity in a minute, with changes of messages",
        placeholder: "NUMBER",
        reload: true,
        field: |c| Field::Number32(&mut c.limits.messages_per_minute, 1..=1_000_000),
    },
    Knob {
        key: "limits.uploads_per_minute",
        help: "Uploads of one address, and of one identity, in a minute",
        placeholder: "NUMBER",
        reload: true,
        field: |c| Field::Number32(&mut c.limits.uploads_per_minute, 1..=1_000_000),
    },
    Knob {
        key: "limits.failed_passwords_per_minute",
        help: "Wrong passwords of one address in a minute",
        placeholder: "NUMBER",
        reload: true,
        field: |c| Field::Number32(&mut c.limits.failed_passwords_per_minute, 1..=1_000_000),
    },
    Knob {
        key: "room.empty_timeout_seconds",
        help: "Seconds after which an empty room ends",
        placeholder: "SECONDS",
        reload: false,
        field: |c| Field::Number32(&mut c.room.empty_timeout_seconds, 1..=2_592_000),
    },
    Knob {
        key: "session.resume_grace_seconds",
        help: "Seconds for which a lost connection may resume its session",
        placeholder: "SECONDS",
        reload: false,
        field: |c| Field::Number32(&mut c.session.resume_grace_seconds, 1..=3_600),
    },
    Knob {
        key: "shutdown.drain_seconds",
        help: "Seconds for which calls may go on after SIGTERM; 0 cuts them at once",
        placeholder: "SECONDS",
        reload: false,
        field: |c| Field::Number32(&mut c.shutdown.drain_seconds, 0..=86_400),
    },
    Knob {
        key: "store.url",
        help: "Database: memory:, sqlite:PATH, mongodb://... or mongodb+srv://...",
        placeholder: "URL",
        reload: false,
        field: |c| Field::Database(&mut c.store.url),
    },
    Knob {
        key: "store.wait",
        help: "Whether a start waits for a database that cannot be reached, or fails",
        placeholder: "true|false",
        reload: false,
        field: |c| Field::Switch(&mut c.store.wait),
    },
    Knob {
        key: "files.url",
        help: "Where shared files are kept; credentials of clouds come from the environment",
        placeholder: "off|memory:|file:DIRECTORY|s3://…|gs://…|az://…",
        reload: false,
        field: |c| Field::Files(&mut c.files.url),
    },
    Knob {
        key: "files.max_bytes",
        help: "Bytes of one shared file",
        placeholder: "BYTES",
        reload: false,
        field: |c| Field::Number64(&mut c.files.max_bytes, 1..=MAX_FILE_BYTES),
    },
    Knob {
        key: "files.max_per_room",
        help: "Shared files of one room",
        placeholder: "NUMBER",
        reload: false,
        field: |c| Field::Number32(&mut c.files.max_per_room, 1..=10_000),
    },
    Knob {
        key: "files.max_room_bytes",
        help: "Bytes of a room's shared files together",
        placeholder: "BYTES",
        reload: false,
        field: |c| Field::Number64(&mut c.files.max_room_bytes, 1..=MAX_ROOM_BYTES),
    },
    Knob {
        key: "files.types",
        help: "Content types that are taken, as the server recognises them, separated by commas; empty means all",
        placeholder: "TYPES",
        reload: false,
        field: |c| Field::ContentTypes(&mut c.files.types),
    },
    Knob {
        key: "webhooks.urls",
        help: "Who is told what happens in rooms, separated by commas",
        placeholder: "URLS",
        reload: false,
        field: |c| Field::Webhooks(&mut c.webhooks.urls),
    },
    Knob {
        key: "webhooks.secret",
        help: "What webhooks are signed with; better given by the environment than by a flag, which others can see",
        placeholder: "SECRET",
        reload: false,
        field: |c| Field::SigningSecret(&mut c.webhooks.secret),
    },
    Knob {
        key: "webhooks.include_text",
        help: "Tell webhooks what was said",
        placeholder: "true|false",
        reload: false,
        field: |c| Field::Switch(&mut c.webhooks.include_text),
    },
    Knob {
        key: "metrics.listen",
        help: "Address and port that serves /metrics and nothing else; empty means that the web server does",
        placeholder: "ADDRESS:PORT",
        reload: false,
        field: |c| Field::OptionalAddress(&mut c.metrics.listen),
    },
    Knob {
        key: "log.level",
        help: "Least severe level that is logged",
        placeholder: "error|warn|info|debug|trace",
        reload: true,
        field: |c| Field::Level(&mut c.log.level),
    },
    Knob {
        key: "log.format",
        help: "Log lines for people or machines; auto means people on a terminal",
        placeholder: "auto|human|json",
        reload: false,
        field: |c| Field::Format(&mut c.log.format),
    },
    Knob {
        key: "traces.endpoint",
        help: "OpenTelemetry collector that gets traces by OTLP over HTTP; empty means none",
        placeholder: "URL",
        reload: false,
        field: |c| Field::Endpoint(&mut c.traces.endpoint),
    },
    Knob {
        key: "traces.headers",
        help: "Headers for the collector as name=value, separated by commas; better given by the environment than by a flag",
        placeholder: "HEADERS",
        reload: false,
        field: |c| Field::Headers(&mut c.traces.headers),
    },
    Knob {
        key: "traces.sample_ratio",
        help: "Share of traces that are told, from 0 to 1",
        placeholder: "RATIO",
        reload: false,
        field: |c| Field::Ratio(&mut c.traces.sample_ratio),
    },
    Knob {
        key: "traces.service_name",
        help: "Name of this server in traces",
        placeholder: "NAME",
        reload: false,
        field: |c| Field::ServiceName(&mut c.traces.service_name),
    },
    Knob {
        key: "traces.accept_traceparent",
        help: "Continue the traces that http.trusted_proxies begin, by their header traceparent",
        placeholder: "true|false",
        reload: false,
        field: |c| Field::Switch(&mut c.traces.accept_traceparent),
    },
];

/// What every environment variable of Parlor begins with.
pub(crate) const PREFIX: &str = "PARLOR_";

impl Knob {
    /// `--http-listen` for `http.listen`.
    #[must_use]
    pub fn flag(&self) -> String {
        format!("--{}", self.flag_name())
    }

    /// The flag without its dashes.
    #[must_use]
    pub fn flag_name(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }

    /// `PARLOR_HTTP__LISTEN` for `http.listen`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.key.replace('.', "__").to_ascii_uppercase())
    }
}

/// The error for a flag that is neither a knob's nor one of `others` (with their dashes).
#[must_use]
pub fn unknown_flag(flag: &str, others: &[&str]) -> ConfigError {
    let known = KNOBS.iter().map(Knob::flag).chain(others.iter().map(|other| (*other).to_owned()));
    ConfigError::UnknownFlag { flag: flag.to_owned(), nearest: nearest(flag, known) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_derived_from_the_key() {
        let knob = KNOBS.iter().find(|knob| knob.key == "media.udp_port").unwrap();
        assert_eq!(knob.flag(), "--media-udp-port");
        assert_eq!(knob.variable(), "PARLOR_MEDIA__UDP_PORT");
    }

    #[test]
    fn every_name_is_unique_and_every_key_has_a_section() {
        let flags: HashSet<String> = KNOBS.iter().map(Knob::flag).collect();
        let variables: HashSet<String> = KNOBS.iter().map(Knob::variable).collect();
        assert_eq!((flags.len(), variables.len()), (KNOBS.len(), KNOBS.len()));
        assert!(KNOBS.iter().all(|knob| knob.key.split('.').count() == 2));
    }

    #[test]
    fn an_unknown_flag_suggests_the_nearest() {
        let error = unknown_flag("--http-lisen", &["--config"]).to_string();
        assert_eq!(error, "unknown flag --http-lisen; did you mean --http-listen?");
        let error = unknown_flag("--confg", &["--config"]).to_string();
        assert_eq!(error, "unknown flag --confg; did you mean --config?");
        assert_eq!(unknown_flag("--zzzzzzzz", &[]).to_string(), "unknown flag --zzzzzzzz; parlor --help lists all");
    }
}
