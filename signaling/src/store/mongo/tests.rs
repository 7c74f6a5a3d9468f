//! What is particular to MongoDB, and that it does what every store must.

use super::mongod::{Kind, Lent};
use crate::store::Store;
use crate::store::contract::store_contract;
use std::sync::Arc;

mod standalone {
    use super::*;

    async fn fresh() -> Option<(Arc<dyn Store>, Lent)> {
        opened(Kind::Standalone).await
    }
    store_contract!(fresh);
}

mod replica_set {
    use super::*;

    async fn fresh() -> Option<(Arc<dyn Store>, Lent)> {
        opened(Kind::ReplicaSet).await
    }
    store_contract!(fresh);
}

async fn opened(kind: Kind) -> Option<(Arc<dyn Store>, Lent)> {
    let (store, lent) = Lent::with_store(kind).await?;
    Some((Arc::new(store), lent))
}
