//! Folding the sources into one [`Config`].

use crate::auth::HIDDEN;
use crate::error::{ConfigError, Source};
use crate::field::{Field, is_mongodb};
use crate::knobs::{KNOBS, Knob, PREFIX};
use crate::nearest::nearest;
use crate::{Config, HttpConfig, Secret, StoreConfig, TlsMode};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use toml::{Table, Value};

/// The file that is read from the working directory when none is named.
const DEFAULT_FILE: &str = "parlor.toml";

/// A configuration file larger than this is not one: the sample has some 3 KB.
const MAX_FILE_BYTES: usize = 1 << 20;

/// A configuration file's text.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    /// As it is named in errors.
    pub path: String,
    /// Its TOML.
    pub text: String,
}

impl ConfigFile {
    /// Reads the named file, or `parlor.toml` of the working directory if that exists.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`]; not for an absent file that was not named.
    pub fn read(named: Option<&Path>) -> Result<Option<Self>, ConfigError> {
        let path = named.unwrap_or_else(|| Path::new(DEFAULT_FILE));
        let unreadable = |reason: String| ConfigError::Unreadable { path: path.display().to_string(), reason };
        match std::fs::read_to_string(path) {
            Ok(text) if text.len() > MAX_FILE_BYTES => {
                Err(unreadable(format!("it is larger than {MAX_FILE_BYTES} bytes")))
            }
            Ok(text) => Ok(Some(Self { path: path.display().to_string(), text })),
            Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => Ok(None),
            Err(error) => Err(unreadable(error.to_string())),
        }
    }
}

/// Everything a configuration is made of, beside the defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file, if there is one.
    pub file: Option<ConfigFile>,
    /// The environment. Only `PARLOR_…`, `PORT` and `MONGODB_URI` are looked at.
    pub environment: Vec<(String, String)>,
    /// Flags that were given, with their text.
    pub flags: Vec<(&'static Knob, String)>,
}

/// What the sources come to.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Complete, also beside problems: what is wrong has changed nothing.
    pub config: Config,
    /// Where the keys that something has set come from, by key.
    pub origins: BTreeMap<&'static str, Source>,
    /// Everything that is wrong, in the order of the sources, and in the file by key.
    pub problems: Vec<ConfigError>,
}

/// The configuration that `sources` describe: defaults, then file, then environment, then flags.
///
/// `PORT`, which many hosters set, is honoured when nothing else sets `http.listen`, and `MONGODB_URI` when nothing else sets
/// `store.url`.
///
/// # Errors
/// The first thing wrong, in one line.
pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
    let loaded = read(sources);
    loaded.problems.into_iter().next().map_or(Ok(loaded.config), Err)
}

/// The same with the origin of each key, and with everything that is wrong.
#[must_use]
pub fn read(sources: &Sources) -> Loaded {
    let mut loaded = Loaded { config: Config::default(), origins: BTreeMap::new(), problems: Vec::new() };
    if let Some(file) = &sources.file {
        loaded.apply_file(file);
    }
    for (name, text) in sources.environment.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        match KNOBS.iter().find(|knob| knob.variable() == *name) {
            Some(knob) => loaded.apply_text(knob, text, Source::Environment(name.clone())),
            None => {
                let nearest = nearest(name, KNOBS.iter().map(Knob::variable));
                loaded.problems.push(ConfigError::UnknownVariable { name: name.clone(), nearest });
            }
        }
    }
    for (knob, text) in &sources.flags {
        loaded.apply_text(knob, text, Source::Flag(knob.flag()));
    }
    let variable = |wanted: &str| sources.environment.iter().find(|(name, _)| name == wanted).map(|(_, text)| text);
    if let Some(port) = variable("PORT") {
        loaded.apply_foreign("http.listen", "PORT", |config| apply_port(&mut config.http, port));
    }
    if let Some(url) = variable("MONGODB_URI") {
        loaded.apply_foreign("store.url", "MONGODB_URI", |config| apply_mongodb(&mut config.store, url));
    }
    // What was refused is not missing.
    if loaded.problems.is_empty() {
        loaded.problems.extend(check_together(&loaded.config).err());
    }
    loaded
}

/// What no key can say of itself.
fn check_together(config: &Config) -> Result<(), ConfigError> {
    if !config.webhooks.urls.is_empty() && config.webhooks.secret.is_none() {
        return Err(ConfigError::Missing { key: "webhooks.secret", because: "webhooks.urls is set" });
    }
    let files = [("http.tls_certificate", &config.http.tls_certificate), ("http.tls_key", &config.http.tls_key)];
    for (key, file) in files {
        match (config.http.tls, file) {
            (TlsMode::Files, None) => return Err(ConfigError::Missing { key, because: "http.tls is \"files\"" }),
            (TlsMode::Off | TlsMode::SelfSigned, Some(_)) => {
                return Err(ConfigError::Useless { key, because: "http.tls is not \"files\"" });
            }
            _ => {}
        }
    }
    Ok(())
}

