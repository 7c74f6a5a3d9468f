//! What people call a file. It is shown and suggested for saving, and is never a path here.

use crate::protocol::text;

/// The longest name in bytes of UTF-8: what file systems take.
const MAX_NAME_BYTES: usize = 255;

/// Trims a file's name and refuses what could make it look like another, or lead elsewhere.
///
/// # Errors
/// What is wrong and what is allowed.
pub(crate) fn parse_file_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(format!("a file's name has 1 to {MAX_NAME_BYTES} bytes"));
    }
    if let Some(c) = name.chars().find(|&c| text::is_hidden(c)) {
        return Err(format!("a file's name must not contain the invisible character U+{:04X}", u32::from(c)));
    }
    if name.contains(['/', '\\']) || matches!(name, "." | "..") {
        return Err("a file's name is no path: it must not contain / or \\, nor be . or ..".to_owned());
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_as_written() {
        for name in [".bashrc", "Ferien Grüße 🌴.jpg", "a%2fb", "..hidden", "CON", "C:notes.txt", "<b>.html", "x"] {
            assert_eq!(parse_file_name(name), Ok(name.to_owned()));
        }
        assert_eq!(parse_file_name("  a b \n"), Ok("a b".to_owned()));
        assert!(parse_file_name(&"x".repeat(255)).is_ok());
    }

    #[test]
    fn names_lead_nowhere() {
        for wrong in [
            "",
            "  ",
            "../../etc/passwd",
            "..",
            ".",
            "/etc/passwd",
            "C:\\Windows\\win.ini",
            "a\0.png",
            "a\nb",
            "photo\u{202e}gpj.exe",
            &"x".repeat(256),
            &"é".repeat(128),
        ] {
            assert!(parse_file_name(wrong).is_err(), "{wrong:?}");
        }
    }
}
