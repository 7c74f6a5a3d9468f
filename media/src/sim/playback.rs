//! What a viewer sees of the frames that a decoder has made: when each is shown, when the picture stands still, how
//! good it is.

use super::receiver::{Decoded, JitterBuffer};
use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Intervals that a mean is taken of, and from how many on there are freezes
/// (`kAvgInterframeDelaysWindowSizeFrames` and `kMinFrameSamplesToDetectFreeze` in libwebrtc's
/// `video_quality_observer2.cc`).
const MEAN_OF: usize = 30;
const LEAST_INTERVALS: usize = 5;

/// How much longer than the mean a freeze is at least (`kMinIncreaseForFreeze`).
const FREEZE_INCREASE: Duration = Duration::from_millis(150);

/// This is a freeze however few frames came before or how far apart, other than libwebrtc has it.
const STANDSTILL: Duration = Duration::from_secs(1);

/// A frame on the screen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) at: Instant,
    /// Number of the frame at its publisher.
    pub(crate) frame: u32,
    /// Which of the publisher's encodings it is of.
    pub(crate) layer: u8,
}

/// When the picture stood still. Pauses that the server told of are not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Freeze {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
    /// Without pauses.
    pub(crate) length: Duration,
}

/// See the module's text. Windows exclude their end.
pub(crate) struct Playback {
    pub(crate) shown: Vec<Shown>,
    /// When the server had told that it sends nothing.
    pub(crate) pauses: Vec<Range<Instant>>,
}

impl Playback {
    pub(crate) fn new(decoded: &[Decoded], pauses: Vec<Range<Instant>>) -> Self {
        Self { shown: show(decoded), pauses }
    }

    fn within(&self, window: &Range<Instant>) -> &[Shown] {
        let at = |time| self.shown.partition_point(|shown| shown.at < time);
        &self.shown[at(window.start)..at(window.end).max(at(window.start))]
    }

    /// Frames shown a second.
    pub(crate) fn frames_per_s(&self, window: &Range<Instant>) -> f64 {
        self.within(window).len() as f64 / (window.end - window.start).as_secs_f64()
    }

    /// The encoding that is on the screen.
    pub(crate) fn layer_at(&self, time: Instant) -> Option<u8> {
        let shown = self.shown.partition_point(|shown| shown.at <= time);
        self.shown[..shown].last().map(|shown| shown.layer)
    }

    /// The encodings shown in the window, each as often as the picture changed to it.
    pub(crate) fn layers(&self, window: &Range<Instant>) -> Vec<u8> {
        let mut layers: Vec<u8> = self.layer_at(window.start).into_iter().collect();
        layers.extend(self.within(window).iter().map(|shown| shown.layer));
        layers.dedup();
        layers
    }

    /// The first frame of each encoding that the picture changed to in the window.
    pub(crate) fn switches(&self, window: &Range<Instant>) -> Vec<Instant> {
        let pairs = self.shown.windows(2).filter(|pair| pair[0].layer != pair[1].layer && window.contains(&pair[1].at));
        pairs.map(|pair| pair[1].at).collect()
    }

