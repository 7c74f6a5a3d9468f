//! Asking a STUN server from which address it sees this host (RFC 8489 section 2, a binding request over UDP).
//!
//! The address is what is wanted, not the port: the socket that asks is not a shard's. An answer counts when it comes from the
//! address that was asked, and carries the request's transaction id, which is 96 bits of the system's entropy. Everything is
//! bounded: two addresses of a server are asked, three times each.

use parlor_config::StunServer;
use rtc::stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Getter, Message, TransactionId, is_stun_message};
use rtc::stun::xoraddr::XorMappedAddress;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};

/// Waits for an answer after each request: RFC 8489 section 6.2.1 doubles them from 500 ms on, and goes on for longer.
const WAITS: [Duration; 3] = [Duration::from_millis(500), Duration::from_millis(1000), Duration::from_millis(2000)];

/// How long a server's name may take to be looked up.
const LOOKUP_PATIENCE: Duration = Duration::from_secs(3);

/// Longer answers are none: what is wanted has 32 bytes, and servers add a few attributes.
const MAX_ANSWER: usize = 1500;

/// The public addresses of this host that `server` sees: one of IPv4, and with `ipv6` one of IPv6.
///
/// # Errors
/// In words, when there is none.
pub(crate) async fn discover(server: &StunServer, ipv6: bool) -> Result<Vec<IpAddr>, String> {
    let found = timeout(LOOKUP_PATIENCE, lookup_host((server.host.as_str(), server.port))).await;
    let found = found.map_err(|_| "its name is not looked up in time".to_owned())?;
    let found: Vec<SocketAddr> = found.map_err(|error| format!("its name cannot be looked up: {error}"))?.collect();
    let of_family = |is_ipv4: bool| found.iter().find(|address| address.is_ipv4() == is_ipv4).copied();
    let (v4, v6) = (of_family(true), of_family(false).filter(|_| ipv6));
    let ask_one = async |address: Option<SocketAddr>| match address {
        Some(address) => Some(ask(address, &WAITS).await.map_err(|reason| format!("{reason} ({address})"))),
        None => None,
    };
    let (v4, v6) = tokio::join!(ask_one(v4), ask_one(v6));
    let mut answers: Vec<_> = v4.into_iter().chain(v6).collect();
    if answers.iter().any(Result::is_ok) {
        return Ok(answers.into_iter().flatten().collect());
    }
    answers
        .pop()
        .unwrap_or_else(|| Err("it has no address of a family that this host has".to_owned()))
        .map(|ip| vec![ip])
}

/// Asks until there is an answer, once for each of `waits`.
async fn ask(server: SocketAddr, waits: &[Duration]) -> Result<IpAddr, String> {
    let failed = |error: io::Error| format!("it cannot be asked: {error}");
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.map_err(failed)?;
    // From here on the system hands over what comes from `server`, and nothing else.
    socket.connect(server).await.map_err(failed)?;
    let transaction = Transaction::new()?;
    let mut buffer = [0; MAX_ANSWER];
    for wait in waits {
        let deadline = Instant::now() + *wait;
        socket.send(&transaction.request).await.map_err(failed)?;
        while let Ok(received) = timeout_at(deadline, socket.recv(&mut buffer)).await {
            let len = received.map_err(failed)?;
            if let Some(answer) = transaction.handle_datagram(&buffer[..len]) {
                return answer;
            }
        }
    }
    Err("it does not answer".to_owned())
}

/// A request and what answers it.
struct Transaction {
    id: TransactionId,
    request: Vec<u8>,
}

impl Transaction {
    fn new() -> Result<Self, String> {
        let mut id = TransactionId::default();
        getrandom::fill(&mut id.0).map_err(|error| format!("the system has no entropy: {error}"))?;
        let mut message = Message { typ: BINDING_REQUEST, transaction_id: id, ..Message::default() };
        message.encode();
        Ok(Self { id, request: message.raw })
    }

