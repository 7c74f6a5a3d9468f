//! What a datagram is worth when not all can be sent.

use crate::command::MediaKind;

/// What a waiting datagram carries, the least valuable first. Its discriminant indexes [`Class::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Video: a lost packet is asked for again, or a picture freezes for a moment.
    Video,
    /// A packet that a client has asked for again, which a whole picture may wait for.
    Repair,
    /// Audio: what is lost is heard.
    Audio,
    /// ICE, DTLS, data channels and RTCP, on which everything else depends.
    Control,
}

impl Class {
    /// How many there are.
    pub const COUNT: usize = 4;

    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [Self::Video, Self::Repair, Self::Audio, Self::Control];

    /// The class of a media packet that is sent for the first time.
    #[must_use]
    pub const fn of(kind: MediaKind) -> Self {
        match kind {
            MediaKind::Audio => Self::Audio,
            MediaKind::Video => Self::Video,
        }
    }

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Repair => "repair",
            Self::Audio => "audio",
            Self::Control => "control",
        }
    }
}

/// A set of classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classes(u8);

impl Classes {
    /// All classes.
    pub const ALL: Self = Self((1 << Class::COUNT) - 1);

    /// What is never sent twice by anybody: audio, and what all else depends on.
    pub const PRECIOUS: Self = Self::EMPTY.with(Class::Audio).with(Class::Control);

    const EMPTY: Self = Self(0);

    /// The set of one class.
    #[must_use]
    pub const fn only(class: Class) -> Self {
        Self::EMPTY.with(class)
    }

    /// The set and one class more.
    #[must_use]
    pub const fn with(self, class: Class) -> Self {
        Self(self.0 | 1 << class as u8)
    }

    /// Those that are in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are not in the set.
    #[must_use]
    pub const fn others(self) -> Self {
        Self(Self::ALL.0 & !self.0)
    }

    /// Whether a class is in it.
    #[must_use]
    pub const fn contains(self, class: Class) -> bool {
        self.0 >> class as u8 & 1 == 1
    }

    /// Whether no class is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_index_their_list_and_rise_in_value() {
        for (index, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, index);
        }
        assert!(Class::ALL.is_sorted());
        let names: std::collections::HashSet<_> = Class::ALL.into_iter().map(Class::name).collect();
        assert_eq!(names.len(), Class::COUNT);
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        let repeated = Classes::PRECIOUS.others();
        let contained: Vec<_> = Class::ALL.into_iter().filter(|class| repeated.contains(*class)).collect();
        assert_eq!(contained, [Class::Video, Class::Repair]);
        assert!(repeated.and(Classes::PRECIOUS).is_empty() && !Classes::only(Class::Video).is_empty());
        assert_eq!(repeated.with(Class::Audio).with(Class::Control), Classes::ALL);
    }
}
