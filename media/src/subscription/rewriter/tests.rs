use super::*;
use proptest::prelude::*;

fn start() -> (Rewriter, Instant) {
    #[allow(clippy::disallowed_methods, reason = "an anchor for virtual time")]
    let now = Instant::now();
    (Rewriter::new(100), now)
}

fn sequence(rewriter: &mut Rewriter, incoming: u64) -> Option<u64> {
    rewriter.place(incoming).map(|(index, _)| index)
}

fn late(rewriter: &Rewriter, incoming: u64) -> Option<u64> {
    rewriter.late_place(incoming).map(|(index, _)| index)
}

#[test]
fn numbering_continues_across_sources() {
    let (mut rewriter, now) = start();
    rewriter.start_source(now, 70_000, 5_000, 90_000);
    assert_eq!(sequence(&mut rewriter, 70_000), Some(100));
    assert_eq!(sequence(&mut rewriter, 70_003), Some(103));
    assert_eq!(sequence(&mut rewriter, 70_001), Some(101), "a late packet fills its own gap");
    assert_eq!(sequence(&mut rewriter, 69_999), None);
    assert_eq!((rewriter.index_of(101), rewriter.index_of(103)), (101, 103));
    rewriter.note_timestamp(now, 5_000);
    let source = rewriter.start_source(now + Duration::from_millis(100), 9, 77, 90_000);
    assert_eq!(sequence(&mut rewriter, 9), Some(104));
    assert_eq!(77u32.wrapping_add(source.timestamp_offset), 5_000 + 9_000);
}

#[test]
fn late_packets_of_the_previous_source_fill_its_gaps_alone() {
    let (mut rewriter, now) = start();
    rewriter.start_source(now, 50, 0, 90_000);
    assert_eq!((sequence(&mut rewriter, 50), sequence(&mut rewriter, 53)), (Some(100), Some(103)));
    assert_eq!(late(&rewriter, 51), None, "it is the current source");
    rewriter.start_source(now, 900, 0, 90_000);
    assert_eq!(sequence(&mut rewriter, 900), Some(104));
    assert_eq!((late(&rewriter, 51), late(&rewriter, 52)), (Some(101), Some(102)));
    assert_eq!((late(&rewriter, 49), late(&rewriter, 54)), (None, None));
    assert!(rewriter.skip(901, false));
    assert_eq!(sequence(&mut rewriter, 902), Some(105));
    rewriter.start_source(now, 7, 0, 90_000);
    assert_eq!(
        (late(&rewriter, 900), late(&rewriter, 902)),
        (Some(104), Some(105)),
        "on either side of what is left out"
    );
    assert_eq!((late(&rewriter, 901), late(&rewriter, 903)), (None, None));
}

#[test]
fn what_is_sent_late_hastens_up_to_what_is_live() {
    // Twelve frames of which the last is live, across the end of the cycle.
    let (first, frame) = (u32::MAX - 10_000, 3_000);
    let until = first.wrapping_add(11 * frame);
    for newest in [None, Some(500_000)] {
        let (mut rewriter, now) = start();
        if let Some(newest) = newest {
            rewriter.start_source(now, 1, newest, 90_000);
            rewriter.note_timestamp(now, newest);
        }
        let before = rewriter.start_source(now + Duration::from_millis(100), 50, first, 90_000).timestamp(first);
        rewriter.hasten(first, until);
        let source = *rewriter.source().unwrap();
        assert_eq!(source.timestamp(first), before, "the first keeps its time");
        let steps: Vec<u32> = (0..16)
            .map(|number| source.timestamp(first.wrapping_add((number + 1) * frame)))
            .scan(before, |last, timestamp| Some(timestamp.wrapping_sub(std::mem::replace(last, timestamp))))
            .collect();
        assert!(steps[..11].iter().all(|step| (187..=188).contains(step)), "{steps:?}");
        assert!(steps[11..].iter().all(|step| *step == frame), "{steps:?}");
        assert_eq!(source.timestamp(until), until.wrapping_add(source.timestamp_offset), "reports are of what is live");
    }
}

#[test]
fn haste_is_forgotten_before_timestamps_come_round() {
    let (mut rewriter, now) = start();
    rewriter.start_source(now, 1, 0, 90_000);
    rewriter.hasten(0, 45_000);
    let mut timestamp = 0_u32;
    for _ in 0..6 {
        let out = rewriter.source().unwrap().timestamp(timestamp);
        rewriter.note_timestamp(now, out);
        timestamp = timestamp.wrapping_add(300_000);
    }
    let source = rewriter.source().unwrap();
    // Half a cycle later the frame would look like one from before.
    let late = 45_000_u32.wrapping_add(1 << 31).wrapping_add(90_000);
    assert_eq!(source.timestamp(late), late.wrapping_add(source.timestamp_offset));
}

