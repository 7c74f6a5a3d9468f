//! Input from strangers and from clients that break the rules: each a counted drop, and the call goes on.

use super::network::{Call, identity, path, start};
use super::scenarios::rtp;
use crate::command::CloseReason;
use crate::drop_reason::DropReason;
use crate::outbox::Outbox;
use crate::transport::records::tests::{fragment, record};
use crate::transport::stun::tests::RequestBuilder;
use crate::transport::test_client::{ClientOptions, TestClient};
use crate::transport::{IceCredentials, MAX_SSRCS, Transport, TransportEvent};
use proptest::prelude::*;
use std::time::Duration;

/// The call still works: media arrives, and nothing has closed it.
fn assert_alive(call: &mut Call) {
    let before = call.received.len();
    call.client.send_rtp(&rtp(1, 100));
    call.run(Duration::from_millis(100));
    assert_eq!(call.received.len(), before + 1, "media flows");
    assert!(call.is_connected());
}

#[test]
fn bad_stun_is_dropped_silently() {
    let mut call = Call::connected(&ClientOptions::default());
    let local = call.server.local_credentials().clone();
    let remote = call.client.description().ufrag;
    let good = RequestBuilder::new(&format!("{}:{remote}", local.ufrag), &local.pwd).build();
    let sent = call.sent.len();
    let stranger = path(6666);
    let wrong_ufrag = RequestBuilder::new(&format!("{}x:{remote}", local.ufrag), &local.pwd).build();
    assert_eq!(call.deliver(&stranger, &wrong_ufrag), Err(DropReason::WrongUsername));
    let wrong_password = RequestBuilder::new(&format!("{}:{remote}", local.ufrag), "guess").build();
    assert_eq!(call.deliver(&stranger, &wrong_password), Err(DropReason::BadIntegrity));
    for len in 1..good.len() {
        assert_eq!(call.deliver(&stranger, &good[..len]), Err(DropReason::MalformedStun));
    }
    assert_eq!(call.sent.len(), sent, "nothing was answered");
    assert_eq!(call.server.path(), Some(&path(1000)));
    assert_alive(&mut call);
}

#[test]
fn a_client_hello_from_an_unvalidated_address_is_ignored() {
    let now = start();
    let local = IceCredentials { ufrag: "localfrg".into(), pwd: "password-password-password".into() };
    let mut client = TestClient::new(now, &ClientOptions::default(), &local, identity().fingerprint());
    let mut server = Transport::new(identity(), local, 0);
    let mut outbox = Outbox::new();
    client.dtls.start(now);
    client.check_now(now + Duration::from_secs(60));
    client.handle_timeout(now);
    let hello = client.poll_transmit().unwrap();
    assert_eq!(hello[0], 22);
    assert_eq!(server.handle_dtls(now, &path(1), &hello, &mut outbox), Err(DropReason::UnvalidatedPath));
    server.set_remote(now, &client.description());
    assert_eq!(server.handle_dtls(now, &path(1), &hello, &mut outbox), Err(DropReason::UnvalidatedPath));
    assert!(outbox.is_empty());
}

#[test]
fn a_certificate_that_does_not_match_the_sdp_closes_the_transport() {
    for dtls_client in [true, false] {
        let mut call = Call::new(&ClientOptions { dtls_client, ..Default::default() });
        let mut description = call.client.description();
        description.fingerprints = vec![identity().fingerprint().to_owned()];
        call.server = Transport::new(identity(), call.server.local_credentials().clone(), 0);
        call.server.set_remote(call.now, &description);
        call.run(Duration::from_secs(3));
        assert_eq!(call.server_events.last(), Some(&TransportEvent::Closed(CloseReason::FingerprintMismatch)));
        assert!(!call.server.is_connected());
        assert_eq!(call.server.protect_rtp(&mut [0x80; 64], 40, 0x8080), None);
    }
}

#[test]
fn lower_case_fingerprints_and_several_of_them_are_accepted() {
    let mut call = Call::new(&ClientOptions::default());
    let mut description = call.client.description();
    description.fingerprints.insert(0, identity().fingerprint().to_owned());
    description.fingerprints.iter_mut().for_each(|f| *f = f.to_lowercase());
    call.server = Transport::new(identity(), call.server.local_credentials().clone(), 0);
    call.server.set_remote(call.now, &description);
    assert!(call.run_until(Duration::from_secs(2), Call::is_connected));
}

