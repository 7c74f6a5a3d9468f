//! The web client, embedded in the binary.
//!
//! Every response carries the policy of pages ([`crate::http::headers`]) and is revalidated by its ETag, so that a new server's
//! pages are seen at once. Only files of known types are served, and none of the client's own tests.

use crate::http::headers::PAGE_POLICY;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};
use std::fmt::Write;

#[derive(RustEmbed)]
#[folder = "web/"]
struct Web;

const INDEX: &str = "index.html";
/// The page that shows the REST API.
const API_DOCS: &str = "api-docs.html";
/// The page for who administers the server. It shows nothing that the REST API does not tell.
const ADMIN: &str = "admin.html";

/// The routes of pages.
pub(crate) const PAGES: [&str; 4] = ["/", "/r/{room}", "/api/docs", "/admin"];

/// The client's pages and files; everything unknown is 404.
pub(crate) fn router() -> Router {
    let [home, room, api, administration] = PAGES;
    Router::new()
        .route(home, get(index))
        .route(room, get(index))
        .route(api, get(api_docs))
        .route(administration, get(admin))
        .fallback_service(get(file))
}

async fn index(headers: HeaderMap) -> Response {
    serve(INDEX, &headers)
}

async fn api_docs(headers: HeaderMap) -> Response {
    serve(API_DOCS, &headers)
}

async fn admin(headers: HeaderMap) -> Response {
    serve(ADMIN, &headers)
}

async fn file(uri: Uri, headers: HeaderMap) -> Response {
    serve(uri.path().trim_start_matches('/'), &headers)
}

fn serve(path: &str, request: &HeaderMap) -> Response {
    let found = content_type(path).and_then(|content_type| Some((content_type, Web::get(path)?)));
    let mut response = match found {
        Some((content_type, file)) => file_response(content_type, file, request),
        None => (StatusCode::NOT_FOUND, "There is nothing here.\n").into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    response
}

fn file_response(content_type: &'static str, file: EmbeddedFile, request: &HeaderMap) -> Response {
    let etag = etag(&file);
    let known = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let unchanged = known.flat_map(|value| value.split(',')).any(|tag| tag.trim().trim_start_matches("W/") == etag);
    if unchanged {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
    }
    let headers = [(header::CONTENT_TYPE, content_type.to_owned()), (header::ETAG, etag)];
    (headers, Body::from(file.data)).into_response()
}

fn etag(file: &EmbeddedFile) -> String {
    let mut tag = String::from('"');
    for byte in &file.metadata.sha256_hash()[..16] {
        // Writing to a string does not fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

/// The type of a file that is served; `None` for all others.
fn content_type(path: &str) -> Option<&'static str> {
    if path.starts_with("tests/") {
        return None;
    }
    match path.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "png" => Some("image/png"),
        "ico" => Some("image/x-icon"),
        "webmanifest" => Some("application/manifest+json"),
        "woff2" => Some("font/woff2"),
        "mp3" => Some("audio/mpeg"),
        "ogg" => Some("audio/ogg"),
        "wav" => Some("audio/wav"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, Request};
    use tower::ServiceExt;

    async fn get_with(path: &str, etag: Option<&str>) -> Response {
        let request = Request::get(path);
        let request = etag.iter().fold(request, |request, etag| request.header(header::IF_NONE_MATCH, *etag));
        router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    fn value(response: &Response, name: HeaderName) -> &str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[tokio::test]
    async fn the_page_is_served_for_the_root_and_for_rooms() {
        for path in ["/", "/r/some-room", "/index.html", "/api/docs", "/admin"] {
            let response = get_with(path, None).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(value(&response, header::CONTENT_TYPE), "text/html; charset=utf-8");
        }
    }

    #[tokio::test]
    async fn every_response_carries_the_policy_of_pages() {
        for path in ["/", "/nothing", "/parlor-client.js"] {
            let response = get_with(path, None).await;
            assert_eq!(value(&response, header::CONTENT_SECURITY_POLICY), PAGE_POLICY, "{path}");
            assert_eq!(value(&response, header::CACHE_CONTROL), "no-cache", "{path}");
        }
    }

    #[tokio::test]
    async fn an_unchanged_file_is_not_sent_again() {
        let first = get_with("/", None).await;
        let etag = value(&first, header::ETAG).to_owned();
        assert_eq!(etag.len(), 34);
        for known in [etag.clone(), format!("\"other\", W/{etag}")] {
            let again = get_with("/", Some(&known)).await;
            assert_eq!((again.status(), value(&again, header::ETAG)), (StatusCode::NOT_MODIFIED, etag.as_str()));
        }
        assert_eq!(get_with("/", Some("\"other\"")).await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn scripts_have_their_type_and_the_unknown_is_not_found() {
        let script = get_with("/parlor-client.js", None).await;
        assert_eq!(value(&script, header::CONTENT_TYPE), "text/javascript; charset=utf-8");
        for path in ["/nothing", "/nothing.js", "/r/", "/r/a/b", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "//etc/passwd"]
        {
            assert_eq!(get_with(path, None).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn other_methods_are_refused() {
        let request = Request::post("/app.css").body(Body::empty()).unwrap();
        assert_eq!(router().oneshot(request).await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[tokio::test]
    async fn the_clients_tests_and_settings_are_not_served() {
        for path in Web::iter().filter(|path| path.starts_with("tests/") || path.ends_with(".json")) {
            assert_eq!(get_with(&format!("/{path}"), None).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
