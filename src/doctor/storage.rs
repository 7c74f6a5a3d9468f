//! The database and the place of files: whether they can be used, found out without using them.

use super::facts::Facts;
use super::report::{Finding, Mark};
use super::system::{self, Process};
use crate::server::{file_storage, webhooks};
use parlor_config::{Config, FilesUrl};
use parlor_signaling::{Storage, StorePlace, StoreUrl};
use std::path::Path;

const STORE: &str = "store";
const FILES: &str = "files";

/// Less free disk than this is worth a word: some forty of the largest files that are taken by default.
const LITTLE_DISK: u64 = 1 << 30;

/// What every database of SQLite begins with, and where in its header the application's id is (sqlite.org/fileformat2.html).
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";
const SQLITE_HEADER: usize = 100;
const APPLICATION_ID_AT: usize = 68;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct StorageFacts {
    pub(super) store: StoreFacts,
    pub(super) files: FilesFacts,
}

#[derive(Clone, Debug)]
pub(super) enum StoreFacts {
    Memory,
    Sqlite {
        name: String,
        /// Who has it open.
        holder: Option<Process>,
        /// Whether there is a file, and it can be a database of Parlor.
        file: Result<bool, String>,
        directory: DirectoryFacts,
    },
    Mongo {
        name: String,
        /// Whether a primary answers.
        answer: Result<(), String>,
    },
    Wrong(String),
}

#[derive(Clone, Debug)]
pub(super) enum FilesFacts {
    Off,
    Memory,
    Directory {
        name: String,
        directory: DirectoryFacts,
    },
    /// Whether the environment says enough to ask it; it is not asked.
    Cloud {
        name: String,
        settings: Result<(), String>,
    },
}

#[derive(Clone, Debug)]
pub(super) struct DirectoryFacts {
    /// Whether files can be made in it, or in the one above in which it will be made.
    pub(super) writable: Result<(), String>,
    pub(super) free_bytes: Option<u64>,
}

impl StorageFacts {
    pub(super) async fn gather(config: &Config) -> Self {
        Self { store: store(config.store.url.expose()).await, files: files(&config.files.url) }
    }

    #[cfg(test)]
    pub(super) fn sound() -> Self {
        let directory = DirectoryFacts { writable: Ok(()), free_bytes: Some(100 << 30) };
        Self {
            store: StoreFacts::Sqlite {
                name: "sqlite:parlor-data/parlor.db".to_owned(),
                holder: None,
                file: Ok(true),
                directory: directory.clone(),
            },
            files: FilesFacts::Directory { name: "file:parlor-data/files".to_owned(), directory },
        }
    }
}

impl DirectoryFacts {
    fn gather(directory: &Path) -> Self {
        let existing = system::existing(directory);
        let writable = system::try_to_write(existing).map_err(|error| format!("{}: {error}", existing.display()));
        Self { writable, free_bytes: system::free_bytes(existing) }
    }
}

async fn store(text: &str) -> StoreFacts {
    let Some(url) = StoreUrl::parse(text) else {
        return StoreFacts::Wrong(format!("store.url is not valid: expected {}", StoreUrl::RULE));
    };
    let name = url.to_string();
    match url.place() {
        StorePlace::Memory => StoreFacts::Memory,
        StorePlace::Sqlite { path, lock } => StoreFacts::Sqlite {
            name,
            holder: system::holder_of_lock(&lock),
            file: if path.exists() { is_database(path).map(|()| true) } else { Ok(false) },
            directory: DirectoryFacts::gather(path.parent().unwrap_or(Path::new(""))),
        },
        StorePlace::Mongo => {
            let answer = Storage::ping(&url).await.map_err(|error| error.to_string());
            StoreFacts::Mongo { name, answer }
        }
    }
}

/// Whether a file can be a database of Parlor: its header is looked at, SQLite is not asked, which would write beside it.
fn is_database(path: &Path) -> Result<(), String> {
    let header = system::beginning::<SQLITE_HEADER>(path).map_err(|error| error.to_string())?;
    // An empty file is an empty database. While all of it is in the log the id is not in the file yet.
    let id = header.get(APPLICATION_ID_AT..APPLICATION_ID_AT + 4).unwrap_or_default();
    let is_ours = [[0; 4], StoreUrl::SQLITE_APPLICATION_ID.to_be_bytes()].iter().any(|ours| ours == id);
    let is_right = header.is_empty() || (header.starts_with(SQLITE_MAGIC) && is_ours);
    is_right.then_some(()).ok_or_else(|| "it is a file of another program".to_owned())
}