#[test]
fn rtp_of_every_length_is_a_drop() {
    for without_gcm in [false, true] {
        let mut call = Call::connected(&ClientOptions { without_gcm, ..Default::default() });
        for len in [2, 3, 11, 12, 13, 27, 28, 100, 1500, 9000, 65_535] {
            for first in [0x80u8, 0x8f, 0x90, 0x9f, 0xbf] {
                let mut packet = vec![0xff; len];
                packet[..2].copy_from_slice(&[first, 96]);
                let reason = call.deliver(&path(1000), &packet).unwrap_err();
                assert!(matches!(reason, DropReason::MalformedRtp | DropReason::ForgedRtp), "{len}: {reason:?}");
            }
        }
        for len in 0..2 {
            assert_eq!(call.deliver(&path(1000), &vec![0x80; len]), Err(DropReason::UnknownProtocol));
        }
        assert_alive(&mut call);
    }
}

#[test]
fn unknown_ssrcs_by_the_thousand_leave_no_trace() {
    for without_gcm in [false, true] {
        let mut call = Call::connected(&ClientOptions { without_gcm, ..Default::default() });
        for ssrc in 0..5000 {
            assert_eq!(call.deliver(&path(1000), &rtp(ssrc, 100)), Err(DropReason::ForgedRtp));
        }
        assert_alive(&mut call);
        // Authentic ones are bounded, and can be given up.
        let mut drops = 0;
        for ssrc in 10_000..10_000 + MAX_SSRCS as u32 {
            call.client.send_rtp(&rtp(ssrc, 10));
            let datagram = call.client.poll_transmit().unwrap();
            drops += u32::from(call.deliver(&path(1000), &datagram) == Err(DropReason::TooManySsrcs));
        }
        assert_eq!(drops, 1, "the SSRC of the live call takes one place");
        call.server.forget_ssrc(10_000);
        call.client.send_rtp(&rtp(20_000, 10));
        let datagram = call.client.poll_transmit().unwrap();
        assert_eq!(call.deliver(&path(1000), &datagram), Ok(()));
        assert_alive(&mut call);
    }
}

#[test]
fn replayed_and_forged_media_is_dropped() {
    for without_gcm in [false, true] {
        let mut call = Call::connected(&ClientOptions { without_gcm, ..Default::default() });
        call.client.send_rtp(&rtp(1, 100));
        let good = call.client.poll_transmit().unwrap();
        for at in 2..good.len() {
            let mut forged = good.clone();
            forged[at] ^= 0x10;
            let reason = call.deliver(&path(1000), &forged).unwrap_err();
            assert!(matches!(reason, DropReason::ForgedRtp | DropReason::MalformedRtp), "{at}: {reason:?}");
        }
        assert_eq!(call.deliver(&path(1000), &good), Ok(()), "forgeries do not use a number up");
        assert_eq!(call.deliver(&path(1000), &good), Err(DropReason::ReplayedRtp));
        assert_eq!(call.deliver(&path(6666), &good), Err(DropReason::UnvalidatedPath));
        assert_alive(&mut call);
    }
}

#[test]
fn malformed_and_forged_rtcp_is_never_handed_on() {
    for without_gcm in [false, true] {
        let mut call = Call::connected(&ClientOptions { without_gcm, ..Default::default() });
        for ssrc in 0..3000u32 {
            let mut packet = vec![0x81, 201, 0, 7];
            packet.extend(ssrc.to_be_bytes());
            packet.resize(60, 0x80);
            assert_eq!(call.deliver(&path(1000), &packet), Err(DropReason::ForgedRtcp));
        }
        for len in 2..64 {
            let reason = call.deliver(&path(1000), &vec![200; len]).unwrap_err();
            assert!(matches!(reason, DropReason::UnknownProtocol), "{reason:?}");
            let mut packet = vec![0xff; len];
            packet[..2].copy_from_slice(&[0x80, 201]);
            let reason = call.deliver(&path(1000), &packet).unwrap_err();
            assert!(matches!(reason, DropReason::MalformedRtcp | DropReason::ForgedRtcp), "{len}: {reason:?}");
        }
        call.client.send_rtcp(&[0x80, 201, 0, 1, 0, 0, 0, 1]);
        let good = call.client.poll_transmit().unwrap();
        let mut packet = good.clone();
        let len = call.server.unprotect_rtcp(&path(1000), &mut packet).unwrap();
        assert_eq!(packet[..len], [0x80, 201, 0, 1, 0, 0, 0, 1]);
        assert_eq!(call.deliver(&path(1000), &good), Err(DropReason::ForgedRtcp), "a replay");
        assert_alive(&mut call);
    }
}

