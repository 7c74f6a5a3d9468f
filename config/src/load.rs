//! Folding the sources into one [`Config`].

use crate::error::{ConfigError, Source};
use crate::field::is_mongodb;
use crate::knobs::{KNOBS, Knob, PREFIX};
use crate::nearest::nearest;
use crate::{Config, HttpConfig, Secret, StoreConfig, TlsMode};
use std::collections::HashSet;
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

/// The configuration that `sources` describe: defaults, then file, then environment, then flags.
///
/// `PORT`, which many hosters set, is honoured when nothing else sets `http.listen`, and `MONGODB_URI` when nothing else sets
/// `store.url`.
///
/// # Errors
/// The first thing wrong, in one line.
pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    // The keys that something has set.
    let mut set = HashSet::new();
    if let Some(file) = &sources.file {
        apply_file(&mut config, file, &mut set)?;
    }
    for (name, text) in sources.environment.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        let Some(knob) = KNOBS.iter().find(|knob| knob.variable() == *name) else {
            let nearest = nearest(name, KNOBS.iter().map(Knob::variable));
            return Err(ConfigError::UnknownVariable { name: name.clone(), nearest });
        };
        apply_text(&mut config, knob, text, || Source::Environment(name.clone()))?;
        set.insert(knob.key);
    }
    for (knob, text) in &sources.flags {
        apply_text(&mut config, knob, text, || Source::Flag(knob.flag()))?;
        set.insert(knob.key);
    }
    let variable = |wanted: &str| sources.environment.iter().find(|(name, _)| name == wanted).map(|(_, text)| text);
    if !set.contains("http.listen")
        && let Some(port) = variable("PORT")
    {
        apply_port(&mut config.http, port)?;
    }
    if !set.contains("store.url")
        && let Some(url) = variable("MONGODB_URI")
    {
        apply_mongodb(&mut config.store, url)?;
    }
    check_together(&config)?;
    Ok(config)
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

fn apply_file(config: &mut Config, file: &ConfigFile, set: &mut HashSet<&'static str>) -> Result<(), ConfigError> {
    let table: Table = file.text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| file.text.get(..span.start)).unwrap_or_default();
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        ConfigError::Syntax { path: file.path.clone(), line: before.matches('\n').count() + 1, message }
    })?;
    for (section, value) in &table {
        let known_section = KNOBS.iter().any(|knob| knob.key.split('.').next() == Some(section));
        let Some(entries) = value.as_table().filter(|_| known_section) else {
            return Err(unknown_key(section, file));
        };
        for (name, value) in entries {
            let key = format!("{section}.{name}");
            let knob = KNOBS.iter().find(|knob| knob.key == key).ok_or_else(|| unknown_key(&key, file))?;
            apply_value(config, knob, value, file)?;
            set.insert(knob.key);
        }
    }
    Ok(())
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

fn apply_value(config: &mut Config, knob: &Knob, value: &Value, file: &ConfigFile) -> Result<(), ConfigError> {
    let mut field = (knob.field)(config);
    field.set(value).ok_or_else(|| ConfigError::BadValue {
        key: knob.key.to_owned(),
        value: if field.is_secret() { HIDDEN.to_owned() } else { shown(&value.to_string()) },
        allowed: field.allowed(),
        source_of_value: Source::File(file.path.clone()),
    })
}

fn apply_text(
    config: &mut Config,
    knob: &Knob,
    text: &str,
    source: impl FnOnce() -> Source,
) -> Result<(), ConfigError> {
    let mut field = (knob.field)(config);
    field.set_text(text).ok_or_else(|| ConfigError::BadValue {
        key: knob.key.to_owned(),
        value: if field.is_secret() { HIDDEN.to_owned() } else { shown(&format!("{text:?}")) },
        allowed: field.allowed(),
        source_of_value: source(),
    })
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

/// A secret as an error shows it.
const HIDDEN: &str = "…";

/// A value as an error shows it: one line of bearable length.
fn shown(value: &str) -> String {
    let line = value.replace(['\n', '\r'], " ");
    if line.chars().count() <= 80 { line } else { format!("{}…", line.chars().take(80).collect::<String>()) }
}

#[cfg(test)]
mod tests;
