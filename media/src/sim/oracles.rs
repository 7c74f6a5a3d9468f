//! What must hold of a link and of what a subscriber saw and heard, in a window of time.
//!
//! An oracle measures, and says what it measured when that is not good enough.

use super::network::record::Record;
use super::playback::Playback;
use super::receiver::Stream;
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Fine, or what is wrong.
pub(crate) type Verdict = Result<(), String>;

/// What counts as a queue that is under control.
pub(crate) const SHORT_QUEUE: Duration = Duration::from_millis(100);

fn hold(holds: bool, text: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(text()) }
}

fn bits(bytes: usize) -> f64 {
    bytes as f64 * 8.0
}

/// The share of a link's capacity that was carried.
pub(crate) fn use_of_link(record: &Record, window: &Range<Instant>, rate_bps: u64) -> f64 {
    let capacity = rate_bps as f64 * (window.end - window.start).as_secs_f64();
    bits(record.carried_bytes(window)) / capacity
}

/// At least this share of the link's capacity is used.
pub(crate) fn link_is_used(record: &Record, window: &Range<Instant>, rate_bps: u64, least: f64) -> Verdict {
    let used = use_of_link(record, window, rate_bps);
    hold(used >= least, || format!("only {:.0} % of the link are used", used * 100.0))
}

/// Of the datagrams of the window, 95 % wait no longer than this at the bottleneck, and no more than 2 % find it full.
pub(crate) fn queue_is_short(record: &Record, window: &Range<Instant>, longest: Duration) -> Verdict {
    let queueing = record.queueing(window, 0.95);
    let (drops, sent) = (record.queue_drops(window), record.sent(window).count());
    hold(queueing <= longest && drops * 50 <= sent, || {
        format!("datagrams queue for {} ms, and {drops} of {sent} are dropped", queueing.as_millis())
    })
}

/// How long after a step down the first second begins in which the queue is short, as [`queue_is_short`] has it, and no
/// more than a tenth over the link's rate is sent; the window's length if there is none.
pub(crate) fn settling(record: &Record, window: &Range<Instant>, rate_bps: u64) -> Duration {
    let settled = |second: &Range<Instant>| {
        let sent: usize = record.sent(second).map(|passage| passage.len).sum();
        queue_is_short(record, second, SHORT_QUEUE).is_ok() && bits(sent) <= rate_bps as f64 * 1.1
    };
    seconds_of(window).find(settled).map_or(window.end, |second| second.start) - window.start
}

/// All seconds of the window, in steps of a tenth.
fn seconds_of(window: &Range<Instant>) -> impl Iterator<Item = Range<Instant>> {
    let second = Duration::from_secs(1);
    let (start, end) = (window.start, window.end);
    let begins = (0..).map(move |tenth| start + second / 10 * tenth);
    begins.map(move |at| at..at + second).take_while(move |span| span.end <= end)
}

/// It settles in time.
pub(crate) fn settles(record: &Record, window: &Range<Instant>, rate_bps: u64, within: Duration) -> Verdict {
    let settling = settling(record, window, rate_bps);
    hold(settling <= within, || format!("it takes {} ms to settle", settling.as_millis()))
}

/// How long after a step up the link carries this share of its rate for a second; `None` if it does not in the window.
pub(crate) fn filling(record: &Record, window: &Range<Instant>, rate_bps: u64, share: f64) -> Option<Duration> {
    let mut seconds = seconds_of(window);
    let filled = seconds.find(|second| use_of_link(record, second, rate_bps) >= share);
    filled.map(|second| second.end - window.start)
}

/// It is filled in time.
pub(crate) fn fills(record: &Record, window: &Range<Instant>, rate_bps: u64, share: f64, within: Duration) -> Verdict {
    let filling = filling(record, window, rate_bps, share);
    hold(filling.is_some_and(|time| time <= within), || match filling {
        Some(time) => format!("it takes {} ms to fill the link", time.as_millis()),
        None => format!("{:.0} % of the link are never used", share * 100.0),
    })
}

/// The beginnings of spans of `longest` in which more than `factor` of the link's rate was sent to it.
fn excesses(record: &Record, window: &Range<Instant>, rate_bps: u64, factor: f64, longest: Duration) -> Vec<Instant> {
    let mut sent: Vec<(Instant, usize)> = record.sent(window).map(|passage| (passage.sent, passage.len)).collect();
    sent.sort_unstable();
    let most = rate_bps as f64 * factor * longest.as_secs_f64();
    let (mut end, mut bytes) = (0, 0);
    let mut found = Vec::new();
    for (from, len) in &sent {
        while let Some((_, len)) = sent.get(end).filter(|(at, _)| *at < *from + longest) {
            bytes += len;
            end += 1;
        }
        if bits(bytes) > most {
            found.push(*from);
        }
        bytes -= len;
    }
    found
}

