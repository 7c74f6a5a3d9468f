//! How many rooms there are, against how many there may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The count of rooms, those that are not yet purged included.
#[derive(Debug, Default)]
pub(crate) struct Places(AtomicUsize);

/// A room's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct RoomPlace(Arc<Places>);

impl Places {
    /// A place, unless `most` are taken. Where that has become fewer than there are, none is free until enough are gone.
    pub(crate) fn take(self: &Arc<Self>, most: usize) -> Option<RoomPlace> {
        let next = |taken: usize| (taken < most).then(|| taken + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
        Some(RoomPlace(Arc::clone(self)))
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for RoomPlace {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_by_what_holds_now() {
        let places = Arc::new(Places::default());
        let [first, second] = [places.take(2), places.take(2)].map(Option::unwrap);
        assert!(places.take(2).is_none());
        assert_eq!(places.taken(), 2);
        let third = places.take(3).unwrap();
        drop((first, second));
        assert!(places.take(1).is_none(), "the third is there");
        drop(third);
        assert!(places.take(1).is_some());
    }
}
