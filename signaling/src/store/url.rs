//! Which store, by its URL, and opening it.

use super::sqlite::{APPLICATION_ID, SqliteStore, lock_path};
use super::{MongoStore, Storage, Store, StoreError};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where rooms are stored. Shown without passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl(Place);

#[derive(Clone, PartialEq, Eq)]
enum Place {
    Memory,
    Sqlite(PathBuf),
    Mongo(String),
}

impl StoreUrl {
    /// What a URL must look like, for people.
    pub const RULE: &'static str =
        "memory:, sqlite: and the path of a file, or a URL that begins with mongodb:// or mongodb+srv://";

    /// What marks a file of SQLite as Parlor's, in its header.
    pub const SQLITE_APPLICATION_ID: i32 = APPLICATION_ID;

    /// The store that `text` names; `None` unless it keeps to [`Self::RULE`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "memory:" {
            return Some(Self(Place::Memory));
        }
        if let Some(path) = text.strip_prefix("sqlite:") {
            // `sqlite://path` names a host elsewhere: whether it is meant to begin at the root nobody can tell.
            let is_path = !path.is_empty() && !path.ends_with('/') && !path.starts_with("//") && !path.contains('\0');
            return is_path.then(|| Self(Place::Sqlite(path.into())));
        }
        let is_mongo = ["mongodb://", "mongodb+srv://"].iter().any(|scheme| {
            text.get(..scheme.len()).is_some_and(|there| there.eq_ignore_ascii_case(scheme))
                && text.len() > scheme.len()
        });
        is_mongo.then(|| Self(Place::Mongo(text.to_owned())))
    }

    /// What kind of place it names.
    #[must_use]
    pub fn place(&self) -> StorePlace<'_> {
        match &self.0 {
            Place::Memory => StorePlace::Memory,
            Place::Sqlite(path) => StorePlace::Sqlite { path, lock: lock_path(path) },
            Place::Mongo(_) => StorePlace::Mongo,
        }
    }
}

/// What kind of place a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePlace<'a> {
    /// The process's memory.
    Memory,
    /// A file of SQLite.
    Sqlite {
        /// The database.
        path: &'a Path,
        /// What whoever uses it holds a lock on.
        lock: PathBuf,
    },
    /// A MongoDB.
    Mongo,
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Memory => f.write_str("memory:"),
            Place::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Place::Mongo(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("mongodb", ""));
                write!(f, "{scheme}://{}", without_secrets(rest).unwrap_or("…"))
            }
        }
    }
}

/// Hosts and database. `None` when it cannot be told where the credentials end, since they are not escaped.
fn without_secrets(rest: &str) -> Option<&str> {
    let before_options = rest.split_once('?').map_or(rest, |(before, _)| before);
    match before_options.rsplit_once('@') {
        Some((_, hosts)) => Some(hosts),
        None if rest.contains('@') => None,
        None => Some(before_options),
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be reached now: the same call may succeed later.
    #[error("the database {store} cannot be reached (store.url): {reason}")]
    Unavailable {
        /// Without passwords.
        store: String,
        /// The database's words.
        reason: String,
    },
    /// Trying again will not help.
    #[error("the database {store} cannot be used (store.url): {reason}")]
    Refused {
        /// Without passwords.
        store: String,
        /// What is wrong.
        reason: String,
    },
}

impl Storage {
    /// Opens a store, and creates what it needs.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(url: &StoreUrl) -> Result<Self, OpenError> {
        let opened: Result<Arc<dyn Store>, StoreError> = match url.0.clone() {
            Place::Memory => return Ok(Self::memory()),
            Place::Sqlite(path) => {
                // It waits for the disk.
                let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&path)).await;
                let panicked = |_| Err(StoreError::Failed("opening it panicked".to_owned()));
                opened.unwrap_or_else(panicked).map(|store| Arc::new(store) as _)
            }
            Place::Mongo(url) => MongoStore::open(&url).await.map(|store| Arc::new(store) as _),
        };
        opened.map(Self).map_err(|error| open_error(url, error))
    }

    /// Whether a server answers that takes writes, asked within a few seconds and without changing anything. True of what is no
    /// server.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn ping(url: &StoreUrl) -> Result<(), OpenError> {
        match &url.0 {
            Place::Memory | Place::Sqlite(_) => Ok(()),
            Place::Mongo(text) => MongoStore::ping(text).await.map_err(|error| open_error(url, error)),
        }
    }
}

