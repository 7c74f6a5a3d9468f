//! A participant's life: joining, staying, leaving. One task each.

use crate::clock::Nanos;
use crate::ledger::Ledger;
use crate::target::{Layout, Line, OfferedTrack, Seat, SeatEvent, Source, Target};
use crate::timetable::Part;
use crate::worker::{Key, Order, Setup, Worker};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long a leave may take.
const LEAVING: Duration = Duration::from_secs(10);

/// What all participants of a run share.
pub(crate) struct Stage {
    pub(crate) target: Arc<dyn Target>,
    pub(crate) workers: Vec<Worker>,
    /// The rooms' names, by their places in the timetable.
    pub(crate) rooms: Vec<String>,
    pub(crate) join_timeout: Duration,
    pub(crate) ledger: Ledger,
    pub(crate) leave: CancellationToken,
}

/// What a participant holds.
struct Presence<'a> {
    stage: &'a Stage,
    part: &'a Part,
    worker: &'a Worker,
    begin: Nanos,
    seat: Option<Box<dyn Seat>>,
    publish: Option<Key>,
    subscribe: Option<Key>,
    /// What is being done, for the reason of a timeout.
    step: Arc<AtomicUsize>,
}

const STEPS: [&str; 4] = ["entering the room", "offer and answer", "subscribing", "ICE and DTLS"];

/// Lives through a part, from the join until the run's end or the part's.
pub(crate) async fn attend(stage: Arc<Stage>, part: Part, late: bool) {
    let begin = Nanos::now();
    let Some(worker) = stage.workers.get(part.number as usize % stage.workers.len().max(1)) else { return };
    let (step, leave) = (Arc::new(AtomicUsize::new(0)), stage.leave.clone());
    let mut presence = Presence {
        stage: &stage,
        part: &part,
        worker,
        begin,
        seat: None,
        publish: None,
        subscribe: None,
        step: step.clone(),
    };
    stage.ledger.join_begins(part.scenario, late);
    let joining = timeout(stage.join_timeout, presence.join());
    let joined = tokio::select! {
        result = joining => Some(result.unwrap_or_else(|_| {
            let step = STEPS.get(step.load(Ordering::Relaxed)).copied().unwrap_or_default();
            Err(format!("timeout: {step}"))
        })),
        () = leave.cancelled() => None,
    };
    match joined {
        None => stage.ledger.join_is_void(part.scenario),
        Some(Err(reason)) => stage.ledger.join_failed(part.scenario, &reason, Nanos::now()),
        Some(Ok(())) => {
            stage.ledger.joined(part.scenario, begin, Nanos::now());
            if let Err(reason) = presence.stay().await {
                stage.ledger.lost(part.scenario, &reason, Nanos::now());
            } else {
                presence.leave().await;
            }
        }
    }
    presence.end().await;
}

