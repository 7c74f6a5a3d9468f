use super::network::{Call, path};
use crate::command::CloseReason;
use crate::path::{Path, Protocol};
use crate::transport::test_client::{ClientEvent, ClientOptions};
use crate::transport::{CONSENT, HANDSHAKE_TIMEOUT, IceCredentials, TransportEvent};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::time::Duration;

/// An RTP packet of that SSRC; the sender numbers it.
pub(super) fn rtp(ssrc: u32, payload: usize) -> Vec<u8> {
    let mut packet = vec![0x80, 96, 0, 0, 0, 0, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet.resize(12 + payload, 7);
    packet
}

fn all_options() -> impl Iterator<Item = ClientOptions> {
    let usual = (0..6).map(|n| ClientOptions {
        seed: n,
        dtls_client: n < 4,
        data: n % 2 == 0,
        without_gcm: n == 2 || n == 3,
        rsa: false,
    });
    // As server, a client with an RSA certificate forces ECDHE-RSA; as client, its CertificateVerify is RSA.
    let rsa = [true, false].map(|dtls_client| ClientOptions { dtls_client, rsa: true, ..Default::default() });
    usual.chain(rsa)
}

#[test]
fn both_roles_connect_and_carry_media_both_ways_with_either_profile() {
    for options in all_options() {
        let mut call = Call::connected(&options);
        let udp = TransportEvent::Connected { protocol: Protocol::Udp };
        assert_eq!(call.server_events[..2], [TransportEvent::PathAdded(path(1000)), udp]);
        let sequence = call.client.send_rtp(&rtp(1, 1000));
        call.client.send_rtcp(&[0x80, 201, 0, 1, 0, 0, 0, 1]);
        let mut numbered = rtp(2, 500);
        numbered[2..4].copy_from_slice(&7u16.to_be_bytes());
        call.send_from_server(&numbered, 7);
        let mut shared = rtp(2, 500);
        shared[2..4].copy_from_slice(&8u16.to_be_bytes());
        call.send_shared_from_server(&shared, 2, 8);
        call.run(Duration::from_millis(100));
        let mut expected = rtp(1, 1000);
        expected[2..4].copy_from_slice(&sequence.to_be_bytes());
        assert_eq!(call.received, [expected], "{:?}", options.without_gcm);
        for packet in [numbered, shared] {
            assert!(call.client_events.contains(&ClientEvent::Rtp(packet)), "{:?}", options.without_gcm);
        }
    }
}

#[test]
fn nothing_wakes_an_idle_transport_but_consent() {
    let mut call = Call::connected(&ClientOptions::default());
    call.run(Duration::from_secs(20));
    let expected = call.server.poll_timeout().unwrap() - call.now;
    assert!(expected > CONSENT - Duration::from_secs(3), "{expected:?}");
}

#[test]
fn twenty_of_twenty_connect_within_five_seconds_at_a_quarter_lost_both_ways() {
    let mut slowest = Duration::ZERO;
    for seed in 0..20 {
        let mut call = Call::new(&ClientOptions { seed, dtls_client: seed % 4 != 3, ..Default::default() });
        call.loss = 25;
        let begin = call.now;
        assert!(call.run_until(Duration::from_secs(5), Call::is_connected), "seed {seed} is not connected");
        slowest = slowest.max(call.now - begin);
    }
    assert!(slowest > Duration::from_millis(200), "the network lost nothing");
}

#[test]
fn a_change_of_address_costs_only_what_was_under_way() {
    let mut call = Call::connected(&ClientOptions::default());
    let mut sent = Vec::new();
    for n in 0..200u64 {
        if n == 100 {
            call.path = path(2000);
            call.client.check_now(call.now);
        }
        sent.push((n, call.client.send_rtp(&rtp(1, 100))));
        let mut packet = rtp(2, 100);
        packet[2..4].copy_from_slice(&(n as u16).to_be_bytes());
        call.send_from_server(&packet, n);
        call.run(Duration::from_millis(10));
    }
    call.run(Duration::from_millis(100));
    assert_eq!(call.server.path(), Some(&path(2000)));
    assert!(call.server_events.contains(&TransportEvent::PathAdded(path(2000))));
    let upwards = call.received.len();
    let downwards = call.client_events.iter().filter(|event| matches!(event, ClientEvent::Rtp(_))).count();
    // The new path is validated 20 ms after the change, one way: what came by it before is not accepted.
    assert!((197..=200).contains(&upwards), "{upwards}");
    // A round trip passes until the server knows.
    assert!((195..200).contains(&downwards), "{downwards}");
    assert!(call.is_connected());
}

#[test]
fn udp_and_tcp_paths_are_alike() {
    let mut call = Call::connected(&ClientOptions::default());
    call.path = Path { protocol: Protocol::Tcp, ..path(443) };
    call.client.check_now(call.now);
    call.run(Duration::from_millis(100));
    assert_eq!(call.server.path().unwrap().protocol, Protocol::Tcp);
    let tcp = call.path;
    call.server.path_lost(&tcp);
    call.collect();
    assert_eq!(call.server.path(), Some(&path(1000)), "the older path serves again");
    assert!(call.server_events.contains(&TransportEvent::PathRemoved(tcp)));
}

#[test]
fn an_ice_restart_interrupts_nothing() {
    let mut call = Call::connected(&ClientOptions::default());
    let fresh = IceCredentials::generate(&mut SmallRng::seed_from_u64(77));
    let ufrag = call.client.restart_ice(call.now, &fresh);
    call.server.restart_ice(fresh.clone(), &ufrag);
    assert_eq!(call.server.local_credentials(), &fresh);
    call.path = path(3000);
    let before = call.server.path().copied();
    for n in 0..3 {
        let mut packet = rtp(2, 100);
        packet[3] = n;
        call.send_from_server(&packet, u64::from(n));
    }
    assert_eq!(before, Some(path(1000)), "media flows on the old path until the new one is nominated");
    call.run(Duration::from_secs(1));
    assert_eq!(call.server.path(), Some(&path(3000)));
    call.run(CONSENT * 2);
    assert!(call.is_connected(), "checks with the new credentials keep consent alive");
}

#[test]
fn a_vanished_client_is_closed_after_thirty_seconds() {
    let mut call = Call::connected(&ClientOptions::default());
    call.unplugged = true;
    let begin = call.now;
    assert!(call.run_until(CONSENT * 2, |call| !call.server.is_connected()));
    assert!(call.now - begin <= CONSENT);
    let end = call.server_events.split_off(call.server_events.len() - 2);
    assert_eq!(end, [TransportEvent::PathRemoved(path(1000)), TransportEvent::Closed(CloseReason::ConsentExpired)]);
    assert_eq!(call.server.poll_timeout(), None);
}

#[test]
fn close_notify_closes_from_either_side() {
    let mut call = Call::connected(&ClientOptions::default());
    call.client.close(call.now);
    call.run(Duration::from_millis(100));
    assert_eq!(call.server_events.last(), Some(&TransportEvent::Closed(CloseReason::ClosedByClient)));
    let mut call = Call::connected(&ClientOptions::default());
    call.server.close(call.now, &mut call.outbox);
    call.collect();
    call.run(Duration::from_millis(100));
    assert_eq!(call.client_events.last(), Some(&ClientEvent::Closed(CloseReason::ClosedByClient)));
    assert!(!call.server_events.iter().any(|event| matches!(event, TransportEvent::Closed(_))));
    let sent = call.sent.len();
    call.client.check_now(call.now);
    call.run(Duration::from_secs(3));
    assert_eq!(call.sent.len(), sent, "a closed transport is silent");
}

#[test]
fn a_client_that_never_completes_the_handshake_is_given_up() {
    let mut call = Call::new(&ClientOptions { dtls_client: true, ..Default::default() });
    // ICE alone: the client's DTLS never leaves it.
    let begin = call.now;
    while call.now < begin + HANDSHAKE_TIMEOUT * 2 && call.server.poll_timeout().is_some() {
        call.now = call.client.poll_timeout().min(call.server.poll_timeout().unwrap()).max(call.now);
        call.client.handle_timeout(call.now);
        while let Some(datagram) = call.client.poll_transmit() {
            if datagram[0] < 4 {
                let _ = call.deliver(&path(1000), &datagram);
            }
        }
        call.server.handle_timeout(call.now, &mut call.outbox);
        call.collect();
    }
    let timeout = CloseReason::HandshakeTimeout { seconds: 15 };
    assert_eq!(call.server_events.last(), Some(&TransportEvent::Closed(timeout)));
    assert_eq!(call.now, begin + HANDSHAKE_TIMEOUT);
}

#[test]
fn data_channels_are_opened_by_either_side_and_carry_large_messages() {
    let mut call = Call::connected(&ClientOptions::default());
    let theirs = call.client.open_channel(call.now, "chat").unwrap();
    let ours = call.server.open_channel(call.now, "lossy", false, false, &mut call.outbox).unwrap();
    call.run(Duration::from_millis(200));
    assert!(call.server_events.contains(&TransportEvent::ChannelOpened { id: theirs, label: "chat".into() }));
    assert!(call.server_events.contains(&TransportEvent::ChannelOpened { id: ours, label: "lossy".into() }));
    assert_eq!((call.server.channel("chat"), call.server.channel("lossy")), (Some(theirs), Some(ours)));
    let large = vec![b'x'; 60_000];
    call.client.send_message(call.now, theirs, true, &large).unwrap();
    call.client.send_message(call.now, theirs, false, b"").unwrap();
    call.server.send_text(call.now, theirs, &large, &mut call.outbox).unwrap();
    call.collect();
    call.run(Duration::from_secs(2));
    let message = |text, data: &[u8]| TransportEvent::Message { id: theirs, text, data: data.to_vec().into() };
    assert!(call.server_events.contains(&message(true, &large)));
    assert!(call.server_events.contains(&message(false, b"")));
    assert!(call.client_events.contains(&ClientEvent::Message { id: theirs, text: true, data: large.clone().into() }));
    call.server.close_channel(call.now, theirs, &mut call.outbox);
    call.run(Duration::from_secs(2));
    assert!(call.client_events.contains(&ClientEvent::ChannelClosed { id: theirs }));
    assert_eq!(call.server.channel("chat"), None);
}

#[test]
fn data_channels_can_be_added_to_a_call() {
    let mut call = Call::connected(&ClientOptions { data: false, ..Default::default() });
    call.client.sctp = Some(crate::transport::sctp::Sctp::new(true, 0).opening());
    call.client.sctp.as_mut().unwrap().start(call.now);
    call.client.handle_timeout(call.now);
    call.server.enable_data(call.now, 0, &mut call.outbox);
    assert!(call.run_until(Duration::from_secs(1), Call::is_connected));
    call.run(Duration::from_secs(1));
    call.client.open_channel(call.now, "chat").unwrap();
    call.run(Duration::from_millis(200));
    assert!(call.server.channel("chat").is_some());
}
