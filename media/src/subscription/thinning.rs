//! Which frames of an encoding a subscriber is sent: those up to a temporal layer, and so a lower frame rate for fewer bits; and of each
//! picture those up to a spatial layer, and so a smaller one.
//!
//! A lower limit holds from the next picture on. A higher temporal one is reached at a frame from which on nothing refers to what was left
//! out: of VP8 layer by layer, each at a frame of it that refers to the base layer alone (RFC 7741's Y), of VP9 at once behind a switching
//! up point (RFC 9628's U). A higher spatial one waits for a key picture. A layer's frame may refer to nothing but the layer below in other
//! pictures, too (RFC 9628's P is clear), but by then the frame below has left as the last of its picture.
//!
//! Always holds: a frame is sent whole or not at all, in whatever order its packets come. So which limit held where is remembered, and
//! limits change with the first packet of a picture only, if nothing behind it was sent or was left out that would be sent.

use super::pictures::{Sync, Tier};

/// Everything, as a limit.
const ALL: u8 = u8::MAX;

/// Changes that are remembered: limits are chosen every 100 ms, and rise by one with each pattern of frames, but both hardly twice while
/// packets of before are late.
const TURNS: usize = 4;

/// Layers of either kind that are told apart when they are left out: RFC 7741 has two bits for them, and so have spatial layers of AV1.
/// Those above count as the highest.
const LAYERS: usize = 4;

/// The highest layers that are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reach {
    spatial: u8,
    temporal: u8,
}

impl Reach {
    const EVERYTHING: Self = Self { spatial: ALL, temporal: ALL };
    const LEAST: Self = Self { spatial: 0, temporal: 0 };

    const fn covers(self, tier: Tier) -> bool {
        tier.spatial <= self.spatial && tier.temporal <= self.temporal
    }
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    LeftOut,
    Sent,
    /// As the last of its picture, the rest of which is left out.
    SentLast,
}

/// From a packet on frames up to certain layers are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn {
    since: u64,
    limit: Reach,
}

/// The limits of one source, the latest first.
#[derive(Clone, Copy, Debug)]
struct Course([Turn; TURNS]);

impl Course {
    const fn new(since: u64, limit: Reach) -> Self {
        Self([Turn { since, limit }; TURNS])
    }

    /// Of what is not remembered only the base layer is sent.
    fn fate(&self, sequence: u64, tier: Tier) -> Fate {
        let turn = self.0.iter().find(|turn| turn.since <= sequence);
        let limit = turn.map_or(Reach::LEAST, |turn| turn.limit);
        match limit.covers(tier) {
            false => Fate::LeftOut,
            true if tier.ends && tier.spatial == limit.spatial => Fate::SentLast,
            true => Fate::Sent,
        }
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
    /// The highest layers that are wanted.
    target: Reach,
    course: Course,
    /// The first packet of the first picture that has waited for its turn, ahead of all others, since the target changed: with it the limit does.
    turns_at: u64,
    /// The newest packet that waited for its turn.
    waited: u64,
    /// That of the source before.
    previous: Course,
    /// The newest packet of each layer that was left out, by spatial and temporal layer.
    left_out: [[u64; LAYERS]; LAYERS],
}

impl Default for Thinning {
    fn default() -> Self {
        let course = Course::new(0, Reach::EVERYTHING);
        Self {
            all_from: 0,
            target: Reach::EVERYTHING,
            course,
            turns_at: u64::MAX,
            waited: 0,
            previous: course,
            left_out: [[0; LAYERS]; LAYERS],
        }
    }
}

impl Thinning {
    /// Aims at a spatial and a temporal layer and those below them; `None` is all.
    pub(crate) fn aim(&mut self, spatial: Option<u8>, temporal: Option<u8>) {
        let target = Reach { spatial: spatial.unwrap_or(ALL), temporal: temporal.unwrap_or(ALL) };
        if target != self.target {
            self.turns_at = u64::MAX;
        }
        self.target = target;
        self.settle();
    }

    /// Whether a key picture is needed to reach what is wanted of so many spatial layers.
    pub(crate) fn awaits_key(&self, spatial_layers: u8) -> bool {
        let limit = self.course.0[0].limit.spatial;
        limit < self.target.spatial && limit.saturating_add(1) < spatial_layers
    }

