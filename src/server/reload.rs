//! A running server is given a new configuration, and takes what it can of it.
//!
//! What cannot be used is found before anything changes: a reload happens whole or not at all. Knobs of which
//! [`Knob::reload`](parlor_config::Knob::reload) is true take effect, the others are named as waiting for a restart.

use super::{StartError, settings, warn_of_open_rooms};
use crate::logging::Level;
use crate::tls::Tls;
use parlor_config::{Config, Knob, LimitsConfig};
use parlor_signaling::Signaling;
use tokio::sync::watch;

/// Gives new configurations to a server that runs.
#[derive(Debug)]
pub struct Reloader {
    /// What the server goes by now.
    pub(super) running: Config,
    pub(super) signaling: Signaling,
    pub(super) limits: watch::Sender<LimitsConfig>,
    pub(super) tls: Option<Tls>,
    pub(super) level: Level,
}

/// What became of a new configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// Keys whose new values have taken effect.
    pub applied: Vec<&'static str>,
    /// Keys whose new values take effect with a restart.
    pub left: Vec<&'static str>,
}

impl Reloader {
    /// Brings the server in line with another configuration. Key sets and certificates are read again in any case.
    ///
    /// # Errors
    /// What cannot be used; everything stays as it was.
    pub fn reload(&mut self, fresh: Config) -> Result<Reloaded, StartError> {
        let next = self.running.reloaded(fresh.clone());
        let policy = settings::policy(&next)?;
        if let Some(tls) = &self.tls {
            tls.reload(&next.http)?;
        }
        // Nothing fails from here on.
        if policy.keys.is_open() && next.auth != self.running.auth {
            warn_of_open_rooms();
        }
        self.signaling.replace_policy(policy);
        self.limits.send_replace(next.limits.clone());
        self.level.set(next.log.level);
        let keys = |knobs: Vec<&'static Knob>| knobs.into_iter().map(|knob| knob.key).collect();
        let reloaded =
            Reloaded { applied: keys(self.running.changed_knobs(&next)), left: keys(next.changed_knobs(&fresh)) };
        self.running = next;
        Ok(reloaded)
    }
}

impl Reloaded {
    /// Says so in the log.
    pub fn log(&self) {
        tracing::info!(changed = self.applied.join(", "), "the configuration was reloaded");
        if !self.left.is_empty() {
            tracing::warn!(changed = self.left.join(", "), "what has changed here needs a restart");
        }
    }
}

#[cfg(test)]
mod tests;
