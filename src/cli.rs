//! The command line: `parlor` serves, `parlor doctor` looks, `parlor health` asks a server that runs, `parlor config` checks and
//! prints, `parlor token create` makes a token. The flags are the configuration's knobs.

mod config;
mod health;
mod token;

pub use health::{Probe, ProbeError};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};
use parlor_config::{Config, ConfigError, ConfigFile, KNOBS, Knob, Loaded, Sources, read, unknown_flag};
use parlor_signaling::KeyError;
use std::ffi::OsString;
use std::path::PathBuf;

/// What the command line asks for.
#[derive(Debug)]
pub enum Invocation {
    /// To serve with this configuration.
    Serve(Box<Config>),
    /// To ask a server whether it is well.
    Health(Probe),
    /// To print this and end.
    Print(String),
    /// To end with these lines of what is wrong.
    Refuse(Vec<String>),
    /// To look at the host, and print what is found.
    Examine {
        /// For a server with this configuration.
        config: Box<Config>,
        /// For machines.
        json: bool,
    },
}

/// Why the command line cannot be followed, in one line.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command line itself.
    #[error("{0}")]
    Usage(String),
    /// A time that is not one.
    #[error("--ttl = {0:?} is not valid: expected a whole number and s, m, h or d, such as 6h")]
    Lifetime(String),
    /// What it, the environment or the file says.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Keys that cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A server that cannot be asked.
    #[error(transparent)]
    Probe(#[from] ProbeError),
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
    let subcommand = matches.subcommand().map(|(name, of_name)| (name, of_name, of_name.subcommand()));
    match subcommand {
        Some(("config", _, Some((name, arguments)))) => Ok(config::run(name, &loaded(arguments, environment)?)),
        Some(("health", health, _)) => {
            Ok(Invocation::Health(health::probe(health, &valid(loaded(health, environment)?)?)?))
        }
        Some((_, _, Some((_, create)))) => {
            Ok(Invocation::Print(token::create(create, &valid(loaded(create, environment)?)?)?))
        }
        Some((_, doctor, None)) => {
            let config = Box::new(valid(loaded(doctor, environment)?)?);
            Ok(Invocation::Examine { config, json: doctor.get_flag("json") })
        }
        None => Ok(Invocation::Serve(Box::new(valid(loaded(&matches, environment)?)?))),
    }
}

/// The configuration, or the first thing wrong.
fn valid(loaded: Loaded) -> Result<Config, ConfigError> {
    loaded.problems.into_iter().next().map_or(Ok(loaded.config), Err)
}

fn loaded(matches: &ArgMatches, environment: Vec<(String, String)>) -> Result<Loaded, ConfigError> {
    let named = matches.get_one::<PathBuf>("config");
    // A subcommand takes the flags of some knobs only.
    let flag = |knob: &'static Knob| Some((knob, matches.try_get_one::<String>(knob.key).ok()??.clone()));
    let flags = KNOBS.iter().filter_map(flag).collect();
    let sources = Sources { file: ConfigFile::read(named.map(PathBuf::as_path))?, environment, flags };
    Ok(read(&sources))
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
        .args_conflicts_with_subcommands(true)
        .subcommand(doctor([config.clone()].into_iter().chain(knobs.clone())))
        .subcommand(config::command([config.clone()].into_iter().chain(knobs.clone())))
        .subcommand(token::command([config.clone()].into_iter().chain(knobs.clone().filter(is_of_tokens))))
        .subcommand(health::command([config.clone()].into_iter().chain(knobs.clone().filter(is_of_listening))))
        .arg(config)
        .args(knobs)
}

/// The subcommand, with the arguments that choose the configuration.
fn doctor(configuration: impl IntoIterator<Item = Arg>) -> Command {
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print it for machines");
    Command::new("doctor")
        .about("Explain what clients will be offered, and what stands in their way; exit code 1 if a call cannot work")
        .arg(json)
        .args(configuration)
}

/// Whether a knob has a say in tokens.
fn is_of_tokens(knob: &Arg) -> bool {
    knob.get_id().as_str().starts_with("auth.")
}

/// Whether a knob has a say in where the server is asked.
fn is_of_listening(knob: &Arg) -> bool {
    knob.get_id().as_str() == "http.listen"
}

