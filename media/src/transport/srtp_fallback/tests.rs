use super::*;
use crate::transport::srtp::MAX_SSRCS;

/// Two that have agreed on keys.
fn both_sides() -> [Fallback; 2] {
    let (identity, profile) = (Identity::generate().unwrap(), ProtectionProfile::Aes128CmHmacSha1_80);
    let side = |n| MasterKeys { key: vec![n; profile.key_len()], salt: vec![n; profile.salt_len()] };
    [(1, 2), (2, 1)].map(|(local, remote)| {
        Fallback::new(&identity, &SrtpKeys { profile, local: side(local), remote: side(remote) }).unwrap()
    })
}

fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend([9; 50]);
    packet
}

fn protected(sender: &mut Fallback, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + 10, 0);
    assert_eq!(sender.protect_rtp(&mut buffer, packet.len()), Some(packet.len() + 10));
    buffer
}

#[test]
fn media_passes_whatever_its_header_looks_like() {
    let [mut sender, mut receiver] = both_sides();
    // A plain header, CSRCs, and extensions with padding words that rtc-rtp would not write back.
    let extended = |first: u8, rest: &[u8]| {
        let mut packet = rtp(1, 0);
        packet[0] = first;
        packet.splice(12..12, rest.iter().copied());
        packet
    };
    let shapes = [
        extended(0x80, &[]),
        extended(0x82, &[1; 8]),
        extended(0x90, &[0xbe, 0xde, 0, 0]),
        extended(0x90, &[0xbe, 0xde, 0, 3, 0x10, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        extended(0x91, &[1, 1, 1, 1, 0x10, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0]),
        extended(0x90, &[0xbe, 0xde, 0, 1, 0xf0, 0, 0, 0]),
    ];
    for (sequence, mut plain) in (0u16..).zip(shapes) {
        plain[2..4].copy_from_slice(&sequence.to_be_bytes());
        let header = header_len(&plain).unwrap();
        let mut packet = protected(&mut sender, &plain);
        assert_eq!(packet[..header], plain[..header], "the header stays readable");
        assert_ne!(packet[header..plain.len()], plain[header..]);
        assert_eq!(receiver.unprotect_rtp(&mut packet), Ok(plain.len()));
        assert_eq!(packet[..plain.len()], plain);
    }
}

#[test]
fn a_header_beyond_the_packet_is_refused_before_the_library_sees_it() {
    let [mut sender, mut receiver] = both_sides();
    let mut packet = rtp(1, 1);
    packet[0] = 0x9f;
    packet.resize(100, 0xff);
    assert_eq!(sender.protect_rtp(&mut packet, 62), None);
    assert_eq!(sender.protect_rtp(&mut packet, 1000), None);
    assert_eq!(receiver.unprotect_rtp(&mut packet), Err(DropReason::MalformedRtp));
}

#[test]
fn strangers_neither_create_state_nor_shut_anybody_out() {
    let [mut sender, mut receiver] = both_sides();
    for n in 0..10_000 {
        // Among them the SSRC that is used below, with a number far ahead.
        assert_eq!(receiver.unprotect_rtp(&mut rtp(n % 500, 60_000)), Err(DropReason::ForgedRtp));
    }
    assert!(receiver.rtp.admitted.is_empty() && receiver.rtp.probes <= PROBES);
    assert_eq!(receiver.unprotect_rtp(&mut protected(&mut sender, &rtp(7, 5))), Ok(62));
    for ssrc in 1000..1000 + MAX_SSRCS as u32 - 1 {
        assert_eq!(receiver.unprotect_rtp(&mut protected(&mut sender, &rtp(ssrc, 5))), Ok(62));
    }
    let mut surplus = protected(&mut sender, &rtp(5000, 5));
    assert_eq!(receiver.unprotect_rtp(&mut surplus), Err(DropReason::TooManySsrcs));
}

#[test]
fn rtcp_streams_are_admitted_once_authentic() {
    let [mut sender, mut receiver] = both_sides();
    let report = |ssrc: u32| [&[0x80, 201, 0, 1][..], &ssrc.to_be_bytes()].concat();
    for ssrc in 0..1000 {
        let mut forged = [report(ssrc), vec![0x80; 40]].concat();
        assert_eq!(receiver.unprotect_rtcp(&mut forged), Err(DropReason::ForgedRtcp));
    }
    assert!(receiver.rtcp.admitted.is_empty());
    let mut good = [report(3), vec![0; 32]].concat();
    let len = sender.protect_rtcp(&mut good, 8).unwrap();
    good.truncate(len);
    for at in 0..good.len() {
        let mut forged = good.clone();
        forged[at] ^= 0x20;
        assert!(receiver.unprotect_rtcp(&mut forged).is_err(), "byte {at}");
    }
    let mut packet = good.clone();
    assert_eq!(receiver.unprotect_rtcp(&mut packet), Ok(8));
    assert_eq!(packet[..8], report(3));
    assert_eq!(receiver.unprotect_rtcp(&mut good.clone()), Err(DropReason::ForgedRtcp), "a replay");
    assert_eq!(receiver.unprotect_rtcp(&mut good[..7]), Err(DropReason::MalformedRtcp));
}