impl Presence<'_> {
    fn at(&self, step: usize) {
        self.step.store(step, Ordering::Relaxed);
    }

    async fn join(&mut self) -> Result<(), String> {
        self.at(0);
        let room = self.stage.rooms.get(self.part.room).ok_or("there is no such room")?;
        let name = format!("Load {}", self.part.number);
        let seat = self.stage.target.join(room, &name).await.map_err(|error| error.reason())?;
        self.seat = Some(seat);
        let layout = self.stage.target.layout();
        if layout == Layout::Single || self.part.sends.is_some() {
            self.at(1);
            self.publish(layout).await?;
        }
        self.at(2);
        self.seat()?.subscribe().await.map_err(|error| error.reason())?;
        self.at(3);
        self.connect().await
    }

    fn seat(&mut self) -> Result<&mut Box<dyn Seat>, String> {
        self.seat.as_mut().ok_or_else(|| "there is no seat".to_owned())
    }

    fn setup(&self, line: Line, layout: Layout) -> Setup {
        let publishes = line == Line::Publish;
        Setup {
            scenario: self.part.scenario,
            sends: self.part.sends.filter(|_| publishes),
            offers: publishes,
            data_channel: layout == Layout::Single,
            witness: self.part.witness && (layout == Layout::Single || !publishes),
            begin: self.begin,
        }
    }

    async fn publish(&mut self, layout: Layout) -> Result<(), String> {
        let setup = Box::new(self.setup(Line::Publish, layout));
        let (key, offer) = ask(self.worker, |reply| Order::Open(setup, reply)).await?;
        self.publish = Some(key);
        let offer = offer.ok_or("no offer was made")?;
        let tracks = offered_tracks(&offer);
        let answer = self.seat()?.publish(offer, tracks).await.map_err(|error| error.reason())?;
        ask(self.worker, |reply| Order::Answered(key, answer, reply)).await
    }

    /// Waits until the connection that the participant needs is up, and follows the server's offers meanwhile.
    async fn connect(&mut self) -> Result<(), String> {
        loop {
            let needed = self.publish.or(self.subscribe);
            let up = needed.map(|key| order(self.worker, |reply| Order::Await(key, reply)));
            let seat = self.seat.as_mut().ok_or("there is no seat")?;
            let event = match up {
                Some(up) => tokio::select! {
                    result = up => return result.unwrap_or_else(|_| Err(gone())),
                    event = seat.next_event() => event,
                },
                None => seat.next_event().await,
            };
            self.handle(event).await?;
        }
    }

    /// Until it is time to leave.
    ///
    /// # Errors
    /// When the participant's place or connection is lost.
    async fn stay(&mut self) -> Result<(), String> {
        let leave = self.stage.leave.clone();
        let over = sleep(self.part.stay.unwrap_or(Duration::MAX));
        let (lost_publish, lost_subscribe) = (self.watch(self.publish), self.watch(self.subscribe));
        tokio::pin!(over, lost_publish, lost_subscribe);
        loop {
            let seat = self.seat.as_mut().ok_or("there is no seat")?;
            let event = tokio::select! {
                event = seat.next_event() => event,
                () = leave.cancelled() => return Ok(()),
                () = &mut over => return Ok(()),
                reason = &mut lost_publish => return Err(reason),
                reason = &mut lost_subscribe => return Err(reason),
            };
            self.handle(event).await?;
        }
    }

    /// Resolves when a connection is lost.
    fn watch(&self, key: Option<Key>) -> impl Future<Output = String> + use<> {
        let lost = key.map(|key| order(self.worker, |reply| Order::Watch(key, reply)));
        async {
            match lost {
                Some(lost) => lost.await.unwrap_or_else(|_| gone()),
                None => std::future::pending().await,
            }
        }
    }

    async fn handle(&mut self, event: SeatEvent) -> Result<(), String> {
        let (line, negotiation, sdp) = match event {
            SeatEvent::Offered { line, negotiation, sdp } => (line, negotiation, sdp),
            SeatEvent::Removed { reason } => return Err(reason),
        };
        let key = match if line == Line::Publish { self.publish } else { self.subscribe } {
            Some(key) => key,
            None => {
                let setup = Box::new(self.setup(line, self.stage.target.layout()));
                let setup = Box::new(Setup { offers: false, data_channel: false, ..*setup });
                let (key, _) = ask(self.worker, |reply| Order::Open(setup, reply)).await?;
                self.subscribe = Some(key);
                key
            }
        };
        let answer = ask(self.worker, |reply| Order::Offered(key, sdp, reply)).await?;
        self.seat()?.answer(line, negotiation, answer).await.map_err(|error| error.reason())
    }

    async fn leave(&mut self) {
        let begin = Nanos::now();
        let Some(mut seat) = self.seat.take() else { return };
        let left = timeout(LEAVING, seat.leave()).await;
        let now = Nanos::now();
        let result = match left {
            Ok(Ok(())) => Ok(now.since(begin)),
            Ok(Err(error)) => Err(error.reason()),
            Err(_) => Err("timeout: leaving".to_owned()),
        };
        self.stage.ledger.left(self.part.scenario, result, now);
    }

    /// Gives up whatever is still held.
    async fn end(mut self) {
        for key in [self.publish, self.subscribe].into_iter().flatten() {
            self.worker.order(Order::Close(key));
        }
        if let Some(mut seat) = self.seat.take() {
            // What became of it is told already.
            let _ = timeout(LEAVING, seat.leave()).await;
        }
    }
}

fn order<T>(worker: &Worker, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> oneshot::Receiver<T> {
    let (reply, answer) = oneshot::channel();
    worker.order(order(reply));
    answer
}

async fn ask<T>(worker: &Worker, what: impl FnOnce(oneshot::Sender<Result<T, String>>) -> Order) -> Result<T, String> {
    order(worker, what).await.unwrap_or_else(|_| Err(gone()))
}

fn gone() -> String {
    "the tester's thread is gone".to_owned()
}

/// The m-lines of an offer that send something.
fn offered_tracks(offer: &str) -> Vec<OfferedTrack> {
    let (mut source, mut tracks) = (None, Vec::new());
    for line in offer.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            source = match media.split_whitespace().next() {
                Some("video") => Some(Source::Camera),
                Some("audio") => Some(Source::Microphone),
                _ => None,
            };
        } else if let (Some(mid), Some(source)) = (line.strip_prefix("a=mid:"), source) {
            tracks.push(OfferedTrack { mid: mid.trim().to_owned(), source });
        }
    }
    tracks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offered_tracks_are_those_that_send() {
        let offer = "v=0\r\nm=audio 9 X\r\na=mid:0\r\nm=application 9 X\r\na=mid:1\r\nm=video 9 X\r\na=mid:2\r\n";
        let expected = [("0", Source::Microphone), ("2", Source::Camera)];
        let expected = expected.map(|(mid, source)| OfferedTrack { mid: mid.to_owned(), source });
        assert_eq!(offered_tracks(offer), expected);
    }
}