/// The error without usage and hints, which would make it a page.
fn one_line(error: &clap::Error) -> CliError {
    if let (ErrorKind::UnknownArgument, Some(ContextValue::String(flag))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    {
        if !flag.starts_with('-') {
            return unexpected(flag);
        }
        return unknown_flag(flag, &["--config", "--help", "--version"]).into();
    }
    match (error.kind(), error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing)), _) => {
            return CliError::Usage(format!("missing: {}", missing.join(", ")));
        }
        (ErrorKind::InvalidSubcommand, _, Some(ContextValue::String(word))) => return unexpected(word),
        _ => {}
    }
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    CliError::Usage(line.trim_start_matches("error: ").to_owned())
}

fn unexpected(word: &str) -> CliError {
    CliError::Usage(format!("unexpected argument {word:?}: parlor --help lists what there is"))
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
    fn a_configuration_is_checked_and_printed() {
        let Ok(Invocation::Print(text)) = run(&["config", "check"]) else { panic!("it is not right") };
        assert_eq!(text, "the configuration is right: defaults, PARLOR_MEDIA__SHARDS\n");
        let Ok(Invocation::Print(text)) = run(&["config", "print", "--media-tcp=false"]) else { panic!("nothing") };
        assert!(text.contains("\ntcp = false # from the flag --media-tcp\n"), "{text}");
        let wrong = ["config", "check", "--log-level", "loud", "--media-udp-port", "x"];
        let Ok(Invocation::Refuse(problems)) = run(&wrong) else { panic!("it is wrong") };
        assert_eq!(problems.len(), 2);
        let beyond = ["config", "check", "--media-udp-port", "65535"];
        let Ok(Invocation::Refuse(problems)) = run(&beyond) else { panic!("the second shard has no port") };
        assert_eq!(problems, ["media.udp_port = 65535 leaves no port for shard 1 of 2: choose a lower port"]);
    }

    #[test]
    fn the_doctor_takes_the_flags_of_serving() {
        let Ok(Invocation::Examine { config, json: true }) = run(&["doctor", "--json", "--media-tcp=false"]) else {
            panic!("no examination")
        };
        assert_eq!((config.media.tcp, config.media.shards), (false, 2));
    }

    #[test]
    fn a_token_is_printed_alone() {
        let secret = "0123456789abcdef0123456789abcdef";
        let key = format!("app:{secret}");
        let arguments = ["token", "create", "--auth-keys", &key, "--room", "abc", "--identity", "ana", "--ttl", "1h"];
        let Ok(Invocation::Print(text)) = run(&arguments) else { panic!("no token") };
        let token = text.strip_suffix('\n').unwrap();
        assert_eq!(token.split('.').count(), 3, "{token}");
        assert!(
            token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) && !text.contains(secret)
        );
    }

    #[test]
    fn health_is_asked_of_the_configured_address() {
        for (arguments, expected) in [
            (&["health"][..], "http://127.0.0.1:8080/healthz"),
            (&["health", "--http-listen", "127.0.0.1:1"], "http://127.0.0.1:1/healthz"),
            (&["health", "http://127.0.0.1:1/readyz"], "http://127.0.0.1:1/readyz"),
        ] {
            let Ok(Invocation::Health(probe)) = run(arguments) else { panic!("no probe: {arguments:?}") };
            assert_eq!(probe.to_string(), expected);
        }
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
            (&["config"], "'parlor config' requires a subcommand but one was not provided"),
            (&["config", "chek"], "unexpected argument \"chek\": parlor --help lists what there is"),
            (&["doctor", "--http-lisen"], "unknown flag --http-lisen; did you mean --http-listen?"),
            (&["token"], "'parlor token' requires a subcommand but one was not provided"),
            (&["token", "make"], "unexpected argument \"make\": parlor --help lists what there is"),
            (&["token", "create", "--room", "abc"], "missing: --identity <IDENTITY>"),
            (
                &["token", "create", "--room", "abc", "--identity", "ana"],
                "tokens cannot be made here: no secret is configured (auth.keys)",
            ),
            (
                &["token", "create", "--identity", "ana", "--auth-keys", "app:hunter2"],
                "auth.keys = … (from the flag --auth-keys) is not valid: expected up to 16 keys as name:secret, each name \
                 once, each secret of 32 bytes or more",
            ),
            (
                &["token", "create", "--identity", "ana", "--ttl", "soon"],
                "--ttl = \"soon\" is not valid: expected a whole number and s, m, h or d, such as 6h",
            ),
            (
                &["health", "example.org"],
                "\"example.org\" is not valid: expected an http:// or https:// URL such as http://127.0.0.1:8080/healthz",
            ),
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
