//! The REST interface described in OpenAPI 3.1, from the code: `GET /api/openapi.json`.
//!
//! Each subject describes its own operations (`utoipa::path` beside the handler, collected by its `api`). What holds for all
//! of them is added here by rule, so that it cannot be forgotten: the answers that any operation may give, the body that every
//! refusal has, the credential.

use crate::problem::ProblemBody;
use crate::protocol::ErrorCode;
use axum::http::StatusCode;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, Ref, RefOr, Response, SecurityRequirement,
};
use utoipa::{PartialSchema, ToSchema};

/// The name of the credential's scheme.
const BEARER: &str = "bearer";

/// What any operation may answer besides what it says itself.
const ALWAYS: &[(StatusCode, &str)] = &[
    (StatusCode::BAD_REQUEST, "Something in the request is not what it should be: `field` says what."),
    (StatusCode::UNAUTHORIZED, "A credential is needed, or the one shown is not good."),
    (StatusCode::FORBIDDEN, "What one is does not allow this, or the page is of another origin."),
    (StatusCode::METHOD_NOT_ALLOWED, "`Allow` names the methods that are."),
    (StatusCode::REQUEST_TIMEOUT, "The request took too long."),
    (StatusCode::TOO_MANY_REQUESTS, "Too many in too short a time."),
    (StatusCode::INTERNAL_SERVER_ERROR, "A fault of the server's."),
    (StatusCode::SERVICE_UNAVAILABLE, "The database cannot be reached, or the server is busy or stops."),
];
/// Where a room is named.
const OF_ROOMS: &[(StatusCode, &str)] = &[
    (StatusCode::NOT_FOUND, "There is no such room, or nothing of that id in it."),
    (StatusCode::GONE, "The room's time is over."),
];
/// Where a body is sent.
const OF_BODIES: &[(StatusCode, &str)] = &[
    (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large."),
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is of the wrong type."),
];

/// The description of everything, from those of the subjects.
pub(crate) fn describe(subjects: impl IntoIterator<Item = OpenApi>) -> OpenApi {
    let info = InfoBuilder::new().title("Parlor").version(env!("CARGO_PKG_VERSION")).description(Some(
        "Rooms for calls and chats. Refusals are problem details (RFC 9457). What goes on inside a room is told over the \
         WebSocket at `/ws`.",
    ));
    let mut api = OpenApiBuilder::new().info(info).build();
    subjects.into_iter().for_each(|subject| api.merge(subject));
    let components = api.components.get_or_insert_default();
    components.schemas.insert(ProblemBody::name().into_owned(), ProblemBody::schema());
    components.schemas.insert(ErrorCode::name().into_owned(), ErrorCode::schema());
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "A JWT; on a server without keys a room's host secret; or the access token that a participant got with `room-joined`.",
    ));
    components.security_schemes.insert(BEARER.to_owned(), RefOr::T(SecurityScheme::Http(bearer.build())));
    for (path, item) in &mut api.paths.paths {
        operations(item).into_iter().flatten().for_each(|operation| complete(path, operation));
    }
    api
}

fn operations(item: &mut PathItem) -> [Option<&mut Operation>; 5] {
    [item.get.as_mut(), item.post.as_mut(), item.put.as_mut(), item.patch.as_mut(), item.delete.as_mut()]
}

fn complete(path: &str, operation: &mut Operation) {
    let of_rooms = if path.contains("{room_id}") { OF_ROOMS } else { &[] };
    let of_bodies = if operation.request_body.is_some() { OF_BODIES } else { &[] };
    let responses = &mut operation.responses.responses;
    for (status, description) in ALWAYS.iter().chain(of_rooms).chain(of_bodies) {
        let fresh = || RefOr::T(Response::new(*description));
        responses.entry(status.as_str().to_owned()).or_insert_with(fresh);
    }
    for (status, response) in responses {
        let RefOr::T(response) = response else { continue };
        if status.starts_with(['4', '5']) && response.content.is_empty() {
            let schema = Ref::from_schema_name(ProblemBody::name());
            let content = ContentBuilder::new().schema(Some(schema)).build();
            response.content.insert("application/problem+json".to_owned(), RefOr::T(content));
        }
        if matches!(status.as_str(), "429" | "503") {
            let schema = ObjectBuilder::new().schema_type(Type::Integer);
            let header = HeaderBuilder::new().schema(Some(schema)).description(Some("Seconds to wait.")).build();
            response.headers.insert("Retry-After".to_owned(), RefOr::T(header));
        }
    }
    // Who shows none may get less, or be refused.
    operation.security.get_or_insert_with(|| {
        let none: [&str; 0] = [];
        vec![SecurityRequirement::default(), SecurityRequirement::new(BEARER, none)]
    });
}

impl PartialSchema for ErrorCode {
    fn schema() -> RefOr<utoipa::openapi::Schema> {
        let names = ErrorCode::ALL.iter().map(|code| code.as_str());
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("What went wrong, for programs."))
            .enum_values(Some(names))
            .into()
    }
}

impl ToSchema for ErrorCode {}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use std::collections::HashSet;

    fn described() -> Value {
        serde_json::to_value(crate::rest::description()).unwrap()
    }

    #[test]
    fn every_operation_has_a_name_and_its_refusals() {
        let described = described();
        assert!(described["openapi"].as_str().unwrap().starts_with("3.1"));
        let mut names = HashSet::new();
        for (path, item) in described["paths"].as_object().unwrap() {
            assert!(path.starts_with("/api/"), "{path}");
            for (method, operation) in item.as_object().unwrap() {
                let name = operation["operationId"].as_str().unwrap().to_owned();
                assert!(names.insert(name), "{method} {path}: the name is taken");
                for status in ["400", "401", "403", "429", "500", "503"] {
                    let body = &operation["responses"][status]["content"]["application/problem+json"]["schema"]["$ref"];
                    assert_eq!(body, "#/components/schemas/Problem", "{method} {path}: {status}");
                }
            }
        }
        assert!(names.contains("create_room") && names.contains("delete_room"));
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let described = described();
        let text = described.to_string();
        let references: HashSet<_> =
            text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(references.len() > 10);
        for reference in references {
            assert!(described.pointer(reference).is_some(), "{reference}");
        }
    }
}
