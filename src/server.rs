//! The parts of the server, put together: shards, signalling, web server.
//!
//! [`Server::start`] claims everything that can be refused (ports, entropy, threads) before anything serves, so that a
//! start either succeeds or leaves nothing behind. [`Server::run`] serves until it is told to stop.

mod ending;
mod reload;
mod routes;
mod settings;
mod shards;

pub use crate::tls::TlsError;
pub use reload::{Reloaded, Reloader};
pub use settings::keys;
pub(crate) use settings::{file_storage, problems, webhooks};
pub(crate) use shards::ports as ports_of_shards;

use crate::clock::Clock;
use crate::drain::Ending;
use crate::greeting::{Greeting, url};
use crate::health::Health;
use crate::http::Web;
use crate::logging::Level;
use crate::metrics::Metrics;
use crate::shard_thread::{ShardSockets, ShardThread};
use crate::signals::Request;
use crate::tls::Tls;
use crate::traces::traced;
use crate::{http, memory};
use axum::Router;
use parlor_config::{Config, LimitsConfig, StoreConfig, TlsMode};
use parlor_media::command::Event;
use parlor_media::transport::IdentityError;
use parlor_signaling::{KeyError, OpenError, Settings, ShardHandle, Signaling, Storage, StoreError, StoreUrl};
use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long the signalling may take to stop: it allows clients and the store three seconds.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(4);

/// How long running HTTP requests may take after that.
const REQUEST_PATIENCE: Duration = Duration::from_millis(500);

/// Connections to the metrics' own listener: a few monitors.
const METRICS_CONNECTIONS: u32 = 16;

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
    /// `metrics.listen` cannot be had.
    #[error("cannot listen on {address} (metrics.listen): {error}")]
    Metrics {
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
    /// `media.announce` comes to no address.
    #[error("there is no address to advertise (media.announce): {0}")]
    Announce(String),
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
    /// `http.tls` cannot be had.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No certificate for media.
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
    /// What is configured.
    config: Config,
    /// Addresses that are told to clients elsewhere, for media and, with a certificate of its own, for the page.
    advertised: Vec<IpAddr>,
    web: Web,
    limits: watch::Sender<LimitsConfig>,
    signaling: Signaling,
    shards: Vec<ShardThread>,
    tasks: JoinSet<()>,
}

impl Server {
    /// Claims ports, database and threads, and connects the parts. With `store.wait` it may wait for the database for ever; it
    /// may be dropped meanwhile.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left behind.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        let settings = settings::settings(config)?;
        let open = settings.first_policy.keys.is_open();
        let http_error = |error| StartError::Http { address: config.http.listen, error };
        let listener = TcpListener::bind(config.http.listen).await.map_err(http_error)?;
        let address = listener.local_addr().map_err(http_error)?;
        let metrics_listener = bind_metrics(config).await?;
        let clock = Clock::start();
        let sockets = shards::bind(config)?;
        let ipv6 = sockets.iter().all(ShardSockets::has_ipv6);
        let storage = open_storage(&config.store).await?;
        let announce = settings::announce(config, ipv6).await?;
        let advertised = announce.addresses.clone();
        let tls = Tls::open(&config.http, &advertised)?;
        let ends = shards::start(config, clock, sockets)?;

