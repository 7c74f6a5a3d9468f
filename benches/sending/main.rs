//! What the ways of sending cost, and those of receiving: the same datagrams to each of thirty destinations, by every system call that could do it.
//!
//! Printed is the CPU time of this thread for a message to one destination, and for a datagram in it. All ways take turns.
//! On loopback the kernel's receiving side runs within the send. With `SENDING_TO` and `SENDING_FROM`, an address and this
//! host's own on the way there, the datagrams leave by that route instead and nobody receives them.

#![allow(clippy::expect_used, reason = "a failed expectation is a failed benchmark")]
#![allow(clippy::print_stdout, reason = "the results of the benchmark")]

#[cfg(target_os = "linux")]
mod cpu;
#[cfg(target_os = "linux")]
mod list;
#[cfg(target_os = "linux")]
mod message;
#[cfg(target_os = "linux")]
mod receivers;
#[cfg(target_os = "linux")]
mod receiving;
#[cfg(target_os = "linux")]
mod ring;
#[cfg(target_os = "linux")]
mod ways;

/// Turns of each way, and before them some that do not count.
#[cfg(target_os = "linux")]
const TURNS: usize = 2_000;
#[cfg(target_os = "linux")]
const WARM_UP: usize = 100;

/// As many destinations as the other benchmarks have subscribers.
#[cfg(target_os = "linux")]
const DESTINATIONS: usize = 30;

#[cfg(target_os = "linux")]
fn main() {
    use std::net::{Ipv4Addr, SocketAddr};

    let address = |name: &str| std::env::var(name).ok().map(|text| text.parse::<Ipv4Addr>().expect("an IPv4 address"));
    let (elsewhere, source) = (address("SENDING_TO"), address("SENDING_FROM").unwrap_or(Ipv4Addr::LOCALHOST));
    let mut receivers = receivers::Receivers::new(if elsewhere.is_some() { 0 } else { DESTINATIONS });
    let to: Vec<SocketAddr> = match elsewhere {
        Some(ip) => (0..DESTINATIONS as u16).map(|number| (ip, 20_000 + number).into()).collect(),
        None => receivers.addresses(),
    };
    let mut candidates = list::candidates(&to, source);
    let mut samples = vec![Vec::with_capacity(TURNS); candidates.len()];
    for turn in 0..WARM_UP + TURNS {
        for (candidate, samples) in candidates.iter_mut().zip(&mut samples) {
            let took = cpu::time(&mut candidate.way);
            receivers.drain();
            if turn >= WARM_UP {
                samples.push(took.as_nanos() as f64 / DESTINATIONS as f64);
            }
        }
    }
    println!("| to each of {DESTINATIONS} destinations | ns a message | ns a datagram |\n|---|---|---|");
    for (candidate, samples) in candidates.iter().zip(&mut samples) {
        let [low, median, high] = cpu::spread(samples);
        let datagram = median / candidate.datagrams as f64;
        println!("| {} | {median:.0} [{low:.0}–{high:.0}] | {datagram:.0} |", candidate.name);
    }
    receiving::compare();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the ways of sending are Linux's");
}
