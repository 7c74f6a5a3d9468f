use super::*;
use crate::path::Protocol;
use crate::transport::stun::tests::RequestBuilder;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rtc::crypto::RTCCryptoProvider;
use rtc::crypto::providers::RingProvider;
use std::net::Ipv4Addr;

const PASSWORD: &str = "password-password-password";

fn start() -> Instant {
    #[allow(clippy::disallowed_methods, reason = "the origin of virtual time")]
    Instant::now()
}

fn path(port: u16) -> Path {
    let local = Ipv4Addr::LOCALHOST.into();
    Path { protocol: Protocol::Udp, remote: (Ipv4Addr::LOCALHOST, port).into(), local }
}

fn agent(now: Instant) -> IceLite {
    let mut agent = IceLite::new(IceCredentials { ufrag: "local".into(), pwd: PASSWORD.into() });
    agent.set_remote(now, "remote");
    agent
}

fn check(agent: &mut IceLite, now: Instant, port: u16, use_candidate: bool) -> Result<Checked, DropReason> {
    let username = agent.username.clone().unwrap_or_default();
    let password = agent.local.pwd.clone();
    let mut request = RequestBuilder::new(&username, &password);
    request.use_candidate = use_candidate;
    agent.handle(now, &path(port), &request.build(), RingProvider::new().crypto())
}

#[test]
fn credentials_are_long_enough_and_drawn_from_the_generator() {
    let draw = |seed| IceCredentials::generate(&mut SmallRng::seed_from_u64(seed));
    let credentials = draw(1);
    assert_eq!((credentials.ufrag.len(), credentials.pwd.len()), (8, 24));
    assert!(credentials.pwd.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/'));
    assert_eq!(draw(1), credentials);
    assert_ne!(draw(2), credentials);
}

#[test]
fn nothing_is_learned_before_authentication() {
    let now = start();
    let mut agent = IceLite::new(IceCredentials { ufrag: "local".into(), pwd: PASSWORD.into() });
    let crypto = RingProvider::new();
    let good = RequestBuilder::new("local:remote", PASSWORD).build();
    assert_eq!(agent.handle(now, &path(1), &good, crypto.crypto()).err(), Some(DropReason::WrongUsername));
    agent.set_remote(now, "remote");
    let forged = RequestBuilder::new("local:remote", "guess").build();
    assert_eq!(agent.handle(now, &path(1), &forged, crypto.crypto()).err(), Some(DropReason::BadIntegrity));
    assert!(!agent.is_valid(&path(1)) && agent.selected().is_none());
    assert!(agent.handle(now, &path(1), &good, crypto.crypto()).is_ok());
    assert!(agent.is_valid(&path(1)));
}

#[test]
fn the_first_path_serves_until_a_nomination_and_the_last_nomination_wins() {
    let now = start();
    let mut agent = agent(now);
    check(&mut agent, now, 1, false).unwrap();
    check(&mut agent, now, 2, false).unwrap();
    assert_eq!(agent.selected(), Some(&path(1)));
    check(&mut agent, now, 2, true).unwrap();
    assert_eq!(agent.selected(), Some(&path(2)));
    check(&mut agent, now, 1, false).unwrap();
    assert_eq!(agent.selected(), Some(&path(2)));
    check(&mut agent, now, 3, true).unwrap();
    assert_eq!(agent.selected(), Some(&path(3)));
    assert!(agent.is_valid(&path(1)), "the old path still receives");
}

#[test]
fn paths_are_bounded_and_the_selected_one_stays() {
    let now = start();
    let mut agent = agent(now);
    check(&mut agent, now, 1, true).unwrap();
    for port in 2..200 {
        let checked = check(&mut agent, now + Duration::from_millis(u64::from(port)), port, false).unwrap();
        assert_eq!((checked.added, checked.evicted), (true, (port > 4).then(|| path(port - 3))));
    }
    assert_eq!((agent.paths().count(), agent.selected()), (MAX_PATHS, Some(&path(1))));
}

#[test]
fn a_restart_wants_new_credentials_and_keeps_the_path() {
    let now = start();
    let mut agent = agent(now);
    check(&mut agent, now, 1, true).unwrap();
    agent.restart(IceCredentials { ufrag: "next".into(), pwd: "another-password-of-length".into() }, "peer");
    let old = RequestBuilder::new("local:remote", PASSWORD).build();
    assert_eq!(agent.handle(now, &path(1), &old, RingProvider::new().crypto()).err(), Some(DropReason::WrongUsername));
    assert_eq!(agent.selected(), Some(&path(1)));
    check(&mut agent, now, 2, true).unwrap();
    assert_eq!(agent.selected(), Some(&path(2)));
}

#[test]
fn a_lost_path_gives_way_to_the_freshest() {
    let now = start();
    let mut agent = agent(now);
    for port in 1..=3 {
        check(&mut agent, now + Duration::from_secs(u64::from(port)), port, true).unwrap();
    }
    assert!(agent.remove(&path(3)) && !agent.remove(&path(3)));
    assert_eq!(agent.selected(), Some(&path(2)));
    assert!(agent.remove(&path(2)) && agent.remove(&path(1)));
    assert_eq!(agent.selected(), None);
    check(&mut agent, now, 4, false).unwrap();
    assert_eq!(agent.selected(), Some(&path(4)));
}

#[test]
fn consent_expires_per_path_and_as_a_whole() {
    let now = start();
    let mut agent = agent(now);
    check(&mut agent, now, 1, true).unwrap();
    check(&mut agent, now + Duration::from_secs(10), 2, false).unwrap();
    let first = agent.poll_timeout().unwrap();
    assert_eq!(first, now + CONSENT);
    assert_eq!(agent.poll_expired(first - Duration::from_nanos(1)), None);
    assert_eq!((agent.poll_expired(first), agent.poll_expired(first)), (Some(path(1)), None));
    assert_eq!(agent.selected(), Some(&path(2)));
    let end = agent.poll_timeout().unwrap();
    assert!(!agent.is_expired(end - Duration::from_nanos(1)) && agent.is_expired(end));
}

#[test]
fn a_client_that_never_checks_expires() {
    let now = start();
    let agent = agent(now);
    assert_eq!(agent.poll_timeout(), Some(now + CONSENT));
    assert!(agent.is_expired(now + CONSENT));
}
