//! The links of a world's clients, each direction by itself.

use super::World;
use crate::sim::network::{Link, Quality};
use std::time::Duration;

impl World {
    /// From the server to a client.
    pub(crate) fn down(&self, client: usize) -> &Link {
        &self.down[client]
    }

    pub(crate) fn set_down(&mut self, client: usize, quality: Quality) {
        self.down[client].set_quality(self.now, quality);
    }

    /// Changes a client's downlink so much later than now. Several changes are planned in their order.
    pub(crate) fn plan_down(&mut self, client: usize, after: Duration, quality: Quality) {
        self.down[client].plan(self.now + after, quality);
    }

    /// The same for its uplink.
    pub(crate) fn plan_up(&mut self, client: usize, after: Duration, quality: Quality) {
        self.up[client].plan(self.now + after, quality);
    }
}
