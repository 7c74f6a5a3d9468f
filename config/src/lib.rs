//! Parlor's configuration: every knob, its default and its bounds.
//!
//! [`Config`] is what the rest of the program reads; it is complete and valid from the moment it exists. [`KNOBS`] is the
//! one table from which the file's keys, the environment's variables and the command line's flags are derived, so that
//! they cannot drift apart. [`load`] folds the sources into a `Config`, in growing precedence: defaults, file,
//! environment, flags.
//!
//! What always holds: a key that is not in the table, or a value out of its bounds, is an error of one line that names
//! the key, the value, what is allowed and where it came from.

mod announce;
mod auth;
mod error;
mod field;
mod files;
mod knobs;
mod load;
mod nearest;
mod print;
#[cfg(test)]
mod reference;
mod reload;
mod traces;

pub use announce::{Announced, StunServer};
pub use auth::{AuthKey, Secret};
pub use error::{ConfigError, Source};
pub use files::{Bucket, FilesUrl, WebhookUrl};
pub use knobs::{KNOBS, Knob, unknown_flag};
pub use load::{ConfigFile, Loaded, Sources, load, read};
pub use print::print;
pub use traces::{Ratio, TraceHeader};

use ipnet::IpNet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The web server: pages, REST, signalling.
    pub http: HttpConfig,
    /// Who may do what, by tokens.
    pub auth: AuthConfig,
    /// The media ports and threads.
    pub media: MediaConfig,
    /// How much one server takes on.
    pub limits: LimitsConfig,
    /// The life of rooms.
    pub room: RoomConfig,
    /// The life of signalling sessions.
    pub session: SessionConfig,
    /// The end of the server.
    pub shutdown: ShutdownConfig,
    /// The database.
    pub store: StoreConfig,
    /// Shared files.
    pub files: FilesConfig,
    /// What applications are told.
    pub webhooks: WebhooksConfig,
    /// What operators measure.
    pub metrics: MetricsConfig,
    /// Logging.
    pub log: LogConfig,
    /// Traces.
    pub traces: TracesConfig,
}

/// `[files]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesConfig {
    /// Where they are kept.
    pub url: FilesUrl,
    /// Bytes of one file.
    pub max_bytes: u64,
    /// Files of one room.
    pub max_per_room: u32,
    /// Bytes of a room's files together.
    pub max_room_bytes: u64,
    /// Content types that are taken, as `image/png` or `image/*`; empty: all.
    pub types: Vec<String>,
}

/// `[webhooks]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhooksConfig {
    /// Who is told.
    pub urls: Vec<WebhookUrl>,
    /// What it is signed with; there when there are URLs.
    pub secret: Option<Secret>,
    /// Whether it is told what was said.
    pub include_text: bool,
}

/// `[http]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Whether it is served by HTTPS, and with what.
    pub tls: TlsMode,
    /// The certificate and those that vouch for it, in PEM; there for [`TlsMode::Files`] and no other.
    pub tls_certificate: Option<PathBuf>,
    /// Its private key, in PEM; there when the certificate is.
    pub tls_key: Option<PathBuf>,
    /// Reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins of pages, besides the server's own, that may use it.
    pub allowed_origins: Vec<String>,
}

/// `[auth]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthConfig {
    /// Shared keys for HS256; without keys and key set rooms are open.
    pub keys: Vec<AuthKey>,
    /// A file with a JSON Web Key Set, for RS256 and ES256.
    pub jwks: Option<PathBuf>,
    /// How far clocks may differ.
    pub leeway_seconds: u32,
    /// The longest time for which a token may be good.
    pub max_token_seconds: u32,
}

/// `[media]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaConfig {
    /// The first shard's UDP (and ICE-TCP) port; shard `i` uses `udp_port + i`. 0: any free port for each shard.
    pub udp_port: u16,
    /// Media threads; 0: one for each core.
    pub shards: u16,
    /// Load of a shard, in percent of a core, from which on newcomers go to another.
    pub spread_busy_percent: u16,
    /// Participants of one room on one shard, from which on newcomers go to another.
    pub spread_participants: u32,
    /// Microphones of a room above which only the loudest voices are forwarded; 0: never.
    pub loudest_above: u32,
    /// How many voices are forwarded there.
    pub loudest: u16,
    /// Whether Opus is sent with copies of earlier packets (RED) to those who lose packets.
    pub opus_red: bool,
    /// Where the addresses that clients are told come from, in order of preference; never empty.
    pub announce: Vec<Announced>,
    /// UDP generic segmentation offload for sending.
    pub gso: GsoMode,
    /// Whether ICE-TCP is offered to networks without UDP.
    pub tcp: bool,
    /// ICE-TCP connections of one shard.
    pub max_tcp_connections: u32,
    /// ICE-TCP connections of one shard from one address (IPv6: one /64).
    pub max_tcp_connections_per_address: u32,
}

