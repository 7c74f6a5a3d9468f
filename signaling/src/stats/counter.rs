//! What counts: single numbers, numbers for each word of a closed vocabulary, and times in buckets.
//!
//! All of it is counted at control rate and read at scrapes. Tallies are as long as their vocabulary: nothing that a client
//! says makes one grow.

use crate::session::lock;
use parlor_media::histogram::Histogram;
use parlor_media::stats::{StageTimes, stage_times};
use std::marker::PhantomData;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub(crate) fn count(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One of a closed vocabulary. Pairs of words are words.
pub trait Word: Copy {
    /// How many there are.
    const COUNT: usize;

    /// Its place among them.
    fn index(self) -> usize;

    /// The word at a place below [`Self::COUNT`].
    fn at(index: usize) -> Option<Self>;
}

impl<A: Word, B: Word> Word for (A, B) {
    const COUNT: usize = A::COUNT * B::COUNT;

    fn index(self) -> usize {
        self.0.index() * B::COUNT + self.1.index()
    }

    fn at(index: usize) -> Option<Self> {
        Some((A::at(index / B::COUNT)?, B::at(index % B::COUNT)?))
    }
}

/// Declares a closed vocabulary: each word with its meaning and the text that labels have for it.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $(#[doc = $meaning:expr] $(#[$attribute:meta])* $word:ident = $text:expr;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $(#[doc = $meaning] $(#[$attribute])* $word,)* }

        impl $name {
            /// Every word.
            pub const ALL: &'static [Self] = &[$(Self::$word),*];

            /// As labels have it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$word => $text,)* }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$word => $meaning,)* }.trim_start()
            }
        }

        impl $crate::stats::Word for $name {
            const COUNT: usize = Self::ALL.len();

            fn index(self) -> usize {
                self as usize
            }

            fn at(index: usize) -> Option<Self> {
                Self::ALL.get(index).copied()
            }
        }
    };
}
pub(crate) use words;

/// A counter for each word.
#[derive(Debug)]
pub(crate) struct Tally<W> {
    counters: Box<[Counter]>,
    of: PhantomData<W>,
}

impl<W: Word> Tally<W> {
    pub(crate) fn count(&self, word: W) {
        self.add(word, 1);
    }

    pub(crate) fn add(&self, word: W, more: u64) {
        if let Some(counter) = self.counters.get(word.index()) {
            counter.add(more);
        }
    }

    pub(crate) fn read(&self) -> Counts<W> {
        Counts { counts: self.counters.iter().map(Counter::read).collect(), of: PhantomData }
    }
}

impl<W: Word> Default for Tally<W> {
    fn default() -> Self {
        Self { counters: (0..W::COUNT).map(|_| Counter::default()).collect(), of: PhantomData }
    }
}

/// How often each word was counted so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts<W> {
    counts: Box<[u64]>,
    of: PhantomData<W>,
}

impl<W: Word> Counts<W> {
    /// Of one word.
    #[must_use]
    pub fn of(&self, word: W) -> u64 {
        self.counts.get(word.index()).copied().unwrap_or_default()
    }

    /// Every word with its count.
    pub fn iter(&self) -> impl Iterator<Item = (W, u64)> + '_ {
        self.counts.iter().enumerate().filter_map(|(index, &count)| Some((W::at(index)?, count)))
    }

    /// The same without those that were never counted.
    pub fn occurred(&self) -> impl Iterator<Item = (W, u64)> + '_ {
        self.iter().filter(|&(_, count)| count > 0)
    }

    /// All words together.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl<W: Word> Default for Counts<W> {
    fn default() -> Self {
        Self { counts: (0..W::COUNT).map(|_| 0).collect(), of: PhantomData }
    }
}

/// Upper bounds of what requests take, in microseconds: from a look into memory to the longest that a database may take.
const LATENCIES: [u64; 14] = [
    250, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000,
];

/// How long something took, in microseconds.
pub type Latencies = Histogram<{ LATENCIES.len() }>;

/// Times in the buckets of a histogram of microseconds.
#[derive(Debug)]
pub(crate) struct Stopwatch<H>(Mutex<H>);

impl<const N: usize> Stopwatch<Histogram<N>> {
    pub(crate) fn observe(&self, took: Duration) {
        lock(&self.0).observe(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn read(&self) -> Histogram<N> {
        *lock(&self.0)
    }
}

impl Default for Stopwatch<Latencies> {
    fn default() -> Self {
        Self(Mutex::new(Histogram::new(&LATENCIES)))
    }
}

impl Default for Stopwatch<StageTimes> {
    fn default() -> Self {
        Self(Mutex::new(stage_times()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ErrorCode;
    use crate::stats::{Carrier, JoinOutcome};

    #[test]
    fn every_word_and_pair_of_words_has_its_own_counter() {
        let tally = Tally::<(Carrier, JoinOutcome)>::default();
        let words: Vec<_> = Carrier::ALL.iter().flat_map(|&a| JoinOutcome::ALL.iter().map(move |&b| (a, b))).collect();
        (1..).zip(&words).for_each(|(times, &word)| tally.add(word, times));
        let expected: Vec<_> = words.into_iter().zip(1..).collect();
        assert_eq!(tally.read().iter().collect::<Vec<_>>(), expected);
        assert_eq!(tally.read().of(expected[3].0), 4);
    }

    #[test]
    fn error_codes_are_words() {
        for (index, &code) in ErrorCode::ALL.iter().enumerate() {
            assert_eq!((code.index(), ErrorCode::at(index)), (index, Some(code)));
        }
        assert_eq!(ErrorCode::at(ErrorCode::COUNT), None);
    }

    #[test]
    fn what_never_occurred_can_be_left_out() {
        let tally = Tally::default();
        tally.count(Carrier::DataChannel);
        assert_eq!(tally.read().occurred().collect::<Vec<_>>(), [(Carrier::DataChannel, 1)]);
        assert_eq!(tally.read().sum(), 1);
    }

    #[test]
    fn times_are_counted_in_microseconds() {
        let times = Stopwatch::<Latencies>::default();
        times.observe(Duration::from_millis(3));
        assert_eq!((times.read().count(), times.read().sum()), (1, 3000));
    }
}
