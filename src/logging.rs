//! Log lines: to standard error, for people or machines.

use crate::traces::Traces;
use parlor_config::{LogConfig, LogFormat, LogLevel};
use std::io::{self, IsTerminal};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

/// The level of the lines of a running process.
#[derive(Clone, Debug)]
pub struct Level(reload::Handle<EnvFilter, Registry>);

impl Level {
    /// Writes lines from this level on.
    pub fn set(&self, level: LogLevel) {
        // An error means that nothing is logged any more.
        let _ = self.0.reload(filter(level));
    }
}

/// Starts logging, panics included, and hands spans to `traces`. The first call of a process counts.
pub fn start(config: &LogConfig, traces: Option<&Traces>) -> Level {
    let (lines, level) = lines(config);
    let layers: Vec<_> =
        [Some(lines.boxed()), traces.map(|traces| traces.layer().boxed())].into_iter().flatten().collect();
    // An error means that logging has been started already, as in a test: that stands.
    let _ = tracing_subscriber::registry().with(layers).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(thread = thread.name().unwrap_or("unnamed"), place, message, "panic");
    }));
    level
}

/// What writes lines, and its level.
pub(crate) fn lines(config: &LogConfig) -> (impl Layer<Registry> + use<>, Level) {
    let human = match config.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => io::stderr().is_terminal(),
    };
    let (filter, handle) = reload::Layer::new(filter(config.level));
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = if human {
        lines.with_ansi(io::stderr().is_terminal()).with_target(false).with_filter(filter).boxed()
    } else {
        lines.json().with_filter(filter).boxed()
    };
    (lines, Level(handle))
}

/// The protocol crates log what clients send, line by line, so that a client could fill the log. Parlor counts it instead.
const SILENCED: &str = "rtc_datachannel=off,rtc_dtls=off,rtc_sctp=off,rtc_sdp=off,rtc_srtp=off,rtc_stun=off";

/// Libraries speak from warnings on, whatever the level: below that those of WebSocket and HTTP write out what they carry, which
/// is people's words, passwords and tokens.
fn filter(level: LogLevel) -> EnvFilter {
    let levels = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "warn,parlor=info",
        LogLevel::Debug => "warn,parlor=debug",
        LogLevel::Trace => "warn,parlor=trace",
    };
    EnvFilter::new(format!("{levels},{SILENCED}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_a_valid_filter() {
        for (level, expected) in [
            (LogLevel::Error, "error"),
            (LogLevel::Warn, "warn"),
            (LogLevel::Info, "parlor=info,warn"),
            (LogLevel::Debug, "parlor=debug,warn"),
            (LogLevel::Trace, "parlor=trace,warn"),
        ] {
            let written = filter(level).to_string();
            let levels: Vec<&str> = written.split(',').filter(|part| !part.ends_with("=off")).collect();
            assert_eq!(levels.join(","), expected);
            assert!(written.contains("rtc_dtls=off"));
        }
    }

    #[test]
    fn the_level_of_a_running_process_changes() {
        let (lines, level) = lines(&LogConfig { level: LogLevel::Warn, format: LogFormat::Json });
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            let is_written = || tracing::enabled!(target: "parlor", tracing::Level::DEBUG);
            assert!(!is_written());
            level.set(LogLevel::Debug);
            assert!(is_written());
            level.set(LogLevel::Info);
            assert!(!is_written());
        });
    }
}
