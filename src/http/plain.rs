//! What is said to clients that speak plain HTTP to a port of HTTPS.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// Sends browsers to the same address by HTTPS; tells everybody else.
pub(super) fn answer<B>(request: &Request<B>) -> Response {
    let close = [(header::CONNECTION, "close")];
    let https = address(request.headers(), request.uri());
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match https.filter(|_| reads && !request.headers().contains_key(header::UPGRADE)) {
        Some(https) => {
            let text = format!("This port speaks HTTPS: {https}\n");
            (StatusCode::PERMANENT_REDIRECT, close, [(header::LOCATION, https)], text).into_response()
        }
        None => (StatusCode::BAD_REQUEST, close, "This port speaks HTTPS: begin the address with https://\n")
            .into_response(),
    }
}

fn address(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let host: Authority = headers.get(header::HOST)?.to_str().ok()?.parse().ok()?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    (!host.as_str().contains('@')).then(|| format!("https://{host}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: Method, headers: &[(&str, &str)]) -> (u16, Option<String>) {
        let mut request = Request::builder().method(method).uri("/r/room?name=Ana");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = answer(&request.body(()).unwrap());
        let location = response.headers().get(header::LOCATION).map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), location)
    }

    #[test]
    fn browsers_are_sent_on_and_others_told() {
        let host = ("host", "192.0.2.1:8443");
        let sent = (308, Some("https://192.0.2.1:8443/r/room?name=Ana".to_owned()));
        assert_eq!(ask(Method::GET, &[host]), sent);
        assert_eq!(ask(Method::HEAD, &[host]), sent);
        assert_eq!(ask(Method::POST, &[host]).0, 400);
        assert_eq!(ask(Method::GET, &[host, ("upgrade", "websocket")]), (400, None));
        for wrong in ["", "ana@192.0.2.1", "a b", "a/b"] {
            assert_eq!(ask(Method::GET, &[("host", wrong)]), (400, None), "{wrong}");
        }
        assert_eq!(ask(Method::GET, &[]), (400, None));
    }
}
