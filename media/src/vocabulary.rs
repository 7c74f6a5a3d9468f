//! Closed lists of names for metrics: an enum whose discriminants index an array of counters.

/// Declares such an enum: each variant with one sentence and its name, in snake case and stable.
macro_rules! vocabulary {
    ($(#[$about:meta])* $name:ident { $(#[doc = $doc:literal] $variant:ident => $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name {
            $(#[doc = $doc] $variant,)+
        }

        impl $name {
            /// Every one, in the order of their discriminants.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name in metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $doc.trim_ascii_start(),)+
                }
            }
        }
    };
}

pub(crate) use vocabulary;

#[cfg(test)]
mod tests {
    use crate::drop_reason::DropReason;
    use crate::quality::Level;
    use crate::stats::{CloseCause, JoinStage};
    use std::collections::HashSet;

    /// Discriminant, name and meaning of each.
    macro_rules! entries {
        ($name:ident) => {
            $name::ALL.iter().map(|entry| (*entry as usize, entry.name(), entry.meaning())).collect::<Vec<_>>()
        };
    }

    #[test]
    fn entries_index_their_list_and_have_distinct_names_and_a_meaning() {
        for entries in [entries!(DropReason), entries!(CloseCause), entries!(JoinStage), entries!(Level)] {
            assert!(entries.iter().enumerate().all(|(index, (discriminant, ..))| index == *discriminant));
            let names: HashSet<_> = entries.iter().map(|(_, name, _)| name).collect();
            assert_eq!(names.len(), entries.len());
            assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
            assert!(entries.iter().all(|(.., meaning)| meaning.ends_with('.') && !meaning.starts_with(' ')));
        }
    }
}
