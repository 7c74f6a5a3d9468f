//! A run: opens the rooms, has everybody join at the planned pace, waits, has everybody leave, adds up.

mod progress;

pub use progress::{Observer, Phase, Snapshot};

use crate::clock::Nanos;
use crate::ledger::Ledger;
use crate::net;
use crate::participant::{Stage, attend};
use crate::plan::{Plan, SETTLING};
use crate::tally::{Measures, Tally};
use crate::target::Target;
use crate::timetable::{Part, Timetable};
use crate::worker::{Order, Worker};
use anyhow::Context;
use futures_util::future::join_all;
use progress::Progress;
use reqwest::Url;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// A join that begins so much after its time is the tester's fault.
const LATE: Duration = Duration::from_millis(100);
/// Beyond a leave's own bound, how long the end waits for everybody to be gone.
const GRACE: Duration = Duration::from_secs(15);
/// The most requests for rooms at once.
const ROOMS_AT_ONCE: usize = 8;

/// Runs a plan. `stop` ends it early: everybody leaves, and what was measured is returned all the same.
///
/// # Errors
/// When the plan cannot be run at all: it is not valid, or a room or a thread cannot be made. What goes wrong for
/// participants is counted, not returned.
pub async fn run(
    plan: &Plan,
    target: Arc<dyn Target>,
    observer: Arc<dyn Observer>,
    stop: CancellationToken,
) -> anyhow::Result<Tally> {
    plan.check().map_err(anyhow::Error::msg)?;
    let local = local_address(&plan.server).await?;
    let mut table = Timetable::new(plan);
    let start = Nanos::now();
    let count = plan.scenarios.len();
    let workers = (0..plan.threads)
        .map(|index| Worker::start(index, local, plan.seed, plan.sample_every, count, start))
        .collect::<Result<Vec<_>, _>>()?;
    let rooms = match &plan.room {
        Some(room) => vec![room.clone()],
        None => open_rooms(target.as_ref(), &table).await?,
    };
    let stage = Arc::new(Stage {
        target,
        workers,
        rooms,
        join_timeout: plan.join_timeout(),
        ledger: Ledger::new(count, start),
        leave: CancellationToken::new(),
    });
    let progress = Progress::new(stage.clone(), observer, start, table.crew.len() as u64);
    let mut run = Run { stage, progress, stop, people: JoinSet::new(), start };
    let steady = run.go(plan, &mut table).await;
    let mut tally = run.add_up(steady).await;
    if plan.room.is_none() {
        close_rooms(run.stage.target.as_ref(), &run.stage.rooms).await;
    }
    run.progress.enter(Phase::Over, None);
    tally.interrupted = run.stop.is_cancelled();
    Ok(tally)
}

/// When the steady part began and ended, counted from the start.
type Steady = (Option<Duration>, Option<Duration>);

struct Run {
    stage: Arc<Stage>,
    progress: Arc<Progress>,
    stop: CancellationToken,
    people: JoinSet<()>,
    start: Nanos,
}

impl Run {
    async fn go(&mut self, plan: &Plan, table: &mut Timetable) -> Steady {
        let ticker = self.progress.clone().tick();
        let begin = Instant::now();
        let ramp = table.crew.last().map_or(Duration::ZERO, |part| part.at);
        self.progress.enter(Phase::Joining, Some(ramp));
        for part in std::mem::take(&mut table.crew) {
            if !self.send_in(begin, part).await {
                break;
            }
        }
        let mut steady = (None, None);
        let ready = self.progress.everybody_has_tried(plan.join_timeout() + Duration::from_secs(1));
        let settled = async {
            ready.await;
            tokio::time::sleep(SETTLING).await;
        };
        let ready = tokio::select! {
            () = settled => true,
            () = self.stop.cancelled() => false,
        };
        if ready {
            steady.0 = Some(self.since_start());
            self.progress.enter(Phase::Steady, Some(plan.duration()));
            self.tell_workers(|| Order::Measure);
            self.stay(plan.duration(), table).await;
            self.tell_workers(|| Order::Rest);
            steady.1 = Some(self.since_start());
        }
        self.progress.enter(Phase::Leaving, None);
        self.stage.leave.cancel();
        let everybody = async { while self.people.join_next().await.is_some() {} };
        if timeout(GRACE, everybody).await.is_err() {
            tracing::warn!("some participants did not leave in time");
        }
        ticker.abort();
        steady
    }