impl Loaded {
    fn apply_file(&mut self, file: &ConfigFile) {
        let table: Table = match file.text.parse() {
            Ok(table) => table,
            Err(error) => return self.problems.push(syntax_error(file, &error)),
        };
        for (section, value) in &table {
            let known_section = KNOBS.iter().any(|knob| knob.key.split('.').next() == Some(section));
            let Some(entries) = value.as_table().filter(|_| known_section) else {
                self.problems.push(unknown_key(section, file));
                continue;
            };
            for (name, value) in entries {
                let key = format!("{section}.{name}");
                match KNOBS.iter().find(|knob| knob.key == key) {
                    Some(knob) => self.apply_value(knob, value, file),
                    None => self.problems.push(unknown_key(&key, file)),
                }
            }
        }
    }

    fn apply_value(&mut self, knob: &'static Knob, value: &Value, file: &ConfigFile) {
        let source = Source::File(file.path.clone());
        let set = |field: &mut Field<'_>| field.set(value);
        self.apply(knob, source, set, || value.to_string());
    }

    fn apply_text(&mut self, knob: &'static Knob, text: &str, source: Source) {
        let set = |field: &mut Field<'_>| field.set_text(text);
        self.apply(knob, source, set, || format!("{text:?}"));
    }

    fn apply(
        &mut self,
        knob: &'static Knob,
        source: Source,
        set: impl FnOnce(&mut Field<'_>) -> Option<()>,
        written: impl FnOnce() -> String,
    ) {
        let mut field = (knob.field)(&mut self.config);
        if set(&mut field).is_some() {
            self.origins.insert(knob.key, source);
        } else {
            let value = if field.is_secret() { HIDDEN.to_owned() } else { shown(&written()) };
            let (key, allowed) = (knob.key.to_owned(), field.allowed());
            self.problems.push(ConfigError::BadValue { key, value, allowed, source_of_value: source });
        }
    }

    /// A variable that is not Parlor's own counts unless something else sets the key, well or badly.
    fn apply_foreign(
        &mut self,
        key: &'static str,
        variable: &str,
        apply: impl FnOnce(&mut Config) -> Result<(), ConfigError>,
    ) {
        let is_of_key = |problem: &ConfigError| matches!(problem, ConfigError::BadValue { key: bad, .. } if bad == key);
        if self.origins.contains_key(key) || self.problems.iter().any(is_of_key) {
            return;
        }
        match apply(&mut self.config) {
            Ok(()) => drop(self.origins.insert(key, Source::Environment(variable.to_owned()))),
            Err(problem) => self.problems.push(problem),
        }
    }
}

fn syntax_error(file: &ConfigFile, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| file.text.get(..span.start)).unwrap_or_default();
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    ConfigError::Syntax { path: file.path.clone(), line: before.matches('\n').count() + 1, message }
}

/// A section is compared with sections too, and a bare name with the names in all sections.
fn unknown_key(key: &str, file: &ConfigFile) -> ConfigError {
    let parts = || KNOBS.iter().filter_map(|knob| knob.key.split_once('.'));
    let found = if key.contains('.') {
        nearest(key, KNOBS.iter().map(|knob| knob.key.to_owned()))
    } else {
        nearest(key, parts().flat_map(|(section, name)| [section.to_owned(), name.to_owned()])).map(|found| {
            parts()
                .find(|(_, name)| *name == found)
                .map_or_else(|| format!("the section [{found}]"), |(section, name)| format!("{section}.{name}"))
        })
    };
    ConfigError::UnknownKey { key: key.to_owned(), path: file.path.clone(), nearest: found }
}

fn apply_port(http: &mut HttpConfig, text: &str) -> Result<(), ConfigError> {
    let port = text.trim().parse::<u16>().map_err(|_| ConfigError::BadValue {
        key: "http.listen".to_owned(),
        value: shown(&format!("{text:?}")),
        allowed: "a port from 0 to 65535".to_owned(),
        source_of_value: Source::Environment("PORT".to_owned()),
    })?;
    http.listen.set_port(port);
    Ok(())
}

fn apply_mongodb(store: &mut StoreConfig, text: &str) -> Result<(), ConfigError> {
    let url = Some(text.trim()).filter(|url| is_mongodb(url)).ok_or_else(|| ConfigError::BadValue {
        key: "store.url".to_owned(),
        value: HIDDEN.to_owned(),
        allowed: "a URL that begins with mongodb:// or mongodb+srv://".to_owned(),
        source_of_value: Source::Environment("MONGODB_URI".to_owned()),
    })?;
    store.url = Secret::new(url);
    Ok(())
}

/// A value as an error shows it: one line of bearable length.
fn shown(value: &str) -> String {
    let line = value.replace(['\n', '\r'], " ");
    if line.chars().count() <= 80 { line } else { format!("{}…", line.chars().take(80).collect::<String>()) }
}

#[cfg(test)]
mod tests;