fn open_error(url: &StoreUrl, error: StoreError) -> OpenError {
    let store = url.to_string();
    match error {
        StoreError::Unavailable(reason) => OpenError::Unavailable { store, reason },
        StoreError::Failed(reason) => OpenError::Refused { store, reason },
        other => OpenError::Refused { store, reason: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_store() {
        for (text, shown) in [
            ("memory:", "memory:"),
            ("sqlite:parlor-data/parlor.db", "sqlite:parlor-data/parlor.db"),
            ("sqlite:/var/lib/parlor/parlor.db", "sqlite:/var/lib/parlor/parlor.db"),
            ("mongodb://db.example.org", "mongodb://db.example.org"),
            ("mongodb+srv://cluster.example.org/parlor?w=1", "mongodb+srv://cluster.example.org/parlor"),
            ("MongoDB://a:1,b:2/x", "MongoDB://a:1,b:2/x"),
        ] {
            assert_eq!(StoreUrl::parse(text).unwrap().to_string(), shown);
        }
        for wrong in [
            "",
            "memory",
            "memory:x",
            "sqlite:",
            "sqlite:data/",
            "sqlite://data/parlor.db",
            "sqlite",
            "mongodb://",
            "mongodb:",
            "mongo://x",
            "postgres://x",
            "parlor.db",
            " memory:",
            "sqlite:a\0b",
        ] {
            assert_eq!(StoreUrl::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_url_is_shown_without_its_secrets() {
        for (text, shown) in [
            ("mongodb://ada:geheim@db/x", "mongodb://db/x"),
            ("mongodb://ada:geh/eim@db/x", "mongodb://db/x"),
            ("mongodb://ada:geh@eim@db/x?authSource=admin", "mongodb://db/x"),
            ("mongodb://ada:geh?eim@db/x", "mongodb://…"),
            ("mongodb+srv://db/x?tlsCertificateKeyFilePassword=geheim", "mongodb+srv://db/x"),
            ("mongodb://db/x?tlsCertificateKeyFilePassword=geh@eim", "mongodb://…"),
        ] {
            let url = StoreUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("StoreUrl({shown})"));
        }
    }

    #[tokio::test]
    async fn every_kind_is_opened_or_says_why_not() {
        let memory = StoreUrl::parse("memory:").unwrap();
        assert_eq!(Storage::open(&memory).await.unwrap().0.name(), "memory:");

        let directory = tempfile::tempdir().unwrap();
        let text = format!("sqlite:{}/data/parlor.db", directory.path().display());
        let sqlite = StoreUrl::parse(&text).unwrap();
        let first = Storage::open(&sqlite).await.unwrap();
        assert_eq!(first.0.name(), text);
        let error = Storage::open(&sqlite).await.unwrap_err();
        assert!(matches!(error, OpenError::Refused { .. }));
        let expected = "cannot be used (store.url): it is in use by another process";
        assert!(error.to_string().starts_with(&format!("the database {text} {expected}")), "{error}");

        let StorePlace::Sqlite { path, lock } = sqlite.place() else { panic!("{sqlite} is no file") };
        assert!(path.is_file() && lock.is_file());
        assert!(Storage::ping(&sqlite).await.is_ok());
        let nobody = StoreUrl::parse("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50").unwrap();
        assert!(matches!(Storage::ping(&nobody).await, Err(OpenError::Unavailable { .. })));

        let wrong = StoreUrl::parse("mongodb://ada:geheim@127.0.0.1:1/?connectTimeoutMS=soon").unwrap();
        let error = Storage::open(&wrong).await.unwrap_err();
        assert!(matches!(error, OpenError::Refused { .. }) && !error.to_string().contains("geheim"), "{error}");
    }
}
