//! Everything there is to know, gathered before anything is judged.
//!
//! Ports are bound for a moment to see whether they can be; those that a running server has stay untouched. Of stores and
//! directories only what is written nowhere is asked, but for a file that is made and removed.

use super::{storage::StorageFacts, system, system::Process, udp::UdpFacts};
use crate::addresses::{self, Advertised, Interface};
use crate::memory;
use crate::net::tcp::{TcpLimits, TcpPaths};
use crate::net::udp::UdpEndpoint;
use crate::server::ports_of_shards;
use parlor_config::Config;
use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// See the module.
#[derive(Debug)]
pub(super) struct Facts {
    /// What says that this host is a container.
    pub(super) container: Option<&'static str>,
    pub(super) interfaces: Vec<Interface>,
    pub(super) advertised: Advertised,
    pub(super) ports: PortFacts,
    pub(super) udp: Result<UdpFacts, String>,
    /// Whether the files of the certificate, if there are any, can be read.
    pub(super) certificate: Result<(), String>,
    pub(super) storage: StorageFacts,
    pub(super) resources: ResourceFacts,
}

/// Of the ports that the server takes.
#[derive(Clone, Debug)]
pub(super) struct PortFacts {
    pub(super) http: PortState,
    /// One for each shard; port 0 is any. Or why there are none.
    pub(super) shards: Result<Vec<ShardPort>, String>,
}

#[derive(Clone, Debug)]
pub(super) struct ShardPort {
    pub(super) port: u16,
    pub(super) udp: PortState,
    /// `None` without ICE-TCP.
    pub(super) tcp: Option<PortState>,
}

/// Whether a port can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PortState {
    Free,
    /// Somebody has it; who, if the system tells.
    Taken(Option<Process>),
    /// The system's words.
    Refused(String),
}

/// Of what the process may use.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ResourceFacts {
    pub(super) open_files: Option<u64>,
    /// Bytes of the container or the machine.
    pub(super) memory: Option<u64>,
    /// Seconds since 1970.
    pub(super) unix_time: u64,
    pub(super) is_clock_synchronised: Option<bool>,
}

impl Facts {
    pub(super) async fn gather(config: &Config) -> Self {
        let interfaces = addresses::interfaces();
        let ports = PortFacts::gather(config);
        let ipv6 = UdpEndpoint::bind(0).is_ok_and(|endpoint| endpoint.dual_stack);
        let (advertised, storage) =
            tokio::join!(addresses::discover(&config.media.announce, &interfaces, ipv6), StorageFacts::gather(config));
        // Only now, so that no port is kept from a starting server while something does not answer.
        let udp = ports.bind_free().map(|endpoint| UdpFacts::gather(config, endpoint, &advertised, &interfaces));
        let udp = udp.map_err(|error| error.to_string());
        let resources = ResourceFacts {
            open_files: system::open_files(),
            memory: memory::available(),
            unix_time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(Duration::ZERO, |age| age).as_secs(),
            is_clock_synchronised: system::is_clock_synchronised(),
        };
        let (container, certificate) = (system::container(), try_certificate(config));
        Self { container, interfaces, advertised, ports, udp, certificate, storage, resources }
    }
}

fn try_certificate(config: &Config) -> Result<(), String> {
    let files = [&config.http.tls_certificate, &config.http.tls_key];
    files.into_iter().flatten().try_for_each(|path| match File::open(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    })
}

impl PortFacts {
    fn gather(config: &Config) -> Self {
        let limits = TcpLimits { connections: 1, connections_per_address: 1 };
        let state = |port: u16| {
            let tcp = config.media.tcp.then(|| state_of("tcp", port, &TcpPaths::bind(port, limits, 0)));
            ShardPort { port, udp: state_of("udp", port, &UdpEndpoint::bind(port)), tcp }
        };
        let shards = ports_of_shards(config).map(|ports| ports.into_iter().map(state).collect());
        let listen = config.http.listen;
        let http = state_of("tcp", listen.port(), &TcpListener::bind(listen));
        Self { http, shards: shards.map_err(|error| error.to_string()) }
    }

    /// A socket to try UDP with: on a shard's port if one is free, else on any.
    fn bind_free(&self) -> io::Result<UdpEndpoint> {
        let free = self.shards.iter().flatten().find(|shard| shard.udp == PortState::Free);
        UdpEndpoint::bind(free.map_or(0, |shard| shard.port)).or_else(|_| UdpEndpoint::bind(0))
    }
}

fn state_of<T>(protocol: &str, port: u16, bound: &io::Result<T>) -> PortState {
    match bound {
        Ok(_) => PortState::Free,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            PortState::Taken(system::owner_of_port(protocol, port))
        }
        Err(error) => PortState::Refused(error.to_string()),
    }
}

/// For the tests of judgements: a host with one private address, on which everything is well.
#[cfg(test)]
pub(super) fn sound(config: &Config) -> Facts {
    use crate::addresses::advertised;
    let interface = |name: &str, address: &str| Interface {
        name: name.to_owned(),
        address: address.parse().unwrap(),
        is_pair: false,
    };
    let interfaces = vec![interface("lo", "127.0.0.1"), interface("eth0", "10.0.0.5")];
    let free = |port| ShardPort { port, udp: PortState::Free, tcp: Some(PortState::Free) };
    Facts {
        container: None,
        advertised: advertised(&config.media.announce, &interfaces, &[], true),
        interfaces,
        ports: PortFacts { http: PortState::Free, shards: Ok(vec![free(7900), free(7901)]) },
        udp: Ok(UdpFacts::sound()),
        certificate: Ok(()),
        storage: StorageFacts::sound(),
        resources: ResourceFacts {
            open_files: Some(65_536),
            memory: Some(8 << 30),
            unix_time: 1_800_000_000,
            is_clock_synchronised: Some(true),
        },
    }
}
