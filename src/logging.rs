//! Log lines: to standard error, for people or machines.

use parlor_config::{LogConfig, LogFormat, LogLevel};
use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;

/// Starts logging, panics included. The first call of a process counts.
pub fn start(config: &LogConfig) {
    let human = match config.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => io::stderr().is_terminal(),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter(config.level)).with_writer(io::stderr);
    // An error means that logging has been started already, as in a test: that stands.
    let _ = if human {
        builder.with_ansi(io::stderr().is_terminal()).with_target(false).try_init()
    } else {
        builder.json().try_init()
    };
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(thread = thread.name().unwrap_or("unnamed"), place, message, "panic");
    }));
}

/// Libraries speak from warnings on, unless everything is wanted. Those of webrtc-rs are silent: they warn of what peers
/// send, several lines for each connection, and nobody who can reach the port may fill the log.
fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(match level {
        LogLevel::Error => "error,rtc=off",
        LogLevel::Warn => "warn,rtc=off",
        LogLevel::Info => "warn,rtc=off,parlor=info",
        LogLevel::Debug => "warn,rtc=off,parlor=debug",
        LogLevel::Trace => "trace",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_a_valid_filter() {
        for (level, expected) in [
            (LogLevel::Error, "rtc=off,error"),
            (LogLevel::Warn, "rtc=off,warn"),
            (LogLevel::Info, "parlor=info,rtc=off,warn"),
            (LogLevel::Debug, "parlor=debug,rtc=off,warn"),
            (LogLevel::Trace, "trace"),
        ] {
            assert_eq!(filter(level).to_string(), expected);
        }
    }
}