    /// Starts a part when its time has come. Returns whether the run goes on.
    async fn send_in(&mut self, begin: Instant, part: Part) -> bool {
        let due = begin + part.at;
        tokio::select! {
            () = sleep_until(due) => {}
            () = self.stop.cancelled() => return false,
        }
        let late = due.elapsed() > LATE;
        self.people.spawn(attend(self.stage.clone(), part, late));
        // Who has come and gone again needs no keeping.
        while self.people.try_join_next().is_some() {}
        true
    }

    /// The steady part, in which visitors come and go.
    async fn stay(&mut self, duration: Duration, table: &mut Timetable) {
        let begin = Instant::now();
        while let Some(part) = table.next_visitor() {
            if part.at >= duration || !self.send_in(begin, part).await {
                break;
            }
        }
        tokio::select! {
            () = sleep_until(begin + duration) => {}
            () = self.stop.cancelled() => {}
        }
    }

    fn since_start(&self) -> Duration {
        Duration::from_nanos(Nanos::now().since(self.start))
    }

    fn tell_workers(&self, order: impl Fn() -> Order) {
        self.stage.workers.iter().for_each(|worker| worker.order(order()));
    }

    async fn add_up(&self, (steady_from, steady_until): Steady) -> Tally {
        let mut tally = Tally { elapsed: self.since_start(), steady_from, steady_until, ..Tally::default() };
        let (scenarios, windows, late_joins) = self.stage.ledger.close();
        (tally.scenarios, tally.windows) = (scenarios, windows);
        for worker in &self.stage.workers {
            let (reply, answer) = oneshot::channel();
            worker.order(Order::Finish(reply));
            let Ok(part) = answer.await else {
                tracing::error!("a thread of the tester ended early; what it counted is missing");
                continue;
            };
            for (mine, theirs) in tally.scenarios.iter_mut().zip(&part.scenarios) {
                mine.merge(theirs);
            }
            tally.windows.merge(&part.windows);
            tally.saturation.merge(&part.saturation);
        }
        tally.saturation.late_joins = late_joins;
        let mut total = Measures::default();
        tally.scenarios.iter().for_each(|measures| total.merge(measures));
        tally.total = total;
        tally
    }
}

/// The address at which the server reaches this machine.
async fn local_address(server: &str) -> anyhow::Result<IpAddr> {
    let url = Url::parse(server).context("the server's URL")?;
    let host = url.host_str().context("the server's URL has no host")?.trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(80);
    let mut addresses =
        tokio::net::lookup_host((host.as_str(), port)).await.with_context(|| format!("looking up {host}"))?;
    let addresses: Vec<SocketAddr> = addresses.by_ref().collect();
    let best = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    Ok(net::local_address_toward(*best.with_context(|| format!("{host} has no address"))?)?)
}

/// Opens all rooms, or none.
async fn open_rooms(target: &dyn Target, table: &Timetable) -> anyhow::Result<Vec<String>> {
    let (mut rooms, mut refused) = (Vec::with_capacity(table.rooms.len()), None);
    for sizes in table.rooms.chunks(ROOMS_AT_ONCE) {
        for opened in join_all(sizes.iter().map(|size| target.open_room(*size))).await {
            match opened {
                Ok(room) => rooms.push(room),
                Err(error) => refused = Some(error),
            }
        }
        if let Some(error) = refused {
            close_rooms(target, &rooms).await;
            return Err(anyhow::Error::new(error).context("opening a room"));
        }
    }
    Ok(rooms)
}

async fn close_rooms(target: &dyn Target, rooms: &[String]) {
    for rooms in rooms.chunks(ROOMS_AT_ONCE) {
        let closed = join_all(rooms.iter().map(|room| target.close_room(room))).await;
        for error in closed.into_iter().filter_map(Result::err) {
            tracing::warn!(%error, "a room was not closed");
        }
    }
}
