//! Counts the bytes on the heap, per thread: exact, whatever else the machine does.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

struct CountingAllocator;

fn add(bytes: isize) {
    // A thread that is being torn down has no counter any more, and no test either.
    let _ = LIVE.try_with(|live| live.set(live.get() + bytes));
}

// SAFETY: every call is handed to the system's allocator unchanged; counting touches no memory that is allocated.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size().cast_signed());
        // SAFETY: the caller keeps `alloc`'s contract, which is this one's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size.cast_signed() - layout.size().cast_signed());
        // SAFETY: as above; `pointer` came from the system's allocator.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(-layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Bytes that a value has on the heap and nobody else shares: what is free once it has been dropped.
pub(crate) fn freed_by_dropping<T>(value: T) -> usize {
    let before = LIVE.get();
    drop(value);
    (before - LIVE.get()).cast_unsigned()
}

#[test]
fn bytes_are_counted() {
    let nested = vec![vec![0_u8; 1_000], Vec::with_capacity(24)];
    assert_eq!(freed_by_dropping(nested), 1_024 + 2 * size_of::<Vec<u8>>());
    let shared = std::sync::Arc::new([0_u8; 4_000]);
    assert_eq!(freed_by_dropping(std::sync::Arc::clone(&shared)), 0);
    let mut grown = Vec::with_capacity(10);
    grown.resize(500, 0_u8);
    grown.shrink_to(100);
    assert_eq!(freed_by_dropping(grown), 500);
}
