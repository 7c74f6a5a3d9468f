//! Comparing configurations, and what of a new one a running server takes.

use crate::knobs::{KNOBS, Knob};
use crate::{Config, HttpConfig, LogConfig};

impl Config {
    /// The knobs whose values differ, in the order of the sample file.
    #[must_use]
    pub fn changed_knobs(&self, other: &Self) -> Vec<&'static Knob> {
        // A knob reaches its field for writing.
        let (mut one, mut other) = (self.clone(), other.clone());
        KNOBS.iter().filter(|knob| (knob.field)(&mut one) != (knob.field)(&mut other)).collect()
    }

    /// The configuration of a server that runs with this one and is told a `fresh` one: knobs of which [`Knob::reload`] is
    /// true have their new values, the others keep theirs. The files of a certificate go with `http.tls`.
    #[must_use]
    pub fn reloaded(&self, fresh: Self) -> Self {
        let running = self.clone();
        let files = if running.http.tls == fresh.http.tls { &fresh.http } else { &running.http };
        let (tls_certificate, tls_key) = (files.tls_certificate.clone(), files.tls_key.clone());
        let (listen, tls) = (running.http.listen, running.http.tls);
        Self {
            http: HttpConfig { listen, tls, tls_certificate, tls_key, ..fresh.http },
            auth: fresh.auth,
            limits: fresh.limits,
            log: LogConfig { level: fresh.log.level, ..running.log },
            ..running
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Field;
    use crate::{GsoMode, LogFormat, LogLevel, TlsMode};

    /// Something that no knob has by default.
    fn change(mut field: Field<'_>) {
        let text = match &mut field {
            Field::Address(_) | Field::OptionalAddress(_) => "192.0.2.1:1".to_owned(),
            Field::Announce(_) | Field::Networks(_) => "192.0.2.1".to_owned(),
            Field::Origins(_) | Field::Webhooks(_) => "https://example.org".to_owned(),
            Field::Endpoint(_) => "http://collector:4318".to_owned(),
            Field::Headers(_) => "authorization=secret".to_owned(),
            Field::Ratio(_) => "0.5".to_owned(),
            Field::ServiceName(_) => "another".to_owned(),
            Field::Keys(_) => format!("app:{}", "x".repeat(32)),
            Field::Path(_) => "somewhere.pem".to_owned(),
            Field::Database(_) | Field::Files(_) => "memory:".to_owned(),
            Field::ContentTypes(_) => "image/png".to_owned(),
            Field::SigningSecret(_) => "x".repeat(32),
            Field::Switch(now) => (!**now).to_string(),
            Field::Number16(now, _) => (**now + 1).to_string(),
            Field::Number32(now, _) => (**now + 1).to_string(),
            Field::Number64(now, _) => (**now + 1).to_string(),
            Field::Tls(now) => return assert_ne!(std::mem::replace(*now, TlsMode::SelfSigned), TlsMode::SelfSigned),
            Field::Gso(now) => return assert_ne!(std::mem::replace(*now, GsoMode::Off), GsoMode::Off),
            Field::Level(now) => return assert_ne!(std::mem::replace(*now, LogLevel::Trace), LogLevel::Trace),
            Field::Format(now) => return assert_ne!(std::mem::replace(*now, LogFormat::Json), LogFormat::Json),
        };
        field.set_text(&text).unwrap();
    }

    fn keys(knobs: &[&Knob]) -> Vec<&'static str> {
        knobs.iter().map(|knob| knob.key).collect()
    }

    #[test]
    fn every_change_is_seen_and_no_other() {
        let running = Config::default();
        assert!(running.changed_knobs(&running).is_empty());
        for knob in KNOBS {
            let mut fresh = running.clone();
            change((knob.field)(&mut fresh));
            assert_eq!(keys(&running.changed_knobs(&fresh)), [knob.key]);
        }
    }

    #[test]
    fn a_running_server_takes_the_knobs_that_say_so_and_no_others() {
        let (running, mut fresh) = (Config::default(), Config::default());
        // This one takes two others with it.
        let knobs = || KNOBS.iter().filter(|knob| knob.key != "http.tls");
        knobs().for_each(|knob| change((knob.field)(&mut fresh)));
        let reloaded = running.reloaded(fresh.clone());
        let taken: Vec<_> = knobs().filter(|knob| knob.reload).map(|knob| knob.key).collect();
        assert_eq!(keys(&running.changed_knobs(&reloaded)), taken);
        let left: Vec<_> = knobs().filter(|knob| !knob.reload).map(|knob| knob.key).collect();
        assert_eq!(keys(&reloaded.changed_knobs(&fresh)), left);
    }

    /// The table of docs/tls.md, in which `section.*` stands for all of a section.
    #[test]
    fn the_page_names_what_a_running_server_takes() {
        let page = include_str!("../../docs/tls.md");
        let (_, section) = page.split_once("## Changing a running server").unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" | "));
        let named: Vec<&str> = rows.flat_map(|(keys, _)| keys.split(", ")).map(|key| key.trim_matches('`')).collect();
        let is_named = |knob: &&Knob| {
            let section = knob.key.split('.').next().unwrap();
            named.iter().any(|name| *name == knob.key || name.strip_suffix(".*") == Some(section))
        };
        let of = |knobs: &[Knob], is: &dyn Fn(&&Knob) -> bool| {
            knobs.iter().filter(is).map(|knob| knob.key).collect::<Vec<_>>()
        };
        assert_eq!(of(KNOBS, &is_named), of(KNOBS, &|knob| knob.reload));
    }

    #[test]
    fn the_files_of_a_certificate_go_with_its_use() {
        let running = Config::default();
        let mut fresh = running.clone();
        fresh.http.tls = TlsMode::Files;
        (fresh.http.tls_certificate, fresh.http.tls_key) = (Some("a.pem".into()), Some("b.pem".into()));
        assert_eq!(running.reloaded(fresh.clone()), running);
        assert_eq!(fresh.reloaded(running), fresh);
    }
}
