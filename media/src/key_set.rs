//! A set of small numbers, such as keys of a slab: a bit for each.

/// See the module's text. It is as large as its largest number ever.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeySet(Vec<u64>);

impl KeySet {
    const fn place(key: usize) -> (usize, u64) {
        (key / 64, 1 << (key % 64))
    }

    pub(crate) fn contains(&self, key: usize) -> bool {
        let (word, bit) = Self::place(key);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    pub(crate) fn insert(&mut self, key: usize) {
        let (word, bit) = Self::place(key);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= bit;
    }

    pub(crate) fn remove(&mut self, key: usize) {
        let (word, bit) = Self::place(key);
        if let Some(bits) = self.0.get_mut(word) {
            *bits &= !bit;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|bits| bits.count_ones() as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_into_it_and_not_taken_out() {
        let mut set = KeySet::default();
        for key in [0, 63, 64, 1_000, 64] {
            set.insert(key);
        }
        set.remove(63);
        set.remove(5_000);
        let held: Vec<usize> = (0..2_000).filter(|key| set.contains(*key)).collect();
        assert_eq!((held, set.len()), (vec![0, 64, 1_000], 3));
    }
}
