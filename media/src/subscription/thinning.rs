//! Which frames of an encoding a subscriber is sent: those up to a temporal layer, and so a lower frame rate for fewer bits.
//!
//! A lower limit holds from the next frame on. A higher one is reached layer by layer, each at a frame of it that refers to the base
//! layer alone (RFC 7741's Y): what follows refers to nothing from before. Everything begins anew with a key frame.
//!
//! Always holds: a frame is sent whole or not at all, in whatever order its packets come. So which limit held where is remembered, and
//! limits change with the first packet of a frame only, if nothing behind it was sent or was left out that would be sent.

use super::pictures::Tier;

/// Everything, as a limit.
const ALL: u8 = u8::MAX;

/// Changes that are remembered: limits are chosen every 100 ms, and rise by one with each pattern of frames, but both hardly twice while
/// packets of before are late.
const TURNS: usize = 4;

/// Layers that frames can name: RFC 7741 has two bits for them.
const LAYERS: usize = 4;

/// From a packet on frames up to a layer are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn {
    since: u64,
    limit: u8,
}

/// The limits of one source, the latest first.
#[derive(Clone, Copy, Debug)]
struct Course([Turn; TURNS]);

impl Course {
    const fn new(since: u64, limit: u8) -> Self {
        Self([Turn { since, limit }; TURNS])
    }

    /// Whether a packet of that layer is sent. Of what is not remembered only the base layer is.
    fn takes(&self, sequence: u64, layer: u8) -> bool {
        let turn = self.0.iter().find(|turn| turn.since <= sequence);
        layer <= turn.map_or(0, |turn| turn.limit)
    }

    fn turn(&mut self, turn: Turn) {
        self.0.rotate_right(1);
        self.0[0] = turn;
    }
}

/// See the module's text.
#[derive(Clone, Debug)]
pub(crate) struct Thinning {
    /// From this number on everything is sent, and nothing needs to be looked at.
    all_from: u64,
    /// The highest layer that is wanted.
    target: u8,
    course: Course,
    /// That of the source before.
    previous: Course,
    /// The newest packet of each layer that was left out.
    left_out: [u64; LAYERS],
}

impl Default for Thinning {
    fn default() -> Self {
        let course = Course::new(0, ALL);
        Self { all_from: 0, target: ALL, course, previous: course, left_out: [0; LAYERS] }
    }
}

impl Thinning {
    /// Aims at a temporal layer and those below it; `None` is all.
    pub(crate) fn aim(&mut self, layer: Option<u8>) {
        self.target = layer.unwrap_or(ALL);
        self.settle();
    }

    /// The highest layer that is sent at present; `None` for all.
    #[cfg(test)]
    fn limit(&self) -> Option<u8> {
        Some(self.course.0[0].limit).filter(|limit| *limit != ALL)
    }

    /// Another source begins, with the key frame that this packet is the first of.
    pub(super) fn begin(&mut self, sequence: u64) {
        self.previous = std::mem::replace(&mut self.course, Course::new(sequence, self.target));
        self.left_out = [0; LAYERS];
        self.settle();
    }

    fn settle(&mut self) {
        let Turn { since, limit } = self.course.0[0];
        self.all_from = if (limit, self.target) == (ALL, ALL) { since } else { u64::MAX };
    }

    /// Whether a packet of the source is sent. `is_key` tells that a key frame begins with it, `is_ahead` that nothing behind it was sent.
    #[inline]
    pub(super) fn takes(
        &mut self,
        sequence: u64,
        tier: Option<Tier>,
        is_key: bool,
        is_ahead: impl FnOnce() -> bool,
    ) -> bool {
        if sequence >= self.all_from {
            return true;
        }
        let Some(tier) = tier else { return true };
        let Turn { since, limit } = self.course.0[0];
        if tier.begins && limit != self.target && sequence > since && is_ahead() {
            self.approach(sequence, tier, is_key);
        }
        let is_taken = self.course.takes(sequence, tier.layer);
        if !is_taken {
            self.note_left_out(sequence, tier.layer);
        }
        is_taken
    }

    /// Whether a packet will not be sent whatever changes before it has its turn.
    pub(super) fn is_out_of_reach(&self, sequence: u64, tier: Option<Tier>) -> bool {
        let Turn { since, limit } = self.course.0[0];
        sequence >= since && tier.is_some_and(|tier| tier.layer > limit.max(self.target))
    }

