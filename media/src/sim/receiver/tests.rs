use super::*;
use crate::feedback::rtcp::{Feedback, parse};
use crate::feedback::test_start;
use crate::sim::content::encoded_payload;
use crate::sim::publisher::{Place, VP8, VP8_RTX, packet};

const SSRC: u32 = 10;
const RTX_SSRC: u32 = 11;
const TRANSPORT_CC_ID: u8 = 3;

fn receiver() -> Receiver {
    let mut receiver = Receiver { watches: true, ..Receiver::default() };
    receiver.learn("1", true, SSRC, Some(RTX_SSRC));
    receiver.set_ids("1", Some(TRANSPORT_CC_ID), None);
    receiver
}

fn payload(frame: u32) -> Vec<u8> {
    let content = Content { frame, ..Content::FIRST };
    encoded_payload(frame as u16, frame as u8, Place { layer: 0, is_sync: false, refers: 0 }, (320, 180), &content, 200)
}

/// A packet under these numbers, its own and the transport's.
fn numbered(payload_type: u8, ssrc: u32, numbers: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let transport = numbers[1].to_be_bytes();
    let mut packet = packet(payload_type, true, 3_000, ssrc, &[(TRANSPORT_CC_ID, &transport)], payload);
    packet[2..4].copy_from_slice(&numbers[0].to_be_bytes());
    packet
}

fn retransmission(of: u16, numbers: [u16; 2], frame: u32) -> Vec<u8> {
    numbered(VP8_RTX, RTX_SSRC, numbers, &[&of.to_be_bytes()[..], &payload(frame)].concat())
}

#[test]
fn what_is_of_no_use_is_a_probe() {
    let (mut receiver, now) = (receiver(), test_start());
    assert!(receiver.on_rtp(now, &numbered(VP8, SSRC, [100, 1], &payload(0))).is_some());
    let empty = numbered(VP8_RTX, RTX_SSRC, [7, 2], &[]);
    assert_eq!(receiver.on_rtp(now, &empty), None);
    let mut padding = numbered(VP8_RTX, RTX_SSRC, [8, 3], &[0; 200]);
    padding[0] |= 0x20;
    *padding.last_mut().expect("padding") = 200;
    assert_eq!(receiver.on_rtp(now, &padding), None);
    assert_eq!(receiver.on_rtp(now, &retransmission(100, [9, 4], 0)), None, "it is here already");
    assert_eq!(receiver.probe_packets, 3);
    assert!(receiver.on_rtp(now, &retransmission(101, [10, 5], 1)).is_some());
    let stream = receiver.stream("1");
    assert_eq!((receiver.probe_packets, stream.repaired, stream.packets.len()), (3, 1, 2));
}

#[test]
fn everything_that_arrives_is_reported_once() {
    let (mut receiver, now) = (receiver(), test_start());
    let reports = |receiver: &mut Receiver, now| {
        let messages = receiver.transport_feedback(now);
        let read = |message: &Vec<u8>| match parse(message).next() {
            // Base sequence number and count of packets.
            Some(Feedback::TransportCc(raw)) => [12, 14].map(|at| u16::from_be_bytes([raw[at], raw[at + 1]])),
            other => panic!("{other:?}"),
        };
        messages.iter().map(read).collect::<Vec<_>>()
    };
    assert_eq!(receiver.next_feedback, None);
    receiver.on_rtp(now, &numbered(VP8, SSRC, [100, 65_534], &payload(0)));
    assert_eq!(receiver.next_feedback, Some(now + FEEDBACK_INTERVAL));
    receiver.on_rtp(now, &numbered(VP8_RTX, RTX_SSRC, [7, 65_535], &[]));
    receiver.on_rtp(now, &numbered(VP8, SSRC, [101, 1], &payload(1)));
    assert_eq!(reports(&mut receiver, now), [[65_534, 4]], "one of them is lost");
    assert_eq!((receiver.next_feedback, receiver.feedback_messages), (None, 1));
    assert_eq!(reports(&mut receiver, now), [[0; 2]; 0]);
}

#[test]
fn requests_follow_the_round_trip() {
    let (mut receiver, start) = (receiver(), test_start());
    receiver.on_rtp(start, &numbered(VP8, SSRC, [100, 1], &payload(0)));
    receiver.streams[0].asked.insert(101, (start, true));
    receiver.on_rtp(start + Duration::from_millis(300), &retransmission(101, [7, 2], 1));
    assert_eq!(receiver.rtt, Some(Duration::from_millis(300)));
    receiver.streams[0].asked.insert(102, (start, true));
    receiver.on_rtp(start + Duration::from_millis(60), &retransmission(102, [8, 3], 2));
    assert_eq!(receiver.rtt, Some(Duration::from_millis(270)));
}