fn files(url: &FilesUrl) -> FilesFacts {
    let name = url.to_string();
    match url {
        FilesUrl::Off => FilesFacts::Off,
        FilesUrl::Memory => FilesFacts::Memory,
        FilesUrl::Directory(path) => FilesFacts::Directory { name, directory: DirectoryFacts::gather(path) },
        FilesUrl::S3(_) | FilesUrl::Gcs(_) | FilesUrl::Azure(_) => {
            FilesFacts::Cloud { name, settings: file_storage(url).map(drop).map_err(|error| error.to_string()) }
        }
    }
}

pub(super) fn judge(config: &Config, facts: &Facts) -> Vec<Finding> {
    let mut findings = of_store(config, &facts.storage.store);
    findings.extend(of_files(&facts.storage.files));
    if let Err(error) = webhooks(config) {
        findings.push(Finding::new("webhooks", Mark::Failure, error.to_string()));
    } else if !config.webhooks.urls.is_empty() {
        let text = format!("{} URLs are told what happens; they were not asked now", config.webhooks.urls.len());
        findings.push(Finding::new("webhooks", Mark::Good, text));
    }
    findings
}

fn of_store(config: &Config, store: &StoreFacts) -> Vec<Finding> {
    let finding = |mark, text: String| Finding::new(STORE, mark, text);
    match store {
        StoreFacts::Memory => vec![
            finding(Mark::Warning, "rooms and messages are gone with the process (store.url = \"memory:\")".to_owned())
                .advise("to keep them, set store.url to sqlite:PATH or mongodb://…"),
        ],
        StoreFacts::Wrong(reason) => vec![finding(Mark::Failure, reason.clone())],
        StoreFacts::Sqlite { name, file: Err(reason), .. } => {
            vec![finding(Mark::Failure, format!("{name} cannot be used: {reason}")).advise("choose another store.url")]
        }
        StoreFacts::Sqlite { name, holder: Some(holder), .. } => {
            let Process { id, name: process } = holder;
            vec![finding(Mark::Good, format!("{name} is in use by {process} (process {id}), which alone may use it"))]
        }
        StoreFacts::Sqlite { name, file: Ok(exists), directory, .. } => {
            let state = if *exists { "is there" } else { "will be made at the start" };
            of_directory(STORE, &format!("{name} {state}"), "store.url", directory)
        }
        StoreFacts::Mongo { name, answer: Ok(()) } => vec![finding(Mark::Good, format!("{name} answers"))],
        StoreFacts::Mongo { answer: Err(reason), .. } => {
            let wait = if config.store.wait { "a start waits for it" } else { "a start fails without it" };
            vec![finding(Mark::Failure, reason.clone()).advise(format!("{wait}; see docs/storage.md"))]
        }
    }
}

fn of_files(files: &FilesFacts) -> Vec<Finding> {
    let finding = |mark, text: String| vec![Finding::new(FILES, mark, text)];
    match files {
        FilesFacts::Off => finding(Mark::Good, "files are not taken (files.url = \"off\")".to_owned()),
        FilesFacts::Memory => {
            finding(Mark::Warning, "files are gone with the process (files.url = \"memory:\")".to_owned())
        }
        FilesFacts::Directory { name, directory } => of_directory(FILES, name, "files.url", directory),
        FilesFacts::Cloud { name, settings: Ok(()) } => {
            finding(Mark::Good, format!("{name} is configured; it was not asked now"))
        }
        FilesFacts::Cloud { settings: Err(reason), .. } => finding(Mark::Failure, reason.clone()),
    }
}

