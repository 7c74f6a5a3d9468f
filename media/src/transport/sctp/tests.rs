use super::*;
use crate::transport::tests::start;
use proptest::prelude::*;
use std::time::Duration;

/// Our end, which answers, and a browser's, which opens.
struct Pair {
    now: Instant,
    ours: Sctp,
    theirs: Sctp,
    /// Packets of ours, oldest first, that the browser has been given.
    sent: Vec<Vec<u8>>,
    received: Vec<SctpEvent>,
    theirs_received: Vec<SctpEvent>,
}

impl Pair {
    fn new() -> Self {
        let now = start();
        let (mut ours, mut theirs) = (Sctp::new(false, 0), Sctp::new(true, 0).opening());
        ours.start(now);
        theirs.start(now);
        Self { now, ours, theirs, sent: Vec::new(), received: Vec::new(), theirs_received: Vec::new() }
    }

    fn connected() -> Self {
        let mut pair = Self::new();
        pair.settle();
        assert!(pair.ours.is_up() && pair.theirs.is_up());
        pair
    }

    fn packets(end: &mut Sctp, now: Instant) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        end.poll_transmit(now, |packet| packets.push(packet.to_vec()));
        packets
    }

    fn exchange(&mut self) -> bool {
        let upwards = Self::packets(&mut self.theirs, self.now);
        upwards.iter().for_each(|packet| self.ours.read(self.now, packet[..].into()));
        let downwards = Self::packets(&mut self.ours, self.now);
        downwards.iter().for_each(|packet| self.theirs.read(self.now, packet[..].into()));
        let moved = !upwards.is_empty() || !downwards.is_empty();
        self.sent.extend(downwards);
        while let Some(event) = self.ours.poll_event() {
            self.received.push(event);
        }
        while let Some(event) = self.theirs.poll_event() {
            self.theirs_received.push(event);
        }
        moved
    }

    /// Exchanges packets until both are silent for this long.
    fn settle(&mut self) {
        let end = self.now + Duration::from_secs(20);
        while self.now < end {
            while self.exchange() {}
            self.now += Duration::from_millis(100);
            self.ours.handle_timeout(self.now);
            self.theirs.handle_timeout(self.now);
        }
    }

    fn channel(&mut self) -> u16 {
        let id = self.theirs.open_channel(self.now, "chat", true, true).unwrap();
        self.settle();
        assert_eq!(self.ours.channel("chat"), Some(id));
        id
    }
}

#[test]
fn repeated_inits_neither_disturb_nor_pile_up() {
    let mut pair = Pair::new();
    let init = Pair::packets(&mut pair.theirs, pair.now).remove(0);
    for _ in 0..8 {
        pair.ours.read(pair.now, init[..].into());
        assert!(pair.ours.associations.len() <= 4);
    }
    let answers = Pair::packets(&mut pair.ours, pair.now);
    answers.iter().for_each(|packet| pair.theirs.read(pair.now, packet[..].into()));
    pair.settle();
    assert!(pair.ours.is_up() && pair.theirs.is_up());
    let id = pair.channel();
    for _ in 0..500 {
        pair.ours.read(pair.now, init[..].into());
        assert_eq!(pair.ours.associations.len(), 1, "an established association admits no other");
    }
    pair.theirs.send(pair.now, id, true, b"still here").unwrap();
    pair.settle();
    let message = SctpEvent::Message { id, text: true, data: Bytes::from_static(b"still here") };
    assert!(pair.received.contains(&message));
}

#[test]
fn inits_without_end_are_not_answered() {
    let mut pair = Pair::new();
    let init = Pair::packets(&mut pair.theirs, pair.now).remove(0);
    let mut answers = 0;
    for _ in 0..500 {
        pair.ours.read(pair.now, init[..].into());
        answers += Pair::packets(&mut pair.ours, pair.now).len();
    }
    assert_eq!(answers, 16);
}

#[test]
fn this_side_opens_the_association_when_the_client_is_not_heard() {
    let mut pair = Pair::new();
    let begin = pair.now;
    // All that the client opens with is lost; what it answers is not.
    while !(pair.ours.is_up() && pair.theirs.is_up()) {
        assert!(pair.now < begin + Duration::from_secs(2));
        for packet in Pair::packets(&mut pair.theirs, pair.now) {
            if Chunk::first_of(&packet) != Some(Chunk::Init) {
                pair.ours.read(pair.now, packet[..].into());
            }
        }
        let downwards = Pair::packets(&mut pair.ours, pair.now);
        downwards.iter().for_each(|packet| pair.theirs.read(pair.now, packet[..].into()));
        pair.now += Duration::from_millis(10);
        pair.ours.handle_timeout(pair.now);
        pair.theirs.handle_timeout(pair.now);
    }
    pair.channel();
}

