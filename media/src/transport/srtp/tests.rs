use super::streams::REPLAY_WINDOW;
use super::*;
use proptest::prelude::*;
use rtc::crypto::RTCCryptoProvider;
use rtc::crypto::providers::RingProvider;
use rtc::srtp::context::Context;
use rtc::srtp::option::srtp_replay_protection;
use rtc::srtp::protection_profile::ProtectionProfile;

const KEY: [u8; 16] = *b"sixteen byte key";
const SALT: [u8; 12] = *b"twelve bytes";

fn context(receiving: bool) -> Context {
    let replay = receiving.then(|| srtp_replay_protection(REPLAY_WINDOW as usize));
    Context::new(&KEY, &SALT, ProtectionProfile::AeadAes128Gcm, replay, None, RingProvider::new().crypto()).unwrap()
}

fn sender() -> GcmSender {
    GcmSender::new(RingProvider::new().crypto(), &KEY, &SALT).unwrap()
}

fn receiver() -> GcmReceiver {
    GcmReceiver::new(RingProvider::new().crypto(), &KEY, &SALT).unwrap()
}

fn packet(ssrc: u32, index: u64) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend((index as u16).to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend([9; 50]);
    packet
}

fn protect(packet: &[u8], index: u64) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + TAG, 0);
    let len = sender().protect(&mut buffer, packet.len(), index).unwrap();
    assert_eq!(len, buffer.len());
    buffer
}

/// CSRCs, extension words or none, payload.
type Shape = (usize, Option<usize>, Vec<u8>);

fn shapes() -> impl Strategy<Value = Shape> {
    (0..16usize, prop::option::of(0..5usize), prop::collection::vec(any::<u8>(), 0..200))
}

