//! What forwarding takes at the least on this machine, with no server at all: a floor for what a server takes.
//!
//! One thread seals as many packets for as many receivers as a server would, at the same pace, and hands the kernel each receiver's frame
//! in one message. It has one key, and one buffer that stays in the cache; it receives nothing, hears no reports, and knows nobody. Whoever
//! seals with a library and sends by the kernel's sockets takes more. Machines are shared and change from one minute to the next: a
//! server's time for a packet says more beside a floor of the same minute.

use crate::net;
use crate::plan::{Cast, Media, Plan, Scenario};
use crate::watch::process::thread_cpu;
use anyhow::Context;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// An RTP header without extensions.
const HEADER: [u8; 12] = [0x80; 12];
/// The tag of AES-GCM.
const TAG: usize = 16;
/// Between looks at what has arrived, as the tester's own receivers have it.
const LOOKS: Duration = Duration::from_millis(1);
/// Frames of each publisher that are not counted.
const WARM_UP: usize = 3;

/// What one publisher sends again and again.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stream {
    /// To whom: sockets of this range.
    receivers: (usize, usize),
    /// Packets of a frame, and bytes of payload in each.
    packets: usize,
    payload: usize,
    interval: Duration,
}

/// Sends what the plan's publishers would have sent on, for so long and no longer than until `stop`. Returns the processor time for each
/// packet, in microseconds; nothing when nobody receives anything.
///
/// # Errors
/// When there are not enough sockets, or a thread cannot be made.
pub fn measure(plan: &Plan, duration: Duration, stop: &CancellationToken) -> anyhow::Result<Option<f64>> {
    let wait = |due: Instant| thread::sleep(due.saturating_duration_since(Instant::now()));
    measure_by(wait, plan, duration, stop)
}

/// The same by a clock of the caller's: `wait` returns when a moment has come.
fn measure_by(
    mut wait: impl FnMut(Instant),
    plan: &Plan,
    duration: Duration,
    stop: &CancellationToken,
) -> anyhow::Result<Option<f64>> {
    let (streams, receivers) = streams(plan);
    let sockets = (0..receivers).map(|_| net::open(Ipv4Addr::LOCALHOST.into())).collect::<Result<Vec<_>, _>>();
    let sockets = sockets.with_context(|| format!("the floor takes a socket for each of {receivers} receivers"))?;
    let addresses: Vec<SocketAddr> = sockets
        .iter()
        .map(|socket| Ok((Ipv4Addr::LOCALHOST, socket.local_addr()?.port()).into()))
        .collect::<std::io::Result<_>>()?;
    let poll = Poll::new()?;
    // Ends with the function: nobody holds the other end any more.
    let (_held, ended) = mpsc::channel::<()>();
    let receiving = thread::Builder::new().name("floor".to_owned());
    receiving.spawn(move || receive(poll, sockets, &ended))?;
    let mut sender = Sender::new()?;
    let (begin, mut packets, mut from) = (Instant::now(), 0_u64, thread_cpu()?);
    let first = |(place, stream)| Reverse((begin + phase(place, stream), place));
    let mut beats: BinaryHeap<_> = (0..).zip(&streams).map(first).collect();
    let mut warm_up = WARM_UP * beats.len();
    while let Some(Reverse((due, place))) = beats.pop() {
        let Some(stream) = streams.get(place).filter(|_| due < begin + duration && !stop.is_cancelled()) else { break };
        wait(due);
        let (first, end) = stream.receivers;
        let receivers = addresses.get(first..end).unwrap_or_default();
        receivers.iter().for_each(|to| sender.send(stream, *to));
        packets += (stream.packets * receivers.len()) as u64;
        beats.push(Reverse((due + stream.interval, place)));
        if warm_up > 0 {
            warm_up -= 1;
            (packets, from) = (0, thread_cpu()?);
        }
    }
    let took = thread_cpu()?.saturating_sub(from);
    Ok((packets > 0).then(|| took.as_secs_f64() * 1e6 / packets as f64))
}

/// When in its interval the stream at this place begins: spread evenly, whatever the number of streams (the golden ratio).
fn phase(place: usize, stream: &Stream) -> Duration {
    stream.interval.mul_f64((place as f64 * 0.618_033_988_75).fract())
}

/// What is sent by whom to whom while everybody is there, and how many receive.
fn streams(plan: &Plan) -> (Vec<Stream>, usize) {
    let (mut streams, mut receivers) = (Vec::new(), 0);
    for scenario in &plan.scenarios {
        let Cast { rooms, publishers, viewers, media } = scenario.cast();
        let visitors = match *scenario {
            Scenario::Churn { joins_per_second, stay_seconds, .. } => {
                (joins_per_second * stay_seconds.min(plan.duration_seconds) / rooms as f64) as usize
            }
            _ => 0,
        };
        for _ in 0..rooms {
            // A publisher's own packets go to the others: as many as there are, whoever it is.
            let room = (receivers, receivers + publishers - 1 + viewers + visitors);
            for _ in 0..publishers {
                streams.extend(of_media(&media, room));
            }
            receivers = room.1;
        }
    }
    (streams, receivers)
}

