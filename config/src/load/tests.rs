use super::*;
use crate::{GsoMode, LogFormat, LogLevel};

fn file(text: &str) -> Sources {
    let file = ConfigFile { path: "parlor.toml".to_owned(), text: text.to_owned() };
    Sources { file: Some(file), ..Sources::default() }
}

fn environment(pairs: &[(&str, &str)]) -> Sources {
    let pairs = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    Sources { environment: pairs.collect(), ..Sources::default() }
}

fn flag(key: &str, text: &str) -> Sources {
    let knob = KNOBS.iter().find(|knob| knob.key == key).unwrap();
    Sources { flags: vec![(knob, text.to_owned())], ..Sources::default() }
}

fn error(sources: &Sources) -> String {
    load(sources).unwrap_err().to_string()
}

#[test]
fn without_sources_the_defaults_hold() {
    assert_eq!(load(&Sources::default()).unwrap(), Config::default());
    assert_eq!(load(&file("")).unwrap(), Config::default());
    assert_eq!(load(&file("[http]\n[media]\n")).unwrap(), Config::default());
}

#[test]
fn every_kind_of_value_is_read_from_a_file() {
    let config = load(&file(
        "[http]\nlisten = \"[::1]:81\"\n[media]\nudp_port = 9000\nshards = 3\nannounce = [\"203.0.113.7\", \"2001:db8::1\"]\n\
         gso = \"off\"\ntcp = false\n[log]\nlevel = \"trace\"\nformat = \"json\"\n[room]\nempty_timeout_seconds = 5\n",
    ))
    .unwrap();
    assert_eq!(config.http.listen.to_string(), "[::1]:81");
    assert_eq!((config.media.udp_port, config.media.shards), (9000, 3));
    assert_eq!(
        config.media.announce,
        ["203.0.113.7".parse::<std::net::IpAddr>().unwrap(), "2001:db8::1".parse().unwrap()]
    );
    assert_eq!((config.media.gso, config.media.tcp), (GsoMode::Off, false));
    assert_eq!((config.log.level, config.log.format), (LogLevel::Trace, LogFormat::Json));
    assert_eq!(config.room.empty_timeout_seconds, 5);
    assert_eq!(config.session, Config::default().session);
}

#[test]
fn every_kind_of_value_is_read_from_text() {
    let config = load(&environment(&[
        ("PARLOR_HTTP__LISTEN", " 127.0.0.1:82 "),
        ("PARLOR_MEDIA__ANNOUNCE", "192.0.2.1, 192.0.2.2,"),
        ("PARLOR_MEDIA__TCP", "false"),
        ("PARLOR_LIMITS__MAX_ROOMS", "7"),
        ("PARLOR_LOG__LEVEL", "warn"),
        ("HOME", "/nowhere"),
        ("PARLORGAME", "chess"),
    ]))
    .unwrap();
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:82");
    assert_eq!(config.media.announce.len(), 2);
    assert!(!config.media.tcp);
    assert_eq!(config.limits.max_rooms, 7);
    assert_eq!(config.log.level, LogLevel::Warn);
    assert_eq!(
        load(&environment(&[("PARLOR_MEDIA__ANNOUNCE", "")])).unwrap().media.announce,
        [] as [std::net::IpAddr; 0]
    );
}

#[test]
fn precedence_grows_from_file_over_environment_to_flags() {
    let mut sources = file("[media]\nudp_port = 1\nshards = 1\nmax_tcp_connections = 1\n");
    sources.environment = environment(&[("PARLOR_MEDIA__UDP_PORT", "2"), ("PARLOR_MEDIA__SHARDS", "2")]).environment;
    sources.flags = flag("media.udp_port", "3").flags;
    let media = load(&sources).unwrap().media;
    assert_eq!((media.udp_port, media.shards, media.max_tcp_connections), (3, 2, 1));
}

