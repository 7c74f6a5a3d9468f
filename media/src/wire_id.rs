//! The textual form of identities: a letter and 13 characters of Crockford's base 32, most significant first.

/// Crockford's alphabet in lower case: no `i`, `l`, `o`, `u`.
pub const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Writes `id` behind the letter that tells what it names.
#[must_use]
pub fn wire_id(letter: char, id: u64) -> String {
    let digits = (0..13).rev().map(|i| char::from(BASE32[(id >> (5 * i) & 31) as usize]));
    std::iter::once(letter).chain(digits).collect()
}

/// Reads what [`wire_id`] writes; `None` for anything else.
#[must_use]
pub fn parse_wire_id(letter: char, text: &str) -> Option<u64> {
    let digits = text.strip_prefix(letter)?.as_bytes();
    if digits.len() != 13 {
        return None;
    }
    let mut id: u64 = 0;
    for digit in digits {
        let value = BASE32.iter().position(|known| known == digit)? as u64;
        id = id.checked_mul(32)?.checked_add(value)?;
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_their_textual_form() {
        for id in [0, 1, 31, 32, u64::MAX / 3, u64::MAX] {
            let text = wire_id('p', id);
            assert_eq!((text.len(), parse_wire_id('p', &text)), (14, Some(id)));
            assert_eq!(parse_wire_id('t', &text), None);
        }
        for text in ["", "p", "p000000000000", "pzzzzzzzzzzzzz", "p00000000000u0", "pé00000000000"] {
            assert_eq!(parse_wire_id('p', text), None);
        }
    }
}
