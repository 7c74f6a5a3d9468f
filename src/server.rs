//! The parts of the server, put together: shards, signalling, web server.
//!
//! [`Server::start`] claims everything that can be refused (ports, entropy, threads) before anything serves, so that a
//! start either succeeds or leaves nothing behind. [`Server::run`] serves until it is told to stop.

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::net::tcp::TcpLimits;
use crate::shard_thread::{EVENTS, ShardSetup, ShardSockets, ShardThread};
use crate::{addresses, assets, http, memory};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::get;
use parlor_config::{AuthKey, Config, FilesUrl, GsoMode, StoreConfig};
use parlor_media::command::Event;
use parlor_media::transport::{Identity, IdentityError};
use parlor_media::{Shard, ShardSettings};
use parlor_signaling::{
    Announce, FileSettings, FileStorage, KeyError, KeySources, Keys, OpenError, Rate, Rates, Settings, ShardHandle,
    Signaling, Storage, StoreError, StoreUrl, WebhookSettings,
};
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long the signalling may take to stop: it allows clients and the store three seconds each.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(7);

/// How long running HTTP requests may take after that.
const REQUEST_PATIENCE: Duration = Duration::from_millis(500);

/// How long a start waits before it tries again to reach the database.
const STORE_RETRY: Duration = Duration::from_secs(3);

/// Why the server did not start, in one line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `http.listen` cannot be had.
    #[error("cannot listen on {address} (http.listen): {error}")]
    Http {
        /// As configured.
        address: SocketAddr,
        /// The system's words.
        error: io::Error,
    },
    /// A shard's port cannot be had.
    #[error("cannot bind {protocol} port {port} for shard {shard} (media.udp_port): {error}")]
    Media {
        /// UDP or TCP.
        protocol: &'static str,
        /// The number.
        port: u16,
        /// Whose.
        shard: u16,
        /// The system's words.
        error: io::Error,
    },
    /// The ports of the shards end beyond 65535.
    #[error("media.udp_port = {first} leaves no port for shard {shard} of {shards}: choose a lower port")]
    PortRange {
        /// The first shard's port.
        first: u16,
        /// The first shard without a port.
        shard: u16,
        /// How many there are.
        shards: u16,
    },
    /// `store.url` is none.
    #[error("store.url is not valid: expected {}", StoreUrl::RULE)]
    StoreUrl,
    /// The database cannot be used, or not be reached with `store.wait = false`.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// Keys that cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// `files.url` cannot be used.
    #[error("cannot keep files in {place} (files.url): {error}")]
    Files {
        /// As configured, which is without secrets.
        place: String,
        /// The storage's words.
        error: String,
    },
    /// `[webhooks]` cannot be used.
    #[error("{0}")]
    Webhooks(String),
    /// No certificate.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The store does not say what rooms there are.
    #[error("cannot load the rooms: {0}")]
    Load(#[from] StoreError),
    /// No thread, or no poll for it.
    #[error("cannot start the thread of shard {shard}: {error}")]
    Thread {
        /// Whose.
        shard: u16,
        /// The system's words.
        error: io::Error,
    },
}

/// A started server.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    app: Router,
    max_connections: usize,
    signaling: Signaling,
    shards: Vec<ShardThread>,
    tasks: JoinSet<()>,
}

/// The ends that the control plane keeps of the shards.
struct ControlEnds {
    shards: Vec<ShardThread>,
    events: Vec<mpsc::Receiver<Event>>,
    lost: mpsc::UnboundedReceiver<usize>,
}

impl Server {
    /// Claims ports, database and threads, and connects the parts. With `store.wait` it may wait for the database for ever; it
    /// may be dropped meanwhile.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left behind.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        let settings = settings(config)?;
        let open = settings.keys.is_open();
        let http_error = |error| StartError::Http { address: config.http.listen, error };
        let listener = TcpListener::bind(config.http.listen).await.map_err(http_error)?;
        let address = listener.local_addr().map_err(http_error)?;
        let clock = Clock::start();
        let sockets = bind_shards(config)?;
        let ipv6 = sockets.iter().all(ShardSockets::has_ipv6);
        let storage = open_storage(&config.store).await?;
        let ends = start_shards(config, clock, sockets)?;

