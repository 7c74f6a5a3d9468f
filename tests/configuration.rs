//! Bad configurations by the dozen, through the real command: each is refused with one line that names the key, the value, what
//! is allowed, and where it stands.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where the bad value stands.
enum Place {
    File(&'static str),
    Variable(&'static str, &'static str),
    Flag(&'static str, &'static str),
}
use Place::{File, Flag, Variable};

/// What is wrong, and what the line must have of it.
const CASES: &[(Place, &[&str])] = &[
    // Not TOML.
    (File("[http\n"), &["line 1:"]),
    (File("[http]\nlisten = 0.0.0.0:8080\n"), &["line 2:"]),
    (File("[http]\nlisten = \"a\"\nlisten = \"b\"\n"), &["line 3:", "duplicate key"]),
    (File("[log]\nlevel = \"info\n"), &["line 2:"]),
    (File("[media]\nudp_port =\n"), &["line 2:"]),
    // Keys that are none.
    (File("[http]\nlisen = \"x\"\n"), &["unknown key http.lisen", "did you mean http.listen?"]),
    (File("listen = \"0.0.0.0:1\"\n"), &["unknown key listen", "did you mean http.listen?"]),
    (File("[htttp]\n"), &["unknown key htttp", "did you mean the section [http]?"]),
    (File("[media.announce]\na = 1\n"), &["media.announce", "{ a = 1 }", "auto, an IP address"]),
    (File("[zzzzzzzzzz]\n"), &["unknown key zzzzzzzzzz", "parlor --help lists all"]),
    (Variable("PARLOR_HTTP_LISTEN", "x"), &["PARLOR_HTTP_LISTEN", "did you mean PARLOR_HTTP__LISTEN?"]),
    (Variable("PARLOR_MEDIA__ANOUNCE", "x"), &["PARLOR_MEDIA__ANOUNCE", "did you mean PARLOR_MEDIA__ANNOUNCE?"]),
    (Flag("--http-lisen", "x"), &["unknown flag --http-lisen", "did you mean --http-listen?"]),
    // Types.
    (File("[http]\nlisten = 8080\n"), &["http.listen = 8080", "an IP address and a port"]),
    (File("[media]\ntcp = \"yes\"\n"), &["media.tcp = \"yes\"", "true or false"]),
    (File("[media]\nudp_port = \"7900\"\n"), &["media.udp_port = \"7900\"", "a whole number from 0 to 65535"]),
    (File("[media]\nshards = 1.5\n"), &["media.shards = 1.5", "a whole number from 0 to 256"]),
    (File("[files]\ntypes = \"image/*\"\n"), &["files.types = \"image/*\"", "content types, such as"]),
    (File("[log]\nlevel = [\"info\"]\n"), &["log.level = [\"info\"]", "one of error, warn, info, debug, trace"]),
    (File("[auth]\njwks = 1\n"), &["auth.jwks = 1", "the path of a file"]),
    // Values.
    (File("[http]\nlisten = \"localhost:8080\"\n"), &["http.listen = \"localhost:8080\"", "such as 0.0.0.0:8080"]),
    (
        File("[http]\ntrusted_proxies = [\"10.0.0.0/33\"]\n"),
        &["http.trusted_proxies", "10.0.0.0/33", "such as 10.0.0.0/8"],
    ),
    (
        File("[http]\nallowed_origins = [\"example.org\"]\n"),
        &["http.allowed_origins", "example.org", "such as https://example.org"],
    ),
    (File("[auth]\nleeway_seconds = 301\n"), &["auth.leeway_seconds = 301", "from 0 to 300"]),
    (File("[auth]\nmax_token_seconds = 59\n"), &["auth.max_token_seconds = 59", "from 60 to 31536000"]),
    (File("[media]\nudp_port = 65536\n"), &["media.udp_port = 65536", "from 0 to 65535"]),
    (File("[media]\nannounce = [\"0.0.0.0\"]\n"), &["media.announce = [\"0.0.0.0\"]", "up to 16 of auto"]),
    (File("[media]\nannounce = [\"10.0.0.5=2001:db8::5\"]\n"), &["10.0.0.5=2001:db8::5", "of one family"]),
    (File("[media]\nannounce = [\"stun:\"]\n"), &["media.announce = [\"stun:\"]", "stun:HOST:PORT"]),
    (File("[media]\ngso = \"on\"\n"), &["media.gso = \"on\"", "one of auto, off"]),
    (File("[limits]\nmax_rooms = 0\n"), &["limits.max_rooms = 0", "from 1 to 1000000"]),
    (File("[room]\nempty_timeout_seconds = -1\n"), &["room.empty_timeout_seconds = -1", "from 1 to 2592000"]),
    (File("[files]\nmax_bytes = 0\n"), &["files.max_bytes = 0", "a whole number from 1 to"]),
    (File("[log]\nformat = \"xml\"\n"), &["log.format = \"xml\"", "one of auto, human, json"]),
    (Variable("PARLOR_MEDIA__SHARDS", "many"), &["media.shards = \"many\"", "from 0 to 256"]),
    (Variable("PARLOR_MEDIA__ANNOUNCE", "auto,nowhere"), &["media.announce = \"auto,nowhere\"", "LOCAL=PUBLIC"]),
    (Variable("PARLOR_MEDIA__TCP", "1"), &["media.tcp = \"1\"", "true or false"]),
    (
        Variable("PARLOR_SESSION__RESUME_GRACE_SECONDS", "1h"),
        &["session.resume_grace_seconds = \"1h\"", "from 1 to 3600"],
    ),
    (Variable("PORT", "http"), &["http.listen = \"http\"", "a port from 0 to 65535"]),
    (Flag("--media-udp-port", "-1"), &["media.udp_port = \"-1\"", "from 0 to 65535"]),
    (Flag("--log-level", "loud\nand long"), &["log.level = \"loud\\nand long\"", "one of error"]),
    (Flag("--limits-max-connections", ""), &["limits.max_connections = \"\"", "from 1 to 1000000"]),
    // Secrets are refused without being shown.
    (Variable("PARLOR_AUTH__KEYS", "app:geheim"), &["auth.keys = …", "each secret of 32 bytes or more"]),
    (Variable("PARLOR_STORE__URL", "postgres://ada:geheim@db"), &["store.url = …", "mongodb://…"]),
    (Variable("MONGODB_URI", "ada:geheim@db"), &["store.url = …", "begins with mongodb://"]),
    (Variable("PARLOR_FILES__URL", "s3://key:geheim@bucket"), &["files.url = …", "without credentials"]),
    (Variable("PARLOR_WEBHOOKS__SECRET", "geheim"), &["webhooks.secret = …", "32 bytes or more"]),
    (Variable("PARLOR_WEBHOOKS__URLS", "ftp://geheim"), &["webhooks.urls = …", "begin with https:// or http://"]),
    // Keys that are right one by one.
    (
        Variable("PARLOR_WEBHOOKS__URLS", "https://app.example"),
        &["webhooks.secret must be set", "webhooks.urls is set"],
    ),
    (Variable("PARLOR_AUTH__JWKS", "/nonexistent/keys.json"), &["/nonexistent/keys.json", "auth.jwks"]),
    (Variable("PARLOR_STORE__URL", "sqlite:data/"), &["store.url is not valid", "the path of a file"]),
    (Flag("--media-udp-port", "65535"), &["media.udp_port = 65535", "choose a lower port"]),
];

/// A directory of the test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("parlor-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Runs `parlor` in `folder`, with the shards that a case counts on.
fn parlor(folder: &Path, arguments: &[&str], variable: Option<(&str, &str)>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlor"));
    command.args(arguments).current_dir(folder).env_clear();
    if variable.is_none_or(|(name, _)| name != "PARLOR_MEDIA__SHARDS") {
        command.env("PARLOR_MEDIA__SHARDS", "2");
    }
    command.envs(variable).output().unwrap()
}

#[test]
fn each_bad_configuration_is_refused_with_one_clear_line() {
    assert!(CASES.len() >= 36);
    let folder = Folder::new("bad-configurations");
    for (place, expected) in CASES {
        let file = folder.0.join("parlor.toml");
        let (text, arguments, variable, stands) = match place {
            File(text) => (*text, vec!["config", "check"], None, "parlor.toml"),
            Variable(name, value) => ("", vec!["config", "check"], Some((*name, *value)), *name),
            Flag(flag, value) => ("", vec!["config", "check", flag, value], None, *flag),
        };
        std::fs::write(&file, text).unwrap();
        let output = parlor(&folder.0, &arguments, variable);
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.starts_with("parlor: ") && line.len() < 400, "{line}");
        for part in *expected {
            assert!(line.contains(part), "{part:?} is not in {line}");
        }
        assert!(!line.contains("geheim"), "{line}");
        // What is wrong only with others, or only when it is used, stands in no one place.
        let is_of_one_key =
            ![" must be set", "cannot ", " leaves ", "store.url is not"].iter().any(|part| line.contains(part));
        assert!(!is_of_one_key || line.contains(stands), "{stands} is not in {line}");

        // A start says the same, where it is of the configuration alone.
        if is_of_one_key {
            let arguments = arguments[2..].iter().map(OsString::from);
            let environment = variable.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let start = ["parlor".into(), "--config".into(), file.into()].into_iter().chain(arguments);
            let error = parlor::cli::invocation(start, environment.into_iter().collect()).unwrap_err().to_string();
            assert_eq!(error.lines().count(), 1, "{error}");
            assert!(expected.iter().all(|part| error.contains(part)), "{error}");
        }
    }
}

