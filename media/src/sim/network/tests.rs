use super::*;
use crate::path::Protocol;

fn start() -> Instant {
    #[allow(clippy::disallowed_methods, reason = "an anchor for virtual time")]
    Instant::now()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn path() -> Path {
    let local = std::net::IpAddr::from([127, 0, 0, 1]);
    Path { protocol: Protocol::Udp, remote: (local, 1).into(), local }
}

/// When what was sent at `sends` arrives, with 1,000 bytes on the line each.
fn arrivals(link: &mut Link, sends: &[Instant]) -> Vec<Instant> {
    for at in sends {
        link.send(*at, path(), vec![0; 1_000 - HEADERS_LEN]);
    }
    let mut arrivals = Vec::new();
    while let Some(now) = link.next() {
        while link.receive(now).is_some() {
            arrivals.push(now);
        }
    }
    arrivals
}

#[test]
fn a_bottleneck_sends_one_after_another_and_drops_what_would_wait_too_long() {
    let begin = start();
    // 10 ms a datagram.
    let mut link = Link::new(Quality::limited(800_000), 1);
    let got = arrivals(&mut link, &[begin; 40]);
    let expected: Vec<Instant> = (1..=31).map(|place| begin + ms(20 + 10 * place)).collect();
    assert_eq!(got, expected, "one is being sent, and 300 ms wait");
    let window = begin..begin + ms(1_000);
    assert_eq!((link.record.queue_drops(&window), link.record.carried_bytes(&window)), (9, 31_000));
    assert_eq!(link.record.queueing(&window, 1.0), ms(300));
    assert_eq!(link.record.carried_bytes(&(begin..begin + ms(105))), 10_000);
}

#[test]
fn what_waits_follows_a_change_of_the_rate() {
    let begin = start();
    let mut link = Link::new(Quality::limited(800_000), 1);
    link.plan(begin + ms(15), Quality::limited(400_000));
    link.plan(begin + ms(55), Quality::limited(1_600_000));
    let got = arrivals(&mut link, &[begin; 5]);
    // Half of the second is left at 15 ms, half of the fourth at 55 ms.
    let expected = [10_000, 25_000, 45_000, 55_000 + 2_500, 62_500];
    assert_eq!(got, expected.map(|us| begin + Duration::from_micros(us) + ms(20)));
}

#[test]
fn bursts_lose_their_share_and_in_a_row() {
    let mut link = Link::new(Quality { bursts: Some(Bursts::of(0.1)), ..Quality::GOOD }, 1);
    let begin = start();
    let sends: Vec<Instant> = (0..20_000).map(|number| begin + ms(number)).collect();
    let got = arrivals(&mut link, &sends);
    let lost = 20_000 - got.len();
    assert!((1_700..2_300).contains(&lost), "{lost}");
    let holes = got.windows(2).filter(|pair| pair[1] - pair[0] > ms(1)).count();
    assert!(lost as f64 / holes as f64 > 2.0, "{lost} lost in {holes} holes");
}

#[test]
fn jitter_reorders_unless_order_is_kept() {
    let begin = start();
    let sends: Vec<Instant> = (0..200).map(|number| begin + ms(number * 5)).collect();
    for keeps_order in [false, true] {
        let mut link = Link::new(Quality { jitter: ms(100), keeps_order, ..Quality::GOOD }, 1);
        sends.iter().for_each(|at| link.send(*at, path(), Vec::new()));
        let mut order = Vec::new();
        while let Some(now) = link.next() {
            order.extend(link.receive(now).map(|flight| flight.sent));
        }
        assert_eq!(order.len(), 200);
        assert_eq!(order.is_sorted(), keeps_order);
    }
}