    /// The share of the frames shown in the window were no older than this since they were captured, at these times by
    /// number.
    pub(crate) fn delay(&self, window: &Range<Instant>, captured: &[Instant], share: f64) -> Duration {
        let age = |shown: &Shown| Some(shown.at - *captured.get(shown.frame as usize)?);
        let mut ages: Vec<Duration> = self.within(window).iter().filter_map(age).collect();
        ages.sort_unstable();
        let index = (ages.len() as f64 * share).ceil() as usize;
        ages.get(index.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// How much of the window was paused.
    pub(crate) fn paused(&self, window: &Range<Instant>) -> Duration {
        self.pauses.iter().map(|pause| overlap(pause, window)).sum()
    }

    /// Freezes as libwebrtc counts them: intervals longer than three times the mean of the last thirty, and than the
    /// mean and 150 ms. Before the first frame, and behind the last one, the picture stands still, too.
    pub(crate) fn freezes(&self, window: &Range<Instant>) -> Vec<Freeze> {
        let mut freezes = Vec::new();
        let mut intervals: VecDeque<Duration> = VecDeque::new();
        let mut before: Option<Instant> = None;
        for at in self.shown.iter().map(|shown| shown.at).chain([window.end]) {
            let Some(from) = before.replace(at).or((at > window.start).then_some(window.start)) else { continue };
            if from >= window.end {
                break;
            }
            let paused: Duration = self.pauses.iter().map(|pause| overlap(pause, &(from..at))).sum();
            let length = (at - from).saturating_sub(paused);
            let mean = intervals.iter().sum::<Duration>() / intervals.len().max(1) as u32;
            let enough = intervals.len() >= LEAST_INTERVALS || from == window.start || at == window.end;
            let is_long = enough && length >= (mean * 3).max(mean + FREEZE_INCREASE);
            if at > window.start && (is_long || length >= STANDSTILL) {
                freezes.push(Freeze { from, to: at, length });
            }
            if paused.is_zero() {
                intervals.push_back(length);
                if intervals.len() > MEAN_OF {
                    intervals.pop_front();
                }
            }
        }
        freezes
    }

    /// The time in the window in which the picture stood still.
    pub(crate) fn freeze_time(&self, window: &Range<Instant>) -> Duration {
        let inside = |freeze: &Freeze| {
            let clipped = freeze.from.max(window.start)..freeze.to.min(window.end);
            let paused: Duration = self.pauses.iter().map(|pause| overlap(pause, &clipped)).sum();
            (clipped.end - clipped.start).saturating_sub(paused)
        };
        self.freezes(window).iter().map(inside).sum()
    }
}

fn overlap(a: &Range<Instant>, b: &Range<Instant>) -> Duration {
    a.end.min(b.end).saturating_duration_since(a.start.max(b.start))
}

/// Applies the jitter buffer's rule. Who needs more is shown when it is decoded.
fn show(decoded: &[Decoded]) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::with_capacity(decoded.len());
    let mut buffer = JitterBuffer::default();
    for frame in decoded {
        let at = frame.at + buffer.add(frame.at, frame.timestamp);
        let at = shown.last().map_or(at, |last| last.at.max(at));
        shown.push(Shown { at, frame: frame.content.frame, layer: frame.content.layer });
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::test_start;
    use crate::sim::content::Content;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Frames of 50 a second, decoded at these times of theirs in milliseconds.
    fn decoded(start: Instant, times: &[u64]) -> Vec<Decoded> {
        let content = Content { key: false, refers: 1, ..Content::FIRST };
        let frame = |(number, at): (usize, &u64)| Decoded {
            content: Content { frame: number as u32, ..content },
            timestamp: (number as u32).wrapping_mul(1_800).wrapping_sub(5_000),
            at: start + ms(*at),
        };
        times.iter().enumerate().map(frame).collect()
    }

    fn even(count: u64) -> Vec<u64> {
        (0..count).map(|number| number * 20).collect()
    }

    #[test]
    fn jitter_is_smoothed_once_it_is_known() {
        let start = test_start();
        let times: Vec<u64> = (0..100).map(|number| number * 20 + if number % 7 == 0 { 60 } else { 0 }).collect();
        let mut times = times;
        // A decoder keeps the order.
        (1..100).for_each(|at| times[at] = times[at].max(times[at - 1]));
        let playback = Playback::new(&decoded(start, &times), Vec::new());
        let steps: Vec<Duration> = playback.shown.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
        assert!(steps[10..].iter().all(|step| *step == ms(20)), "{steps:?}");
        let captured: Vec<Instant> = even(100).iter().map(|at| start + ms(*at)).collect();
        let window = start + ms(400)..start + ms(1_400);
        assert_eq!(playback.delay(&window, &captured, 0.5), ms(60), "as late as the latest");
    }

    #[test]
    fn a_hole_is_a_freeze_unless_the_server_told_of_it() {
        let start = test_start();
        let mut times = even(100);
        times[60..].iter_mut().for_each(|at| *at += 1_000);
        let window = start..start + ms(3_000);
        let playback = Playback::new(&decoded(start, &times), Vec::new());
        let [freeze] = playback.freezes(&window)[..] else { panic!("{:?}", playback.freezes(&window)) };
        assert_eq!(freeze.length, ms(1_020));
        assert_eq!(playback.freeze_time(&(start + ms(1_500)..start + ms(3_000))), ms(2_200 - 1_500));
        let pause = start + ms(1_190)..start + ms(2_150);
        let paused = Playback::new(&decoded(start, &times), vec![pause]);
        assert_eq!((paused.freezes(&window), paused.paused(&window)), (Vec::new(), ms(960)));
    }

    #[test]
    fn black_is_a_freeze() {
        let start = test_start();
        let window = start..start + ms(2_000);
        assert_eq!(Playback::new(&[], Vec::new()).freeze_time(&window), ms(2_000));
        let ends = Playback::new(&decoded(start, &even(50)), Vec::new());
        assert_eq!(ends.freeze_time(&window), ms(1_020));
        let stuck = Playback::new(&decoded(start, &[0, 20, 1_900]), Vec::new());
        assert_eq!(stuck.freeze_time(&(start + ms(500)..start + ms(1_000))), ms(500), "for want of frames, too");
        assert!((ends.frames_per_s(&window) - 25.0).abs() < 0.1);
    }

    #[test]
    fn a_single_late_frame_does_not_delay_all_others_for_long() {
        let start = test_start();
        let mut times = even(300);
        times[100..120].fill(5_000);
        times[120..].iter_mut().for_each(|at| *at = (*at).max(5_000));
        let playback = Playback::new(&decoded(start, &times), Vec::new());
        let last = playback.shown.last().expect("frames").at;
        assert!(last <= start + ms(300 * 20 + 500), "{:?}", last - start);
    }
}