#[test]
fn port_counts_only_when_nothing_else_sets_the_listener() {
    let port = ("PORT", "10000");
    assert_eq!(load(&environment(&[port])).unwrap().http.listen.to_string(), "0.0.0.0:10000");
    let set = load(&environment(&[port, ("PARLOR_HTTP__LISTEN", "127.0.0.1:1")])).unwrap();
    assert_eq!(set.http.listen.port(), 1);
    let mut sources = file("[http]\nlisten = \"127.0.0.1:2\"");
    sources.environment = environment(&[port]).environment;
    assert_eq!(load(&sources).unwrap().http.listen.port(), 2);
    let mut sources = flag("http.listen", "127.0.0.1:3");
    sources.environment = environment(&[port]).environment;
    assert_eq!(load(&sources).unwrap().http.listen.port(), 3);
}

#[test]
fn mongodb_uri_counts_only_when_nothing_else_sets_the_store() {
    let uri = ("MONGODB_URI", "mongodb://db.example.org/x");
    let url = |sources: &Sources| load(sources).unwrap().store.url.expose().to_owned();
    assert_eq!(url(&environment(&[])), "sqlite:parlor-data/parlor.db");
    assert_eq!(url(&environment(&[uri])), uri.1);
    assert_eq!(url(&environment(&[uri, ("PARLOR_STORE__URL", "memory:")])), "memory:");
    let mut sources = file("[store]\nurl = \"sqlite:elsewhere.db\"\nwait = false");
    sources.environment = environment(&[uri]).environment;
    assert_eq!(url(&sources), "sqlite:elsewhere.db");
    assert!(!load(&sources).unwrap().store.wait);
    let mut sources = flag("store.url", "mongodb+srv://other");
    sources.environment = environment(&[uri]).environment;
    assert_eq!(url(&sources), "mongodb+srv://other");
    assert!(
        !format!("{:?}", load(&environment(&[("MONGODB_URI", "mongodb://a:geheim@b")])).unwrap()).contains("geheim")
    );
}