/// The server sends no more than `factor` of the link's rate for longer than `longest`.
pub(crate) fn budget_is_kept(
    record: &Record,
    window: &Range<Instant>,
    rate_bps: u64,
    factor: f64,
    longest: Duration,
) -> Verdict {
    let found = excesses(record, window, rate_bps, factor, longest);
    hold(found.is_empty(), || {
        let first = found[0] - window.start;
        format!("{} times more than {factor} of the link's rate is sent, first after {first:?}", found.len())
    })
}

/// The picture stands still for no more than this share of the window.
pub(crate) fn picture_moves(playback: &Playback, window: &Range<Instant>, most: f64) -> Verdict {
    let frozen = playback.freeze_time(window);
    let share = frozen.as_secs_f64() / (window.end - window.start).as_secs_f64();
    hold(share <= most, || format!("the picture stands still for {:.1} % of the time", share * 100.0))
}

/// At least so many frames a second are shown.
pub(crate) fn picture_is_fluid(playback: &Playback, window: &Range<Instant>, least_per_s: f64) -> Verdict {
    let rate = playback.frames_per_s(window);
    hold(rate >= least_per_s, || format!("{rate:.1} frames a second are shown"))
}

/// The picture is not paused at any time.
pub(crate) fn is_never_paused(playback: &Playback, window: &Range<Instant>) -> Verdict {
    let paused = playback.paused(window);
    hold(paused.is_zero(), || format!("the picture is paused for {} ms", paused.as_millis()))
}

/// Layers change no more often than so many times a minute.
pub(crate) fn layers_are_steady(playback: &Playback, window: &Range<Instant>, most_per_minute: f64) -> Verdict {
    let rate = playback.switches(window).len() as f64 * 60.0 / (window.end - window.start).as_secs_f64();
    hold(rate <= most_per_minute, || format!("layers change {rate:.1} times a minute"))
}

/// Nothing but this layer is shown.
pub(crate) fn layer_is_kept(playback: &Playback, window: &Range<Instant>, layer: u8) -> Verdict {
    let layers = playback.layers(window);
    hold(layers == [layer], || format!("layers {layers:?} are shown"))
}

/// Nothing lower than this layer is shown.
pub(crate) fn layer_is_at_least(playback: &Playback, window: &Range<Instant>, layer: u8) -> Verdict {
    let layers = playback.layers(window);
    hold(!layers.is_empty() && layers.iter().all(|shown| *shown >= layer), || format!("layers {layers:?} are shown"))
}

/// The layer is on the screen in time, and stays to the end of the window.
pub(crate) fn layer_is_back(playback: &Playback, window: &Range<Instant>, layer: u8, within: Duration) -> Verdict {
    layer_is_kept(playback, &(window.start + within..window.end), layer)
}

/// No layer switch makes the picture stand still for longer than this.
pub(crate) fn switches_are_smooth(playback: &Playback, window: &Range<Instant>, longest: Duration) -> Verdict {
    let switches = playback.switches(window);
    let freezes = playback.freezes(window);
    let mut at_switch = freezes.iter().filter(|freeze| switches.contains(&freeze.to));
    let found = at_switch.find(|freeze| freeze.length > longest);
    hold(found.is_none(), || format!("a switch took {} ms", found.map_or(0, |freeze| freeze.length.as_millis())))
}

/// The share of a publisher's sound that arrived at all, by itself or as a copy, of what it sent from the first to the last packet that
/// came in the window.
pub(crate) fn share_of_sound(stream: &Stream, window: &Range<Instant>) -> f64 {
    let arrived = stream.packets.values().filter(|packet| window.contains(&packet.at));
    let (first, last) = arrived
        .fold((u32::MAX, 0), |(first, last), packet| (first.min(packet.content.frame), last.max(packet.content.frame)));
    if first > last {
        return 0.0;
    }
    let span = first..=last;
    let count = stream.frames_of_sound().filter(|frame| span.contains(frame)).collect::<BTreeSet<u32>>().len();
    count as f64 / f64::from(last - first + 1)
}

/// The longest time in the window in which no sound came.
pub(crate) fn longest_silence(stream: &Stream, window: &Range<Instant>) -> Duration {
    let mut times: Vec<Instant> = stream.packets.values().map(|p| p.at).filter(|at| window.contains(at)).collect();
    times.extend([window.start, window.end]);
    times.sort_unstable();
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

/// At least this share of the sound arrives, and it is never away for longer.
pub(crate) fn sound_arrives(stream: &Stream, window: &Range<Instant>, least: f64, longest: Duration) -> Verdict {
    let (share, silence) = (share_of_sound(stream, window), longest_silence(stream, window));
    hold(share >= least && silence <= longest, || {
        format!("{:.2} % of the sound arrive, and none for {} ms", share * 100.0, silence.as_millis())
    })
}

/// Nothing of a line's track arrives in the window, in which the subscriber has hidden it.
pub(crate) fn nothing_arrives(stream: &Stream, window: &Range<Instant>) -> Verdict {
    let count = stream.packets.values().filter(|packet| window.contains(&packet.at)).count();
    hold(count == 0, || format!("{count} packets of a hidden track arrive"))
}

#[cfg(test)]
mod tests;