#[test]
fn all_problems_are_told_a_line_each() {
    let folder = Folder::new("many-problems");
    std::fs::write(folder.0.join("parlor.toml"), "[media]\nshards = 300\n[log]\nlevel = \"loud\"\nlevle = 1\n")
        .unwrap();
    let output = parlor(&folder.0, &["config", "check"], Some(("PARLOR_X", "1")));
    let lines = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), lines.lines().count()), (Some(1), 4), "{lines}");
    let output = parlor(&folder.0, &["config", "check", "--config", "absent.toml"], None);
    let line = String::from_utf8(output.stderr).unwrap();
    assert!(line.starts_with("parlor: cannot read the configuration file absent.toml: "), "{line}");
    assert_eq!((output.status.code(), line.lines().count()), (Some(1), 1), "{line}");
}

#[test]
fn what_is_printed_is_right_and_says_where_it_came_from() {
    let folder = Folder::new("printed-configuration");
    let file = folder.0.join("parlor.toml");
    std::fs::write(&file, "[media]\nannounce = [\"10.0.0.5=203.0.113.7\"]\n").unwrap();
    let output = parlor(&folder.0, &["config", "check", "--media-tcp=false"], None);
    let line = String::from_utf8(output.stdout).unwrap();
    assert_eq!(line, "the configuration is right: defaults, --media-tcp, PARLOR_MEDIA__SHARDS, parlor.toml\n");
    let output = parlor(&folder.0, &["config", "print", "--media-tcp=false"], None);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && printed.contains("announce = [\"10.0.0.5=203.0.113.7\"] # in parlor.toml\n"));
    std::fs::write(&file, &printed).unwrap();
    let again = parlor(&folder.0, &["config", "print"], Some(("PARLOR_LOG__LEVEL", "warn")));
    let again = String::from_utf8(again.stdout).unwrap();
    assert!(again.contains("tcp = false # in parlor.toml\n"), "{again}");
    assert!(again.contains("level = \"warn\" # from the environment variable PARLOR_LOG__LEVEL\n"), "{again}");
}