    /// The highest spatial layer that is sent at present; `None` for all.
    pub(crate) fn spatial_limit(&self) -> Option<u8> {
        Some(self.course.0[0].limit.spatial).filter(|limit| *limit != ALL)
    }

    /// The highest temporal layer that is sent at present; `None` for all.
    #[cfg(test)]
    fn limit(&self) -> Option<u8> {
        Some(self.course.0[0].limit.temporal).filter(|limit| *limit != ALL)
    }

    /// Another source begins, with the key frame that this packet is the first of.
    pub(super) fn begin(&mut self, sequence: u64) {
        self.previous = std::mem::replace(&mut self.course, Course::new(sequence, self.target));
        self.left_out = Default::default();
        (self.turns_at, self.waited) = (u64::MAX, 0);
        self.settle();
    }

    fn settle(&mut self) {
        let Turn { since, limit } = self.course.0[0];
        let is_everything = (limit, self.target) == (Reach::EVERYTHING, Reach::EVERYTHING);
        self.all_from = if is_everything { since } else { u64::MAX };
    }

    /// What becomes of a packet of the source. `is_key` tells that a key frame begins with it, `is_ahead` that nothing behind it was sent.
    #[inline]
    pub(super) fn fate(
        &mut self,
        sequence: u64,
        tier: Option<Tier>,
        is_key: bool,
        is_ahead: impl FnOnce() -> bool,
    ) -> Fate {
        if sequence >= self.all_from {
            return Fate::Sent;
        }
        let Some(tier) = tier else { return Fate::Sent };
        let Turn { since, limit } = self.course.0[0];
        if tier.begins && limit != self.target && sequence > since && is_ahead() {
            self.approach(sequence, tier, is_key);
        }
        let fate = self.course.fate(sequence, tier);
        if fate == Fate::LeftOut {
            self.note_left_out(sequence, tier);
        }
        fate
    }

    /// Whether a packet will not be sent whatever changes before it has its turn.
    pub(super) fn is_out_of_reach(&self, sequence: u64, tier: Tier) -> bool {
        let Turn { since, limit } = self.course.0[0];
        let Reach { spatial, temporal } = self.target;
        let most = Reach { spatial: limit.spatial.max(spatial), temporal: limit.temporal.max(temporal) };
        sequence >= since && !most.covers(tier)
    }

    /// Whether a packet that waits for its turn will be left out then: it follows a picture with which its layer ends, or is of that. To be
    /// asked once for each that waits, with whether nothing behind it was sent.
    pub(super) fn will_leave_out(&mut self, sequence: u64, tier: Tier, is_ahead: bool) -> bool {
        if tier.begins && self.course.0[0].limit != self.target && is_ahead && sequence > self.waited {
            self.turns_at = self.turns_at.min(sequence);
        }
        self.waited = self.waited.max(sequence);
        sequence >= self.turns_at && !self.target.covers(tier)
    }

    /// Takes note of a packet that is out of reach and does not wait for its turn.
    pub(super) fn note_left_out(&mut self, sequence: u64, tier: Tier) {
        let [spatial, temporal] = [tier.spatial, tier.temporal].map(|layer| usize::from(layer).min(LAYERS - 1));
        let newest = &mut self.left_out[spatial][temporal];
        *newest = sequence.max(*newest);
    }

    /// What was to become of a packet of the source before.
    pub(super) fn late_fate(&self, sequence: u64, tier: Option<Tier>) -> Fate {
        tier.map_or(Fate::Sent, |tier| self.previous.fate(sequence, tier))
    }

    /// Whether frames of a packet's layer are not wanted any more.
    pub(super) fn has_given_up(&self, tier: impl FnOnce() -> Option<Tier>) -> bool {
        self.target != Reach::EVERYTHING && tier().is_some_and(|tier| !self.target.covers(tier))
    }

    /// Changes the limit with a picture, if that brings it nearer to what is wanted.
    fn approach(&mut self, since: u64, tier: Tier, is_key: bool) {
        let now = self.course.0[0].limit;
        let limit = if is_key {
            self.target
        } else {
            Reach { spatial: now.spatial.min(self.target.spatial), temporal: self.next_temporal(now.temporal, tier) }
        };
        // What of it was left out already is missing, and other frames may refer to it.
        let layers = |highest: u8| usize::from(highest).saturating_add(1);
        let within = self.left_out.iter().take(layers(limit.spatial));
        let mut missing = within.flat_map(|layers_of| layers_of.iter().take(layers(limit.temporal)));
        if limit == now || missing.any(|newest| *newest > since) {
            return;
        }
        self.course.turn(Turn { since, limit });
        self.settle();
    }