        let handles = ends.shards.iter().map(|shard| {
            let load = shard.load();
            let handle = ShardHandle::new(shard.commands(), shard.wake(), shard.port());
            let handle = handle.with_load(Arc::new(move || load.share()));
            if config.media.tcp { handle } else { handle.without_tcp() }
        });
        let pressure = Arc::new(AtomicBool::new(false));
        let settings = Settings { memory_pressure: Some(Arc::clone(&pressure)), ..settings };
        let signaling = Signaling::new(settings, announce, storage, handles.collect());
        let metrics = Metrics::new(ends.shards.iter().map(ShardThread::board).collect()).with_tls(tls.clone());
        let health = Health::new(clock, ends.shards.iter().map(ShardThread::heartbeat).collect());
        let mut tasks = start_tasks(&signaling, ends.events, ends.lost);
        let counted = metrics.requests().clone();
        let app = match metrics_listener {
            Some(listener) => {
                tasks.spawn(serve_metrics(listener, routes::metrics(&signaling, metrics)));
                routes::app(&signaling, health)
            }
            None => routes::app(&signaling, health).merge(routes::metrics(&signaling, metrics)),
        };
        let app = traced(routes::counted(app, counted), config);
        signaling.load().await?;
        start_upkeep(&signaling, &mut tasks);
        let limits = watch::Sender::new(config.limits.clone());
        tasks.spawn(memory::watch(limits.subscribe(), pressure));
        if let Some(tls) = tls.clone() {
            tasks.spawn(tls.watch());
        }
        if open {
            warn_of_open_rooms();
        }
        let (config, web, shards) = (config.clone(), Web { app, tls }, ends.shards);
        Ok(Self { listener, address, config, advertised, web, limits, signaling, shards, tasks })
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
        let local = ip.is_unspecified() || ip.is_loopback();
        url(self.web.tls.is_some(), if local { None } else { Some(ip) }, self.address.port())
    }

    /// What is printed once it is ready; with a QR code for a terminal.
    #[must_use]
    pub fn greeting(&self, is_terminal: bool) -> String {
        let mut greeting = Greeting::new(self.url());
        if let Some(tls) = self.web.tls.as_ref().filter(|_| self.config.http.tls == TlsMode::SelfSigned) {
            let everywhere = self.address.ip().is_unspecified();
            let elsewhere =
                self.advertised.iter().filter(|_| everywhere).map(|ip| url(true, Some(*ip), self.address.port()));
            greeting = greeting.self_signed(elsewhere.collect(), tls.certificate().fingerprint());
        }
        greeting.text(is_terminal)
    }

    /// What gives new configurations to this server while it runs, and the level to the lines of its log.
    #[must_use]
    pub fn reloader(&self, level: Level) -> Reloader {
        Reloader {
            running: self.config.clone(),
            signaling: self.signaling.clone(),
            limits: self.limits.clone(),
            tls: self.web.tls.clone(),
            level,
        }
    }

    /// Lets SIGUSR2 make a shard panic; see [`crate::faults`].
    ///
    /// # Errors
    /// When that is no shard's index.
    #[cfg(unix)]
    pub fn arm_fault(&mut self, shard: &str) -> anyhow::Result<()> {
        self.tasks.spawn(crate::faults::arm(&self.shards, shard)?);
        Ok(())
    }

    /// Serves until it is asked to end, and calls had their time. Then clients are told, requests may end, and the shards are
    /// stopped: all of that takes a few seconds at most.
    ///
    /// # Errors
    /// When the web server ends by itself.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request>) -> io::Result<Ending> {
        let (close, closed) = oneshot::channel::<()>();
        let serve = http::serve(self.listener, self.web, self.limits.subscribe(), async { drop(closed.await) });
        let mut serving = tokio::spawn(serve);
        let drain_bound = Duration::from_secs(self.config.shutdown.drain_seconds.into());
        let ending = tokio::select! {
            ending = ending::until_end(&self.signaling, drain_bound, &mut requests) => ending,
            ended = &mut serving => return Err(ended.err().map_or_else(|| io::Error::other("it ended"), io::Error::other)),
        };
        tracing::info!(rooms = ending.cut.rooms, participants = ending.cut.participants, "{ending}");
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
        Ok(ending)
    }
}

/// The listener that is metrics' own, if they are to have one.
async fn bind_metrics(config: &Config) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = config.metrics.listen else { return Ok(None) };
    let error = |error| StartError::Metrics { address, error };
    let listener = TcpListener::bind(address).await.map_err(error)?;
    tracing::info!(address = %listener.local_addr().map_err(error)?, "metrics have a listener of their own");
    Ok(Some(listener))
}

fn warn_of_open_rooms() {
    tracing::warn!("rooms are open: whoever knows a room's id can join it; set auth.keys to require tokens");
}

/// Serves metrics alone. To the very end: how a stop goes is of interest, too.
async fn serve_metrics(listener: TcpListener, app: Router) {
    let limits = LimitsConfig { max_connections: METRICS_CONNECTIONS, ..LimitsConfig::default() };
    http::serve(listener, Web { app, tls: None }, watch::Sender::new(limits).subscribe(), pending()).await;
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