/// Of the highest layer: it is the one that is forwarded where nothing is in the way.
fn of_media(media: &Media, receivers: (usize, usize)) -> impl Iterator<Item = Stream> + use<> {
    let video = media.video.map(|video| {
        let bytes = (video.bitrate_bps / 8 / u64::from(video.fps.max(1))) as usize;
        let packets = bytes.div_ceil(video.payload_bytes.max(1)).max(1);
        let interval = Duration::from_secs(1) / video.fps.max(1);
        Stream { receivers, packets, payload: bytes.div_ceil(packets), interval }
    });
    let audio = media.audio.map(|audio| {
        let payload = (audio.bitrate_bps * u64::from(audio.packet_ms) / 8_000) as usize;
        Stream { receivers, packets: 1, payload, interval: Duration::from_millis(audio.packet_ms.into()) }
    });
    video.into_iter().chain(audio)
}

/// Seals and sends.
struct Sender {
    key: LessSafeKey,
    sealed: u64,
    socket: UdpSocket,
    sending: net::Sender,
    frame: Vec<u8>,
}

impl Sender {
    fn new() -> anyhow::Result<Self> {
        let key = UnboundKey::new(&AES_128_GCM, &[7; 16]).ok().context("a key of 128 bits")?;
        let (socket, sending) = (net::open(Ipv4Addr::LOCALHOST.into())?, net::Sender::default());
        Ok(Self { key: LessSafeKey::new(key), sealed: 0, socket, sending, frame: Vec::new() })
    }

    fn send(&mut self, stream: &Stream, to: SocketAddr) {
        let segment = HEADER.len() + stream.payload + TAG;
        self.frame.resize(stream.packets * segment, 0x80);
        for packet in self.frame.chunks_exact_mut(segment) {
            self.sealed += 1;
            let mut nonce = [0; NONCE_LEN];
            nonce[NONCE_LEN - 8..].copy_from_slice(&self.sealed.to_be_bytes());
            let (header, rest) = packet.split_at_mut(HEADER.len());
            let (payload, room) = rest.split_at_mut(stream.payload);
            let nonce = Nonce::assume_unique_for_key(nonce);
            // No payload is near what the cipher takes at most.
            if let Ok(tag) = self.key.seal_in_place_separate_tag(nonce, Aad::from(&*header), payload) {
                room.copy_from_slice(tag.as_ref());
            }
        }
        // What a full buffer does not take has cost its time as well.
        let _ = self.sending.send_frame(&self.socket, to, &self.frame, segment);
    }
}

/// Empties the sockets, a millisecond apart, until the other end of `ended` is gone.
fn receive(mut poll: Poll, mut sockets: Vec<UdpSocket>, ended: &mpsc::Receiver<()>) {
    let (mut receiver, mut events) = (net::Receiver::new(), Events::with_capacity(1_024));
    for (place, socket) in sockets.iter_mut().enumerate() {
        if poll.registry().register(socket, Token(place), Interest::READABLE).is_err() {
            return;
        }
    }
    while ended.recv_timeout(LOOKS) == Err(RecvTimeoutError::Timeout) {
        if poll.poll(&mut events, Some(Duration::ZERO)).is_err() {
            continue;
        }
        for event in &events {
            if let Some(socket) = sockets.get(event.token().0) {
                while receiver.receive(socket).is_ok_and(|more| more) {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Audio, Video};

    fn plan(scenarios: Vec<Scenario>) -> Plan {
        Plan { scenarios, ..Plan::default() }
    }

    #[test]
    fn frames_are_those_of_the_publishers() {
        let video = Video { bitrate_bps: 2_300_000, fps: 30, payload_bytes: 1_100, layers: 3 };
        let media = Media { video: Some(video), audio: Some(Audio::default()) };
        let (of, receivers) = streams(&plan(vec![Scenario::Livestream { publishers: 1, viewers: 100, media }]));
        let video = Stream { receivers: (0, 100), packets: 9, payload: 1_065, interval: Duration::from_secs(1) / 30 };
        let audio = Stream { packets: 1, payload: 80, interval: Duration::from_millis(20), ..video };
        assert_eq!((of, receivers), (vec![video, audio], 100));
    }

    #[test]
    fn everybody_is_sent_what_the_others_of_a_room_send() {
        let media = Media { video: None, ..Media::default() };
        let (of, receivers) = streams(&plan(vec![
            Scenario::Rooms { rooms: 2, participants: 3, media },
            Scenario::Churn { rooms: 1, publishers: 1, joins_per_second: 5.0, stay_seconds: 4.0, media },
            Scenario::Meeting { participants: 1, media },
        ]));
        let ranges: Vec<_> = of.iter().map(|stream| stream.receivers).collect();
        assert_eq!(ranges, [(0, 2), (0, 2), (0, 2), (2, 4), (2, 4), (2, 4), (4, 24), (24, 24)]);
        assert_eq!(receivers, 24);
    }

    /// On virtual time: no moment is waited for. Returns the floor, and how many frames were sent.
    fn measured(participants: usize, stop: &CancellationToken) -> (Option<f64>, usize) {
        let mut frames = 0;
        let plan = plan(vec![Scenario::Meeting { participants, media: Media { video: None, ..Media::default() } }]);
        let floor = measure_by(|_| frames += 1, &plan, Duration::from_secs(1), stop);
        (floor.unwrap(), frames)
    }

    #[test]
    fn a_floor_is_measured_and_ends() {
        let stop = CancellationToken::new();
        let (floor, frames) = measured(3, &stop);
        assert!(floor.is_some_and(|micros| micros > 0.0));
        assert_eq!(frames, 3 * 50, "each of three sends fifty times in a second");
        assert_eq!(measured(1, &stop), (None, 50), "nobody is there to receive");
        stop.cancel();
        assert_eq!(measured(3, &stop), (None, 0));
    }
}