#[test]
fn spoofed_handshake_records_after_the_handshake_are_bounded() {
    let mut call = Call::connected(&ClientOptions::default());
    let sent = call.sent.len();
    let mut dropped = 0;
    for n in 0..3000u16 {
        let junk = record(22, 1000 + u64::from(n), &fragment(n, 8192, 0, &[7; 1000]));
        dropped += u32::from(call.deliver(&path(1000), &junk) == Err(DropReason::UnexpectedDtls));
    }
    assert!(dropped >= 2984, "{dropped}");
    assert!(call.sent.len() - sent < 20, "nor do they make this side a source of floods");
    assert_alive(&mut call);
}

#[test]
fn plaintext_alerts_and_junk_do_not_end_a_handshake() {
    for dtls_client in [true, false] {
        let mut call = Call::new(&ClientOptions { dtls_client, ..Default::default() });
        // The client is heard, and answered, but its handshake is not through.
        call.run(Duration::from_millis(50));
        assert!(call.server.path().is_some() && !call.server.is_connected());
        for alert in [[2, 40], [1, 0], [2, 80]] {
            let alert = record(21, 5, &alert);
            assert_eq!(call.deliver(&path(1000), &alert), Err(DropReason::UnexpectedDtls));
        }
        for junk in [&[22][..], &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255], &[63; 200]] {
            assert_eq!(call.deliver(&path(1000), junk), Err(DropReason::UnexpectedDtls));
        }
        assert!(call.run_until(Duration::from_secs(10), Call::is_connected), "client role {dtls_client}");
        assert_alive(&mut call);
    }
}

#[test]
fn plaintext_alerts_do_not_end_a_call() {
    let mut call = Call::connected(&ClientOptions::default());
    for (sequence, alert) in [[2, 40], [1, 0], [2, 0]].into_iter().enumerate() {
        let _ = call.deliver(&path(1000), &record(21, 5000 + sequence as u64, &alert));
    }
    assert_alive(&mut call);
}

#[test]
fn a_flood_during_the_handshake_is_bounded() {
    let mut call = Call::new(&ClientOptions::default());
    call.run(Duration::from_millis(30));
    let mut dropped = 0;
    for n in 0..3000u16 {
        let junk = record(22, 1000 + u64::from(n), &fragment(100 + n, 8192, 0, &[7; 1000]));
        dropped += u32::from(call.deliver(&path(1000), &junk) == Err(DropReason::UnexpectedDtls));
    }
    assert!(dropped >= 2800, "{dropped}");
    call.run(Duration::from_secs(20));
    assert!(!call.server.is_connected());
    assert!(call.server_events.iter().any(|event| matches!(event, TransportEvent::Closed(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn arbitrary_and_mutated_datagrams_do_not_panic(
        arbitrary in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..50),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 0..50),
        dtls_client: bool,
    ) {
        let mut call = Call::new(&ClientOptions { dtls_client, ..Default::default() });
        let mut genuine = Vec::new();
        for _ in 0..6 {
            call.run(Duration::from_millis(15));
            genuine.extend(call.sent.drain(..).map(|(_, datagram)| datagram));
            for (which, at, value) in &mutations {
                if let Some(mut datagram) = (!genuine.is_empty()).then(|| which.get(&genuine).clone()) {
                    let at = at.index(datagram.len());
                    datagram[at] = *value;
                    let _ = call.deliver(&path(1000), &datagram);
                }
            }
            for datagram in &arbitrary {
                let _ = call.deliver(&path(1000), datagram);
            }
        }
    }
}
