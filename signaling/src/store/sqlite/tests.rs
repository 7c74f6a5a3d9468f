//! The suite of all stores, and what is SQLite's own: durability, deletion, locks, threads.

use super::*;
use crate::store::contract::store_contract;
use tempfile::TempDir;

async fn fresh() -> Option<(Arc<dyn Store>, TempDir)> {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("data/parlor.db")).unwrap();
    Some((Arc::new(store), directory))
}

mod suite {
    use super::*;

    store_contract!(fresh);
}
