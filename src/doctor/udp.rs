//! Whether datagrams pass at all, tried through the shards' own kind of sockets, and how well.

use super::facts::Facts;
use super::ports::to_open;
use super::report::{Finding, Mark};
use super::system;
use crate::addresses::{Advertised, Interface, Origin};
use crate::net::udp::{SOCKET_BUFFER_BYTES, UdpEndpoint, udp_path};
use crate::net::{Egress, Ingress};
use mio::{Events, Interest, Poll, Token};
use parlor_config::{Config, GsoMode};
use parlor_media::outbox::Outbox;
use parlor_media::path::Path;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

const SUBJECT: &str = "udp";

/// How long a datagram of this host to itself may take: it either comes at once or never.
const PATIENCE: Duration = Duration::from_millis(300);

/// Datagrams of an answer, of one size: what the kernel can be asked to cut from one message.
const ANSWERS: usize = 3;
const ANSWER_BYTES: usize = 1200;

/// Of a shard's socket.
#[derive(Clone, Debug)]
pub(super) struct UdpFacts {
    /// What became of a datagram to each address of this host, and its answer.
    pub(super) echoes: Vec<(IpAddr, Result<(), String>)>,
    /// Bytes of the kernel's buffers, as granted: receiving and sending.
    pub(super) buffers: Option<(usize, usize)>,
    /// `net.core.rmem_max` and `wmem_max`, where they are shown.
    pub(super) most: (Option<u64>, Option<u64>),
    /// Whether answers were sent by GSO.
    pub(super) gso: bool,
    /// Whether the kernel can join datagrams on the way in.
    pub(super) gro: bool,
}

impl UdpFacts {
    pub(super) fn gather(
        config: &Config,
        mut endpoint: UdpEndpoint,
        advertised: &Advertised,
        interfaces: &[Interface],
    ) -> Self {
        let mut egress = Egress::new(&endpoint, config.media.gso == GsoMode::Auto);
        let addresses = local_addresses(advertised, interfaces);
        let mut echoes = Vec::new();
        match Probe::new(&mut endpoint) {
            Ok(mut probe) => {
                for address in addresses {
                    echoes.push((address, probe.try_address(&endpoint, &mut egress, address)));
                }
            }
            Err(error) => echoes.extend(addresses.into_iter().map(|address| (address, Err(error.to_string())))),
        }
        let stats = egress.stats();
        Self {
            echoes,
            buffers: endpoint.buffers().ok(),
            most: (system::setting("/proc/sys/net/core/rmem_max"), system::setting("/proc/sys/net/core/wmem_max")),
            gso: stats.gso && stats.messages.count() < stats.datagrams && stats.gso_refused == 0,
            gro: endpoint.has_gro(),
        }
    }

    #[cfg(test)]
    pub(super) fn sound() -> Self {
        let echoes = vec![("10.0.0.5".parse().unwrap(), Ok(()))];
        let buffers = Some((SOCKET_BUFFER_BYTES, SOCKET_BUFFER_BYTES));
        Self { echoes, buffers, most: (Some(4 << 20), Some(4 << 20)), gso: true, gro: true }
    }
}

/// Those behind what is advertised; else all of this host but loopback; else that.
fn local_addresses(advertised: &Advertised, interfaces: &[Interface]) -> Vec<IpAddr> {
    let is_local = |address: &IpAddr| interfaces.iter().any(|interface| interface.address == *address);
    let behind = advertised.addresses.iter().map(|(address, origin)| match origin {
        Origin::Mapped(local) => *local,
        _ => *address,
    });
    let mut addresses: Vec<IpAddr> = behind.filter(is_local).collect();
    if addresses.is_empty() {
        let others = crate::addresses::by_rank(interfaces, true).map(|interface| interface.address);
        addresses.extend(others.take(crate::addresses::MAX_ADDRESSES));
    }
    if addresses.is_empty() {
        addresses.push(Ipv4Addr::LOCALHOST.into());
    }
    addresses
}

/// What datagrams are received with.
struct Probe {
    poll: Poll,
    ingress: Ingress,
}

