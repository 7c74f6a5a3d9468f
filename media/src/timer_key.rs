//! One number space for everything that a shard's timers wake: participants and rooms.

/// What a timer wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// The participant of that slot.
    Participant(u32),
    /// The room of that index.
    Room(u32),
}

/// The key of a participant's transport.
pub(crate) const fn participant_key(slot: u32) -> u32 {
    slot << 1
}

/// The key of a room's upkeep.
pub(crate) const fn room_key(index: u32) -> u32 {
    index << 1 | 1
}

/// What a key stands for.
pub(crate) const fn wake(key: u32) -> Wake {
    if key & 1 == 0 { Wake::Participant(key >> 1) } else { Wake::Room(key >> 1) }
}
