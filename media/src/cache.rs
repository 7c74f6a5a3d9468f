//! Asking for memory before it is needed.
//!
//! Of thousands of participants none is in the processor's caches when its turn comes. What is looked at one after another, each time by
//! what the last look has shown, would be waited for as often; what is asked for beforehand is waited for once.

/// Bytes of a line of the cache.
const LINE: usize = 64;

/// Asks for all of a value. Where the processor cannot be asked nothing happens.
#[inline]
pub(crate) fn prefetch<T: ?Sized>(value: &T) {
    let start = std::ptr::from_ref(value).cast::<u8>();
    if size_of_val(value) <= align_of_val(value).min(LINE) {
        // It lies within one line.
        return prefetch_line(start);
    }
    // It may begin within a line, and then ends in one more.
    let within = start.addr() % LINE;
    for offset in (0..within + size_of_val(value)).step_by(LINE) {
        prefetch_line(start.wrapping_sub(within).wrapping_add(offset));
    }
}

#[inline]
#[cfg(target_arch = "x86_64")]
fn prefetch_line(at: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: the instruction is part of every x86-64, and only a hint: it faults for no address, and changes nothing that can be seen.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
}

#[inline]
#[cfg(not(target_arch = "x86_64"))]
fn prefetch_line(_at: *const u8) {}
