//! What people may write: names and chat texts.
//!
//! Texts are checked and trimmed, never escaped: escaping is the page's job, and what is stored must be what was written.

/// The longest name in characters.
pub const MAX_NAME_CHARS: usize = 64;
/// The longest name in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 256;

/// Trims a name and refuses what could make it look like another: control characters, bidirectional overrides and
/// invisible characters. The empty name is fine; it means none.
///
/// # Errors
/// What is wrong and what is allowed.
pub fn parse_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.len() > MAX_NAME_BYTES || name.chars().count() > MAX_NAME_CHARS {
        return Err(format!("a name has at most {MAX_NAME_CHARS} characters and {MAX_NAME_BYTES} bytes"));
    }
    if let Some(c) = name.chars().find(|&c| is_hidden(c)) {
        return Err(format!("a name must not contain the invisible character U+{:04X}", u32::from(c)));
    }
    Ok(name.to_owned())
}

/// Trims a chat text and refuses what is empty, longer than `max_bytes`, or holds control characters other than line feed,
/// carriage return and tab.
///
/// # Errors
/// What is wrong and what is allowed.
pub fn parse_text(text: &str, max_bytes: usize) -> Result<&str, TextError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    if text.len() > max_bytes {
        return Err(TextError::TooLarge { bytes: text.len(), max_bytes });
    }
    match text.chars().find(|&c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        Some(c) => Err(TextError::Control(c)),
        None => Ok(text),
    }
}

/// Why a chat text was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing but white space.
    #[error("`text` must not be empty")]
    Empty,
    /// Too many bytes of UTF-8.
    #[error("`text` has {bytes} bytes, at most {max_bytes} are allowed")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The bound.
        max_bytes: usize,
    },
    /// A control character.
    #[error("`text` must not contain the control character U+{:04X}; line feed and tab are allowed", u32::from(*.0))]
    Control(char),
}

/// Whether a character shows nothing, or changes how its neighbours are shown.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control() || is_disguise(c)
}

/// Characters that change how their neighbours are shown, or show nothing: UAX 9 overrides, embeddings, isolates and marks,
/// zero-width space, line and paragraph separators, word joiner and byte order mark, Hangul fillers, tags. The joiners
/// U+200C and U+200D stay allowed: Persian and emoji need them.
fn is_disguise(c: char) -> bool {
    matches!(c,
        '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_kept_as_written() {
        assert_eq!(parse_name("  <b>Ana</b> & Ö  "), Ok("<b>Ana</b> & Ö".to_owned()));
        assert_eq!(parse_name(" \t "), Ok(String::new()));
        assert_eq!(parse_name("👩\u{200d}💻"), Ok("👩\u{200d}💻".to_owned()));
        assert!(parse_name(&"x".repeat(64)).is_ok());
    }

    #[test]
    fn names_are_bounded_and_cannot_hide() {
        for wrong in [
            "a\u{202e}b",
            "a\0b",
            "a\nb",
            "a\u{200b}",
            "a\u{2066}b",
            "\u{feff}a\u{feff}b",
            &"x".repeat(65),
            &"😀".repeat(65),
        ] {
            assert!(parse_name(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn texts_are_bounded_after_trimming() {
        assert_eq!(parse_text(" a\nb\t ", 8), Ok("a\nb"));
        assert_eq!(parse_text(" \n ", 8), Err(TextError::Empty));
        assert_eq!(parse_text("ääää", 8), Ok("ääää"));
        assert_eq!(parse_text("äääää", 8), Err(TextError::TooLarge { bytes: 10, max_bytes: 8 }));
        assert_eq!(parse_text("a\0", 8), Err(TextError::Control('\0')));
        assert_eq!(parse_text("a\u{85}b", 8), Err(TextError::Control('\u{85}')));
    }
}