fn shaped(ssrc: u32, index: u64, (csrcs, words, payload): &Shape) -> Vec<u8> {
    let mut packet = packet(ssrc, index);
    packet.truncate(12);
    packet[0] |= *csrcs as u8;
    packet.extend(vec![5; csrcs * 4]);
    if let Some(words) = words {
        packet[0] |= 0x10;
        packet.extend([0xbe, 0xde, 0, *words as u8]);
        packet.extend([0x11, 7, 8, 0].repeat(*words));
    }
    packet.extend(payload);
    packet
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Both directions equal rtc-srtp's bit for bit, across rollovers, losses, reordering and replays.
    #[test]
    fn equal_to_rtc_srtp(
        begin in prop_oneof![0..200u64, 65_300..65_536u64, 0..65_536u64],
        steps in prop::collection::vec((1..300u64, 0..8u8, shapes(), 0..3u32), 1..400),
    ) {
        let (mut theirs_out, mut theirs_in, mut ours_in) = (context(false), context(true), receiver());
        let ours_out = sender();
        let mut indices = [None; 3];
        let mut held: Option<Vec<u8>> = None;
        let mut accepted = std::collections::HashSet::new();
        for (gap, fate, shape, ssrc) in steps {
            // rtc-srtp takes a stream's first packet for one of its first 2^16.
            let step = if fate == 7 { gap * 50 } else { 1 + gap / 250 };
            let index = indices[ssrc as usize].map_or(begin, |last| last + step);
            indices[ssrc as usize] = Some(index);
            let plain = shaped(ssrc, index, &shape);
            let expected = theirs_out.encrypt_rtp(&plain).unwrap();
            let mut buffer = plain.clone();
            buffer.resize(plain.len() + TAG, 0);
            let len = ours_out.protect(&mut buffer, plain.len(), index).unwrap();
            prop_assert_eq!(&buffer[..len], &expected[..]);
            let mut arriving = match fate {
                0 => Vec::new(),
                1 if held.is_none() => {
                    held = Some(buffer);
                    Vec::new()
                }
                2 => vec![buffer.clone(), buffer],
                _ => vec![buffer],
            };
            if fate == 3 {
                arriving.extend(held.take());
            }
            for protected in arriving {
                let expected = theirs_in.decrypt_rtp(&protected);
                let mut buffer = protected.clone();
                let ours = ours_in.unprotect(&mut buffer);
                match (expected, ours) {
                    (Ok(expected), Ok(len)) => prop_assert_eq!(&buffer[..len], &expected[..]),
                    (Err(_), Err(_)) => {}
                    // rtc-srtp refuses a late packet that precedes the first one it saw; it is not a replay.
                    (Err(_), Ok(_)) => prop_assert!(!accepted.contains(&protected)),
                    (Ok(_), Err(reason)) => prop_assert!(false, "refused: {reason:?}"),
                }
                if ours.is_ok() {
                    accepted.insert(protected);
                }
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(receiver().unprotect(&mut bytes).is_err());
        let len = bytes.len();
        bytes.resize(len + TAG, 0);
        let _ = sender().protect(&mut bytes, len, 0);
    }
}

#[test]
fn the_replay_window_is_128_packets() {
    let mut receiver = receiver();
    let mut receive = |index: u64| receiver.unprotect(&mut protect(&packet(1, index), index));
    assert_eq!(receive(1000), Ok(62));
    assert_eq!(receive(1000), Err(DropReason::ReplayedRtp));
    assert_eq!(receive(1000 - 127), Ok(62));
    assert_eq!(receive(1000 - 127), Err(DropReason::ReplayedRtp));
    assert_eq!(receive(1000 - 128), Err(DropReason::ReplayedRtp));
    assert_eq!(receive(1200), Ok(62));
    assert_eq!(receive(1200 - 127), Ok(62));
    assert_eq!(receive(1000), Err(DropReason::ReplayedRtp));
}

#[test]
fn the_rollover_counter_is_guessed_around_the_newest_packet() {
    let stream = |newest| Stream::new(newest);
    assert_eq!(stream(65_535).guess(0), Some(65_536));
    assert_eq!(stream(65_536).guess(65_535), Some(65_535));
    assert_eq!(stream(3).guess(65_535), None, "nothing precedes the first packet");
    assert_eq!(stream(100_000).guess((100_000u64 - 30_000) as u16), Some(70_000));
    assert_eq!(stream(INDEX_END - 1).guess(0), None, "the key is used up");
}

#[test]
fn forgeries_change_nothing() {
    let mut receiver = receiver();
    let good = protect(&packet(1, 5), 5);
    for at in 0..good.len() {
        let mut forged = good.clone();
        forged[at] ^= 0x04;
        assert!(receiver.unprotect(&mut forged).is_err(), "byte {at}");
        assert!(receiver.streams.len() == 0);
    }
    assert_eq!(receiver.unprotect(&mut good.clone()), Ok(62));
}

#[test]
fn streams_are_bounded_and_can_be_forgotten() {
    let mut receiver = receiver();
    for ssrc in 0..MAX_SSRCS as u32 {
        assert!(receiver.unprotect(&mut protect(&packet(ssrc, 1), 1)).is_ok());
    }
    let mut surplus = protect(&packet(1000, 1), 1);
    assert_eq!(receiver.unprotect(&mut surplus.clone()), Err(DropReason::TooManySsrcs));
    receiver.forget(7);
    receiver.forget(7);
    assert!(receiver.unprotect(&mut surplus).is_ok());
    assert_eq!(receiver.unprotect(&mut protect(&packet(8, 1), 1)), Err(DropReason::ReplayedRtp), "others stay");
}

#[test]
fn a_stream_that_ended_may_go_on_after_a_rollover_and_is_not_replayed() {
    let mut receiver = receiver();
    for index in [60_000, 70_000] {
        assert!(receiver.unprotect(&mut protect(&packet(1, index), index)).is_ok());
    }
    receiver.forget(1);
    assert_eq!(receiver.unprotect(&mut protect(&packet(1, 70_000), 70_000)), Err(DropReason::ReplayedRtp));
    assert!(receiver.unprotect(&mut protect(&packet(1, 70_001), 70_001)).is_ok());
    for ssrc in 100..100 + MAX_SSRCS as u32 - 1 {
        assert!(receiver.unprotect(&mut protect(&packet(ssrc, 1), 1)).is_ok());
    }
    let mut surplus = protect(&packet(1000, 1), 1);
    assert_eq!(receiver.unprotect(&mut surplus), Err(DropReason::TooManySsrcs), "it lives again");
}

#[test]
fn protection_refuses_what_would_go_wrong() {
    let sender = sender();
    let plain = packet(1, 70_000);
    let mut buffer = plain.clone();
    assert_eq!(sender.protect(&mut buffer, plain.len(), 70_000), None, "no room for the tag");
    buffer.resize(plain.len() + TAG, 0);
    assert_eq!(sender.protect(&mut buffer, plain.len(), 70_001), None, "another packet's index");
    assert_eq!(sender.protect(&mut buffer, plain.len(), 70_000 + INDEX_END), None, "beyond 48 bits");
    assert_eq!(sender.protect(&mut buffer, 11, 70_000), None);
    buffer[0] = 0x9f;
    assert_eq!(sender.protect(&mut buffer, plain.len(), 70_000), None, "a header beyond the packet");
}
