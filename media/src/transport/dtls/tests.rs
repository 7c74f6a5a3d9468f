use super::*;
use crate::transport::tests::{identity, start};

/// Two ends of an association, and the datagrams that one has sent and the other not yet seen.
struct Pair {
    now: Instant,
    ends: [Dtls; 2],
    events: [Vec<DtlsEvent>; 2],
    sent: usize,
}

impl Pair {
    /// End 0 is the DTLS client.
    fn new(client: &Arc<Identity>) -> Self {
        let now = start();
        let server = identity();
        let mut ends = [
            Dtls::new(Arc::clone(client), true, vec![server.fingerprint().to_owned()]),
            Dtls::new(server, false, vec![client.fingerprint().to_owned()]),
        ];
        ends.iter_mut().for_each(|end| end.start(now));
        Self { now, ends, events: [Vec::new(), Vec::new()], sent: 0 }
    }

    /// Carries what waits, unless `lost` says of its number that it is lost. Returns whether anything was sent.
    fn carry(&mut self, lost: impl Fn(usize) -> bool) -> bool {
        let before = self.sent;
        for from in 0..2 {
            let mut waiting = Vec::new();
            while let Some(datagram) = self.ends[from].poll_transmit() {
                waiting.push(datagram);
            }
            for datagram in waiting {
                self.sent += 1;
                if !lost(self.sent - 1) {
                    let _ = self.ends[1 - from].read(self.now, &datagram, &mut self.events[1 - from]);
                }
            }
        }
        self.sent > before
    }

    /// Carries what one end has sent.
    fn pass(&mut self, from: usize) {
        while let Some(datagram) = self.ends[from].poll_transmit() {
            let _ = self.ends[1 - from].read(self.now, &datagram, &mut self.events[1 - from]);
        }
    }

    fn run(&mut self, limit: Duration, lost: impl Fn(usize) -> bool) -> bool {
        let end = self.now + limit;
        while !self.ends.iter().all(Dtls::is_up) {
            if self.carry(&lost) {
                continue;
            }
            let Some(next) = self.ends.iter().filter_map(Dtls::poll_timeout).min().filter(|next| *next <= end) else {
                return false;
            };
            self.now = self.now.max(next);
            for end in &mut self.ends {
                if end.handle_timeout(self.now).is_some() {
                    return false;
                }
            }
        }
        true
    }
}

#[test]
fn any_two_lost_handshake_datagrams_are_repaired() {
    let client = Identity::generate().unwrap();
    for first in 0..8 {
        for second in first..8 {
            let mut pair = Pair::new(&client);
            let begin = pair.now;
            assert!(
                pair.run(Duration::from_secs(3), |n| n == first || n == second),
                "datagrams {first} and {second} lost"
            );
            assert!(pair.now - begin < Duration::from_millis(1200), "{first}, {second}: {:?}", pair.now - begin);
        }
    }
}

#[test]
fn the_end_of_the_handshake_is_repeated_until_data_arrives() {
    let client = Identity::generate().unwrap();
    let mut pair = Pair::new(&client);
    loop {
        pair.pass(0);
        if pair.ends[1].is_up() {
            break;
        }
        pair.pass(1);
    }
    // Everything the server sends from now on is lost, but its last repetition.
    let mut last = None;
    while let Some(at) = pair.ends[1].poll_timeout() {
        pair.ends[1].handle_timeout(at);
        while let Some(datagram) = pair.ends[1].poll_transmit() {
            last = Some(datagram);
        }
    }
    assert!(!pair.ends[0].is_up());
    let _ = pair.ends[0].read(pair.now, &last.unwrap(), &mut pair.events[0]);
    assert!(pair.ends[0].is_up());
    pair.ends[0].write(pair.now, b"data");
    pair.carry(|_| false);
    assert!(matches!(pair.events[1].last(), Some(DtlsEvent::Data(data)) if data[..] == *b"data"));
    assert_eq!(pair.ends[1].flight.poll_timeout(), None);
}

