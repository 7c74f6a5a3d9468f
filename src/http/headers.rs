//! What every answer of the server tells browsers to refuse.
//!
//! An answer that has said something itself, as pages and shared files do of what they may load, is left with it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Of pages: scripts and styles from here only, and pages of others cannot frame this one. Media and pictures may also be
/// made by the page itself (`blob:`), and the signalling is reached by WebSocket.
pub(crate) const PAGE_POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data: blob:; \
     media-src 'self' blob:; style-src 'self'; script-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// What answers have that say nothing themselves. What is no page loads nothing, wherever it is shown.
pub(crate) const DEFAULTS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(self), microphone=(self), display-capture=(self), geolocation=(), payment=(), usb=()",
    ),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    // Scripts of other origins that `http.allowed_origins` names ask by CORS, which this leaves alone.
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Half a year in which browsers ask by HTTPS alone (RFC 6797). Subdomains are somebody else's business.
const STRICT_TRANSPORT: &str = "max-age=15768000";

/// Adds what is missing. `by_trusted_tls`: browsers may be told to use nothing but HTTPS from now on.
pub(crate) fn complete(headers: &mut HeaderMap, by_trusted_tls: bool) {
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if by_trusted_tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(STRICT_TRANSPORT));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_says_itself_stands() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
        complete(&mut headers, false);
        assert_eq!(headers[header::CONTENT_SECURITY_POLICY], "sandbox");
        assert_eq!(headers.len(), DEFAULTS.len());
        assert!(!headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
        complete(&mut headers, true);
        assert_eq!(headers[header::STRICT_TRANSPORT_SECURITY], STRICT_TRANSPORT);
    }

    #[test]
    fn policies_allow_nothing_unsafe() {
        for policy in [PAGE_POLICY, DEFAULTS[0].1] {
            assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe") && !policy.contains('*'));
        }
    }
}