#[test]
fn once_our_cookie_is_sent_ours_is_the_association() {
    let mut pair = Pair::new();
    // The client's association gets as far as its COOKIE-ECHO, which is late.
    let init = Pair::packets(&mut pair.theirs, pair.now).remove(0);
    pair.ours.read(pair.now, init[..].into());
    let init_ack = Pair::packets(&mut pair.ours, pair.now).remove(0);
    pair.theirs.read(pair.now, init_ack[..].into());
    let late_cookie = Pair::packets(&mut pair.theirs, pair.now).remove(0);
    assert_eq!(Chunk::first_of(&late_cookie), Some(Chunk::CookieEcho));
    pair.now += Duration::from_millis(1000);
    pair.ours.handle_timeout(pair.now);
    let our_init = Pair::packets(&mut pair.ours, pair.now).remove(0);
    pair.theirs.read(pair.now, our_init[..].into());
    for packet in Pair::packets(&mut pair.theirs, pair.now) {
        if Chunk::first_of(&packet) != Some(Chunk::CookieEcho) {
            pair.ours.read(pair.now, packet[..].into());
        }
    }
    let our_cookie = Pair::packets(&mut pair.ours, pair.now).remove(0);
    assert_eq!(Chunk::first_of(&our_cookie), Some(Chunk::CookieEcho));
    pair.ours.read(pair.now, late_cookie[..].into());
    assert!(!pair.ours.is_up(), "the client's comes too late");
    pair.theirs.read(pair.now, our_cookie[..].into());
    pair.settle();
    assert!(pair.ours.is_up() && pair.theirs.is_up());
    pair.channel();
}

#[test]
fn a_lost_cookie_ack_is_repeated() {
    let mut pair = Pair::new();
    while !pair.ours.is_up() {
        let upwards = Pair::packets(&mut pair.theirs, pair.now);
        upwards.iter().for_each(|packet| pair.ours.read(pair.now, packet[..].into()));
        for packet in Pair::packets(&mut pair.ours, pair.now) {
            if Chunk::first_of(&packet) != Some(Chunk::CookieAck) {
                pair.theirs.read(pair.now, packet[..].into());
            }
        }
    }
    assert!(!pair.theirs.is_up());
    pair.now = pair.ours.poll_timeout().unwrap();
    pair.ours.handle_timeout(pair.now);
    let repeated = Pair::packets(&mut pair.ours, pair.now);
    repeated.iter().for_each(|packet| pair.theirs.read(pair.now, packet[..].into()));
    assert!(pair.theirs.is_up());
    pair.channel();
}

#[test]
fn what_is_sent_is_bounded_in_size_and_in_sum() {
    let mut pair = Pair::connected();
    assert_eq!(pair.ours.send(pair.now, 0, true, b"x"), Err(ChannelError::NotOpen));
    let id = pair.channel();
    assert_eq!(pair.ours.send(pair.now, id, true, &vec![0; MAX_MESSAGE + 1]), Err(ChannelError::TooLarge));
    let fits = SEND_BUFFER / MAX_MESSAGE;
    for _ in 0..fits {
        assert_eq!(pair.ours.send(pair.now, id, true, &vec![b'x'; MAX_MESSAGE]), Ok(()));
    }
    assert_eq!(pair.ours.send(pair.now, id, true, b"x"), Err(ChannelError::Full));
    pair.settle();
    let messages = pair.theirs_received.iter().filter(|event| matches!(event, SctpEvent::Message { .. })).count();
    assert_eq!(messages, fits, "all that was accepted arrives");
    assert_eq!(pair.ours.send(pair.now, id, true, b"x"), Ok(()), "and makes room");
}

#[test]
fn the_clients_own_limit_is_kept() {
    assert_eq!(Sctp::new(false, 1000).largest_message, 1000);
    assert_eq!(Sctp::new(false, 0).largest_message, MAX_MESSAGE);
    assert_eq!(Sctp::new(false, usize::MAX).largest_message, MAX_MESSAGE);
}

#[test]
fn channels_are_bounded_both_ways() {
    let mut pair = Pair::connected();
    for n in 0..MAX_CHANNELS {
        assert!(pair.theirs.open_channel(pair.now, &format!("c{n}"), true, true).is_ok());
    }
    assert_eq!(pair.theirs.open_channel(pair.now, "surplus", true, true), Err(ChannelError::Full));
    // A client without that limit of its own.
    let surplus = (MAX_CHANNELS as u16) * 2;
    let association = &mut pair.theirs.associations[0].1;
    association.open_stream(surplus, PayloadProtocolIdentifier::Unknown).unwrap();
    pair.theirs.channels.push(Channel {
        id: surplus,
        data: DataChannel::dial(DataChannelConfig::default(), 0, surplus).unwrap(),
        open: false,
    });
    pair.theirs.flush_channel(pair.now, surplus);
    pair.settle();
    assert_eq!(pair.ours.channels.len(), MAX_CHANNELS);
    assert!(pair.theirs_received.contains(&SctpEvent::Closed { id: surplus }), "it is told");
    assert_eq!(pair.ours.open_channel(pair.now, "ours", true, true), Err(ChannelError::Full));
}

