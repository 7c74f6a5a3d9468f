//! The keys of `[files]` and `[webhooks]` that are more than numbers.

use crate::auth::{HIDDEN, MIN_SECRET_BYTES, Secret};
use std::fmt;
use std::path::PathBuf;

/// The most URLs of webhooks: every event goes to each.
pub(crate) const MAX_URLS: usize = 8;
/// The most content types of `files.types`.
pub(crate) const MAX_TYPES: usize = 32;

/// Where shared files are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilesUrl {
    /// Nowhere: files are not taken.
    Off,
    /// In memory: gone with the process.
    Memory,
    /// In a directory.
    Directory(PathBuf),
    /// In a bucket of S3 or of what speaks like it.
    S3(Bucket),
    /// In a bucket of Google Cloud Storage, which those of Firebase are.
    Gcs(Bucket),
    /// In a container of Azure.
    Azure(Bucket),
}

/// A part of a cloud's storage. Credentials are no part of it: they come from the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// What every key in it begins with, without slashes around; may be empty.
    pub prefix: String,
}

impl FilesUrl {
    /// What is allowed, for an error's text.
    pub(crate) const RULE: &'static str = "off, memory:, file:DIRECTORY, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or \
                                           az://CONTAINER/PREFIX, without credentials, which come from the environment";

    /// The place that `text` writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "off" => return Some(Self::Off),
            "memory:" => return Some(Self::Memory),
            _ => {}
        }
        let (scheme, rest) = text.split_once(':')?;
        let bucket = || Bucket::parse(rest.strip_prefix("//")?);
        match scheme {
            // `file:///var/x` and `file:/var/x` are the same place.
            "file" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                (!path.is_empty() && !path.contains('\0')).then(|| Self::Directory(PathBuf::from(path)))
            }
            "s3" => bucket().map(Self::S3),
            "gs" => bucket().map(Self::Gcs),
            "az" => bucket().map(Self::Azure),
            _ => None,
        }
    }
}

impl fmt::Display for FilesUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Memory => f.write_str("memory:"),
            Self::Directory(path) => write!(f, "file:{}", path.display()),
            Self::S3(bucket) => write!(f, "s3://{bucket}"),
            Self::Gcs(bucket) => write!(f, "gs://{bucket}"),
            Self::Azure(bucket) => write!(f, "az://{bucket}"),
        }
    }
}

impl Default for FilesUrl {
    fn default() -> Self {
        Self::Directory(PathBuf::from("parlor-data/files"))
    }
}

impl Bucket {
    fn parse(text: &str) -> Option<Self> {
        let (name, prefix) = text.split_once('/').unwrap_or((text, ""));
        let prefix = prefix.trim_end_matches('/');
        let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        let is_segment = |part: &str| !matches!(part, "" | "." | "..") && is_plain(part);
        let is_right = (1..=222).contains(&name.len())
            && is_plain(name)
            && prefix.len() <= 512
            && (prefix.is_empty() || prefix.split('/').all(is_segment));
        is_right.then(|| Self { name: name.to_owned(), prefix: prefix.to_owned() })
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.prefix.is_empty() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

/// A URL that may hold a secret: of it only scheme and host are shown.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(String);

impl WebhookUrl {
    /// The URL that `text` writes; whether the rest is right is seen where it is used.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        let is_right = !rest.is_empty() && text.len() <= 2048 && text.bytes().all(|b| b.is_ascii_graphic());
        is_right.then(|| Self(text.to_owned()))
    }

    /// The URL, for whoever needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Scheme and host: credentials, path and query may be secrets.
    pub(crate) fn shown(&self) -> String {
        shown_url(&self.0)
    }
}

/// Of a URL that may hold a credential anywhere its scheme and host alone.
pub(crate) fn shown_url(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}/{HIDDEN}")
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// A content type as `image/png`, or a family of them as `image/*`.
pub(crate) fn content_type(text: &str) -> Option<String> {
    let (family, kind) = text.split_once('/')?;
    let is_token =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.+".contains(&b));
    (text.len() <= 64 && is_token(family) && (kind == "*" || is_token(kind))).then(|| text.to_ascii_lowercase())
}

/// A secret to sign webhooks with; nothing for the empty text.
pub(crate) fn signing_secret(text: &str) -> Option<Option<Secret>> {
    match text {
        "" => Some(None),
        text => (text.len() >= MIN_SECRET_BYTES).then(|| Some(Secret::new(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        let bucket = |name: &str, prefix: &str| Bucket { name: name.to_owned(), prefix: prefix.to_owned() };
        for (text, expected) in [
            ("off", FilesUrl::Off),
            ("memory:", FilesUrl::Memory),
            ("file:parlor-data/files", FilesUrl::default()),
            ("file:///var/lib/parlor", FilesUrl::Directory(PathBuf::from("/var/lib/parlor"))),
            ("file:/var/lib/parlor", FilesUrl::Directory(PathBuf::from("/var/lib/parlor"))),
            ("s3://bucket", FilesUrl::S3(bucket("bucket", ""))),
            ("s3://bucket/", FilesUrl::S3(bucket("bucket", ""))),
            ("gs://app.appspot.com/calls/live/", FilesUrl::Gcs(bucket("app.appspot.com", "calls/live"))),
            ("az://container/a", FilesUrl::Azure(bucket("container", "a"))),
        ] {
            let place = FilesUrl::parse(text);
            assert_eq!(place, Some(expected), "{text}");
            assert_eq!(FilesUrl::parse(&place.as_ref().unwrap().to_string()), place, "{text}");
        }
        for wrong in [
            "",
            "on",
            "file:",
            "file://",
            "s3:bucket",
            "s3://",
            "s3://key:secret@bucket",
            "s3://bucket?token=x",
            "s3://bucket/../other",
            "s3://bucket//x",
            "https://bucket.s3.amazonaws.com",
            "gs:///x",
            "ftp://x/y",
        ] {
            assert_eq!(FilesUrl::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn urls_and_types_are_checked() {
        assert!(WebhookUrl::parse("https://app.example/hook?token=1").is_some());
        for wrong in ["", "app.example", "ftp://app.example", "https://", "https://a b", "https://ä.example"] {
            assert_eq!(WebhookUrl::parse(wrong), None, "{wrong}");
        }
        assert!(!format!("{:?}", WebhookUrl::parse("https://app.example/token-1")).contains("token-1"));
        for (url, shown) in [
            ("https://app.example/token-1?t=2", "https://app.example/…"),
            ("http://ada:geheim@127.0.0.1:9?x", "http://127.0.0.1:9/…"),
            ("https://app.example#x", "https://app.example/…"),
        ] {
            assert_eq!(WebhookUrl::parse(url).unwrap().shown(), shown);
        }
        assert_eq!(content_type("Image/*").as_deref(), Some("image/*"));
        assert_eq!(content_type("application/pdf").as_deref(), Some("application/pdf"));
        for wrong in ["", "image", "*/*", "/png", "image/", "image/png; x"] {
            assert_eq!(content_type(wrong), None, "{wrong}");
        }
    }
}