fn of_directory(subject: &'static str, name: &str, key: &str, directory: &DirectoryFacts) -> Vec<Finding> {
    let finding = |mark, text: String| Finding::new(subject, mark, text);
    let mut findings = vec![match &directory.writable {
        Ok(()) => finding(Mark::Good, format!("{name}; its directory can be written to")),
        Err(reason) => finding(Mark::Failure, format!("{name}; its directory cannot be written to: {reason}"))
            .advise(format!("let the user of the server write there, or change {key}")),
    }];
    if let Some(free) = directory.free_bytes.filter(|&free| free < LITTLE_DISK) {
        findings.push(finding(Mark::Warning, format!("its disk has {} MiB left", free >> 20)));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::facts::sound;
    use super::*;

    fn with(store: StoreFacts) -> Finding {
        let config = Config::default();
        let mut facts = sound(&config);
        facts.storage.store = store;
        judge(&config, &facts).remove(0)
    }

    fn sqlite(holder: Option<&str>, file: Result<bool, String>, directory: DirectoryFacts) -> StoreFacts {
        let holder = holder.map(|name| Process { id: 7, name: name.to_owned() });
        StoreFacts::Sqlite { name: "sqlite:a.db".to_owned(), holder, file, directory }
    }

    fn directory(writable: bool, free: u64) -> DirectoryFacts {
        let writable = if writable { Ok(()) } else { Err("data: Permission denied".to_owned()) };
        DirectoryFacts { writable, free_bytes: Some(free) }
    }

    #[test]
    fn a_database_that_a_server_holds_is_no_failure() {
        let finding = with(sqlite(Some("parlor"), Ok(true), directory(true, u64::MAX)));
        assert_eq!(finding.mark, Mark::Good);
        assert!(finding.text.contains("in use by parlor (process 7)"), "{}", finding.text);
    }

    #[test]
    fn each_state_of_a_store_has_its_mark() {
        let mongo = |answer| StoreFacts::Mongo { name: "mongodb://db/x".to_owned(), answer };
        for (store, mark, text) in [
            (StoreFacts::Memory, Mark::Warning, "gone with the process"),
            (StoreFacts::Wrong("store.url is not valid".to_owned()), Mark::Failure, "not valid"),
            (sqlite(None, Ok(false), directory(true, u64::MAX)), Mark::Good, "will be made"),
            (sqlite(None, Ok(true), directory(false, u64::MAX)), Mark::Failure, "Permission denied"),
            (
                sqlite(None, Err("it is a file of another program".to_owned()), directory(true, 9)),
                Mark::Failure,
                "another program",
            ),
            (mongo(Ok(())), Mark::Good, "mongodb://db/x answers"),
            (mongo(Err("it cannot be reached".to_owned())), Mark::Failure, "cannot be reached"),
        ] {
            let finding = with(store);
            assert_eq!(finding.mark, mark, "{finding:?}");
            assert!(finding.text.contains(text), "{finding:?}");
        }
    }

    #[test]
    fn little_disk_and_bad_places_of_files_are_told() {
        let marks = |files| of_files(&files).iter().map(|finding| finding.mark).collect::<Vec<_>>();
        let place = |directory| FilesFacts::Directory { name: "file:x".to_owned(), directory };
        assert_eq!(marks(place(directory(true, u64::MAX))), [Mark::Good]);
        assert_eq!(marks(place(directory(true, 5 << 20))), [Mark::Good, Mark::Warning]);
        assert_eq!(marks(place(directory(false, u64::MAX))), [Mark::Failure]);
        assert_eq!(marks(FilesFacts::Off), [Mark::Good]);
        assert_eq!(marks(FilesFacts::Memory), [Mark::Warning]);
        let cloud = |settings| FilesFacts::Cloud { name: "s3://a".to_owned(), settings };
        assert_eq!(marks(cloud(Ok(()))), [Mark::Good]);
        assert_eq!(marks(cloud(Err("no region".to_owned()))), [Mark::Failure]);
    }

    #[test]
    fn databases_are_known_by_their_header() {
        let path = std::env::temp_dir().join(format!("parlor-doctor-header-{}", std::process::id()));
        let mut ours = [SQLITE_MAGIC, &[0; SQLITE_HEADER]].concat();
        let judged = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            is_database(&path)
        };
        assert_eq!(judged(&[]), Ok(()));
        assert_eq!(judged(&ours), Ok(()));
        ours[APPLICATION_ID_AT..APPLICATION_ID_AT + 4].copy_from_slice(b"PRLR");
        assert_eq!(judged(&ours), Ok(()));
        ours[APPLICATION_ID_AT] = b'X';
        assert!(judged(&ours).is_err());
        assert!(judged(b"something else").is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