#[test]
fn errors_are_one_clear_line() {
    let cases = [
        (file("[http]\nlisen = 1"), "unknown key http.lisen in parlor.toml; did you mean http.listen?"),
        (file("[htpp]\nlisten = 1"), "unknown key htpp in parlor.toml; did you mean the section [http]?"),
        (file("listen = 1"), "unknown key listen in parlor.toml; did you mean http.listen?"),
        (
            file("[http.listen]\na = 1"),
            "http.listen = { a = 1 } (in parlor.toml) is not valid: expected an IP address and a port, such as 0.0.0.0:8080 or [::1]:8080",
        ),
        (file("http = 1"), "unknown key http in parlor.toml; did you mean the section [http]?"),
        (file("[quite-something-else]"), "unknown key quite-something-else in parlor.toml; parlor --help lists all"),
        (
            file("[media]\nudp_port = 65536"),
            "media.udp_port = 65536 (in parlor.toml) is not valid: expected a whole number from 0 to 65535",
        ),
        (
            file("[media]\nudp_port = -1"),
            "media.udp_port = -1 (in parlor.toml) is not valid: expected a whole number from 0 to 65535",
        ),
        (
            file("[media]\nudp_port = \"7900\""),
            "media.udp_port = \"7900\" (in parlor.toml) is not valid: expected a whole number from 0 to 65535",
        ),
        (file("[media]\ntcp = 1"), "media.tcp = 1 (in parlor.toml) is not valid: expected true or false"),
        (
            file("[media]\nannounce = \"192.0.2.1\""),
            "media.announce = \"192.0.2.1\" (in parlor.toml) is not valid: expected up to 16 IP addresses that clients can reach",
        ),
        (
            file("[media]\nannounce = [\"0.0.0.0\"]"),
            "media.announce = [\"0.0.0.0\"] (in parlor.toml) is not valid: expected up to 16 IP addresses that clients can reach",
        ),
        (
            file("[log]\nlevel = \"loud\""),
            "log.level = \"loud\" (in parlor.toml) is not valid: expected one of error, warn, info, debug, trace",
        ),
        (
            environment(&[("PARLOR_HTTP__LISEN", "x")]),
            "unknown environment variable PARLOR_HTTP__LISEN; did you mean PARLOR_HTTP__LISTEN?",
        ),
        (
            environment(&[("PARLOR_HTTP_LISTEN", "x")]),
            "unknown environment variable PARLOR_HTTP_LISTEN; did you mean PARLOR_HTTP__LISTEN?",
        ),
        (
            environment(&[("PARLOR_MEDIA__SHARDS", "many")]),
            "media.shards = \"many\" (from the environment variable PARLOR_MEDIA__SHARDS) is not valid: expected a whole number from 0 to 256",
        ),
        (
            environment(&[("PARLOR_MEDIA__SHARDS", "")]),
            "media.shards = \"\" (from the environment variable PARLOR_MEDIA__SHARDS) is not valid: expected a whole number from 0 to 256",
        ),
        (
            environment(&[("PARLOR_STORE__URL", "postgres://ada:geheim@db")]),
            "store.url = … (from the environment variable PARLOR_STORE__URL) is not valid: expected memory:, sqlite: and the path of a file, mongodb://… or mongodb+srv://…",
        ),
        (
            environment(&[("MONGODB_URI", "localhost")]),
            "store.url = … (from the environment variable MONGODB_URI) is not valid: expected a URL that begins with mongodb:// or mongodb+srv://",
        ),
        (
            environment(&[("PORT", "http")]),
            "http.listen = \"http\" (from the environment variable PORT) is not valid: expected a port from 0 to 65535",
        ),
        (
            flag("media.gso", "on"),
            "media.gso = \"on\" (from the flag --media-gso) is not valid: expected one of auto, off",
        ),
        (
            flag("http.listen", "8080"),
            "http.listen = \"8080\" (from the flag --http-listen) is not valid: expected an IP address and a port, such as 0.0.0.0:8080 or [::1]:8080",
        ),
        (
            flag("http.listen", "a\nb"),
            "http.listen = \"a\\nb\" (from the flag --http-listen) is not valid: expected an IP address and a port, such as 0.0.0.0:8080 or [::1]:8080",
        ),
        (
            flag("media.announce", "192.0.2.1,nowhere"),
            "media.announce = \"192.0.2.1,nowhere\" (from the flag --media-announce) is not valid: expected up to 16 IP addresses that clients can reach",
        ),
    ];
    for (sources, expected) in cases {
        assert_eq!(error(&sources), expected);
    }
}

#[test]
fn a_syntax_error_names_the_line() {
    let error = error(&file("[http]\nlisten = \"0.0.0.0:1\"\nlisten = \"0.0.0.0:2\"\n"));
    assert!(error.starts_with("parlor.toml, line 3: "), "{error}");
    assert!(!error.contains('\n'));
}

#[test]
fn bounds_are_inclusive() {
    for (key, text, valid) in [
        ("media.shards", "256", true),
        ("media.shards", "257", false),
        ("media.udp_port", "65535", true),
        ("media.udp_port", "65536", false),
        ("limits.max_rooms", "0", false),
        ("limits.max_rooms", "1", true),
        ("limits.max_rooms", "1000000", true),
        ("limits.max_rooms", "1000001", false),
        ("limits.max_participants_per_room", "10000", true),
        ("limits.max_participants_per_room", "10001", false),
        ("limits.max_connections", "0", false),
        ("media.max_tcp_connections", "0", false),
        ("media.max_tcp_connections_per_address", "65537", false),
        ("room.empty_timeout_seconds", "0", false),
        ("room.empty_timeout_seconds", "2592000", true),
        ("session.resume_grace_seconds", "3600", true),
        ("session.resume_grace_seconds", "3601", false),
        ("session.resume_grace_seconds", "99999999999999999999", false),
        ("session.resume_grace_seconds", "1.5", false),
    ] {
        assert_eq!(load(&flag(key, text)).is_ok(), valid, "{key} = {text}");
    }
    let seventeen = vec!["192.0.2.1"; 17].join(",");
    assert!(load(&flag("media.announce", &seventeen)).is_err());
}

#[test]
fn a_huge_value_is_cut_in_the_error() {
    assert!(error(&flag("log.level", &"x".repeat(10_000))).len() < 250);
}

