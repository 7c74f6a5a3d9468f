//! What a file is, told by its first bytes.
//!
//! Only what browsers show without running anything in it is ever shown in the page. HTML, SVG, scripts and PDF are not:
//! HTML and SVG look like text, or like nothing, and are only ever saved.

/// As many first bytes as are looked at.
pub(super) const HEAD_BYTES: usize = 512;

/// What is answered for everything unknown.
const UNKNOWN: &str = "application/octet-stream";

/// The content type of a file that begins with `head`, its first [`HEAD_BYTES`] or all.
pub(super) fn content_type(head: &[u8]) -> &'static str {
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    if at(0, b"\x89PNG\r\n\x1a\n") {
        "image/png"
    } else if at(0, b"\xff\xd8\xff") {
        "image/jpeg"
    } else if at(0, b"GIF87a") || at(0, b"GIF89a") {
        "image/gif"
    } else if at(0, b"RIFF") && at(8, b"WEBPVP8") {
        "image/webp"
    } else if at(0, b"RIFF") && at(8, b"WAVE") {
        "audio/wav"
    } else if at(0, b"%PDF-") {
        "application/pdf"
    } else if at(0, b"OggS\0") {
        "audio/ogg"
    } else if at(0, b"\x1a\x45\xdf\xa3") {
        // EBML (RFC 8794): the document's type is among its first elements.
        let is_webm = head.iter().take(64).copied().collect::<Vec<_>>().windows(7).any(|w| w == b"\x42\x82\x84webm");
        if is_webm { "video/webm" } else { UNKNOWN }
    } else if at(4, b"ftyp") {
        head.get(8..12).map_or(UNKNOWN, iso_brand)
    } else if at(0, b"ID3") || is_mpeg_audio(head) {
        "audio/mpeg"
    } else if is_text(head) {
        "text/plain"
    } else {
        UNKNOWN
    }
}

/// The content type of an ISO base media file (ISO 14496-12) by its major brand.
fn iso_brand(brand: &[u8]) -> &'static str {
    match brand {
        b"avif" | b"avis" => "image/avif",
        b"M4A " | b"M4B " => "audio/mp4",
        b"isom" | b"iso2" | b"iso4" | b"iso5" | b"iso6" | b"mp41" | b"mp42" | b"avc1" | b"M4V " | b"dash" | b"MSNV" => {
            "video/mp4"
        }
        _ => UNKNOWN,
    }
}

/// A frame of MPEG audio, layer III (ISO 11172-3 section 2.4.1.3): sync, a version, a bitrate and a sampling rate that exist.
fn is_mpeg_audio(head: &[u8]) -> bool {
    match head {
        &[0xff, second, third, ..] => {
            let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
            second >> 5 == 7 && version != 1 && layer == 1 && third >> 4 != 15 && third >> 4 != 0 && third >> 2 & 3 != 3
        }
        _ => false,
    }
}

/// UTF-8 without control characters other than those of lines and terminals; its last character may be cut.
fn is_text(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() && head.len() >= HEAD_BYTES => {
            std::str::from_utf8(head.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let is_allowed = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\x0c' | '\r' | '\x1b');
    !text.is_empty() && text.chars().all(is_allowed)
}

/// Whether a page may show or play it in place.
pub(crate) fn may_be_shown_inline(content_type: &str) -> bool {
    matches!(
        content_type,
        "image/png"
            | "image/jpeg"
            | "image/gif"
            | "image/webp"
            | "image/avif"
            | "audio/mpeg"
            | "audio/ogg"
            | "audio/wav"
            | "audio/mp4"
            | "video/webm"
            | "video/mp4"
    )
}

/// Whether a list of types as `image/png` or `image/*` has it; an empty one has all.
pub(super) fn is_allowed(types: &[String], content_type: &str) -> bool {
    let covers = |allowed: &String| match allowed.strip_suffix("/*") {
        Some(family) => content_type.split('/').next() == Some(family),
        None => allowed == content_type,
    };
    types.is_empty() || types.iter().any(covers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_what_they_begin_with() {
        for (head, expected) in [
            (&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], "image/png"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
            (b"GIF89a\x01\0\x01\0", "image/gif"),
            (b"GIF89a/*\x01\0*/=1;alert(1)", "image/gif"),
            (b"RIFF\x10\0\0\0WEBPVP8L", "image/webp"),
            (b"RIFF\x10\0\0\0WAVEfmt ", "audio/wav"),
            (b"RIFF\x10\0\0\0AVI LIST", UNKNOWN),
            (b"%PDF-1.7\n", "application/pdf"),
            (b"OggS\0\x02", "audio/ogg"),
            (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm\x42\x87", "video/webm"),
            (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x88matroska", UNKNOWN),
            (b"\0\0\0\x20ftypisom\0\0\x02\0", "video/mp4"),
            (b"\0\0\0\x20ftypavif\0\0\0\0", "image/avif"),
            (b"\0\0\0\x20ftypM4A \0\0\0\0", "audio/mp4"),
            (b"\0\0\0\x20ftypheic", UNKNOWN),
            (b"\0\0\0\x20ftyp", UNKNOWN),
            (b"ID3\x04\0", "audio/mpeg"),
            (b"\xff\xfb\x90\x64", "audio/mpeg"),
            (b"\xff\xfb\xff\x64", UNKNOWN),
            (b"<!doctype html><script>alert(1)</script>", "text/plain"),
            (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "text/plain"),
            ("Grüße\r\n".as_bytes(), "text/plain"),
            (b"a\0b", UNKNOWN),
            (b"\xff\xfeh\0i\0", UNKNOWN),
            (b"Gr\xc3", UNKNOWN),
            (b"\x7fELF\x02", UNKNOWN),
            (b"PK\x03\x04", UNKNOWN),
            (b"", UNKNOWN),
        ] {
            assert_eq!(content_type(head), expected, "{:?}", String::from_utf8_lossy(head));
        }
        // A character that the head's end cuts.
        let mut long = "x".repeat(HEAD_BYTES - 1).into_bytes();
        long.push(0xc3);
        assert_eq!(content_type(&long), "text/plain");
    }

    #[test]
    fn nothing_with_scripts_is_shown_in_place() {
        for content_type in ["text/plain", "text/html", "image/svg+xml", "application/pdf", UNKNOWN, "image/png; x"] {
            assert!(!may_be_shown_inline(content_type), "{content_type}");
        }
        assert!(may_be_shown_inline("image/png"));
    }

    #[test]
    fn lists_allow_types_and_families() {
        let types = ["image/*".to_owned(), "application/pdf".to_owned()];
        assert!(is_allowed(&types, "image/png") && is_allowed(&types, "application/pdf"));
        assert!(!is_allowed(&types, "text/plain") && !is_allowed(&types, "application/zip"));
        assert!(is_allowed(&[], UNKNOWN));
    }
}