    /// `None` unless it is the answer.
    fn handle_datagram(&self, datagram: &[u8]) -> Option<Result<IpAddr, String>> {
        // Before anything is parsed: strangers do not know the id.
        if !is_stun_message(datagram) || datagram.get(8..20) != Some(&self.id.0) {
            return None;
        }
        let mut message = Message { raw: datagram.to_vec(), ..Message::default() };
        message.decode().ok()?;
        if message.typ == BINDING_REQUEST {
            return None;
        }
        let mut mapped = XorMappedAddress::default();
        let is_answered = message.typ == BINDING_SUCCESS && mapped.get_from(&message).is_ok();
        let is_usable = !mapped.ip.is_unspecified() && !mapped.ip.is_multicast() && !mapped.ip.is_loopback();
        Some(match (is_answered, is_usable) {
            (true, true) => Ok(mapped.ip.to_canonical()),
            (true, false) => Err(format!("it answers with {}, which nobody can send to", mapped.ip)),
            (false, _) => Err("it answers with an error".to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtc::stun::message::{BINDING_ERROR, MessageType, Setter};

    const SHORT: [Duration; 3] = [Duration::from_millis(1), Duration::from_millis(1), Duration::from_millis(1)];
    /// For an answer that comes at once: only a failing test waits that long.
    const LONG: [Duration; 1] = [Duration::from_secs(10)];

    fn answer(typ: MessageType, id: TransactionId, ip: &str) -> Vec<u8> {
        let mut message = Message { typ, transaction_id: id, ..Message::default() };
        message.encode();
        XorMappedAddress { ip: ip.parse().unwrap(), port: 5 }.add_to(&mut message).unwrap();
        message.raw
    }

    fn id_of(request: &[u8]) -> TransactionId {
        TransactionId(request[8..20].try_into().unwrap())
    }

    #[test]
    fn a_request_is_a_bare_binding_request_with_an_id_of_its_own() {
        let (first, second) = (Transaction::new().unwrap(), Transaction::new().unwrap());
        assert_eq!(first.request[..8], [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
        assert_eq!(first.request.len(), 20);
        assert_eq!(id_of(&first.request), first.id);
        assert_ne!(first.id, second.id);
    }

    #[test]
    fn only_the_answer_to_the_request_counts() {
        let transaction = Transaction::new().unwrap();
        let right = answer(BINDING_SUCCESS, transaction.id, "203.0.113.7");
        assert_eq!(transaction.handle_datagram(&right), Some(Ok("203.0.113.7".parse().unwrap())));
        let v6 = answer(BINDING_SUCCESS, transaction.id, "2001:db8::7");
        assert_eq!(transaction.handle_datagram(&v6), Some(Ok("2001:db8::7".parse().unwrap())));

        let other = answer(BINDING_SUCCESS, Transaction::new().unwrap().id, "203.0.113.7");
        for datagram in [&other[..], &transaction.request, &right[..19], &right[..right.len() - 1], &[], &[0; 64]] {
            assert_eq!(transaction.handle_datagram(datagram), None, "{datagram:?}");
        }
        for refusal in [
            answer(BINDING_ERROR, transaction.id, "203.0.113.7"),
            answer(BINDING_SUCCESS, transaction.id, "0.0.0.0"),
            answer(BINDING_SUCCESS, transaction.id, "127.0.0.1"),
        ] {
            assert!(matches!(transaction.handle_datagram(&refusal), Some(Err(_))));
        }
    }

    #[tokio::test]
    async fn an_answer_from_elsewhere_is_not_heard() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let serve = async {
            let mut buffer = [0; 64];
            let (len, client) = server.recv_from(&mut buffer).await.unwrap();
            let id = id_of(&buffer[..len]);
            stranger.send_to(&answer(BINDING_SUCCESS, id, "198.51.100.1"), client).await.unwrap();
            server.send_to(b"not STUN", client).await.unwrap();
            server.send_to(&answer(BINDING_SUCCESS, id, "203.0.113.7"), client).await.unwrap();
        };
        let (found, ()) = tokio::join!(ask(address, &LONG), serve);
        assert_eq!(found, Ok("203.0.113.7".parse().unwrap()));
    }

    #[tokio::test]
    async fn requests_are_repeated_a_few_times() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        assert_eq!(ask(address, &SHORT).await, Err("it does not answer".to_owned()));
        let mut buffer = [0; 64];
        let mut requests = Vec::new();
        while let Ok((len, _)) = server.try_recv_from(&mut buffer) {
            requests.push(buffer[..len].to_vec());
        }
        assert_eq!(requests.len(), SHORT.len());
        assert!(requests.iter().all(|request| *request == requests[0]), "one transaction");
    }

    #[tokio::test]
    async fn a_server_is_asked_by_name_and_a_failure_says_why() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let named = StunServer { host: "localhost".to_owned(), port: server.local_addr().unwrap().port() };
        let serve = async {
            let mut buffer = [0; 64];
            let (len, client) = server.recv_from(&mut buffer).await.unwrap();
            server.send_to(&answer(BINDING_SUCCESS, id_of(&buffer[..len]), "203.0.113.7"), client).await.unwrap();
        };
        let (found, ()) = tokio::join!(discover(&named, false), serve);
        assert_eq!(found, Ok(vec!["203.0.113.7".parse().unwrap()]));

        let nobody = StunServer { host: "nobody.invalid".to_owned(), port: 3478 };
        let reason = discover(&nobody, true).await.unwrap_err();
        assert!(reason.starts_with("its name ") && !reason.contains('\n'), "{reason}");
        let v6_only = StunServer { host: "::1".to_owned(), port: 3478 };
        assert_eq!(discover(&v6_only, false).await, Err("it has no address of a family that this host has".to_owned()));
    }
}
