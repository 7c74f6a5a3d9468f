//! What the server's process cost while everybody was there: processor time per forwarded packet, and memory per participant.
//!
//! Both are differences between two looks, so what the server cost before does not count. Time is the kernel's where the
//! process is on this machine, else what the server says. Packets are those that arrived: the same for every kind of
//! server, and exact, while a server's own counters may be a second old. Where its count is much higher, somebody else is
//! there, or packets were lost.

use super::{Rates, ServerProcess, round};
use crate::watch::{Look, Looks};
use serde::Serialize;
use std::time::Duration;

/// The server's costs. What could not be known is left out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Costs {
    /// The process, where it is on this machine.
    pub pid: Option<u32>,
    /// Its name.
    pub process: Option<String>,
    /// Where the processor time comes from.
    pub cpu_from: Option<Source>,
    /// Processors in use over the steady part: 1.0 is one, all the time.
    pub cpu_cores: Option<f64>,
    /// Where the count of forwarded packets comes from.
    pub packets_from: Option<Source>,
    /// RTP packets forwarded in a second of the steady part.
    pub packets_per_second: Option<f64>,
    /// The same by the server's own count, which may be a second old at both ends.
    pub own_packets_per_second: Option<f64>,
    /// Processor time for each of them, in microseconds. Receiving, timers, RTCP and joins, if any, are in it.
    pub cpu_us_per_packet: Option<f64>,
    /// What the same packets took at the least on this machine, in microseconds each ([`crate::floor`]), where that was measured.
    pub floor_us_per_packet: Option<f64>,
    /// What participants take.
    pub memory: Option<Memory>,
    /// Why something is not known, for people.
    pub unknown: Option<String>,
}

/// Memory, by the process's resident size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Memory {
    /// Where it comes from.
    pub from: Source,
    /// Before the first participant came.
    pub before_bytes: u64,
    /// When all had come, or at the end of the steady part if that is more.
    pub with_participants_bytes: u64,
    /// How many there were.
    pub participants: u64,
    /// The difference for each.
    pub bytes_per_participant: u64,
}

/// Where a number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// `/proc` and the kernel's clocks, of a process on this machine.
    Proc,
    /// The server's `/metrics`.
    Metrics,
    /// What the tester's clients received.
    Received,
}

/// A server's own count that is higher by more than this part counts packets of others, or such as were lost.
const FOREIGN: f64 = 0.25;

impl Costs {
    /// Whether the server sent many more packets than arrived here.
    pub(super) fn sends_more_than_arrives(&self) -> bool {
        self.own_packets_per_second
            .zip(self.packets_per_second)
            .is_some_and(|(own, arrived)| own > arrived * (1.0 + FOREIGN))
    }

    pub(super) fn of(looks: &Looks, rates: Option<Rates>, process: ServerProcess) -> Self {
        let ServerProcess { pid, name, unknown, floor } = process;
        let floor_us_per_packet = floor.map(round);
        let mut costs =
            Self { pid, process: name, unknown, floor_us_per_packet, memory: memory(looks), ..Self::default() };
        let Some((from, until)) = looks.steady_from.zip(looks.steady_until) else { return costs };
        let window = until.at.saturating_duration_since(from.at).as_secs_f64();
        if window <= 0.0 {
            return costs;
        }
        let cpu = cpu(&from, &until).map(|(time, source)| (time.as_secs_f64() / window, source));
        let own = packets(&from, &until).map(|packets| packets as f64 / window);
        let arrived = rates.map(|rates| (rates.packets, Source::Received));
        let packets = arrived.or(own.map(|own| (own, Source::Metrics))).filter(|(packets, _)| *packets > 0.0);
        costs.cpu_cores = cpu.map(|(cores, _)| round(cores));
        costs.cpu_from = cpu.map(|(_, source)| source);
        costs.packets_per_second = packets.map(|(packets, _)| round(packets));
        costs.own_packets_per_second = own.map(round);
        costs.packets_from = packets.map(|(_, source)| source);
        costs.cpu_us_per_packet = cpu.zip(packets).map(|((cores, _), (packets, _))| round(cores * 1e6 / packets));
        costs
    }
}

/// The processor time between two looks.
fn cpu(from: &Look, until: &Look) -> Option<(Duration, Source)> {
    let process = from.process.zip(until.process).and_then(|(from, until)| until.cpu.checked_sub(from.cpu));
    let metrics = || from.metrics.zip(until.metrics).and_then(|(from, until)| until.cpu.checked_sub(from.cpu));
    process.map(|time| (time, Source::Proc)).or_else(|| metrics().map(|time| (time, Source::Metrics)))
}