/// `[limits]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Rooms at a time.
    pub max_rooms: u32,
    /// Participants of one room, where the room itself does not ask for fewer.
    pub max_participants_per_room: u32,
    /// Participants at a time, of all rooms.
    pub max_participants: u32,
    /// Resident memory in MiB beyond which nobody new is let in; 0: nine tenths of what the container or the machine has.
    pub max_memory_mib: u32,
    /// WebSocket connections at a time.
    pub max_connections: u32,
    /// WebSocket connections from one address at a time (IPv6: from one /64).
    pub max_connections_per_address: u32,
    /// Rooms created in a minute, by an address and by an identity.
    pub room_creations_per_minute: u32,
    /// Joins in a minute, of an address and of an identity.
    pub joins_per_minute: u32,
    /// Chat messages in a minute, of an identity.
    pub messages_per_minute: u32,
    /// Uploads in a minute, of an address and of an identity.
    pub uploads_per_minute: u32,
    /// Wrong passwords in a minute, of an address; of all addresses for one room ten times as many.
    pub failed_passwords_per_minute: u32,
}

/// `[room]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomConfig {
    /// Seconds after which a room that nobody is in ends.
    pub empty_timeout_seconds: u32,
}

/// `[shutdown]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShutdownConfig {
    /// Seconds for which calls may go on after SIGTERM; 0: they are cut at once.
    pub drain_seconds: u32,
}

/// `[session]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// Seconds for which a lost WebSocket may resume its session.
    pub resume_grace_seconds: u32,
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// Which database: `memory:`, `sqlite:` and a path, `mongodb://…` or `mongodb+srv://…`. It may hold a password.
    pub url: Secret,
    /// Whether a start waits for a database that cannot be reached, or fails.
    pub wait: bool,
}

/// `[metrics]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Address and port that serves `/metrics` and nothing else; `None`: the web server serves it.
    pub listen: Option<SocketAddr>,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The least severe level that is written.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

/// `[traces]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracesConfig {
    /// Where a collector takes OTLP over HTTP, without `/v1/traces`; `None`: nowhere. It may hold a password.
    pub endpoint: Option<Secret>,
    /// Headers of requests to it.
    pub headers: Vec<TraceHeader>,
    /// The share of traces that are told.
    pub sample_ratio: Ratio,
    /// What they call this server.
    pub service_name: String,
    /// Whether a trusted proxy's `traceparent` is continued.
    pub accept_traceparent: bool,
}

/// How the web server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// By plain HTTP.
    Off,
    /// By HTTPS with the certificate of files.
    Files,
    /// By HTTPS with a certificate that the server makes itself, to try phones with.
    SelfSigned,
}

/// Whether UDP GSO is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GsoMode {
    /// Where the kernel has it.
    Auto,
    /// Never.
    Off,
}

/// Severity of log lines, most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is odd.
    Warn,
    /// What an operator wants to know.
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

/// The look of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    Auto,
    /// Text for people.
    Human,
    /// One JSON object a line.
    Json,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            headers: Vec::new(),
            sample_ratio: Ratio::ONE,
            service_name: "parlor".to_owned(),
            accept_traceparent: false,
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
            tls: TlsMode::Off,
            tls_certificate: None,
            tls_key: None,
            trusted_proxies: Vec::new(),
            allowed_origins: Vec::new(),
        }
    }
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self { keys: Vec::new(), jwks: None, leeway_seconds: 30, max_token_seconds: 30 * 24 * 3600 }
    }
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            udp_port: 7900,
            shards: 0,
            spread_busy_percent: 70,
            spread_participants: 500,
            loudest_above: 16,
            loudest: 8,
            opus_red: true,
            announce: vec![Announced::Auto],
            gso: GsoMode::Auto,
            tcp: true,
            max_tcp_connections: 2048,
            max_tcp_connections_per_address: 128,
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            max_rooms: 10_000,
            max_participants_per_room: 100,
            max_participants: 10_000,
            max_memory_mib: 0,
            max_connections: 10_000,
            max_connections_per_address: 256,
            room_creations_per_minute: 60,
            joins_per_minute: 240,
            messages_per_minute: 3000,
            uploads_per_minute: 60,
            failed_passwords_per_minute: 10,
        }
    }
}

impl Default for RoomConfig {
    fn default() -> Self {
        Self { empty_timeout_seconds: 300 }
    }
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self { drain_seconds: 25 }
    }
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self { resume_grace_seconds: 30 }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: Secret::new("sqlite:parlor-data/parlor.db"), wait: true }
    }
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self {
            url: FilesUrl::default(),
            max_bytes: 25 << 20,
            max_per_room: 200,
            max_room_bytes: 500 << 20,
            types: Vec::new(),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: LogLevel::Info, format: LogFormat::Auto }
    }
}
