//! The header `Content-Disposition` (RFC 6266) of a file.

use axum::http::HeaderValue;
use std::fmt::Write;

/// Whether to save a file or to show it, and under which name: in ASCII for old clients, and as it is (RFC 8187).
pub(crate) fn disposition(name: &str, inline: bool) -> HeaderValue {
    // What a quoted string cannot hold, and what some clients decode in it.
    let plain = |c: char| if matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '%') { c } else { '_' };
    let mut text = String::from(if inline { "inline" } else { "attachment" });
    text.push_str("; filename=\"");
    text.extend(name.chars().map(plain));
    text.push_str("\"; filename*=UTF-8''");
    for byte in name.bytes() {
        // `attr-char` of RFC 8187 section 3.2.1.
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    // All of it is visible ASCII and spaces.
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_in_both_forms() {
        for (name, inline, expected) in [
            ("a b.png", true, "inline; filename=\"a b.png\"; filename*=UTF-8''a%20b.png"),
            ("é\"\\%.txt", false, "attachment; filename=\"____.txt\"; filename*=UTF-8''%C3%A9%22%5C%25.txt"),
            (
                "a\r\nSet-Cookie: x",
                false,
                "attachment; filename=\"a__Set-Cookie: x\"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x",
            ),
            ("x;y='z'", false, "attachment; filename=\"x;y='z'\"; filename*=UTF-8''x%3By%3D%27z%27"),
        ] {
            assert_eq!(disposition(name, inline), expected);
        }
    }
}