#[test]
fn time_moves_on_even_when_the_switch_is_immediate() {
    let (mut rewriter, now) = start();
    rewriter.start_source(now, 1, 500, 90_000);
    rewriter.note_timestamp(now, u32::MAX - 10);
    let source = rewriter.start_source(now, 1, 500, 90_000);
    assert_eq!(500u32.wrapping_add(source.timestamp_offset).wrapping_sub(u32::MAX - 10), 990);
}

#[test]
fn pictures_continue_across_sources_whatever_their_first_number() {
    for (width, first, next) in [(15, 0x7ffe, 0x7fff), (15, 0x4000, 0x4001), (7, 127, 0), (16, 0xffff, 0)] {
        let (mut rewriter, now) = start();
        rewriter.start_source(now, 0, 0, 90_000);
        rewriter.align_pictures(first, 200);
        rewriter.note_picture(first, width, 200);
        rewriter.note_picture(next, width, 201);
        rewriter.note_picture(first, width, 200);
        let source = rewriter.start_source(now, 0, 0, 90_000);
        assert_eq!((source.picture_offset, source.tl0_offset), (0, 0), "before it is aligned");
        rewriter.align_pictures(5, 9);
        let source = rewriter.source().unwrap();
        let mask = ((1_u32 << width) - 1) as u16;
        assert_eq!(5_u16.wrapping_add(source.picture_offset) & mask, next.wrapping_add(1) & mask);
        assert_eq!(9_u8.wrapping_add(source.tl0_offset), 202);
    }
}

#[test]
fn frames_continue_across_sources_and_keep_their_distances() {
    let (mut rewriter, now) = start();
    rewriter.start_source(now, 0, 0, 90_000);
    rewriter.align_frames(0xfffe);
    [0xfffe, 3, 1].into_iter().for_each(|frame| rewriter.note_frame(frame));
    rewriter.start_source(now, 0, 0, 90_000);
    rewriter.align_frames(40_000);
    assert!(rewriter.skip(1, false));
    let offset = rewriter.source().unwrap().frame_offset;
    assert_eq!(40_000_u16.wrapping_add(offset), 4);
}

#[test]
fn skipped_packets_leave_no_gap_and_late_ones_keep_their_number() {
    let (mut rewriter, now) = start();
    rewriter.start_source(now, 0, 0, 90_000);
    assert_eq!(sequence(&mut rewriter, 0), Some(100));
    assert!(rewriter.skip(2, false));
    assert_eq!(sequence(&mut rewriter, 3), Some(102));
    assert_eq!(sequence(&mut rewriter, 1), Some(101));
    assert_eq!(sequence(&mut rewriter, 2), None);
    assert!(!rewriter.skip(1, false), "what lies behind the newest cannot be closed up");
}

#[test]
fn more_skips_than_are_remembered_still_leave_no_gap() {
    let (mut rewriter, now) = start();
    rewriter.start_source(now, 0, 0, 90_000);
    assert_eq!(sequence(&mut rewriter, 0), Some(100));
    for skipped in (1..401).step_by(2) {
        assert!(rewriter.skip(skipped, true));
        assert_eq!(sequence(&mut rewriter, skipped + 1), Some(101 + skipped / 2));
    }
    assert_eq!((sequence(&mut rewriter, 2), sequence(&mut rewriter, 4)), (None, None), "older than what is remembered");
    let source = rewriter.source_of(1, 398).expect("remembered");
    assert_eq!((398 + source.sequence_offset - ROLLOVER_BASE, source.picture_offset), (299, 0u16.wrapping_sub(199)));
    assert!(rewriter.is_ahead(401) && !rewriter.is_ahead(400) && !rewriter.is_ahead(399));
}

#[test]
fn a_picture_that_is_left_out_can_keep_the_number_behind_one_that_is_sent() {
    let (mut rewriter, now) = start();
    rewriter.start_source(now, 0, 0, 90_000);
    assert!(!rewriter.is_next(0), "the source begins with it");
    assert_eq!(sequence(&mut rewriter, 0), Some(100));
    assert!(rewriter.is_next(1) && !rewriter.is_next(2));
    rewriter.skip_behind(1, true);
    assert_eq!(sequence(&mut rewriter, 1), Some(101));
    assert!(!rewriter.is_next(2), "the one before was not sent");
    assert!(rewriter.skip(2, false) && rewriter.skip(3, true));
    assert_eq!(sequence(&mut rewriter, 4), Some(102));
    assert_eq!(rewriter.source().map(|source| source.picture_offset), Some(0u16.wrapping_sub(2)));
    assert_eq!((sequence(&mut rewriter, 1), sequence(&mut rewriter, 2)), (Some(101), None), "to be sent again");
    rewriter.end_source();
    assert!(!rewriter.is_next(5));
}

