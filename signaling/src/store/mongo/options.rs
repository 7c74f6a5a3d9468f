//! How the database is reached: what a URL says, and what it leaves open.

use super::{COMMAND_TIMEOUT, StoreError};
use mongodb::options::{Acknowledgment, ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern};
use std::fmt::Write as _;
use std::time::Duration;

/// The database of a URL that names none.
const DEFAULT_DATABASE: &str = "onetimechat";

/// How long a call waits for a server that takes it: short enough that the call ends within its time, long enough for a replica
/// set to elect a primary now and then.
const SERVER_SELECTION_TIMEOUT: Duration = Duration::from_secs(5);
/// For TCP and TLS to a server that may be on another continent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections are closed after so long without use: less than what firewalls on the way remember.
const MAX_IDLE_TIME: Duration = Duration::from_secs(120);
/// One for the journal and enough for requests: more calls at a time wait, since they would wait in the server too.
const MAX_POOL_SIZE: u32 = 24;
/// One stays open, so that the first write after a quiet time does not wait for a handshake.
const MIN_POOL_SIZE: u32 = 1;

/// The options of a URL. Its own words on timeouts, pool and application's name stand; those on concerns do not, since they are
/// what the store promises.
///
/// # Errors
/// [`StoreError::Failed`] when it cannot be read, [`StoreError::Unavailable`] when the name of a `mongodb+srv://` URL is not
/// resolved now.
pub(super) async fn parse(url: &str) -> Result<ClientOptions, StoreError> {
    let parsed = ClientOptions::parse(url).await;
    let mut options = parsed.map_err(|error| match StoreError::from(error.clone()) {
        unavailable @ StoreError::Unavailable(_) => unavailable,
        _ => StoreError::Failed(unreadable(url, &error.to_string())),
    })?;
    options.app_name.get_or_insert_with(|| "parlor".into());
    options.server_selection_timeout.get_or_insert(SERVER_SELECTION_TIMEOUT);
    options.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
    options.max_idle_time.get_or_insert(MAX_IDLE_TIME);
    options.max_pool_size.get_or_insert(MAX_POOL_SIZE);
    options.min_pool_size.get_or_insert(MIN_POOL_SIZE);
    // Once each, by the driver, on another primary too; every write can be repeated harmlessly.
    options.retry_reads.get_or_insert(true);
    options.retry_writes.get_or_insert(true);
    // There is no timeout of a socket in this driver: that every call is bounded serves for it.
    options.write_concern = Some(write_concern());
    options.read_concern = Some(ReadConcern::majority());
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    Ok(options)
}

/// How many calls may be under way at a time: none has to wait for a connection in the driver's pool.
pub(super) fn calls(options: &ClientOptions) -> usize {
    // To the driver 0 is no limit.
    let connections = options.max_pool_size.filter(|&size| size > 0);
    connections.unwrap_or(MAX_POOL_SIZE).min(MAX_POOL_SIZE) as usize
}

/// In the journals of a majority, so that what was acknowledged outlives a crash of the primary, and of all of them at once.
pub(super) fn write_concern() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).journal(true).w_timeout(COMMAND_TIMEOUT).build()
}

/// The database that is used.
pub(super) fn database(options: &ClientOptions) -> &str {
    options.default_database.as_deref().unwrap_or(DEFAULT_DATABASE)
}

/// What the store is called: servers and database, without credentials.
pub(super) fn name(options: &ClientOptions) -> String {
    let mut name = String::from("mongodb://");
    for (index, host) in options.hosts.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(name, "{comma}{host}");
    }
    let _ = write!(name, "/{}", database(options));
    name
}

/// What is wrong with a URL, in the driver's words unless they could quote a secret of it.
fn unreadable(url: &str, reason: &str) -> String {
    let lower = url.to_ascii_lowercase();
    if lower.contains('@') || lower.contains("password") || lower.contains("token") {
        return "the MongoDB URL cannot be read; as it holds credentials, no more is told".into();
    }
    format!("the MongoDB URL cannot be read: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_keeps_its_word_except_on_what_the_store_promises() {
        let options =
            parse("mongodb://127.0.0.1:1,127.0.0.1:2/?w=1&readPreference=nearest&maxPoolSize=3").await.unwrap();
        assert_eq!(name(&options), "mongodb://127.0.0.1:1,127.0.0.1:2/onetimechat");
        assert_eq!((options.max_pool_size, calls(&options)), (Some(3), 3));
        assert_eq!(options.server_selection_timeout, Some(SERVER_SELECTION_TIMEOUT));
        assert_eq!(options.write_concern, Some(write_concern()));
        assert_eq!(options.selection_criteria, Some(SelectionCriteria::ReadPreference(ReadPreference::Primary)));
        let named = parse("mongodb://ada:secret@127.0.0.1:1/talks?authSource=admin").await.unwrap();
        assert_eq!(name(&named), "mongodb://127.0.0.1:1/talks");
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_url_is_told_without_its_secrets() {
        for url in [
            "mongodb://ada:se/cret@127.0.0.1/",
            "mongodb://ada:secret@127.0.0.1/?connectTimeoutMS=secret",
            "mongodb://127.0.0.1/?tlsCertificateKeyFilePassword=secret&connectTimeoutMS=secret",
            "mongodb://ada:%zzsecret@127.0.0.1/",
        ] {
            let StoreError::Failed(text) = parse(url).await.unwrap_err() else { panic!("{url}") };
            assert!(!text.contains("cret") && !text.contains("ada"), "{text}");
        }
        let StoreError::Failed(text) = parse("mongodb://127.0.0.1/?connectTimeoutMS=soon").await.unwrap_err() else {
            panic!("a time must be a number")
        };
        assert!(text.to_ascii_lowercase().contains("connecttimeoutms"), "{text}");
    }
}
