//! What the server's process costs while a run goes on: looked at before anybody has come, when the steady part begins and when it
//! ends, in `/proc` where the server is on this machine, and at its `/metrics`.
//!
//! Looking costs the server next to nothing, and the tester waits for no answer: [`Watch`] is told of phases by the run, reads what
//! can be read at once, and asks for metrics on a task of its own.

pub mod listener;
pub mod machine;
pub mod metrics;
pub mod process;
mod scrape;

use machine::Machine;
use process::Usage;
pub use scrape::Scraper;
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Where the server's process can be looked at.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// Its process, where it is on this machine.
    pub pid: Option<u32>,
    /// Its metrics, if it has any.
    pub scraper: Option<Scraper>,
}

/// One look.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// When.
    pub at: Instant,
    /// What the server's process had used.
    pub process: Option<Usage>,
    /// What the server said of itself.
    pub metrics: Option<metrics::Reading>,
    /// What the tester's own process had used.
    pub tester: Option<Usage>,
    /// This machine's processors.
    pub machine: Option<Machine>,
    /// Participants of the run that were connected.
    pub connected: u64,
}

/// The looks of a run; those that it did not come to are not there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Looks {
    /// Before anybody came.
    pub before: Option<Look>,
    /// When everybody had come.
    pub steady_from: Option<Look>,
    /// When leaving began.
    pub steady_until: Option<Look>,
}

/// A look whose metrics may be under way.
struct Pending {
    look: Look,
    metrics: Option<JoinHandle<Option<metrics::Reading>>>,
}

/// Looks at the server when the run's phase says so.
pub struct Watch {
    server: Server,
    /// Looks are taken on whatever thread tells of the phase.
    runtime: Handle,
    before: Option<Pending>,
    steady_from: Option<Pending>,
    steady_until: Option<Pending>,
}

/// Which look is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before anybody comes.
    Before,
    /// Everybody has come.
    SteadyFrom,
    /// Leaving begins.
    SteadyUntil,
}

impl Watch {
    /// Of that server, which it asks on `runtime`. It looks at nothing yet.
    pub fn new(server: Server, runtime: Handle) -> Self {
        Self { server, runtime, before: None, steady_from: None, steady_until: None }
    }

    /// Looks; a second look for the same moment is none.
    pub fn look(&mut self, moment: Moment, connected: u64) {
        let place = match moment {
            Moment::Before => &mut self.before,
            Moment::SteadyFrom => &mut self.steady_from,
            Moment::SteadyUntil => &mut self.steady_until,
        };
        if place.is_none() {
            *place = Some(Pending::begin(&self.server, &self.runtime, connected));
        }
    }

    /// Waits until what was asked for is answered. So the answer tells of before whatever comes next.
    pub async fn settle(&mut self) {
        for place in [&mut self.before, &mut self.steady_from, &mut self.steady_until] {
            *place = finish(place.take()).await.map(|look| Pending { look, metrics: None });
        }
    }

    /// All looks, when the last answer is there. Afterwards there are none.
    pub async fn finish(&mut self) -> Looks {
        Looks {
            before: finish(self.before.take()).await,
            steady_from: finish(self.steady_from.take()).await,
            steady_until: finish(self.steady_until.take()).await,
        }
    }
}

impl Pending {
    fn begin(server: &Server, runtime: &Handle, connected: u64) -> Self {
        let metrics = server.scraper.clone().map(|scraper| runtime.spawn(async move { scraper.read().await.ok() }));
        let look = Look {
            at: Instant::now(),
            process: server.pid.and_then(|pid| process::usage(pid).ok()),
            metrics: None,
            tester: process::usage(std::process::id()).ok(),
            machine: Machine::read(),
            connected,
        };
        Self { look, metrics }
    }
}

async fn finish(pending: Option<Pending>) -> Option<Look> {
    let Pending { look, metrics } = pending?;
    match metrics {
        Some(metrics) => Some(Look { metrics: metrics.await.ok().flatten(), ..look }),
        None => Some(look),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_moment_is_looked_at_once() {
        let server = Server { pid: Some(std::process::id()), scraper: None };
        let mut watch = Watch::new(server, Handle::current());
        watch.look(Moment::Before, 0);
        watch.look(Moment::SteadyFrom, 3);
        watch.look(Moment::SteadyFrom, 4);
        let looks = watch.finish().await;
        assert_eq!(looks.steady_from.unwrap().connected, 3);
        assert!(looks.steady_from.unwrap().process.unwrap().cpu >= looks.before.unwrap().process.unwrap().cpu);
        assert!(looks.steady_until.is_none() && looks.before.unwrap().metrics.is_none());
    }
}