/// The packets that the server sent between two looks, by its own count.
fn packets(from: &Look, until: &Look) -> Option<u64> {
    let (from, until) = from.metrics.zip(until.metrics)?;
    until.packets_out.checked_sub(from.packets_out)
}

fn memory(looks: &Looks) -> Option<Memory> {
    let (before, steady) = looks.before.zip(looks.steady_from)?;
    let process = |look: Look| look.process.map(|process| process.resident_bytes);
    let metrics = |look: Look| look.metrics.map(|metrics| metrics.resident_bytes);
    let most = |of: fn(Look) -> Option<u64>| of(steady).max(looks.steady_until.and_then(of));
    let (from, before_bytes, with_participants_bytes) = process(before)
        .zip(most(process))
        .map(|(before, most)| (Source::Proc, before, most))
        .or_else(|| metrics(before).zip(most(metrics)).map(|(before, most)| (Source::Metrics, before, most)))?;
    let participants = steady.connected;
    let bytes_per_participant = with_participants_bytes.saturating_sub(before_bytes).checked_div(participants)?;
    Some(Memory { from, before_bytes, with_participants_bytes, participants, bytes_per_participant })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::metrics::Reading;
    use crate::watch::process::Usage;
    use std::time::Instant;

    fn reading(cpu_ms: u64, packets_out: u64) -> Reading {
        Reading { cpu: Duration::from_millis(cpu_ms), resident_bytes: 50, packets_out }
    }

    fn look(at: Instant, cpu_ms: u64, resident_bytes: u64, metrics: Option<Reading>) -> Option<Look> {
        let process = Some(Usage { cpu: Duration::from_millis(cpu_ms), resident_bytes });
        Some(Look { at, process, metrics, tester: None, machine: None, connected: 10 })
    }

    fn looks(metrics: [Option<Reading>; 2]) -> Looks {
        let start = Instant::now();
        Looks {
            before: look(start, 0, 1_000, None),
            steady_from: look(start, 500, 11_000, metrics[0]),
            steady_until: look(start + Duration::from_secs(10), 1_500, 12_000, metrics[1]),
        }
    }

    #[test]
    fn the_kernels_time_and_what_arrived_are_preferred() {
        let looks = looks([Some(reading(0, 5)), Some(reading(9_000, 900_005))]);
        let costs = Costs::of(&looks, Some(Rates { packets: 100_000.0, bytes: 7.0 }), ServerProcess::default());
        assert_eq!((costs.cpu_from, costs.packets_from), (Some(Source::Proc), Some(Source::Received)));
        assert_eq!(costs.own_packets_per_second, Some(90_000.0));
        assert_eq!(
            (costs.cpu_cores, costs.packets_per_second, costs.cpu_us_per_packet),
            (Some(0.1), Some(100_000.0), Some(1.0))
        );
        let memory = costs.memory.unwrap();
        assert_eq!((memory.bytes_per_participant, memory.participants, memory.from), (1_100, 10, Source::Proc));
    }

    #[test]
    fn a_steady_part_without_a_whole_window_is_measured_by_the_servers_count() {
        let costs = Costs::of(&looks([Some(reading(0, 0)), Some(reading(0, 100_000))]), None, ServerProcess::default());
        assert_eq!((costs.packets_from, costs.cpu_us_per_packet), (Some(Source::Metrics), Some(10.0)));
    }

    #[test]
    fn a_server_elsewhere_is_measured_by_what_it_says() {
        let mut looks = looks([Some(reading(0, 0)), Some(reading(2_000, 1_000_000))]);
        for look in [&mut looks.before, &mut looks.steady_from, &mut looks.steady_until] {
            look.as_mut().unwrap().process = None;
        }
        let costs = Costs::of(&looks, None, ServerProcess::default());
        assert_eq!((costs.cpu_from, costs.cpu_us_per_packet, costs.memory), (Some(Source::Metrics), Some(2.0), None));
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let costs = Costs::of(&Looks::default(), None, ServerProcess::default());
        assert_eq!((costs.cpu_us_per_packet, costs.packets_per_second, costs.memory), (None, None, None));
        // A server that was started anew in between counts from 0.
        let restarted = looks([Some(reading(0, 5)), Some(reading(0, 4))]);
        assert_eq!(Costs::of(&restarted, None, ServerProcess::default()).packets_per_second, None);
    }
}