        let announce = announce(config, ipv6);
        let handles = ends.shards.iter().map(|shard| {
            let handle = ShardHandle::new(shard.commands(), shard.wake(), shard.port());
            if config.media.tcp { handle } else { handle.without_tcp() }
        });
        let pressure = Arc::new(AtomicBool::new(false));
        let settings = Settings { memory_pressure: Some(Arc::clone(&pressure)), ..settings };
        let signaling = Signaling::new(settings, announce, storage, handles.collect());
        let metrics = Metrics::new(ends.shards.iter().map(ShardThread::board).collect());
        let app = app(&signaling, metrics, clock);
        let mut tasks = start_tasks(&signaling, ends.events, ends.lost);
        signaling.load().await?;
        start_upkeep(&signaling, &mut tasks);
        tasks.spawn(memory::watch(config.limits.max_memory_mib, pressure));
        if open {
            tracing::warn!("rooms are open: whoever knows a room's id can join it; set auth.keys to require tokens");
        }
        let max_connections = config.limits.max_connections as usize;
        Ok(Self { listener, address, app, max_connections, signaling, shards: ends.shards, tasks })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address to open in a browser of this host.
    #[must_use]
    pub fn url(&self) -> String {
        let ip = self.address.ip();
        if ip.is_unspecified() || ip.is_loopback() {
            return format!("http://localhost:{}", self.address.port());
        }
        format!("http://{}", self.address)
    }

    /// Serves until `stop` is done. Then clients are told, requests may end, and the shards are stopped: all of that takes
    /// a few seconds at most.
    ///
    /// # Errors
    /// When the web server ends by itself.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let (close, closed) = oneshot::channel::<()>();
        let serve = http::serve(self.listener, self.app, self.max_connections, async { drop(closed.await) });
        let mut serving = tokio::spawn(serve);
        tokio::select! {
            () = stop => {}
            ended = &mut serving => return ended.map_err(io::Error::other),
        }
        tracing::info!("stopping");
        if timeout(SHUTDOWN_PATIENCE, self.signaling.shutdown()).await.is_err() {
            tracing::warn!("the signalling did not stop in time");
        }
        drop(close);
        if timeout(REQUEST_PATIENCE, &mut serving).await.is_err() {
            serving.abort();
        }
        self.tasks.shutdown().await;
        // Joins threads, which end within a tick.
        drop(self.shards);
        Ok(())
    }
}

