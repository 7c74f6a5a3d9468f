//! A run second by second, as a table to read or to draw from.

use super::{CAMERA, Room};
use crate::sim::playback::Playback;
use std::fmt::Write;
use std::ops::Range;
use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_secs(1);

/// What happened on the link and on the screen behind it within a step.
struct Row {
    /// Since everybody was connected, to the step's end.
    time_s: f64,
    /// Of the bottleneck at the end; `None` without one.
    link_bps: Option<u64>,
    carried_bps: u64,
    /// What 95 % of the datagrams waited at most.
    queueing_ms: u64,
    queue_drops: usize,
    /// Of each camera in the order of the publishers: its layer as a digit, `-` while paused, `.` before anything is
    /// shown.
    layers: String,
    /// The mean of the cameras.
    frames_per_s: f64,
    /// Of the camera that stood still longest.
    freeze_ms: u64,
    /// From capture to the screen, of 95 % of the frames of the first camera at most.
    delay_ms: u64,
}

fn row(room: &Room, playbacks: &[Playback], window: &Range<Instant>) -> Row {
    let link = room.link();
    let rates = room.world.down(room.subscriber).rates();
    let layer = |playback: &Playback| match playback.layer_at(window.end) {
        _ if playback.pauses.iter().any(|pause| pause.contains(&window.end)) => '-',
        Some(layer) => char::from(b'0' + layer),
        None => '.',
    };
    let captured = &room.world.clients[room.publishers[0]].publisher.known_track(CAMERA).captured;
    let rate = |playback: &Playback| playback.frames_per_s(window);
    Row {
        time_s: (window.end - room.begin).as_secs_f64(),
        link_bps: rates.iter().rev().find(|(from, _)| *from < window.end).and_then(|(_, rate)| *rate),
        carried_bps: link.carried_bytes(window) as u64 * 8 * 1_000 / STEP.as_millis() as u64,
        queueing_ms: link.queueing(window, 0.95).as_millis() as u64,
        queue_drops: link.queue_drops(window),
        layers: playbacks.iter().map(layer).collect(),
        frames_per_s: playbacks.iter().map(rate).sum::<f64>() / playbacks.len() as f64,
        freeze_ms: playbacks.iter().map(|p| p.freeze_time(window).as_millis() as u64).max().unwrap_or(0),
        delay_ms: playbacks[0].delay(window, captured, 0.95).as_millis() as u64,
    }
}

impl Room {
    /// The run so far as comma-separated values.
    pub(super) fn table(&self) -> String {
        let playbacks = self.playbacks();
        let mut table =
            "time_s,link_bps,carried_bps,queueing_ms,queue_drops,layers,frames_per_s,freeze_ms,delay_ms\n".to_owned();
        let mut from = self.begin;
        while from + STEP <= self.world.now {
            let row = row(self, &playbacks, &(from..from + STEP));
            let Row {
                time_s, carried_bps, queueing_ms, queue_drops, layers, frames_per_s, freeze_ms, delay_ms, ..
            } = &row;
            let link_bps = row.link_bps.map(|rate| rate.to_string()).unwrap_or_default();
            write!(table, "{time_s},{link_bps},{carried_bps},{queueing_ms},{queue_drops},{layers},")
                .and_then(|()| writeln!(table, "{frames_per_s:.1},{freeze_ms},{delay_ms}"))
                .expect("a string takes everything");
            from += STEP;
        }
        table
    }

    /// Prints the table where it is asked for.
    #[allow(clippy::print_stdout, reason = "somebody asked for it")]
    pub(super) fn print(&self) {
        if std::env::var_os("PARLOR_QUALITY_TABLE").is_some() {
            let receiver = &self.world.clients[self.subscriber].receiver;
            let (probes, reports) = (receiver.probe_packets, receiver.feedback_messages);
            println!("# {}: {probes} probes, {reports} reports of arrivals\n{}", self.name, self.table());
        }
    }
}

#[test]
fn a_table_has_a_line_for_each_second() {
    let mut room = Room::new("table", crate::sim::network::Quality::limited(5_000_000), 1, 1);
    room.run(Duration::from_millis(3_500));
    let table = room.table();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 4, "{table}");
    let last: Vec<&str> = lines[3].split(',').collect();
    assert_eq!((last[0], last[1], last[5]), ("3", "5000000", "2"), "{table}");
    assert!(last[2].parse::<u64>().is_ok_and(|bps| (1_200_000..2_500_000).contains(&bps)), "{table}");
}
