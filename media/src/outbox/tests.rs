use super::*;
use crate::path::Protocol;

fn path(port: u16) -> Path {
    let loopback = std::net::Ipv4Addr::LOCALHOST;
    Path { protocol: Protocol::Udp, remote: (loopback, port).into(), local: loopback.into() }
}

#[test]
fn datagrams_are_grouped_by_destination_in_order() {
    let mut outbox = Outbox::new();
    for i in 0..6u8 {
        assert!(outbox.push(u32::from(i % 2), &path(1000 + u16::from(i % 2)), &[i; 3]));
    }
    let runs: Vec<_> = outbox.runs().map(|(p, d)| (p.remote.port(), d.map(|d| d[0]).collect::<Vec<_>>())).collect();
    assert_eq!(runs, [(1000, vec![0, 2, 4]), (1001, vec![1, 3, 5])]);
    outbox.clear();
    assert!(outbox.is_empty() && outbox.runs().next().is_none());
    assert!(outbox.push(1, &path(7), &[9]));
    assert_eq!(outbox.runs().count(), 1);
}

#[test]
fn a_new_path_of_the_same_participant_starts_a_new_run() {
    let mut outbox = Outbox::new();
    for port in [1, 1, 2, 1] {
        assert!(outbox.push(0, &path(port), &[0]));
    }
    assert_eq!(outbox.runs().map(|(p, d)| (p.remote.port(), d.len())).collect::<Vec<_>>(), [(1, 2), (2, 1), (1, 1)]);
}

#[test]
fn a_full_outbox_and_an_oversize_datagram_are_refused() {
    let mut outbox = Outbox::new();
    assert!(!outbox.push(0, &path(1), &[0; MAX_DATAGRAM + 1]));
    let pushed = (0..usize::MAX).take_while(|_| outbox.push(0, &path(1), &[0; 1200])).count();
    assert_eq!(pushed, (SLAB_BYTES - MAX_DATAGRAM) / 1_200 + 1);
    assert!(outbox.needs_flush());
    outbox.clear();
    let pushed = (0..usize::MAX).take_while(|_| outbox.push(0, &path(1), &[0])).count();
    assert_eq!(pushed, MAX_SEGMENTS);
}

#[test]
fn datagrams_are_told_apart_by_their_class() {
    let mut outbox = Outbox::new();
    let classes = [Class::Audio, Class::Video, Class::Repair, Class::Video];
    for (mark, class) in classes.into_iter().enumerate() {
        assert!(outbox.push_as(4, &path(1), &[mark as u8], class));
    }
    assert!(outbox.push(5, &path(2), &[9]));
    assert_eq!((outbox.len(), outbox.video_len()), (5, 2));
    let runs: Vec<_> = outbox.runs().map(|(_, datagrams)| datagrams).collect();
    assert_eq!((runs[0].slot(), runs[1].slot()), (4, 5));
    assert_eq!(runs[1].classes(), Classes::only(Class::Control));
    assert!(!runs[0].classes().contains(Class::Control));
    let marks = |classes: Classes| runs[0].of(classes).map(|(_, datagram)| datagram[0]).collect::<Vec<_>>();
    assert_eq!(marks(Classes::only(Class::Video)), [1, 3]);
    assert_eq!(marks(Classes::PRECIOUS), [0]);
    assert_eq!(marks(Classes::ALL), [0, 1, 2, 3]);
    outbox.clear();
    assert_eq!(outbox.video_len(), 0);
}

#[test]
fn the_open_size_follows_video_until_a_shorter_packet() {
    let mut outbox = Outbox::new();
    assert_eq!(outbox.open_segment(0, &path(1)), None, "the driver joins nothing");
    outbox.set_joins(true);
    let mut open_after = |len: usize, class: Class| {
        assert!(outbox.push_as(0, &path(1), &vec![0; len], class));
        outbox.open_segment(0, &path(1))
    };
    assert_eq!(open_after(100, Class::Audio), Some(0));
    assert_eq!(open_after(1_000, Class::Video), Some(1_000));
    assert_eq!(open_after(50, Class::Audio), Some(1_000), "audio leaves behind the video");
    assert_eq!(open_after(1_000, Class::Video), Some(1_000));
    assert_eq!(open_after(1_001, Class::Video), Some(1_001), "a larger one begins anew");
    assert_eq!(open_after(900, Class::Video), Some(0), "a shorter one is the last");
    assert_eq!(open_after(900, Class::Video), Some(900));
    assert_eq!(outbox.open_segment(0, &path(2)), Some(0), "another path");
    assert_eq!(outbox.open_segment(1, &path(1)), Some(0), "another participant");
    let tcp = Path { protocol: Protocol::Tcp, ..path(1) };
    assert_eq!(outbox.open_segment(0, &tcp), None, "a stream has no datagrams to join");
}

#[test]
fn what_goes_to_one_participant_lies_in_one_piece_and_that_of_the_next_on_a_line_of_its_own() {
    let mut outbox = Outbox::new();
    for slot in [0, 0, 1, 1, 0] {
        assert!(outbox.push(slot, &path(1 + slot as u16), &[slot as u8; 100]));
    }
    let begins = |run: usize| {
        let (_, datagrams) = outbox.runs().nth(run).unwrap();
        datagrams.map(|datagram| datagram.as_ptr() as usize - outbox.slab.as_ptr() as usize).collect::<Vec<_>>()
    };
    assert_eq!((begins(0), begins(1)), (vec![0, 100, 512], vec![256, 356]));
    outbox.clear();
    assert!(outbox.push(0, &path(1), &[0; 100]));
    assert_eq!(outbox.bytes(), 100);
}