#[test]
fn the_previous_source_remains_for_retransmissions() {
    let (mut rewriter, now) = start();
    let first = rewriter.start_source(now, 0, 0, 90_000).epoch;
    rewriter.end_source();
    assert!(rewriter.source().is_none() && rewriter.source_of(first, 0).is_some());
    let second = rewriter.start_source(now, 0, 0, 90_000).epoch;
    assert!(rewriter.source_of(first, 0).is_none(), "only the latest two are kept");
    assert!(rewriter.source_of(second, 0).is_some());
}

/// A packet of a stream that is thinned out.
#[derive(Clone, Copy, Debug)]
struct Packet {
    sequence: u64,
    picture: u16,
    begins: bool,
    is_left_out: bool,
}

/// Frames of one to three packets, some of which are left out, in an order in which packets overtake others.
fn thinned() -> impl Strategy<Value = Vec<Packet>> {
    let frame = (1u64..4, any::<bool>());
    (prop::collection::vec(frame, 2..100), 65_500u64..65_560, 0x7fd0u16..0x8000, 1usize..12, any::<u64>()).prop_map(
        |(frames, first, first_picture, reach, seed)| {
            let mut packets = Vec::new();
            for (number, (of, is_left_out)) in frames.into_iter().enumerate() {
                let picture = first_picture.wrapping_add(number as u16);
                let is_left_out = is_left_out && number > 0;
                for packet in 0..of {
                    let sequence = first + packets.len() as u64;
                    packets.push(Packet { sequence, picture, begins: packet == 0, is_left_out });
                }
            }
            let mut order: Vec<usize> = (0..packets.len()).collect();
            order.sort_by_key(|place| match *place {
                0 => 0,
                place => place + (seed.rotate_left(place as u32 * 7) as usize ^ (place * 31)) % reach,
            });
            order.into_iter().map(|place| packets[place]).collect()
        },
    )
}

proptest! {
    /// Whatever is left out and in whatever order packets come: each has the number that is left for it by those before, nothing has
    /// two numbers or the number of another, and what is sent again has the number that it was sent with.
    #[test]
    fn what_is_left_out_closes_up(packets in thinned(), is_lossy in any::<bool>()) {
        let (mut rewriter, now) = start();
        let first = packets[0].sequence;
        let epoch = rewriter.start_source(now, first, 0, 90_000).epoch;
        let (mut skipped, mut given): (Vec<Packet>, Vec<(Packet, u64, u16)>) = (Vec::new(), Vec::new());
        // First packets of pictures that are left out, which have a number all the same.
        let mut kept: Vec<u64> = Vec::new();
        for packet in packets {
            let was_ahead = rewriter.is_ahead(packet.sequence);
            let is_newest = given.iter().all(|(sent, ..)| sent.sequence < packet.sequence);
            prop_assert_eq!(was_ahead, is_newest);
            if is_lossy && packet.is_left_out && packet.begins && rewriter.is_next(packet.sequence) {
                prop_assert!(given.iter().any(|(sent, ..)| sent.sequence + 1 == packet.sequence) && is_newest);
                prop_assert!(!kept.contains(&(packet.sequence - 1)));
                rewriter.skip_behind(packet.sequence, true);
                kept.push(packet.sequence);
            } else if packet.is_left_out && rewriter.skip(packet.sequence, packet.begins) {
                prop_assert!(given.iter().all(|(sent, ..)| sent.sequence < packet.sequence), "too late to close up");
                prop_assert!(rewriter.place(packet.sequence).is_none() && rewriter.skip(packet.sequence, packet.begins));
                skipped.push(packet);
                continue;
            }
            let (index, source) = rewriter.place(packet.sequence).expect("few are left out");
            let before = || skipped.iter().filter(|skipped| skipped.sequence < packet.sequence);
            prop_assert_eq!(index, 100 + packet.sequence - first - before().count() as u64);
            let picture = packet.picture.wrapping_add(source.picture_offset);
            let pictures = before().filter(|skipped| skipped.begins).count() as u16;
            let pictures = pictures + kept.iter().filter(|kept| **kept < packet.sequence).count() as u16;
            prop_assert_eq!(picture, packet.picture.wrapping_sub(pictures));
            given.push((packet, index, picture));
        }
        let check = |rewriter: &Rewriter| {
            for (packet, index, picture) in &given {
                let source = rewriter.source_of(epoch, packet.sequence).expect("remembered");
                let again = source.sequence_offset.wrapping_add(packet.sequence) - ROLLOVER_BASE;
                prop_assert_eq!((again, packet.picture.wrapping_add(source.picture_offset)), (*index, *picture));
            }
            Ok(())
        };
        check(&rewriter)?;
        rewriter.start_source(now, 5, 0, 90_000);
        check(&rewriter)?;
        let mut numbers: Vec<u64> = given.iter().map(|(_, index, _)| *index).collect();
        numbers.sort_unstable();
        prop_assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
        let last = numbers.last().expect("the first is sent") - 100;
        prop_assert_eq!(last as usize + 1, numbers.len(), "nothing was lost, so there is no gap");
    }
}
