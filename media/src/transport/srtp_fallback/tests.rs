use super::*;
use crate::transport::srtp::MAX_SSRCS;

fn keys(profile: ProtectionProfile) -> (SrtpKeys, SrtpKeys) {
    let side = |n| MasterKeys { key: vec![n; profile.key_len()], salt: vec![n; profile.salt_len()] };
    let ours = SrtpKeys { profile, local: side(1), remote: side(2) };
    let theirs = SrtpKeys { profile, local: side(2), remote: side(1) };
    (ours, theirs)
}

fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend([9; 50]);
    packet
}

fn protected(context: &mut Context, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + 10, 0);
    assert_eq!(protect_fallback(context, &mut buffer, packet.len()), Some(packet.len() + 10));
    buffer
}

#[test]
fn media_passes_whatever_its_header_looks_like() {
    let identity = Identity::generate().unwrap();
    let (ours, theirs) = keys(ProtectionProfile::Aes128CmHmacSha1_80);
    let mut sender = sending_context(&identity, &theirs).unwrap();
    let mut receiver = FallbackReceiver::new(&identity, &ours).unwrap();
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
        assert_eq!(receiver.unprotect(&mut packet), Ok(plain.len()));
        assert_eq!(packet[..plain.len()], plain);
    }
}

#[test]
fn a_header_beyond_the_packet_is_refused_before_the_library_sees_it() {
    let identity = Identity::generate().unwrap();
    let (ours, _) = keys(ProtectionProfile::Aes128CmHmacSha1_80);
    let mut context = sending_context(&identity, &ours).unwrap();
    let mut packet = rtp(1, 1);
    packet[0] = 0x9f;
    packet.resize(100, 0xff);
    assert_eq!(protect_fallback(&mut context, &mut packet, 62), None);
    assert_eq!(protect_fallback(&mut context, &mut packet, 1000), None);
    assert_eq!(FallbackReceiver::new(&identity, &ours).unwrap().unprotect(&mut packet), Err(DropReason::MalformedRtp));
}

#[test]
fn strangers_neither_create_state_nor_shut_anybody_out() {
    let identity = Identity::generate().unwrap();
    let (ours, theirs) = keys(ProtectionProfile::Aes128CmHmacSha1_80);
    let mut receiver = FallbackReceiver::new(&identity, &ours).unwrap();
    let mut sender = sending_context(&identity, &theirs).unwrap();
    for n in 0..10_000 {
        // Among them the SSRC that is used below, with a number far ahead.
        assert_eq!(receiver.unprotect(&mut rtp(n % 500, 60_000)), Err(DropReason::ForgedRtp));
    }
    assert!(receiver.0.admitted.is_empty() && receiver.0.probes <= PROBES);
    assert_eq!(receiver.unprotect(&mut protected(&mut sender, &rtp(7, 5))), Ok(62));
    for ssrc in 1000..1000 + MAX_SSRCS as u32 - 1 {
        assert_eq!(receiver.unprotect(&mut protected(&mut sender, &rtp(ssrc, 5))), Ok(62));
    }
    let mut surplus = protected(&mut sender, &rtp(5000, 5));
    assert_eq!(receiver.unprotect(&mut surplus), Err(DropReason::TooManySsrcs));
}

#[test]
fn rtcp_streams_are_admitted_once_authentic() {
    let identity = Identity::generate().unwrap();
    for profile in [ProtectionProfile::AeadAes128Gcm, ProtectionProfile::Aes128CmHmacSha1_80] {
        let (ours, theirs) = keys(profile);
        let mut receiver = RtcpReceiver::new(&identity, &ours).unwrap();
        let mut sender = sending_context(&identity, &theirs).unwrap();
        let report = |ssrc: u32| [&[0x80, 201, 0, 1][..], &ssrc.to_be_bytes()].concat();
        for ssrc in 0..1000 {
            let forged = [report(ssrc), vec![0x80; 40]].concat();
            assert_eq!(receiver.unprotect(&forged).err(), Some(DropReason::ForgedRtcp));
        }
        assert!(receiver.0.admitted.is_empty());
        let good = sender.encrypt_rtcp(&report(3)).unwrap();
        for at in 0..good.len() {
            let mut forged = good.to_vec();
            forged[at] ^= 0x20;
            assert!(receiver.unprotect(&forged).is_err(), "byte {at}");
        }
        assert_eq!(receiver.unprotect(&good).unwrap()[..], report(3));
        assert_eq!(receiver.unprotect(&good).err(), Some(DropReason::ForgedRtcp), "a replay");
        assert_eq!(receiver.unprotect(&good[..7]).err(), Some(DropReason::MalformedRtcp));
    }
}
