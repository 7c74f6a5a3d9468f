//! The command line: `parlor` serves. Its flags are the configuration's knobs.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};
use parlor_config::{Config, ConfigError, ConfigFile, KNOBS, Sources, load, unknown_flag};
use std::ffi::OsString;
use std::path::PathBuf;

/// What the command line asks for.
#[derive(Debug)]
pub enum Invocation {
    /// To serve with this configuration.
    Serve(Box<Config>),
    /// To print this and end.
    Print(String),
}

/// Why the command line cannot be followed, in one line.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command line itself.
    #[error("{0}")]
    Usage(String),
    /// What it, the environment or the file says.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Reads the command line (the program's name first), the environment and the configuration file.
///
/// # Errors
/// The first thing wrong.
pub fn invocation(
    arguments: impl IntoIterator<Item = OsString>,
    environment: Vec<(String, String)>,
) -> Result<Invocation, CliError> {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return Ok(Invocation::Print(error.to_string()));
        }
        Err(error) => return Err(one_line(&error)),
    };
    let named = matches.get_one::<PathBuf>("config");
    let flags = KNOBS.iter().filter_map(|knob| Some((knob, matches.get_one::<String>(knob.key)?.clone()))).collect();
    let sources = Sources { file: ConfigFile::read(named.map(PathBuf::as_path))?, environment, flags };
    Ok(Invocation::Serve(Box::new(load(&sources)?)))
}

fn command() -> Command {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help("Configuration file; without it parlor.toml of the working directory, if there is one");
    let knobs = KNOBS.iter().map(|knob| {
        Arg::new(knob.key).long(knob.flag_name()).value_name(knob.placeholder).allow_hyphen_values(true).help(format!(
            "{} [{}]",
            knob.help,
            knob.variable()
        ))
    });
    Command::new("parlor")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A WebRTC SFU in one binary: media, signalling, rooms and a web client")
        .disable_help_subcommand(true)
        .arg(config)
        .args(knobs)
}

/// The error without usage and hints, which would make it a page.
fn one_line(error: &clap::Error) -> CliError {
    if let (ErrorKind::UnknownArgument, Some(ContextValue::String(flag))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    {
        if !flag.starts_with('-') {
            return CliError::Usage(format!("unexpected argument {flag:?}: parlor --help lists what there is"));
        }
        return unknown_flag(flag, &["--config", "--help", "--version"]).into();
    }
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    CliError::Usage(line.trim_start_matches("error: ").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> Result<Invocation, CliError> {
        let program = ["parlor"].iter().chain(arguments).map(OsString::from);
        invocation(program, vec![("PARLOR_MEDIA__SHARDS".to_owned(), "2".to_owned())])
    }

    #[test]
    fn every_knob_has_a_flag() {
        command().debug_assert();
        let Ok(Invocation::Print(help)) = run(&["--help"]) else { panic!("no help") };
        for knob in KNOBS {
            assert!(help.contains(&knob.flag()), "{}", knob.key);
            assert!(help.contains(&knob.variable()), "{}", knob.key);
        }
    }

    #[test]
    fn flags_and_environment_make_the_configuration() {
        let Ok(Invocation::Serve(config)) = run(&["--http-listen", "127.0.0.1:1", "--media-tcp=false"]) else {
            panic!("no configuration")
        };
        assert_eq!((config.http.listen.port(), config.media.tcp, config.media.shards), (1, false, 2));
    }

    #[test]
    fn the_version_is_the_crates() {
        let Ok(Invocation::Print(text)) = run(&["--version"]) else { panic!("no version") };
        assert_eq!(text.trim(), format!("parlor {}", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn errors_are_one_clear_line() {
        for (arguments, expected) in [
            (&["--http-lisen", "x"][..], "unknown flag --http-lisen; did you mean --http-listen?"),
            (&["--http-lisen=x"], "unknown flag --http-lisen; did you mean --http-listen?"),
            (&["--confg"], "unknown flag --confg; did you mean --config?"),
            (&["serve"], "unexpected argument \"serve\": parlor --help lists what there is"),
            (&["--config"], "a value is required for '--config <FILE>' but none was supplied"),
            (
                &["--media-shards", "-1"],
                "media.shards = \"-1\" (from the flag --media-shards) is not valid: expected a whole number from 0 to 256",
            ),
        ] {
            assert_eq!(run(arguments).unwrap_err().to_string(), expected, "{arguments:?}");
        }
        let error = run(&["--config", "/nonexistent.toml"]).unwrap_err().to_string();
        assert!(error.starts_with("cannot read the configuration file /nonexistent.toml: "), "{error}");
        assert!(!error.contains('\n'));
    }
}