#[test]
fn an_absent_file_is_an_error_only_when_it_was_named() {
    let absent = Path::new("/nonexistent/parlor.toml");
    let error = ConfigFile::read(Some(absent)).unwrap_err().to_string();
    assert!(error.starts_with("cannot read the configuration file /nonexistent/parlor.toml: No such file"), "{error}");
}

const SAMPLE: &str = include_str!("../../../parlor.toml");

/// The sample's settings are commented out (`#key = value`), so that it may lie in the working directory without
/// overriding anything, `PORT` included.
#[test]
fn the_sample_as_it_is_sets_nothing() {
    assert!(SAMPLE.parse::<Table>().unwrap().values().all(|section| section.as_table().unwrap().is_empty()));
}

#[test]
fn the_uncommented_sample_sets_every_key_to_its_default() {
    let text: String = SAMPLE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if setting.starts_with(|c: char| c.is_ascii_lowercase()) => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert_eq!(load(&file(&text)).unwrap(), Config::default());
    let table: Table = text.parse().unwrap();
    for knob in KNOBS {
        let (section, name) = knob.key.split_once('.').unwrap();
        assert!(table.get(section).and_then(|section| section.get(name)).is_some(), "{} is missing", knob.key);
    }
}

#[test]
fn webhooks_need_a_secret_and_show_none() {
    let urls = ("PARLOR_WEBHOOKS__URLS", "https://app.example/token-1, http://127.0.0.1:9/");
    let error_of = |secret: &str| error(&environment(&[urls, ("PARLOR_WEBHOOKS__SECRET", secret)]));
    assert_eq!(error(&environment(&[urls])), "webhooks.secret must be set, since webhooks.urls is set");
    assert_eq!(error_of(""), "webhooks.secret must be set, since webhooks.urls is set");
    assert!(!error_of("short-secret").contains("short-secret"));
    let secret = "0123456789abcdef0123456789abcdef";
    let config = load(&environment(&[urls, ("PARLOR_WEBHOOKS__SECRET", secret)])).unwrap();
    assert_eq!(config.webhooks.urls.len(), 2);
    assert_eq!(config.webhooks.secret.as_ref().unwrap().expose(), secret);
    let shown = format!("{config:?}");
    assert!(!shown.contains(secret) && !shown.contains("token-1"), "{shown}");
}

#[test]
fn a_place_with_credentials_is_refused_without_showing_them() {
    let message = error(&environment(&[("PARLOR_FILES__URL", "s3://key:secret-1@bucket")]));
    assert!(message.contains("files.url") && !message.contains("secret-1"), "{message}");
    let config =
        load(&file("[files]\nurl = \"gs://bucket/a\"\nmax_bytes = 5000000000\ntypes = [\"image/*\"]\n")).unwrap();
    assert_eq!(config.files.max_bytes, 5_000_000_000);
    assert_eq!(config.files.types, ["image/*"]);
}

#[test]
fn a_certificate_needs_its_key_and_somebody_who_uses_it() {
    let http = |text: &str| file(&format!("[http]\n{text}"));
    for (text, expected) in [
        ("tls = \"files\"", "http.tls_certificate must be set, since http.tls is \"files\""),
        ("tls = \"files\"\ntls_certificate = \"a.pem\"", "http.tls_key must be set, since http.tls is \"files\""),
        ("tls_key = \"b.pem\"", "http.tls_key must not be set, since http.tls is not \"files\""),
        (
            "tls = \"self-signed\"\ntls_certificate = \"a.pem\"",
            "http.tls_certificate must not be set, since http.tls is not \"files\"",
        ),
        ("tls = \"on\"", "http.tls = \"on\" (in parlor.toml) is not valid: expected one of off, files, self-signed"),
    ] {
        assert_eq!(error(&http(text)), expected);
    }
    let config = load(&http("tls = \"files\"\ntls_certificate = \"a.pem\"\ntls_key = \"b.pem\"")).unwrap().http;
    assert_eq!((config.tls, config.tls_key), (TlsMode::Files, Some("b.pem".into())));
}
