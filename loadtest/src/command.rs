//! Does what the command line orders: finds the server's process, runs the plan while it shows how that goes, and puts the report
//! together.

use crate::cli::Order;
use crate::floor;
use crate::plan::TargetKind;
use crate::progress::Progress;
use crate::report::{Report, ServerProcess, Verdict};
use crate::run::{Observer, Phase, Snapshot, run};
use crate::target;
use crate::watch::{Looks, Moment, Scraper, Server, Watch, listener, process};
use anyhow::Context;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It ran, and all thresholds are met.
    Done = 0,
    /// A threshold is missed.
    Missed = 1,
    /// The command line is not right.
    Usage = 2,
    /// It could not run.
    Failed = 3,
    /// There are thresholds, and the tester was the bottleneck.
    TesterLimited = 4,
    /// It was interrupted: 128 and the number of SIGINT.
    Interrupted = 130,
}

impl Exit {
    /// What follows from a report.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        if report.interrupted {
            return Self::Interrupted;
        }
        if report.total.joins.succeeded == 0 {
            return Self::Failed;
        }
        match report.verdict {
            Verdict::Unchecked | Verdict::Passed => Self::Done,
            Verdict::Missed => Self::Missed,
            Verdict::TesterLimited => Self::TesterLimited,
        }
    }
}

/// Runs the plan and reports. `stop` ends it early.
///
/// # Errors
/// When it cannot be run at all.
pub async fn execute(order: &Order, stop: CancellationToken) -> anyhow::Result<Report> {
    let target = target::connect(&order.plan)?;
    let (server, mut about) = find(order).await;
    about.floor = find_floor(order, stop.clone()).await?;
    let mut watch = Watch::new(server, Handle::current());
    watch.look(Moment::Before, 0);
    watch.settle().await;
    let observer =
        Arc::new(Display { progress: Mutex::new(Progress::on_stderr(order.is_quiet)), watch: Mutex::new(Some(watch)) });
    let tally = run(&order.plan, target, Arc::clone(&observer) as Arc<dyn Observer>, stop).await;
    lock(&observer.progress).end();
    let watch = lock(&observer.watch).take();
    let looks = match watch {
        Some(mut watch) => watch.finish().await,
        None => Looks::default(),
    };
    Ok(Report::new(&order.plan, &tally?, &looks, about, &order.checks))
}

/// Shows how the run goes, and has the server looked at when its phase changes.
struct Display {
    progress: Mutex<Progress>,
    /// Until the run is over.
    watch: Mutex<Option<Watch>>,
}

impl Observer for Display {
    fn observe(&self, snapshot: &Snapshot) {
        let moment = match snapshot.phase {
            Phase::Steady => Some(Moment::SteadyFrom),
            Phase::Leaving | Phase::Over => Some(Moment::SteadyUntil),
            Phase::Opening | Phase::Joining => None,
        };
        if let Some((moment, watch)) = moment.zip(lock(&self.watch).as_mut()) {
            // Not the connections: a participant may have two.
            watch.look(moment, snapshot.joined.saturating_sub(snapshot.left));
        }
        lock(&self.progress).show(snapshot);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while it was held left nothing half done that matters here.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the server can be looked at, and what is said about that.
async fn find(order: &Order) -> (Server, ServerProcess) {
    let pid = match order.pid {
        Some(pid) => Some(pid),
        None => find_pid(&order.plan.server).await,
    };
    // One that cannot be looked at is none.
    let pid = pid.filter(|pid| process::usage(*pid).is_ok());
    let mut unknown = Vec::new();
    if pid.is_none() {
        let why = if order.pid.is_some() {
            "there is no such process as --pid names"
        } else {
            "its process is not seen on this machine"
        };
        unknown.push(why.to_owned());
    }
    let scraper = match find_metrics(order).await {
        Ok(scraper) => Some(scraper),
        Err(why) => {
            unknown.push(why);
            None
        }
    };
    let is_nothing_known = pid.is_none() && scraper.is_none();
    let is_named_in_vain = (order.pid.is_some() && pid.is_none()) || (order.metrics.is_some() && scraper.is_none());
    let unknown = (is_nothing_known || is_named_in_vain).then(|| unknown.join("; "));
    (Server { pid, scraper }, ServerProcess { pid, name: pid.and_then(process::name), unknown, floor: None })
}

/// What a packet takes at the least, if that is asked for.
async fn find_floor(order: &Order, stop: CancellationToken) -> anyhow::Result<Option<f64>> {
    let Some(duration) = order.floor else { return Ok(None) };
    let plan = order.plan.clone();
    let measured = tokio::task::spawn_blocking(move || floor::measure(&plan, duration, &stop)).await?;
    measured.context("measuring the floor")
}

/// The process that listens where the server is, if that is here.
async fn find_pid(server: &str) -> Option<u32> {
    let url = reqwest::Url::parse(server).ok()?;
    let port = url.port().or_else(|| match url.scheme() {
        "https" | "wss" => Some(443),
        _ => Some(80),
    })?;
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    let mut addresses = tokio::net::lookup_host((host, port)).await.ok()?;
    let is_here = addresses.any(|address| listener::is_local(address.ip()));
    if is_here { listener::pid_of_port(port) } else { None }
}

/// The server's metrics, if they can be read.
async fn find_metrics(order: &Order) -> Result<Scraper, String> {
    let url = match (&order.metrics, order.plan.target) {
        (Some(url), _) => url.clone(),
        (None, TargetKind::Janus) => return Err("Janus has no metrics".to_owned()),
        (None, TargetKind::Parlor) => {
            let server = reqwest::Url::parse(&order.plan.server).map_err(|error| error.to_string())?;
            server.join("/metrics").map_err(|error| error.to_string())?
        }
    };
    let unknown = |error| format!("{url} cannot be read: {error}");
    let scraper = Scraper::new(url.clone(), order.plan.insecure).map_err(unknown)?;
    scraper.read().await.map_err(unknown)?;
    Ok(scraper)
}
