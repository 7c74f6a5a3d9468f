use super::*;
use crate::transport::srtp::MAX_SSRCS;
use proptest::prelude::*;
use rtc::crypto::RTCCryptoProvider;
use rtc::crypto::providers::RingProvider;
use rtc::srtp::context::Context;
use rtc::srtp::option::srtcp_replay_protection;
use rtc::srtp::protection_profile::ProtectionProfile;

const KEY: [u8; 16] = *b"sixteen byte key";
const SALT: [u8; 12] = *b"twelve bytes";

/// rtc-srtp, as a sender or a receiver.
fn context(receiving: bool) -> Context {
    let replay = receiving.then(|| srtcp_replay_protection(128));
    Context::new(&KEY, &SALT, ProtectionProfile::AeadAes128Gcm, None, replay, RingProvider::new().crypto()).unwrap()
}

fn sender() -> GcmRtcpSender {
    GcmRtcpSender::new(RingProvider::new().crypto(), &KEY, &SALT).unwrap()
}

fn receiver() -> GcmRtcpReceiver {
    GcmRtcpReceiver::new(RingProvider::new().crypto(), &KEY, &SALT).unwrap()
}

/// A receiver report of nothing, and whatever follows it.
fn compound(ssrc: u32, more: &[u8]) -> Vec<u8> {
    [&[0x80, 201, 0, 1][..], &ssrc.to_be_bytes(), more].concat()
}

fn protect(sender: &mut GcmRtcpSender, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + OVERHEAD, 0);
    assert_eq!(sender.protect(&mut buffer, packet.len()), Some(buffer.len()));
    buffer
}

/// What arrives of an index, which a sender would count up to.
fn protected(ssrc: u32, index: u32) -> Vec<u8> {
    protect(&mut GcmRtcpSender { index: index - 1, ..sender() }, &compound(ssrc, &[7; 12]))
}

proptest! {
    #[test]
    fn both_directions_are_those_of_rtc_srtp(
        steps in prop::collection::vec((0..3u32, prop::collection::vec(any::<u8>(), 0..200), 0..6u8), 1..200),
    ) {
        let (mut theirs_out, mut theirs_in, mut ours_out, mut ours_in) = (context(false), context(true), sender(), receiver());
        let mut held: Option<Vec<u8>> = None;
        for (ssrc, more, fate) in steps {
            let plain = compound(ssrc, &more);
            prop_assert_eq!(&theirs_in.decrypt_rtcp(&protect(&mut ours_out, &plain)).unwrap()[..], &plain[..]);

            let sent = theirs_out.encrypt_rtcp(&plain).unwrap().to_vec();
            let mut arriving = match fate {
                0 if held.is_none() => {
                    held = Some(sent.clone());
                    continue;
                }
                1 => vec![sent.clone(), sent],
                _ => vec![sent],
            };
            arriving.extend(held.take_if(|_| fate == 2));
            for (number, mut packet) in arriving.into_iter().enumerate() {
                let opened = ours_in.unprotect(&mut packet);
                if fate == 1 && number == 1 {
                    prop_assert_eq!(opened, Err(DropReason::ForgedRtcp), "a replay");
                } else {
                    let len = opened.unwrap();
                    prop_assert!(number > 0 || packet[..len] == plain);
                }
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..200), is_rtcp: bool) {
        if is_rtcp && let Some(first) = bytes.first_mut() {
            *first = 0x80;
        }
        let mut receiver = receiver();
        prop_assert!(matches!(receiver.unprotect(&mut bytes), Err(DropReason::MalformedRtcp | DropReason::ForgedRtcp)));
        prop_assert_eq!(receiver.streams.len(), 0);
        let len = bytes.len();
        bytes.resize(len + OVERHEAD, 0);
        let _ = sender().protect(&mut bytes, len);
    }
}

#[test]
fn forgeries_change_nothing() {
    let mut receiver = receiver();
    let good = protected(1, 1);
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut forged = good.clone();
            forged[at] ^= 1 << bit;
            assert!(receiver.unprotect(&mut forged).is_err(), "byte {at}");
        }
    }
    assert_eq!(receiver.streams.len(), 0);
    assert_eq!(receiver.unprotect(&mut good.clone()), Ok(20));
    assert_eq!(receiver.unprotect(&mut good[..CLEAR + OVERHEAD - 1].to_vec()), Err(DropReason::MalformedRtcp));
}

#[test]
fn each_index_is_taken_once_within_the_window_of_128() {
    let mut receiver = receiver();
    let mut receive = |index| receiver.unprotect(&mut protected(1, index));
    assert_eq!(receive(1_000), Ok(20));
    assert_eq!(receive(1_000), Err(DropReason::ForgedRtcp));
    assert_eq!(receive(1_000 - 127), Ok(20));
    assert_eq!(receive(1_000 - 127), Err(DropReason::ForgedRtcp));
    assert_eq!(receive(1_000 - 128), Err(DropReason::ForgedRtcp));
    assert_eq!(receive(IS_ENCRYPTED - 1), Ok(20), "the last there is");
    assert_eq!(receive(1_001), Err(DropReason::ForgedRtcp));
}

#[test]
fn what_is_not_encrypted_is_refused() {
    let (keys, clear) = (sender().keys, compound(1, &[]));
    let associated = [&clear[..], &5u32.to_be_bytes()].concat();
    let nonce = keys.salt.numbers(1, 5).nonce();
    let tag = keys.key.seal_in_place_separate_tag(nonce, Aad::from(&associated), &mut []).unwrap();
    let mut packet = [&clear[..], tag.as_ref(), &5u32.to_be_bytes()].concat();
    assert_eq!(receiver().unprotect(&mut packet), Err(DropReason::ForgedRtcp));
}

#[test]
fn streams_are_bounded_and_can_be_forgotten() {
    let mut receiver = receiver();
    for ssrc in 0..MAX_SSRCS as u32 {
        assert_eq!(receiver.unprotect(&mut protected(ssrc, 1)), Ok(20));
    }
    assert_eq!(receiver.unprotect(&mut protected(1_000, 1)), Err(DropReason::TooManySsrcs));
    receiver.forget(7);
    assert_eq!(receiver.unprotect(&mut protected(7, 1)), Err(DropReason::ForgedRtcp), "nobody replays what has ended");
    assert_eq!(receiver.unprotect(&mut protected(1_000, 1)), Ok(20));
    assert_eq!(receiver.unprotect(&mut protected(8, 1)), Err(DropReason::ForgedRtcp), "others stay");
    assert_eq!(receiver.streams.len(), MAX_SSRCS);
}

#[test]
fn no_index_is_used_twice_and_what_is_no_packet_is_refused() {
    let mut sender = GcmRtcpSender { index: IS_ENCRYPTED - 2, ..sender() };
    let plain = compound(1, &[]);
    let mut buffer = [plain.clone(), vec![0; OVERHEAD]].concat();
    assert_eq!(sender.protect(&mut buffer[..27], 8), None, "no room");
    assert_eq!(sender.protect(&mut buffer, 7), None, "too short");
    assert_eq!(sender.protect(&mut buffer, usize::MAX), None, "longer than any buffer");
    assert_eq!(sender.protect(&mut [0; 40], 8), None, "not of version 2");
    assert_eq!(sender.protect(&mut buffer, 8), Some(28));
    buffer[..8].copy_from_slice(&plain);
    assert_eq!(sender.protect(&mut buffer, 8), None, "the key is used up");
}
