//! What the signalling can be told.

use crate::access::Keys;
use crate::files::FileSettings;
use crate::limits::Rates;
use crate::protocol::Timestamp;
use crate::protocol::server::IceServer;
use crate::rate::Rate;
use crate::spreading::Spread;
use crate::webhooks::WebhookSettings;
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Whom the server believes, and how much it takes on. A running one is replaced whole, by
/// [`Signaling::replace_policy`](crate::Signaling::replace_policy): what begins afterwards goes by the new one.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Rooms at a time.
    pub max_rooms: usize,
    /// Participants of a room that does not say.
    pub default_max_participants: usize,
    /// The most participants that a room may ask for.
    pub max_participants: usize,
    /// Participants at a time, of all rooms.
    pub max_total_participants: usize,
    /// How often addresses and identities may do things.
    pub rates: Rates,
    /// Sockets at a time.
    pub max_sockets: usize,
    /// Sockets of one address at a time (IPv6: of one /64 network). Loopback is exempt: it may be a proxy.
    pub max_sockets_per_address: usize,
    /// What tokens are verified and signed with; none: rooms are open to whoever knows their ids.
    pub keys: Arc<Keys>,
    /// Networks of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins, as `https://example.org`, whose pages may connect besides those that this server serves.
    pub allowed_origins: Vec<String>,
}

/// What a room may ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoomBounds {
    pub(crate) max_participants: usize,
    pub(crate) max_expiry: Duration,
}

/// Bounds and times. The defaults suit a small server that anybody may use.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What it begins with and may be replaced while it runs.
    pub first_policy: Policy,
    /// The longest life that a room may ask for.
    pub max_expiry: Duration,
    /// How long a room may be empty.
    pub empty_timeout: Duration,
    /// How long a lost socket may take to resume.
    pub resume_grace: Duration,
    /// Of a chat text.
    pub max_text_bytes: usize,
    /// Of a WebSocket message; an answer for a hundred tracks takes some 300 kilobytes.
    pub max_frame_bytes: usize,
    /// Told to clients for their `RTCPeerConnection`.
    pub ice_servers: Vec<IceServer>,
    /// Messages of one session. Ten times the burst beyond it closes the socket.
    pub messages: Rate,
    /// How long a socket may be in no room.
    pub join_deadline: Duration,
    /// Between pings on a socket.
    pub ping_interval: Duration,
    /// How long a socket may be silent; some pings long.
    pub idle_timeout: Duration,
    /// When rooms get parts on further shards.
    pub spread: Spread,
    /// `true` while the process uses as much memory as it may: nobody enters then.
    pub memory_pressure: Option<Arc<AtomicBool>>,
    /// What may be shared.
    pub files: FileSettings,
    /// Who is told what happens.
    pub webhooks: WebhookSettings,
    /// The time of day; tests have their own.
    pub wall_clock: fn() -> Timestamp,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_rooms: 10_000,
            default_max_participants: 50,
            max_participants: 500,
            max_total_participants: 10_000,
            rates: Rates::default(),
            max_sockets: 10_000,
            max_sockets_per_address: 256,
            keys: Arc::default(),
            trusted_proxies: Vec::new(),
            allowed_origins: Vec::new(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            first_policy: Policy::default(),
            max_expiry: Duration::from_secs(30 * 24 * 3600),
            empty_timeout: Duration::from_secs(300),
            resume_grace: Duration::from_secs(30),
            max_text_bytes: 8192,
            max_frame_bytes: 512 * 1024,
            ice_servers: Vec::new(),
            messages: Rate { per_second: 50.0, burst: 100.0 },
            join_deadline: Duration::from_secs(15),
            ping_interval: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(45),
            spread: Spread::default(),
            memory_pressure: None,
            files: FileSettings::default(),
            webhooks: WebhookSettings::default(),
            wall_clock: Timestamp::now,
        }
    }
}

/// The addresses that clients reach the shards at.
#[derive(Clone, Debug, Default)]
pub struct Announce {
    /// For everybody, in order of preference.
    pub addresses: Vec<IpAddr>,
    /// For clients on this host, before the others: those whose request went to `localhost`, 127.0.0.0/8 or `[::1]`.
    pub loopback: Vec<IpAddr>,
}

impl Announce {
    /// The addresses for a client.
    pub(crate) fn for_client(&self, on_loopback: bool) -> Vec<IpAddr> {
        let loopback: &[IpAddr] = if on_loopback { &self.loopback } else { &[] };
        let mut addresses = loopback.to_vec();
        addresses.extend(self.addresses.iter().filter(|address| !loopback.contains(address)));
        addresses
    }
}