impl Probe {
    fn new(endpoint: &mut UdpEndpoint) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry().register(&mut endpoint.socket, Token(0), Interest::READABLE)?;
        Ok(Self { poll, ingress: Ingress::new() })
    }

    /// Sends a datagram from `address` to itself, and answers it.
    fn try_address(&mut self, endpoint: &UdpEndpoint, egress: &mut Egress, address: IpAddr) -> Result<(), String> {
        let failed = |error: io::Error| format!("cannot be tried: {error}");
        let client = UdpSocket::bind((address, 0)).map_err(failed)?;
        client.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        let remote = client.local_addr().map_err(failed)?;
        client
            .send_to(b"parlor doctor", (address, endpoint.port()))
            .map_err(|error| format!("cannot be sent to: {error}"))?;
        let path = self.receive(endpoint, remote).map_err(failed)?;
        let path = path.ok_or("gets nothing of what this host sends to it")?;
        let mut outbox = Outbox::new();
        for _ in 0..ANSWERS {
            outbox.push(0, &path, &[0; ANSWER_BYTES]);
        }
        egress.flush(Instant::now(), endpoint, &outbox);
        let mut buffer = [0; ANSWER_BYTES];
        let comes_whole = |_| client.recv_from(&mut buffer).is_ok_and(|(len, _)| len == ANSWER_BYTES);
        (0..ANSWERS).all(comes_whole).then_some(()).ok_or_else(|| "hears, but its answers do not arrive".to_owned())
    }

    /// The path of a datagram from `remote`, if one comes in time.
    fn receive(&mut self, endpoint: &UdpEndpoint, remote: SocketAddr) -> io::Result<Option<Path>> {
        let deadline = Instant::now() + PATIENCE;
        let mut events = Events::with_capacity(4);
        loop {
            let mut found = None;
            self.ingress.receive(endpoint, |path: &Path, _: &mut [u8]| {
                if udp_path(remote, path.local) == *path {
                    found = Some(*path);
                }
            });
            let left = deadline.saturating_duration_since(Instant::now());
            if found.is_some() || left.is_zero() {
                return Ok(found);
            }
            match self.poll.poll(&mut events, Some(left)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
    }
}

pub(super) fn judge(config: &Config, facts: &Facts) -> Vec<Finding> {
    let finding = |mark, text: String| Finding::new(SUBJECT, mark, text);
    let udp = match &facts.udp {
        Ok(udp) => udp,
        Err(reason) => return vec![finding(Mark::Failure, format!("no UDP socket can be had: {reason}"))],
    };
    let mut findings: Vec<Finding> = Vec::new();
    for (address, result) in &udp.echoes {
        findings.push(match result {
            Ok(()) => finding(Mark::Good, format!("datagrams to {address} arrive and are answered, on this host")),
            Err(reason) => finding(Mark::Failure, format!("{address} {reason}"))
                .advise(format!("a firewall of this host is in the way: let in {}", to_open(config, facts))),
        });
    }
    findings.extend(of_buffers(udp));
    let is_tried = udp.echoes.iter().any(|(_, result)| result.is_ok());
    findings.push(match (config.media.gso, udp.gso) {
        (GsoMode::Auto, true) => finding(Mark::Good, "segmentation offload (GSO) works".to_owned()),
        (GsoMode::Off, _) => finding(Mark::Warning, "segmentation offload is off (media.gso)".to_owned())
            .advise("with it sending costs less"),
        (GsoMode::Auto, false) if is_tried => {
            finding(Mark::Warning, "segmentation offload (GSO) does not work: sending costs more".to_owned())
                .advise("Linux has it since 4.18; some containers' sandboxes do not")
        }
        (GsoMode::Auto, false) => {
            finding(Mark::Warning, "segmentation offload (GSO) could not be tried without answers".to_owned())
        }
    });
    let gro = if udp.gro { "has" } else { "does not have" };
    findings.push(finding(Mark::Good, format!("the kernel {gro} receive offload (GRO), which Parlor does without")));
    findings
}

fn of_buffers(udp: &UdpFacts) -> Option<Finding> {
    let (receive, send) = udp.buffers?;
    let wanted = SOCKET_BUFFER_BYTES;
    let kib = |bytes: usize| bytes >> 10;
    if receive >= wanted && send >= wanted {
        let text = format!("socket buffers have the {} KiB that are wanted", kib(wanted));
        return Some(Finding::new(SUBJECT, Mark::Good, text));
    }
    let shown = |most: Option<u64>| most.map_or_else(|| "not shown here".to_owned(), |most| most.to_string());
    let text = format!(
        "socket buffers are {} KiB for receiving and {} KiB for sending: bursts may be lost (net.core.rmem_max is {}, \
         wmem_max {})",
        kib(receive),
        kib(send),
        shown(udp.most.0),
        shown(udp.most.1)
    );
    let advice = format!("on the host: sysctl -w net.core.rmem_max={wanted} net.core.wmem_max={wanted}");
    Some(Finding::new(SUBJECT, Mark::Warning, text).advise(advice))
}

#[cfg(test)]
mod tests {
    use super::super::facts::sound;
    use super::*;

    fn with(udp: UdpFacts) -> Vec<Finding> {
        let config = Config::default();
        judge(&config, &Facts { udp: Ok(udp), ..sound(&config) })
    }

    #[test]
    fn a_sound_host_gives_no_warning() {
        assert!(with(UdpFacts::sound()).iter().all(|finding| finding.mark == Mark::Good));
    }

    #[test]
    fn datagrams_that_do_not_arrive_are_a_failure_that_names_the_ports() {
        let echoes = vec![("10.0.0.5".parse().unwrap(), Err("gets nothing of what this host sends to it".to_owned()))];
        let findings = with(UdpFacts { echoes, gso: false, ..UdpFacts::sound() });
        assert_eq!(findings[0].mark, Mark::Failure);
        assert_eq!(findings[0].text, "10.0.0.5 gets nothing of what this host sends to it");
        assert!(findings[0].advice.as_ref().unwrap().contains("UDP and TCP 7900 to 7901"));
        let config = Config::default();
        let none = judge(&config, &Facts { udp: Err("no".to_owned()), ..sound(&config) });
        assert_eq!((none.len(), none[0].mark), (1, Mark::Failure));
    }

    #[test]
    fn small_buffers_are_a_warning_that_says_what_to_set() {
        let buffers = Some((212_992, SOCKET_BUFFER_BYTES));
        let findings = with(UdpFacts { buffers, most: (Some(212_992), None), ..UdpFacts::sound() });
        let finding = findings.iter().find(|finding| finding.mark == Mark::Warning).unwrap();
        assert!(finding.text.contains("208 KiB") && finding.text.contains("not shown here"), "{}", finding.text);
        assert!(finding.advice.as_ref().unwrap().contains("net.core.rmem_max=4194304"));
    }

    #[test]
    fn missing_offload_is_a_warning() {
        let findings = with(UdpFacts { gso: false, ..UdpFacts::sound() });
        assert!(findings.iter().any(|f| f.mark == Mark::Warning && f.text.contains("does not work")));
    }

    #[test]
    fn loopback_is_tried_for_real() {
        let endpoint = UdpEndpoint::bind(0).unwrap();
        let facts = UdpFacts::gather(&Config::default(), endpoint, &Advertised::default(), &[]);
        assert_eq!(facts.echoes, [(Ipv4Addr::LOCALHOST.into(), Ok(()))]);
        assert!(facts.buffers.is_some_and(|(receive, send)| receive > 0 && send > 0));
    }

    #[test]
    fn what_is_tried_is_what_is_behind_the_advertised() {
        let interface = |name: &str, address: &str| Interface {
            name: name.to_owned(),
            address: address.parse().unwrap(),
            is_pair: false,
        };
        let interfaces = [interface("lo", "127.0.0.1"), interface("eth0", "10.0.0.5"), interface("eth1", "10.1.0.5")];
        let tried = |list: &[(&str, Origin)]| {
            let addresses = list.iter().map(|(ip, origin)| (ip.parse().unwrap(), origin.clone())).collect();
            let advertised = Advertised { addresses, failures: Vec::new() };
            local_addresses(&advertised, &interfaces).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let mapped = Origin::Mapped("10.1.0.5".parse().unwrap());
        assert_eq!(tried(&[("203.0.113.7", mapped)]), ["10.1.0.5"]);
        assert_eq!(tried(&[("203.0.113.7", Origin::Setting)]), ["10.0.0.5", "10.1.0.5"]);
        assert_eq!(tried(&[("127.0.0.1", Origin::Setting)]), ["127.0.0.1"]);
        assert_eq!(local_addresses(&Advertised::default(), &[]), [IpAddr::from(Ipv4Addr::LOCALHOST)]);
    }
}
