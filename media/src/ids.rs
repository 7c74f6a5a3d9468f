//! Identities that cross the engine's boundary.
//!
//! They are numbers, so that nothing inside a shard is looked up by string. The signalling layer gives them their textual form.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:x})"), self.0)
            }
        }
    };
}

id! {
    /// A room, unique in the process for its lifetime.
    RoomId
}
id! {
    /// A member of a room. Drawn at random by the signalling layer, never reused.
    ParticipantId
}
id! {
    /// A published track. Given by the shard: unique in the process.
    TrackId
}
