//! What a reaction may be: one emoji, so that reactions are no second chat.

/// The longest emoji in bytes of UTF-8: a family with skin tones takes some 40, and is refused; the usual ones take 4 to 28.
pub const MAX_EMOJI_BYTES: usize = 32;

const JOINER: char = '\u{200d}';
const EMOJI_PRESENTATION: char = '\u{fe0f}';
const KEYCAP: char = '\u{20e3}';

/// One emoji as UTS 51 writes them: a character with its modifiers, several of them joined, a keycap, or a flag.
///
/// # Errors
/// What is allowed.
pub fn parse_emoji(text: &str) -> Result<&str, String> {
    let refused = || format!("`emoji` must be one emoji of at most {MAX_EMOJI_BYTES} bytes");
    if text.is_empty() || text.len() > MAX_EMOJI_BYTES {
        return Err(refused());
    }
    let is_emoji = is_flag(text) || is_keycap(text) || text.split(JOINER).all(is_element);
    if is_emoji { Ok(text) } else { Err(refused()) }
}

/// Two regional indicators.
fn is_flag(text: &str) -> bool {
    let is_indicator = |c| matches!(c, '\u{1f1e6}'..='\u{1f1ff}');
    text.chars().count() == 2 && text.chars().all(is_indicator)
}

fn is_keycap(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| matches!(c, '0'..='9' | '#' | '*'))
        && matches!((chars.next(), chars.next(), chars.next()), (Some(EMOJI_PRESENTATION), Some(KEYCAP), None))
}

/// A character, a presentation selector or skin tone, and tags: those of England's flag, for instance.
fn is_element(text: &str) -> bool {
    let mut rest = text.chars();
    if !rest.next().is_some_and(is_base) {
        return false;
    }
    let rest = rest.as_str();
    let modifier = |c: char| c == EMOJI_PRESENTATION || matches!(c, '\u{1f3fb}'..='\u{1f3ff}');
    let rest = rest.strip_prefix(modifier).unwrap_or(rest);
    match rest.strip_suffix('\u{e007f}') {
        Some(tags) => !tags.is_empty() && tags.chars().all(|c| matches!(c, '\u{e0020}'..='\u{e007e}')),
        None => rest.is_empty(),
    }
}

/// The blocks that hold the emoji of Unicode 16; what else is in them is symbols, which do no harm.
fn is_base(c: char) -> bool {
    matches!(c,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{21ff}'
        | '\u{2300}'..='\u{23ff}' | '\u{24c2}' | '\u{25a0}'..='\u{27bf}' | '\u{2900}'..='\u{297f}'
        | '\u{2b00}'..='\u{2bff}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}'
        | '\u{1f000}'..='\u{1f1e5}' | '\u{1f200}'..='\u{1faff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_emoji_is_taken() {
        for text in [
            "👍",
            "👍🏽",
            "❤️",
            "❤",
            "👩\u{200d}💻",
            "🏳️\u{200d}🌈",
            "👨\u{200d}👩\u{200d}👧",
            "1️⃣",
            "#️⃣",
            "🇩🇪",
            "🎉",
            "©",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
        ] {
            assert_eq!(parse_emoji(text), Ok(text), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "a",
            "1",
            "ok",
            "👍👍",
            "👍 ",
            " 👍",
            "🇩",
            "🇩🇪🇫🇷",
            "\u{200d}",
            "👍\u{200d}",
            "\u{200d}👍",
            "\u{fe0f}",
            "❤️️",
            "\u{202e}👍",
            "\n",
            "<b>",
            "é",
            "漢",
            "👍\u{200d}a",
            "1\u{20e3}x",
            "🏴\u{e0067}",
            "\u{0}",
            "🏽\u{301}",
            &"👨\u{200d}".repeat(8),
        ] {
            assert!(parse_emoji(text).is_err(), "{text:?}");
        }
    }
}
