//! Where the bytes are: a directory, a bucket, or memory.

use crate::directory_of_data::create_directory;
use crate::protocol::ids;
use crate::store::RoomUid;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ClientConfigKey, ObjectStore, RetryConfig};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A cloud's answer as a whole: a download takes as long as its reader does.
const CLOUD_TIMEOUT: &str = "1 hour";
/// Without a byte of it.
const CLOUD_READ_TIMEOUT: &str = "30 seconds";

/// An open file storage; clones are the same one.
#[derive(Clone)]
pub struct FileStorage {
    store: Option<Arc<dyn ObjectStore>>,
    prefix: Path,
    /// Of a local directory: what crashed uploads left in it is not listed by the store.
    directory: Option<PathBuf>,
    /// Without secrets.
    name: String,
}

impl FileStorage {
    /// No files are taken.
    #[must_use]
    pub fn off() -> Self {
        Self { store: None, prefix: Path::default(), directory: None, name: "off".to_owned() }
    }

    /// Files are gone with the process.
    #[must_use]
    pub fn memory() -> Self {
        Self::new(Arc::new(InMemory::new()), Path::default(), "memory:".to_owned())
    }

    /// A directory, which is made for its owner alone when it is not there.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn local(directory: &std::path::Path) -> Result<Self, String> {
        let failed = |error: std::io::Error| error.to_string();
        create_directory(directory).map_err(failed)?;
        let directory = std::fs::canonicalize(directory).map_err(failed)?;
        let store = LocalFileSystem::new_with_prefix(&directory)
            .map_err(|error| error.to_string())?
            .with_automatic_cleanup(true)
            .with_fsync(true);
        let name = format!("file:{}", directory.display());
        Ok(Self { directory: Some(directory), ..Self::new(Arc::new(store), Path::default(), name) })
    }

    /// A bucket of S3, or of what speaks like it: credentials, region and endpoint come from `AWS_…` variables, or from where
    /// the process runs.
    ///
    /// # Errors
    /// When what the environment says cannot be used.
    pub fn s3(bucket: &str, prefix: &str) -> Result<Self, String> {
        Self::s3_from(AmazonS3Builder::from_env(), bucket, prefix)
    }

    /// A bucket of Google Cloud Storage, which those of Firebase are: credentials come from `GOOGLE_…` variables, the
    /// application default credentials, or from where the process runs.
    ///
    /// # Errors
    /// When what the environment says cannot be used.
    pub fn gcs(bucket: &str, prefix: &str) -> Result<Self, String> {
        Self::gcs_from(GoogleCloudStorageBuilder::from_env(), bucket, prefix)
    }

    /// A container of Azure: account and credentials come from `AZURE_…` variables, or from where the process runs.
    ///
    /// # Errors
    /// When what the environment says cannot be used.
    pub fn azure(container: &str, prefix: &str) -> Result<Self, String> {
        Self::azure_from(MicrosoftAzureBuilder::from_env(), container, prefix)
    }

    pub(super) fn s3_from(builder: AmazonS3Builder, bucket: &str, prefix: &str) -> Result<Self, String> {
        crate::install_cryptography();
        let client = AmazonS3ConfigKey::Client;
        let store = builder
            .with_bucket_name(bucket)
            .with_config(client(ClientConfigKey::Timeout), CLOUD_TIMEOUT)
            .with_config(client(ClientConfigKey::ReadTimeout), CLOUD_READ_TIMEOUT)
            .with_retry(retry())
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self::new(Arc::new(store), parse_prefix(prefix)?, format!("s3://{bucket}/{prefix}")))
    }

    pub(super) fn gcs_from(builder: GoogleCloudStorageBuilder, bucket: &str, prefix: &str) -> Result<Self, String> {
        crate::install_cryptography();
        let client = GoogleConfigKey::Client;
        let store = builder
            .with_bucket_name(bucket)
            .with_config(client(ClientConfigKey::Timeout), CLOUD_TIMEOUT)
            .with_config(client(ClientConfigKey::ReadTimeout), CLOUD_READ_TIMEOUT)
            .with_retry(retry())
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self::new(Arc::new(store), parse_prefix(prefix)?, format!("gs://{bucket}/{prefix}")))
    }

    pub(super) fn azure_from(builder: MicrosoftAzureBuilder, container: &str, prefix: &str) -> Result<Self, String> {
        crate::install_cryptography();
        let client = AzureConfigKey::Client;
        let store = builder
            .with_container_name(container)
            .with_config(client(ClientConfigKey::Timeout), CLOUD_TIMEOUT)
            .with_config(client(ClientConfigKey::ReadTimeout), CLOUD_READ_TIMEOUT)
            .with_retry(retry())
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self::new(Arc::new(store), parse_prefix(prefix)?, format!("az://{container}/{prefix}")))
    }

    fn new(store: Arc<dyn ObjectStore>, prefix: Path, name: String) -> Self {
        Self { store: Some(store), prefix, directory: None, name }
    }

    /// What it is, without secrets.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether files are taken.
    pub(crate) fn is_on(&self) -> bool {
        self.store.is_some()
    }

    pub(super) fn store(&self) -> Option<&dyn ObjectStore> {
        self.store.as_deref()
    }

    /// Below it is a directory for each room.
    pub(super) fn rooms(&self) -> Path {
        self.prefix.clone().join("rooms")
    }

    /// The same as a directory of this host.
    pub(super) fn rooms_directory(&self) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join("rooms"))
    }
}

impl fmt::Debug for FileStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileStorage").field(&self.name).finish()
    }
}

fn parse_prefix(prefix: &str) -> Result<Path, String> {
    Path::parse(prefix).map_err(|error| error.to_string())
}

/// A few seconds: the client that waits can ask again.
fn retry() -> RetryConfig {
    RetryConfig { max_retries: 4, retry_timeout: Duration::from_secs(20), ..RetryConfig::default() }
}

/// A room's directory: `r` and the 13 base32 digits of its number.
pub(super) fn room_name(room: RoomUid) -> String {
    ids::write('r', room.0)
}

/// The room of a directory.
pub(super) fn parse_room_name(name: &str) -> Option<RoomUid> {
    ids::parse('r', name).map(RoomUid)
}