    /// Takes note of a packet that is out of reach and does not wait for its turn.
    pub(super) fn note_left_out(&mut self, sequence: u64, layer: u8) {
        if let Some(newest) = self.left_out.get_mut(usize::from(layer)) {
            *newest = sequence.max(*newest);
        }
    }

    /// Whether a packet of the source before was to be sent.
    pub(super) fn took(&self, sequence: u64, tier: Option<Tier>) -> bool {
        tier.is_none_or(|tier| self.previous.takes(sequence, tier.layer))
    }

    /// Whether frames of a packet's layer are not wanted any more.
    pub(super) fn has_given_up(&self, tier: impl FnOnce() -> Option<Tier>) -> bool {
        self.target != ALL && tier().is_some_and(|tier| tier.layer > self.target)
    }

    /// Changes the limit with a frame, if that brings it nearer to what is wanted.
    fn approach(&mut self, since: u64, tier: Tier, is_key: bool) {
        let limit = self.course.0[0].limit;
        let is_next = tier.is_sync && tier.layer == limit.saturating_add(1);
        let limit = match limit {
            limit if limit > self.target || is_key => self.target,
            _ if is_next => tier.layer,
            _ => return,
        };
        // What of it was left out already is missing, and other frames may refer to it.
        if self.left_out.iter().take(usize::from(limit) + 1).any(|newest| *newest > since) {
            return;
        }
        self.course.turn(Turn { since, limit });
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// libwebrtc's pattern of three layers: the layer, and whether it is a frame to rise with.
    const PATTERN: [(u8, bool); 8] =
        [(0, false), (2, true), (1, true), (2, false), (0, false), (2, false), (1, false), (2, false)];

    fn tier(frame: u64, packet: u64) -> Tier {
        let (layer, is_sync) = PATTERN[frame as usize % 8];
        Tier { layer, is_sync, begins: packet == 0 }
    }

    /// A packet of frames of two, in order.
    fn take(thinning: &mut Thinning, number: u64) -> bool {
        thinning.takes(number, Some(tier(number / 2, number % 2)), false, || true)
    }

    /// The layers of the frames of that range which are sent.
    fn sent(thinning: &mut Thinning, frames: std::ops::Range<u64>) -> Vec<(u64, u8)> {
        let mut sent = Vec::new();
        for frame in frames {
            let [first, second] = [0, 1].map(|packet| take(thinning, frame * 2 + packet));
            assert_eq!(first, second, "frames are sent whole");
            sent.extend(first.then(|| (frame, tier(frame, 0).layer)));
        }
        sent
    }

    #[test]
    fn what_is_above_the_layer_that_is_wanted_is_given_up() {
        let tier = |layer| move || Some(Tier { layer, is_sync: false, begins: true });
        let mut thinning = Thinning::default();
        assert!(!thinning.has_given_up(tier(2)), "all is wanted");
        thinning.aim(Some(1));
        assert!(!thinning.has_given_up(tier(1)) && thinning.has_given_up(tier(2)) && !thinning.has_given_up(|| None));
    }

    #[test]
    fn a_lower_limit_holds_from_the_next_frame_on() {
        let mut thinning = Thinning::default();
        thinning.begin(0);
        assert_eq!(sent(&mut thinning, 0..4).len(), 4);
        assert!(take(&mut thinning, 8) && take(&mut thinning, 9) && take(&mut thinning, 10));
        thinning.aim(Some(0));
        assert!(take(&mut thinning, 11), "the frame has begun");
        assert_eq!(sent(&mut thinning, 6..16), [(8, 0), (12, 0)]);
        assert_eq!(thinning.limit(), Some(0));
    }

    #[test]
    fn it_rises_at_frames_that_refer_to_the_base_layer_alone() {
        let mut thinning = Thinning::default();
        thinning.aim(Some(0));
        thinning.begin(0);
        assert_eq!(sent(&mut thinning, 0..9), [(0, 0), (4, 0), (8, 0)]);
        thinning.aim(Some(1));
        assert_eq!(sent(&mut thinning, 9..17), [(10, 1), (12, 0), (14, 1), (16, 0)]);
        thinning.aim(Some(0));
        assert_eq!(sent(&mut thinning, 17..21), [(20, 0)]);
        thinning.aim(None);
        assert_eq!(sent(&mut thinning, 21..25), [(24, 0)]);
        // The top layer's frame comes first, but what follows it refers to the layer between.
        assert_eq!(sent(&mut thinning, 25..33), [(26, 1), (28, 0), (30, 1), (32, 0)]);
        assert_eq!(sent(&mut thinning, 33..41).len(), 8);
        assert_eq!(thinning.limit(), Some(2));
        assert!(thinning.takes(90, Some(Tier { layer: 0, is_sync: false, begins: true }), true, || true));
        assert_eq!((thinning.limit(), thinning.all_from), (None, 90), "a key frame begins everything anew");
    }

    #[test]
    fn what_comes_late_is_judged_as_those_around_it() {
        let mut thinning = Thinning::default();
        thinning.begin(0);
        sent(&mut thinning, 0..8);
        thinning.aim(Some(0));
        // Its first packet is late: the limit changes with the next frame.
        assert!(thinning.takes(19, Some(tier(9, 1)), false, || true));
        assert!(!thinning.takes(20, Some(tier(10, 0)), false, || true));
        let mut late = |number: u64| thinning.takes(number, Some(tier(number / 2, number % 2)), false, || false);
        assert!(late(18) && late(7) && late(2) && !late(21));
        thinning.aim(None);
        assert!(!thinning.takes(26, Some(tier(13, 0)), false, || false), "and changes nothing");
        let frames = [11u64, 18].map(|frame| thinning.takes(frame * 2, Some(tier(frame, 0)), false, || true));
        assert_eq!(frames, [false, true]);
        thinning.begin(1_000);
        assert!(
            !thinning.took(27, Some(tier(13, 1))) && thinning.took(36, Some(tier(18, 0))) && thinning.took(27, None)
        );
    }

    #[test]
    fn what_is_out_of_reach_is_left_out_before_its_turn() {
        let mut thinning = Thinning::default();
        thinning.aim(Some(0));
        thinning.begin(0);
        let reach = |thinning: &Thinning, frame: u64| !thinning.is_out_of_reach(frame * 2, Some(tier(frame, 0)));
        assert_eq!([0, 1, 2, 3].map(|frame| reach(&thinning, frame)), [true, false, false, false]);
        thinning.aim(Some(1));
        assert_eq!([0, 1, 2, 3].map(|frame| reach(&thinning, frame)), [true, false, true, false]);
        // Frame 11 of the top layer does not wait; frame 10, from which on the layer between may be sent, does.
        thinning.note_left_out(22, 2);
        assert_eq!(sent(&mut thinning, 8..11), [(8, 0), (10, 1)]);
        // Nor does frame 19, before more is wanted: the layer cannot begin with frame 17.
        thinning.note_left_out(38, 2);
        thinning.aim(None);
        assert_eq!(sent(&mut thinning, 16..19), [(16, 0), (18, 1)]);
        assert_eq!(sent(&mut thinning, 25..28), [(25, 2), (26, 1), (27, 2)]);
        assert!(!thinning.is_out_of_reach(90, Some(tier(3, 0))) && !thinning.is_out_of_reach(90, None));
    }

    #[test]
    fn changes_that_are_remembered_are_bounded_and_the_base_layer_is_always_sent() {
        let mut thinning = Thinning::default();
        thinning.begin(0);
        for frame in 0..20u64 {
            thinning.aim(Some((frame % 2) as u8));
            sent(&mut thinning, frame * 8..frame * 8 + 8);
        }
        let mut late = |layer| thinning.takes(4, Some(Tier { layer, is_sync: false, begins: false }), false, || false);
        assert!(late(0) && !late(1));
    }

    #[test]
    fn where_everything_is_sent_nothing_is_looked_at() {
        let mut thinning = Thinning::default();
        let untouched = |thinning: &mut Thinning| thinning.takes(7, Some(tier(3, 1)), false, || panic!("looked at"));
        assert!(untouched(&mut thinning));
        thinning.begin(5);
        assert!(untouched(&mut thinning));
        thinning.aim(Some(1));
        assert!(thinning.takes(7, Some(tier(3, 1)), false, || true), "not before a frame begins");
        thinning.aim(None);
        assert!(untouched(&mut thinning), "it was taken back in time");
    }
}
