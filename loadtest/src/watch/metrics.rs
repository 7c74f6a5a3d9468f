//! What a Parlor server tells of itself at `/metrics`, as far as a report needs it: the counters of docs/metrics.md by their names.

use std::time::Duration;

/// More than a server of a thousand rooms says, 46 kB, many times over; more is not read.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// One reading of a server's metrics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// `process_cpu_seconds_total`.
    pub cpu: Duration,
    /// `process_resident_memory_bytes`.
    pub resident_bytes: u64,
    /// `parlor_rtp_packets_total{direction="out"}`: RTP packets sent to subscribers, retransmissions included.
    pub packets_out: u64,
}

impl Reading {
    /// Reads the text format; `None` unless it has the process's time and memory, and the engine's packets.
    pub fn parse(text: &str) -> Option<Self> {
        let cpu = sum(text, "process_cpu_seconds_total", "")?;
        let resident_bytes = sum(text, "process_resident_memory_bytes", "")?;
        Some(Self {
            cpu: seconds(cpu)?,
            resident_bytes: count(resident_bytes),
            packets_out: count(sum(text, "parlor_rtp_packets_total", r#"direction="out""#)?),
        })
    }
}

/// The sum of a family's samples whose labels contain `label`; `None` without any.
fn sum(text: &str, family: &str, label: &str) -> Option<f64> {
    let value = |line: &str| {
        let rest = line.strip_prefix(family)?;
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => rest.rsplit_once("} ")?,
            None => ("", rest.strip_prefix(' ')?),
        };
        if label.is_empty() || labels.split(',').any(|one| one == label) {
            value.trim().parse::<f64>().ok()
        } else {
            None
        }
    };
    text.lines().filter_map(value).fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

fn seconds(value: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(value).ok()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of floats saturates")]
fn count(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# HELP process_cpu_seconds_total Time of processors, in user and system mode.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 12.5
process_resident_memory_bytes 33554432
parlor_participants 7
parlor_participants_detached 3
parlor_shards 2
parlor_rtp_packets_total{direction="in",kind="audio"} 10
parlor_rtp_packets_total{direction="in",kind="video"} 20
parlor_rtp_packets_total{direction="out",kind="audio"} 300
parlor_rtp_packets_total{direction="out",kind="video"} 4000
parlor_shard_busy_seconds_total{shard="0"} 1.5
parlor_shard_busy_seconds_total{shard="1"} 2
"#;

    #[test]
    fn counters_are_summed_over_their_labels() {
        let expected =
            Reading { cpu: Duration::from_millis(12_500), resident_bytes: 32 * 1024 * 1024, packets_out: 4300 };
        assert_eq!(Reading::parse(TEXT), Some(expected));
    }

    #[test]
    fn what_is_no_server_of_parlor_is_none() {
        assert_eq!(Reading::parse(""), None);
        assert_eq!(Reading::parse("process_cpu_seconds_total 1\nprocess_resident_memory_bytes 1\n"), None);
        assert_eq!(Reading::parse(&TEXT.replace("12.5", "NaN")), None);
        assert_eq!(Reading::parse(&TEXT.replace("12.5", "-1")), None);
    }
}