    /// The limit of temporal layers from a picture on that begins no key frame.
    fn next_temporal(&self, limit: u8, tier: Tier) -> u8 {
        let target = self.target.temporal;
        match tier.sync {
            _ if limit >= target => target,
            Sync::Own if tier.temporal == limit.saturating_add(1) => tier.temporal,
            Sync::Above if tier.temporal <= limit => target,
            _ => limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// libwebrtc's pattern of three layers: the layer, and whether it is a frame to rise with.
    const PATTERN: [(u8, bool); 8] =
        [(0, false), (2, true), (1, true), (2, false), (0, false), (2, false), (1, false), (2, false)];

    fn tier(frame: u64, packet: u64) -> Tier {
        let (temporal, is_sync) = PATTERN[frame as usize % 8];
        vp8(temporal, is_sync, packet == 0)
    }

    fn vp8(temporal: u8, is_sync: bool, begins: bool) -> Tier {
        let sync = if is_sync { Sync::Own } else { Sync::None };
        Tier { spatial: 0, temporal, sync, begins, ends: false, closes_up: true }
    }

    fn takes(thinning: &mut Thinning, number: u64, tier: Tier, is_key: bool, is_ahead: bool) -> bool {
        thinning.fate(number, Some(tier), is_key, || is_ahead) != Fate::LeftOut
    }

    /// A packet of frames of two, in order.
    fn take(thinning: &mut Thinning, number: u64) -> bool {
        takes(thinning, number, tier(number / 2, number % 2), false, true)
    }

    /// The layers of the frames of that range which are sent.
    fn sent(thinning: &mut Thinning, frames: std::ops::Range<u64>) -> Vec<(u64, u8)> {
        let mut sent = Vec::new();
        for frame in frames {
            let [first, second] = [0, 1].map(|packet| take(thinning, frame * 2 + packet));
            assert_eq!(first, second, "frames are sent whole");
            sent.extend(first.then(|| (frame, tier(frame, 0).temporal)));
        }
        sent
    }

    #[test]
    fn what_is_above_the_layer_that_is_wanted_is_given_up() {
        let tier = |layer| move || Some(vp8(layer, false, true));
        let mut thinning = Thinning::default();
        assert!(!thinning.has_given_up(tier(2)), "all is wanted");
        thinning.aim(None, Some(1));
        assert!(!thinning.has_given_up(tier(1)) && thinning.has_given_up(tier(2)) && !thinning.has_given_up(|| None));
        thinning.aim(Some(0), None);
        assert!(!thinning.has_given_up(tier(2)), "a smaller picture");
        assert!(thinning.has_given_up(|| Some(Tier { spatial: 1, ..vp8(0, false, true) })));
    }

    #[test]
    fn a_lower_limit_holds_from_the_next_frame_on() {
        let mut thinning = Thinning::default();
        thinning.begin(0);
        assert_eq!(sent(&mut thinning, 0..4).len(), 4);
        assert!(take(&mut thinning, 8) && take(&mut thinning, 9) && take(&mut thinning, 10));
        thinning.aim(None, Some(0));
        assert!(take(&mut thinning, 11), "the frame has begun");
        assert_eq!(sent(&mut thinning, 6..16), [(8, 0), (12, 0)]);
        assert_eq!(thinning.limit(), Some(0));
    }

    #[test]
    fn it_rises_at_frames_that_refer_to_the_base_layer_alone() {
        let mut thinning = Thinning::default();
        thinning.aim(None, Some(0));
        thinning.begin(0);
        assert_eq!(sent(&mut thinning, 0..9), [(0, 0), (4, 0), (8, 0)]);
        thinning.aim(None, Some(1));
        assert_eq!(sent(&mut thinning, 9..17), [(10, 1), (12, 0), (14, 1), (16, 0)]);
        thinning.aim(None, Some(0));
        assert_eq!(sent(&mut thinning, 17..21), [(20, 0)]);
        thinning.aim(None, None);
        assert_eq!(sent(&mut thinning, 21..25), [(24, 0)]);
        // The top layer's frame comes first, but what follows it refers to the layer between.
        assert_eq!(sent(&mut thinning, 25..33), [(26, 1), (28, 0), (30, 1), (32, 0)]);
        assert_eq!(sent(&mut thinning, 33..41).len(), 8);
        assert_eq!(thinning.limit(), Some(2));
        assert!(takes(&mut thinning, 90, vp8(0, false, true), true, true));
        assert_eq!((thinning.limit(), thinning.all_from), (None, 90), "a key frame begins everything anew");
    }

    #[test]
    fn what_comes_late_is_judged_as_those_around_it() {
        let mut thinning = Thinning::default();
        thinning.begin(0);
        sent(&mut thinning, 0..8);
        thinning.aim(None, Some(0));
        // Its first packet is late: the limit changes with the next frame.
        assert!(takes(&mut thinning, 19, tier(9, 1), false, true));
        assert!(!takes(&mut thinning, 20, tier(10, 0), false, true));
        let mut late = |number: u64| takes(&mut thinning, number, tier(number / 2, number % 2), false, false);
        assert!(late(18) && late(7) && late(2) && !late(21));
        thinning.aim(None, None);
        assert!(!takes(&mut thinning, 26, tier(13, 0), false, false), "and changes nothing");
        let frames = [11u64, 18].map(|frame| takes(&mut thinning, frame * 2, tier(frame, 0), false, true));
        assert_eq!(frames, [false, true]);
        thinning.begin(1_000);
        let late = |number, tier| thinning.late_fate(number, tier);
        assert_eq!(late(27, Some(tier(13, 1))), Fate::LeftOut);
        assert_eq!((late(36, Some(tier(18, 0))), late(27, None)), (Fate::Sent, Fate::Sent));
    }

    #[test]
    fn what_is_out_of_reach_is_left_out_before_its_turn() {
        let mut thinning = Thinning::default();
        thinning.aim(None, Some(0));
        thinning.begin(0);
        let reach = |thinning: &Thinning, frame: u64| !thinning.is_out_of_reach(frame * 2, tier(frame, 0));
        assert_eq!([0, 1, 2, 3].map(|frame| reach(&thinning, frame)), [true, false, false, false]);
        thinning.aim(None, Some(1));
        assert_eq!([0, 1, 2, 3].map(|frame| reach(&thinning, frame)), [true, false, true, false]);
        // Frame 11 of the top layer does not wait; frame 10, from which on the layer between may be sent, does.
        thinning.note_left_out(22, tier(11, 0));
        assert_eq!(sent(&mut thinning, 8..11), [(8, 0), (10, 1)]);
        // Nor does frame 19, before more is wanted: the layer cannot begin with frame 17.
        thinning.note_left_out(38, tier(19, 0));
        thinning.aim(None, None);
        assert_eq!(sent(&mut thinning, 16..19), [(16, 0), (18, 1)]);
        assert_eq!(sent(&mut thinning, 25..28), [(25, 2), (26, 1), (27, 2)]);
        assert!(!thinning.is_out_of_reach(90, tier(3, 0)));
    }

    #[test]
    fn what_waits_is_left_out_from_the_next_picture_on() {
        let mut thinning = Thinning::default();
        thinning.begin(0);
        thinning.aim(Some(0), None);
        let left_out = |thinning: &mut Thinning, numbers: std::ops::Range<u64>| {
            numbers.filter(|number| thinning.will_leave_out(*number, vp9(*number), true)).collect::<Vec<u64>>()
        };
        assert!(left_out(&mut thinning, 3..6).is_empty(), "the rest of the first picture is sent whole");
        assert!(left_out(&mut thinning, 7..12).is_empty(), "and so is one whose beginning is late");
        assert!(left_out(&mut thinning, 6..7).is_empty());
        assert_eq!(left_out(&mut thinning, 12..18), [14, 15, 16, 17]);
        thinning.aim(None, None);
        assert!(left_out(&mut thinning, 18..24).is_empty());
    }

    #[test]
    fn changes_that_are_remembered_are_bounded_and_the_base_layer_is_always_sent() {
        let mut thinning = Thinning::default();
        thinning.begin(0);
        for frame in 0..20u64 {
            thinning.aim(None, Some((frame % 2) as u8));
            sent(&mut thinning, frame * 8..frame * 8 + 8);
        }
        let mut late = |layer| takes(&mut thinning, 4, vp8(layer, false, false), false, false);
        assert!(late(0) && !late(1));
    }

    #[test]
    fn where_everything_is_sent_nothing_is_looked_at() {
        let mut thinning = Thinning::default();
        let look = |thinning: &mut Thinning| thinning.fate(7, Some(tier(3, 1)), false, || panic!("looked at"));
        let untouched = |thinning: &mut Thinning| look(thinning) == Fate::Sent;
        assert!(untouched(&mut thinning));
        thinning.begin(5);
        assert!(untouched(&mut thinning));
        thinning.aim(None, Some(1));
        assert!(takes(&mut thinning, 7, tier(3, 1), false, true), "not before a frame begins");
        thinning.aim(None, None);
        assert!(untouched(&mut thinning), "it was taken back in time");
    }

    /// The temporal layers of pictures with three spatial ones of two packets each.
    const RATES: [u8; 4] = [0, 2, 1, 2];

    fn vp9(number: u64) -> Tier {
        let (picture, spatial) = (number / 6, (number % 6 / 2) as u8);
        let temporal = RATES[picture as usize % 4];
        let begins = number.is_multiple_of(6);
        Tier { spatial, temporal, sync: Sync::Above, begins, ends: number % 2 == 1, closes_up: false }
    }

    /// The fates of a picture's packets, of which there are `L`eft out, `s`ent, and sent as the last `!`.
    fn picture(thinning: &mut Thinning, picture: u64, is_key: bool) -> String {
        let fate = |packet: u64| {
            let number = picture * 6 + packet;
            match thinning.fate(number, Some(vp9(number)), is_key && packet == 0, || true) {
                Fate::LeftOut => 'L',
                Fate::Sent => 's',
                Fate::SentLast => '!',
            }
        };
        (0..6).map(fate).collect()
    }

    #[test]
    fn a_smaller_picture_is_sent_from_the_next_one_on_and_ends_with_the_marker() {
        let mut thinning = Thinning::default();
        thinning.begin(0);
        assert_eq!(picture(&mut thinning, 0, true), "ssssss");
        assert_eq!(thinning.fate(6, Some(vp9(6)), false, || true), Fate::Sent);
        thinning.aim(Some(0), None);
        let rest: Vec<Fate> = (7..12).map(|number| thinning.fate(number, Some(vp9(number)), false, || true)).collect();
        assert_eq!(rest, [Fate::Sent; 5], "the picture has begun");
        assert_eq!(picture(&mut thinning, 2, false), "s!LLLL");
        thinning.aim(Some(0), Some(0));
        assert_eq!([3, 4, 5].map(|number| picture(&mut thinning, number, false)), ["LLLLLL", "s!LLLL", "LLLLLL"]);
    }

    #[test]
    fn a_larger_picture_waits_for_a_key_picture_and_a_higher_frame_rate_does_not() {
        let mut thinning = Thinning::default();
        thinning.aim(Some(0), Some(0));
        thinning.begin(0);
        let mut next = 0;
        let mut pictures = |thinning: &mut Thinning, keys: &[u64], count: u64| {
            let range = next..next + count;
            next = range.end;
            range.map(|number| picture(thinning, number, keys.contains(&number))).collect::<Vec<_>>()
        };
        assert_eq!(pictures(&mut thinning, &[0], 3), ["s!LLLL", "LLLLLL", "LLLLLL"]);
        thinning.aim(Some(1), None);
        assert!(thinning.awaits_key(3) && thinning.awaits_key(2) && !thinning.awaits_key(1));
        assert_eq!(pictures(&mut thinning, &[8], 2), ["LLLLLL", "s!LLLL"], "behind a switching up point");
        assert_eq!(pictures(&mut thinning, &[8], 5), ["s!LLLL", "s!LLLL", "s!LLLL", "sss!LL", "sss!LL"]);
        assert!(!thinning.awaits_key(3), "it is there");
        thinning.aim(None, None);
        assert_eq!((thinning.awaits_key(3), thinning.awaits_key(2)), (true, false), "there is nothing above");
        assert_eq!(pictures(&mut thinning, &[12], 3), ["sss!LL", "sss!LL", "ssssss"]);
        assert_eq!((thinning.all_from, thinning.spatial_limit()), (72, None));
    }

    #[test]
    fn a_late_packet_of_a_smaller_picture_ends_it_all_the_same() {
        let mut thinning = Thinning::default();
        thinning.aim(Some(1), None);
        thinning.begin(0);
        picture(&mut thinning, 0, true);
        thinning.aim(Some(0), None);
        picture(&mut thinning, 2, false);
        let mut late = |number: u64| thinning.fate(number, Some(vp9(number)), false, || false);
        assert_eq!([7, 9, 11].map(&mut late), [Fate::Sent, Fate::SentLast, Fate::LeftOut]);
        thinning.begin(1_000);
        let late = |number: u64| thinning.late_fate(number, Some(vp9(number)));
        assert_eq!([7, 9, 13, 15].map(late), [Fate::Sent, Fate::SentLast, Fate::SentLast, Fate::LeftOut]);
    }

    #[test]
    fn a_layer_does_not_begin_behind_what_was_left_out_of_it() {
        let mut thinning = Thinning::default();
        thinning.aim(Some(0), None);
        thinning.begin(0);
        picture(&mut thinning, 0, true);
        // The middle layer of picture 2 does not wait for its turn, the key picture before it does.
        assert!(thinning.is_out_of_reach(14, vp9(14)) && !thinning.is_out_of_reach(12, vp9(12)));
        thinning.note_left_out(14, vp9(14));
        thinning.aim(Some(1), None);
        assert!(!thinning.is_out_of_reach(14, vp9(14)) && thinning.is_out_of_reach(16, vp9(16)));
        assert_eq!(picture(&mut thinning, 1, true), "s!LLLL");
        // What is left out above does not hold it up.
        thinning.note_left_out(34, vp9(34));
        assert_eq!(picture(&mut thinning, 3, true), "sss!LL");
    }

    proptest::proptest! {
        /// Whatever is wanted when and wherever key pictures are: each layer's frame is sent whole or not at all, with all those below it,
        /// one packet ends a picture that is cut, and what is sent of a picture refers to nothing that was not sent.
        #[test]
        fn what_is_sent_can_be_decoded(steps in proptest::collection::vec((0u8..4, 0u8..4, proptest::bool::weighted(0.1), proptest::bool::weighted(0.3)), 1..200)) {
            let mut thinning = Thinning::default();
            thinning.begin(0);
            // The newest picture of each layer that could be decoded, and the newest there was.
            let (mut decoded, mut newest) = ([[None; 3]; 3], [[None; 3]; 3]);
            for (number, (spatial, temporal, is_key, changes)) in (0u64..).zip(steps) {
                let is_key = is_key && number.is_multiple_of(4) || number == 0;
                if changes {
                    thinning.aim(Some(spatial).filter(|layer| *layer < 3), Some(temporal).filter(|layer| *layer < 3));
                }
                let fates = picture(&mut thinning, number, is_key);
                let sent: Vec<bool> = fates.as_bytes().chunks(2).map(|pair| pair[0] != b'L').collect();
                let whole = fates.as_bytes().chunks(2).all(|pair| (pair[0] == b'L') == (pair[1] == b'L'));
                proptest::prop_assert!(whole, "{}", fates);
                proptest::prop_assert!(sent.windows(2).all(|pair| pair[0] || !pair[1]), "{}", fates);
                // The publisher's own marker is on the last of all.
                let last = fates.trim_end_matches('L');
                proptest::prop_assert!(last.is_empty() || last.len() == 6 || last.ends_with('!'), "{}", fates);
                proptest::prop_assert!(!last.trim_end_matches('!').contains('!'), "{}", fates);
                let temporal = usize::from(RATES[number as usize % 4]);
                for (spatial, is_sent) in sent.into_iter().enumerate() {
                    // As in L3T3_KEY: the base layer of the same size, and the middle one for the second frame of the top one.
                    let refers = [Some(0), (number % 4 == 3).then_some(1)];
                    let mut refers = refers.into_iter().flatten().filter(|_| !is_key);
                    let is_decodable = refers.all(|below: usize| decoded[spatial][below] == newest[spatial][below]);
                    proptest::prop_assert!(!is_sent || is_decodable, "picture {}, layer {}: {}", number, spatial, fates);
                    newest[spatial][temporal] = Some(number);
                    if is_sent {
                        decoded[spatial][temporal] = Some(number);
                    }
                }
            }
        }
    }
}
