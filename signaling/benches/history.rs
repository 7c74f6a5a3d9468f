//! What a page of a long history costs: of 100,000 messages the last page, and pages from the middle, both ways.
//!
//! On SQLite in a temporary directory, and on the MongoDB that `MONGODB_URI` names. Measured is the whole call: the queue to the
//! thread or the server, the query, and the records. The reader is a person, which is the costlier kind: its page is merged
//! from what everybody may see and what was said to it or by it.

#![allow(clippy::expect_used, clippy::print_stderr, reason = "it speaks to whoever runs it")]

use criterion::{Criterion, criterion_group, criterion_main};
use parlor_signaling::bench::LongHistory;
use parlor_signaling::{Storage, StoreUrl};
use tokio::runtime::Runtime;

const MESSAGES: u64 = 100_000;
const PAGE: usize = 50;

fn history(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let sqlite = format!("sqlite:{}/parlor.db", directory.path().display());
    let mut stores = vec![("sqlite", sqlite)];
    match std::env::var("MONGODB_URI") {
        Ok(url) => stores.push(("mongodb", url)),
        Err(_) => eprintln!("MongoDB is not measured: MONGODB_URI is not set"),
    }
    let runtime = Runtime::new().expect("there is a runtime");
    for (name, url) in stores {
        let url = StoreUrl::parse(&url).expect("it is a store's URL");
        let history = runtime.block_on(async {
            let storage = Storage::open(&url).await.expect("the store opens");
            LongHistory::fill(storage, MESSAGES).await
        });
        let mut group = criterion.benchmark_group(format!("history/{name}"));
        group.bench_function("last page", |bencher| {
            bencher.iter(|| assert_eq!(runtime.block_on(history.last_page(PAGE)), PAGE));
        });
        group.bench_function("page before the middle", |bencher| {
            bencher.iter(|| assert_eq!(runtime.block_on(history.page_before_the_middle(PAGE)), PAGE));
        });
        group.bench_function("page after the middle", |bencher| {
            bencher.iter(|| assert_eq!(runtime.block_on(history.page_after_the_middle(PAGE)), PAGE));
        });
        group.finish();
        runtime.block_on(history.purge());
    }
}

criterion_group!(benches, history);
criterion_main!(benches);
