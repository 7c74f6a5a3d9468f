//! The shards' sockets and threads, as the configuration wants them.

use super::StartError;
use crate::clock::Clock;
use crate::net::tcp::TcpLimits;
use crate::shard_thread::{EVENTS, RelayPort, ShardSetup, ShardSockets, ShardThread};
use parlor_config::{Config, GsoMode};
use parlor_media::command::Event;
use parlor_media::loudest::LoudestLimits;
use parlor_media::transport::Identity;
use parlor_media::{Shard, ShardSettings, ShardStats};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// The ends that the control plane keeps of the shards.
pub(super) struct ControlEnds {
    pub(super) shards: Vec<ShardThread>,
    pub(super) events: Vec<mpsc::Receiver<Event>>,
    pub(super) lost: mpsc::UnboundedReceiver<usize>,
}

/// The port of each shard; 0 is any.
///
/// # Errors
/// When they end beyond 65535.
pub(crate) fn ports(config: &Config) -> Result<Vec<u16>, StartError> {
    let media = &config.media;
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(256) as u16);
    let shards = if media.shards == 0 { cores } else { media.shards };
    let port = |shard| match media.udp_port {
        0 => Ok(0),
        first => first.checked_add(shard).ok_or(StartError::PortRange { first, shard, shards }),
    };
    (0..shards).map(port).collect()
}

/// Claims the ports of all shards.
///
/// # Errors
/// When one cannot be had.
pub(super) fn bind(config: &Config) -> Result<Vec<ShardSockets>, StartError> {
    let media = &config.media;
    let limits = media.tcp.then_some(TcpLimits {
        connections: media.max_tcp_connections as usize,
        connections_per_address: media.max_tcp_connections_per_address as usize,
    });
    (0..)
        .zip(ports(config)?)
        .map(|(shard, port)| {
            ShardSockets::bind(port, limits).map_err(|(protocol, error)| StartError::Media {
                protocol,
                port,
                shard,
                error,
            })
        })
        .collect()
}

/// Starts the threads.
///
/// # Errors
/// When there is no certificate or no thread to be had.
pub(super) fn start(config: &Config, clock: Clock, sockets: Vec<ShardSockets>) -> Result<ControlEnds, StartError> {
    let identity = Identity::generate()?;
    // Unbounded by type; in fact one message for each restart, of which a shard makes ten a second at most.
    let (lost_sender, lost) = mpsc::unbounded_channel();
    let (mut shards, mut events) = (Vec::new(), Vec::new());
    let loudest =
        LoudestLimits { above: config.media.loudest_above as usize, places: usize::from(config.media.loudest) };
    let opus_red = config.media.opus_red;
    let ports = RelayPort::connect(sockets.len());
    for (index, (sockets, relay)) in (0..).zip(sockets.into_iter().zip(ports)) {
        let (sender, receiver) = mpsc::channel(EVENTS);
        let lost_sender = lost_sender.clone();
        let setup = ShardSetup {
            index,
            sockets,
            gso: config.media.gso == GsoMode::Auto,
            clock,
            events: sender,
            relay,
            // Without a receiver the process is shutting down.
            on_lost: Box::new(move || {
                let _ = lost_sender.send(usize::from(index));
            }),
        };
        let identity = Arc::clone(&identity);
        let engine = move |now: Instant, past: ShardStats| {
            Shard::new(ShardSettings {
                index,
                identity: Arc::clone(&identity),
                seed: seed(),
                now,
                unix_time: clock.unix_time(now),
                loudest,
                opus_red,
                past,
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