#[test]
fn a_stream_that_is_no_channel_and_an_unknown_protocol_are_reset() {
    let mut pair = Pair::connected();
    let id = pair.channel();
    for (stream, ppi) in [(40, PayloadProtocolIdentifier::String), (id, PayloadProtocolIdentifier::Unknown)] {
        let association = &mut pair.theirs.associations[0].1;
        let _ = association.open_stream(stream, PayloadProtocolIdentifier::Unknown);
        association.stream(stream).unwrap().write_with_ppi(pair.now, b"junk", ppi).unwrap();
        pair.settle();
    }
    assert_eq!(pair.ours.channels.len(), 0);
    assert!(pair.received.contains(&SctpEvent::Closed { id }));
    assert!(pair.theirs_received.contains(&SctpEvent::Closed { id }));
    assert!(pair.ours.is_up());
}

#[test]
fn closing_a_channel_closes_that_channel() {
    let mut pair = Pair::connected();
    let first = pair.channel();
    let second = pair.ours.open_channel(pair.now, "second", true, true).unwrap();
    pair.settle();
    pair.theirs.close_channel(pair.now, first);
    pair.settle();
    assert!(pair.received.contains(&SctpEvent::Closed { id: first }));
    assert_eq!((pair.ours.channel("chat"), pair.ours.channel("second")), (None, Some(second)));
    assert_eq!(pair.ours.send(pair.now, second, true, b"alive"), Ok(()));
    let id = pair.channel();
    assert_eq!(id, first, "its number is free again");
}

#[test]
fn junk_is_ignored() {
    let mut pair = Pair::connected();
    for len in 0..40 {
        pair.ours.read(pair.now, vec![0xff; len][..].into());
        pair.ours.read(pair.now, vec![0; len][..].into());
    }
    pair.channel();
}

#[test]
fn a_message_without_an_end_ends_the_association() {
    let mut pair = Pair::connected();
    let id = pair.channel();
    // A client that keeps to no window, and whose message never gets its last fragment.
    pair.theirs.send(pair.now, id, true, &[b'x'; 1000]).unwrap();
    let whole = Pair::packets(&mut pair.theirs, pair.now).remove(0);
    let first_tsn = u32::from_be_bytes([whole[16], whole[17], whole[18], whole[19]]);
    let mut taken = 0;
    while taken < 10_000 && !pair.ours.associations.is_empty() {
        let mut packet = whole.clone();
        packet[16..20].copy_from_slice(&first_tsn.wrapping_add(taken).to_be_bytes());
        // The flags: the first fragment, then nothing but middle ones.
        packet[13] = if taken == 0 { 2 } else { 0 };
        checksum(&mut packet);
        taken += 1;
        pair.ours.read(pair.now, packet[..].into());
        Pair::packets(&mut pair.ours, pair.now);
        pair.now += Duration::from_millis(1);
        pair.ours.handle_timeout(pair.now);
    }
    assert!(pair.ours.associations.is_empty(), "still taken after {taken} fragments");
    assert!(taken as usize * 1000 <= RECEIVE_WINDOW as usize + MAX_BEYOND_WINDOW + 10_000, "{taken}");
    assert_eq!(pair.ours.poll_event(), Some(SctpEvent::Closed { id }));
    assert_eq!(pair.ours.send(pair.now, id, true, b"x"), Err(ChannelError::NotOpen));
}

/// SCTP's CRC32c (RFC 9260 appendix A), bit by bit.
fn checksum(packet: &mut [u8]) {
    packet[8..12].fill(0);
    let mut crc = !0u32;
    for byte in &*packet {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (!(crc & 1)).wrapping_add(1));
        }
    }
    packet[8..12].copy_from_slice(&(!crc).to_le_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A client has the keys, so its packets are authentic whatever is in them.
    #[test]
    fn mutated_packets_of_a_client_do_not_panic(
        mutations in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec((12..80usize, any::<u8>()), 1..4)), 1..20),
    ) {
        let mut pair = Pair::connected();
        let id = pair.theirs.open_channel(pair.now, "chat", true, true).unwrap();
        let mut packets = Pair::packets(&mut pair.theirs, pair.now);
        pair.theirs.associations[0].1.stream(id).unwrap().close(pair.now).unwrap();
        packets.extend(Pair::packets(&mut pair.theirs, pair.now));
        for (which, changes) in mutations {
            let mut packet = which.get(&packets).clone();
            for (at, value) in changes {
                if let Some(byte) = packet.get_mut(at) {
                    *byte = value;
                }
            }
            checksum(&mut packet);
            pair.ours.read(pair.now, packet[..].into());
            Pair::packets(&mut pair.ours, pair.now);
            pair.now += Duration::from_millis(500);
            pair.ours.handle_timeout(pair.now);
        }
    }
}
