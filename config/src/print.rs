//! The configuration in effect, as a file that would give it.

use crate::error::Source;
use crate::{Config, KNOBS};
use std::collections::BTreeMap;
use std::fmt::Write;

/// `config` as TOML, each key with its origin. Secrets are not shown: `…` stands for them.
#[must_use]
pub fn print(config: &Config, origins: &BTreeMap<&'static str, Source>) -> String {
    // The fields are lent for reading and writing alike.
    let mut config = config.clone();
    let (mut text, mut last_section) = (String::new(), "");
    for knob in KNOBS {
        let (section, name) = knob.key.split_once('.').unwrap_or(("", knob.key));
        if section != last_section {
            let gap = if last_section.is_empty() { "" } else { "\n" };
            // Writing to a string does not fail.
            let _ = writeln!(text, "{gap}[{section}]");
            last_section = section;
        }
        let field = (knob.field)(&mut config);
        let origin = origins.get(knob.key).map_or_else(|| "default".to_owned(), ToString::to_string);
        let _ = writeln!(text, "{name} = {} # {}", field.shown(), origin.replace(['\n', '\r'], " "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{ConfigFile, Sources, load, read};

    fn sources(text: &str, environment: &[(&str, &str)]) -> Sources {
        Sources {
            file: Some(ConfigFile { path: "parlor.toml".to_owned(), text: text.to_owned() }),
            environment: environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
            flags: Vec::new(),
        }
    }

    #[test]
    fn what_is_printed_gives_the_same_configuration() {
        let changed = "[http]\nlisten = \"[::1]:81\"\ntrusted_proxies = [\"10.0.0.0/8\"]\nallowed_origins = [\"https://a.example\"]\n\
                       [media]\nannounce = [\"10.0.0.5=203.0.113.7\", \"auto\", \"stun:[2001:db8::1]:3479\"]\ngso = \"off\"\n\
                       [auth]\njwks = \"a \\\"b\\\".json\"\n[files]\nurl = \"s3://bucket/a/b\"\nmax_bytes = 5000000000\n\
                       types = [\"image/*\"]\n[log]\nlevel = \"trace\"\n";
        for text in ["", changed] {
            let loaded = read(&sources(text, &[]));
            assert_eq!(loaded.problems, []);
            let printed = print(&loaded.config, &loaded.origins);
            assert_eq!(load(&sources(&printed, &[])).as_ref(), Ok(&loaded.config), "{printed}");
        }
    }

    #[test]
    fn every_key_tells_its_origin() {
        let loaded = read(&sources("[media]\nshards = 3\n", &[("PARLOR_LOG__LEVEL", "warn")]));
        let printed = print(&loaded.config, &loaded.origins);
        for line in [
            "[media]",
            "shards = 3 # in parlor.toml",
            "level = \"warn\" # from the environment variable PARLOR_LOG__LEVEL",
            "announce = [\"auto\"] # default",
        ] {
            assert!(printed.lines().any(|printed| printed == line), "{line} is not in {printed}");
        }
        let keys = printed.lines().filter(|line| line.contains(" = ")).count();
        assert_eq!(keys, KNOBS.len());
    }

    #[test]
    fn no_secret_is_printed() {
        let secret = "geheim-geheim-geheim-geheim-geheim";
        let environment = [
            ("PARLOR_AUTH__KEYS", format!("app:{secret}")),
            ("PARLOR_STORE__URL", format!("mongodb://ada:{secret}@db/x")),
            ("PARLOR_WEBHOOKS__URLS", format!("https://ada:{secret}@app.example/{secret}?{secret}")),
            ("PARLOR_WEBHOOKS__SECRET", secret.to_owned()),
        ];
        let environment: Vec<_> = environment.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let loaded = read(&sources("", &environment));
        assert_eq!(loaded.problems, []);
        let printed = print(&loaded.config, &loaded.origins);
        assert!(!printed.contains("geheim"), "{printed}");
        for shown in
            ["keys = [\"app:…\"]", "url = \"mongodb://…\"", "urls = [\"https://app.example/…\"]", "secret = \"…\""]
        {
            assert!(printed.contains(shown), "{shown} is not in {printed}");
        }
    }
}