#[test]
fn aes_gcm_is_used_unless_the_client_lacks_it() {
    for (profiles, expected) in [(Profiles::All, "gcm"), (Profiles::Gcm, "gcm"), (Profiles::Sha1, "sha1")] {
        let client = Identity::with_first_profiles(profiles).unwrap();
        let mut pair = Pair::new(&client);
        assert!(pair.run(Duration::from_secs(1), |_| false), "{profiles:?}");
        let keys = |events: &[DtlsEvent]| match events.first() {
            Some(DtlsEvent::Connected(Some(keys))) => (**keys).clone(),
            _ => panic!("no keys"),
        };
        let (theirs, ours) = (keys(&pair.events[0]), keys(&pair.events[1]));
        let name = if matches!(ours.profile, ProtectionProfile::AeadAes128Gcm) { "gcm" } else { "sha1" };
        assert_eq!(name, expected, "{profiles:?}");
        assert_eq!((ours.local.key, ours.remote.salt), (theirs.remote.key, theirs.local.salt));
    }
}

#[test]
fn the_fallback_survives_a_hello_that_is_repeated_and_losses() {
    let client = Identity::with_first_profiles(Profiles::Sha1).unwrap();
    for lost in 0..6 {
        let mut pair = Pair::new(&client);
        assert!(pair.run(Duration::from_secs(3), |n| n == lost), "datagram {lost} lost");
    }
}

#[test]
fn a_client_hello_in_two_datagrams_is_understood_by_the_fallback_too() {
    for profiles in [Profiles::Gcm, Profiles::Sha1] {
        let client = Identity::with_first_profiles(profiles).unwrap();
        let mut pair = Pair::new(&client);
        let hello = pair.ends[0].poll_transmit().unwrap();
        for half in halves(&hello) {
            let _ = pair.ends[1].read(pair.now, &half, &mut pair.events[1]);
        }
        assert!(!pair.ends[1].queue.is_empty(), "{profiles:?}: the hello is answered");
        assert!(pair.run(Duration::from_secs(3), |_| false), "{profiles:?}");
    }
}

/// Cuts a datagram with one plaintext handshake message into two with a fragment each.
fn halves(datagram: &[u8]) -> [Vec<u8>; 2] {
    let (record, message) = datagram.split_at(13);
    let (header, body) = message.split_at(12);
    let piece = |sequence: u8, offset: usize, body: &[u8]| {
        let mut piece = record.to_vec();
        piece[10] = sequence;
        piece[11..13].copy_from_slice(&((body.len() + 12) as u16).to_be_bytes());
        piece.extend(&header[..6]);
        piece.extend(&(offset as u32).to_be_bytes()[1..]);
        piece.extend(&(body.len() as u32).to_be_bytes()[1..]);
        piece.extend(body);
        piece
    };
    let (first, second) = body.split_at(body.len() / 2);
    [piece(0, 0, first), piece(1, first.len(), second)]
}

#[test]
fn nothing_is_handed_out_before_the_fingerprint_is_compared() {
    let client = Identity::generate().unwrap();
    let mut pair = Pair::new(&client);
    pair.ends[1].fingerprints = vec!["00:11".to_owned()];
    assert!(!pair.run(Duration::from_secs(2), |_| false));
    assert!(matches!(pair.events[1][..], [DtlsEvent::Closed(CloseReason::FingerprintMismatch)]));
    assert!(pair.ends[1].poll_timeout().is_none());
}

#[test]
fn the_send_queue_is_bounded() {
    let client = Identity::generate().unwrap();
    let mut pair = Pair::new(&client);
    assert!(pair.run(Duration::from_secs(1), |_| false));
    for _ in 0..QUEUE * 2 {
        pair.ends[1].write(pair.now, b"data");
    }
    assert_eq!(pair.ends[1].queue.len(), QUEUE);
}
