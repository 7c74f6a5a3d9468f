//! Counts what the light path allocates per packet: nothing.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use bytes::BytesMut;
use parlor_loadtest::light::intake::Intake;
use parlor_loadtest::net::{self, Receiver, Sender};
use parlor_loadtest::tally::{Measures, Window};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is left to the system's allocator; the counter is a constant-initialised thread local without a
// destructor, whose use allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROUNDS: u16 = 200;
const BURST: u16 = 8;

/// Packets of three streams as a server sends them, with transport-wide sequence numbers.
fn burst(to: SocketAddr, round: u16) -> Vec<(SocketAddr, BytesMut)> {
    let packet = |index: u16| {
        let sequence = (round * BURST + index).to_be_bytes();
        let mut packet = BytesMut::zeroed(1_000);
        packet[..4].copy_from_slice(&[0x90, 96, sequence[0], sequence[1]]);
        packet[11] = round as u8 % 3;
        packet[12..20].copy_from_slice(&[0xbe, 0xde, 0, 1, 0x31, sequence[0], sequence[1], 0]);
        (to, packet)
    };
    (0..BURST).map(packet).collect()
}

#[test]
fn a_received_packet_allocates_nothing() {
    let loopback = Ipv4Addr::LOCALHOST.into();
    let (socket, server) = (net::open(loopback).unwrap(), net::open(loopback).unwrap());
    let to = (Ipv4Addr::LOCALHOST, socket.local_addr().unwrap().port()).into();
    let (mut receiver, mut sender, mut intake) = (Receiver::new(), Sender::default(), Intake::default());
    intake.numbers.learn(
        "m=video\na=rtpmap:96 VP8/90000\n\
         a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\n",
    );
    let (mut tally, mut window) = (Measures::default(), Window::default());
    let mut allocations = 0;
    for round in 0..ROUNDS {
        sender.flush(&server, &mut burst(to, round), |_| panic!("loopback takes all"));
        let before = ALLOCATIONS.with(Cell::get);
        let expected = u64::from(round + 1) * u64::from(BURST);
        while tally.video.packets < expected {
            receiver.receive(&socket).unwrap();
            for datagram in receiver.messages().flat_map(|message| message.datagrams()) {
                intake.take(1_000, datagram, 1, &mut tally, &mut window).unwrap();
            }
        }
        // The first rounds make streams and lists as large as they need to be.
        if round >= ROUNDS / 2 {
            allocations += ALLOCATIONS.with(Cell::get) - before;
        }
        if round % 10 == 0 {
            intake.arrivals.drain(1, 2, |_| ());
        }
    }
    assert_eq!(tally.video.packets, u64::from(ROUNDS) * u64::from(BURST));
    assert_eq!(allocations, 0);
}