async fn open_storage(config: &StoreConfig) -> Result<Storage, StartError> {
    let url = StoreUrl::parse(config.url.expose()).ok_or(StartError::StoreUrl)?;
    loop {
        match Storage::open(&url).await {
            Ok(storage) => {
                tracing::info!(store = %url, "the database is open");
                return Ok(storage);
            }
            Err(OpenError::Unavailable { store, reason }) if config.wait => {
                tracing::warn!(store, reason, "waiting for the database (store.wait)");
                sleep(STORE_RETRY).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn bind_shards(config: &Config) -> Result<Vec<ShardSockets>, StartError> {
    let media = &config.media;
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(256) as u16);
    let shards = if media.shards == 0 { cores } else { media.shards };
    let limits = media.tcp.then_some(TcpLimits {
        connections: media.max_tcp_connections as usize,
        connections_per_address: media.max_tcp_connections_per_address as usize,
    });
    (0..shards)
        .map(|shard| {
            let port = match media.udp_port {
                0 => 0,
                first => first.checked_add(shard).ok_or(StartError::PortRange { first, shard, shards })?,
            };
            ShardSockets::bind(port, limits).map_err(|(protocol, error)| StartError::Media {
                protocol,
                port,
                shard,
                error,
            })
        })
        .collect()
}

fn start_shards(config: &Config, clock: Clock, sockets: Vec<ShardSockets>) -> Result<ControlEnds, StartError> {
    let identity = Identity::generate()?;
    // Unbounded by type; in fact one message for each restart, of which a shard makes ten a second at most.
    let (lost_sender, lost) = mpsc::unbounded_channel();
    let (mut shards, mut events) = (Vec::new(), Vec::new());
    for (index, sockets) in (0..).zip(sockets) {
        let (sender, receiver) = mpsc::channel(EVENTS);
        let lost_sender = lost_sender.clone();
        let setup = ShardSetup {
            index,
            sockets,
            gso: config.media.gso == GsoMode::Auto,
            clock,
            events: sender,
            // Without a receiver the process is shutting down.
            on_lost: Box::new(move || {
                let _ = lost_sender.send(usize::from(index));
            }),
        };
        let identity = Arc::clone(&identity);
        let engine = move |now: Instant| {
            Shard::new(ShardSettings {
                index,
                identity: Arc::clone(&identity),
                seed: seed(),
                now,
                unix_time: clock.unix_time(now),
            })
        };
        let shard = ShardThread::spawn(setup, engine).map_err(|error| StartError::Thread { shard: index, error })?;
        shards.push(shard);
        events.push(receiver);
    }
    Ok(ControlEnds { shards, events, lost })
}

#[allow(clippy::expect_used, reason = "an operating system without entropy cannot run a server that encrypts")]
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the operating system gives entropy");
    seed
}

fn announce(config: &Config, ipv6: bool) -> Announce {
    let advertised = addresses::advertised(&config.media.announce, &addresses::interfaces(), ipv6);
    addresses::log(&advertised);
    let loopback_v6 = ipv6.then_some(IpAddr::V6(Ipv6Addr::LOCALHOST));
    let loopback = std::iter::once(IpAddr::V4(Ipv4Addr::LOCALHOST)).chain(loopback_v6).collect();
    Announce { addresses: advertised.addresses, loopback }
}

/// The keys of the configuration.
///
/// # Errors
/// When they cannot be used.
pub fn keys(config: &Config) -> Result<Keys, KeyError> {
    let auth = &config.auth;
    let pair = |key: &AuthKey| (key.name.clone(), key.secret.expose().to_owned());
    Keys::read(KeySources {
        secrets: auth.keys.iter().map(pair).collect(),
        jwks: auth.jwks.clone(),
        leeway: Duration::from_secs(auth.leeway_seconds.into()),
        max_lifetime: Duration::from_secs(auth.max_token_seconds.into()),
    })
}

fn settings(config: &Config) -> Result<Settings, StartError> {
    let limits = &config.limits;
    let keys = keys(config)?;
    let rates = Rates {
        room_creations: Rate::per_minute(limits.room_creations_per_minute),
        joins: Rate::per_minute(limits.joins_per_minute),
        messages: Rate::per_minute(limits.messages_per_minute),
        uploads: Rate::per_minute(limits.uploads_per_minute),
        failed_passwords: Rate::per_minute(limits.failed_passwords_per_minute),
    };
    Ok(Settings {
        rates,
        keys: Arc::new(keys),
        trusted_proxies: config.http.trusted_proxies.clone(),
        allowed_origins: config.http.allowed_origins.clone(),
        max_rooms: limits.max_rooms as usize,
        default_max_participants: limits.max_participants_per_room as usize,
        max_participants: limits.max_participants_per_room as usize,
        empty_timeout: Duration::from_secs(config.room.empty_timeout_seconds.into()),
        resume_grace: Duration::from_secs(config.session.resume_grace_seconds.into()),
        max_total_participants: limits.max_participants as usize,
        max_sockets: limits.max_connections as usize,
        max_sockets_per_address: limits.max_connections_per_address as usize,
        files: FileSettings {
            storage: file_storage(&config.files.url)?,
            max_bytes: config.files.max_bytes,
            max_per_room: config.files.max_per_room as usize,
            max_room_bytes: config.files.max_room_bytes,
            types: config.files.types.clone(),
        },
        webhooks: webhooks(config)?,
        ..Settings::default()
    })
}

fn file_storage(url: &FilesUrl) -> Result<FileStorage, StartError> {
    let (place, opened) = match url {
        FilesUrl::Off => return Ok(FileStorage::off()),
        FilesUrl::Memory => return Ok(FileStorage::memory()),
        FilesUrl::Directory(path) => (path.display().to_string(), FileStorage::local(path)),
        FilesUrl::S3(bucket) => (format!("s3://{}", bucket.name), FileStorage::s3(&bucket.name, &bucket.prefix)),
        FilesUrl::Gcs(bucket) => (format!("gs://{}", bucket.name), FileStorage::gcs(&bucket.name, &bucket.prefix)),
        FilesUrl::Azure(bucket) => (format!("az://{}", bucket.name), FileStorage::azure(&bucket.name, &bucket.prefix)),
    };
    opened.map_err(|error| StartError::Files { place, error })
}

fn webhooks(config: &Config) -> Result<WebhookSettings, StartError> {
    let urls: Vec<_> = config.webhooks.urls.iter().map(|url| url.expose().to_owned()).collect();
    let secret = config.webhooks.secret.as_ref().map_or("", parlor_config::Secret::expose);
    WebhookSettings::new(&urls, secret, config.webhooks.include_text).map_err(StartError::Webhooks)
}

/// 200 while the server can do all of its work, else 503 with the reasons why not.
fn readiness(ailments: &[String]) -> impl IntoResponse + use<> {
    let (status, retry) = match ailments {
        [] => (StatusCode::OK, None),
        _ => (StatusCode::SERVICE_UNAVAILABLE, Some([(header::RETRY_AFTER, "5")])),
    };
    let body = serde_json::json!({ "ready": ailments.is_empty(), "reasons": ailments });
    (status, retry.map(AppendHeaders), [(header::CACHE_CONTROL, "no-store")], axum::Json(body))
}

fn app(signaling: &Signaling, metrics: Metrics, clock: Clock) -> Router {
    let (control, ready) = (signaling.clone(), signaling.clone());
    let health = move || async move {
        let body = format!(
            "{{\"status\":\"ok\",\"version\":\"{}\",\"uptimeSeconds\":{}}}\n",
            env!("CARGO_PKG_VERSION"),
            clock.uptime(clock.now()).as_secs()
        );
        ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body)
    };
    signaling
        .router()
        .route("/healthz", get(health))
        .route("/readyz", get(move || async move { readiness(&ready.ailments()) }))
        .route("/metrics", get(move || async move { metrics.response(&control.stats()) }))
        .merge(assets::router())
}

/// What looks after rooms that are there already.
fn start_upkeep(signaling: &Signaling, tasks: &mut JoinSet<()>) {
    let (purges, watch, files) = (signaling.clone(), signaling.clone(), signaling.clone());
    tasks.spawn(async move { files.remove_orphaned_files().await });
    tasks.spawn(async move { purges.run_purges().await });
    tasks.spawn(async move { watch.watch_store().await });
}

/// The control plane's tasks. They end when the set is shut down.
fn start_tasks(
    signaling: &Signaling,
    events: Vec<mpsc::Receiver<Event>>,
    mut lost: mpsc::UnboundedReceiver<usize>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for (shard, events) in events.into_iter().enumerate() {
        let signaling = signaling.clone();
        tasks.spawn(async move { signaling.run_events(shard, events).await });
    }
    let journal = signaling.clone();
    tasks.spawn(async move { journal.run_journal().await });
    let webhooks = signaling.clone();
    tasks.spawn(async move { webhooks.run_webhooks().await });
    let timers = signaling.clone();
    tasks.spawn(async move { timers.run_timers().await });
    let signaling = signaling.clone();
    tasks.spawn(async move {
        while let Some(shard) = lost.recv().await {
            signaling.shard_lost(shard).await;
        }
    });
    tasks
}
