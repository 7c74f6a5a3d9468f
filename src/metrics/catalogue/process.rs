//! What is told of the process as a whole.

use super::{Label, Scrape, Values, metrics};

const VERSION: Label = Label { name: "version", values: Values::Open("as in `parlor --version`") };

metrics! {
    BUILD_INFO = Gauge "parlor_build_info" [VERSION], "1; its label tells the version.";
    SHARDS = Gauge "parlor_shards", "Media threads.";
}

pub(in crate::metrics) fn read(scrape: &mut Scrape, shards: usize) {
    scrape.add(&BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1);
    scrape.add(&SHARDS, &[], shards as u64);
}
