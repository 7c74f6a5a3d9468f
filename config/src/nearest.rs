//! The most similar name, for "did you mean".

/// The candidate nearest to `word`, if any is near enough to be meant.
pub(crate) fn nearest(word: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    // Input is a key or a flag: longer ones are not typing errors, and the distance is quadratic.
    if word.len() > 64 {
        return None;
    }
    candidates
        .map(|candidate| (distance(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(6) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row[1..].iter_mut().zip(&b) {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = *cell;
            left = substituted.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
        row[0] = i + 1;
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, expected) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let names = || ["http.listen", "media.udp_port", "log.level"].into_iter().map(str::to_owned);
        assert_eq!(nearest("http.lisen", names()).as_deref(), Some("http.listen"));
        assert_eq!(nearest("MEDIA.UDPPORT", names()).as_deref(), Some("media.udp_port"));
        assert_eq!(nearest("quite_something_else", names()), None);
        assert_eq!(nearest(&"l".repeat(10_000), names()), None);
    }
}
