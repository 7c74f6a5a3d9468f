//! The REST interface described in OpenAPI 3.1, from the code: `GET /api/openapi.json`.
//!
//! Each subject describes its own operations (`utoipa::path` beside the handler, collected by its `api`). What holds for all
//! of them is added here by rule, so that it cannot be forgotten: the answers that any operation may give, the body that every
//! refusal has, the credential.

use crate::problem::ProblemBody;
use crate::protocol::ErrorCode;
use crate::settings::RoomBounds;
use axum::http::StatusCode;
use std::collections::BTreeMap;
use utoipa::Number;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, Ref, RefOr, Response, SecurityRequirement,
};
use utoipa::{PartialSchema, ToSchema};

/// The name of the credential's scheme.
const BEARER: &str = "bearer";

/// What any operation may answer besides what it says itself.
const ALWAYS: &[(StatusCode, &str)] = &[
    (StatusCode::METHOD_NOT_ALLOWED, "`Allow` names the methods that are."),
    (StatusCode::REQUEST_TIMEOUT, "The request took too long."),
    (StatusCode::INTERNAL_SERVER_ERROR, "A fault of the server's."),
];
/// Where it depends on who asks for what.
const OF_CREDENTIALS: &[(StatusCode, &str)] = &[
    (StatusCode::BAD_REQUEST, "Something in the request is not what it should be: `field` says what."),
    (StatusCode::UNAUTHORIZED, "A credential is needed, or the one shown is not good."),
    (StatusCode::FORBIDDEN, "What one is does not allow this, or the page is of another origin."),
    (StatusCode::TOO_MANY_REQUESTS, "Too many in too short a time."),
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

/// The subjects, in the order in which they are shown.
const TAGS: &[(&str, &str)] = &[
    ("rooms", "Rooms: their settings, what was said in them, and who is or was there."),
    (
        "people",
        "What hosts do to people: who is muted, put out, banned, made something else, or let in from the lobby.",
    ),
    ("access", "Tokens and one-time invites, which hosts and administrators make for others."),
    ("files", "Files that are shared in a room."),
    ("server", "The server itself."),
];

/// The description of everything, from those of the subjects, with the bounds of a server.
pub(crate) fn describe(subjects: impl IntoIterator<Item = OpenApi>, bounds: RoomBounds) -> OpenApi {
    let info = InfoBuilder::new().title("Parlor").version(env!("CARGO_PKG_VERSION")).description(Some(
        "Rooms for calls and chats. Refusals are problem details (RFC 9457). What goes on inside a room is told over the \
         WebSocket at `/ws`.",
    ));
    let tag = |&(name, about): &(&str, &str)| TagBuilder::new().name(name).description(Some(about)).build();
    let mut api = OpenApiBuilder::new().info(info).tags(Some(TAGS.iter().map(tag))).build();
    subjects.into_iter().for_each(|subject| api.merge(subject));
    let components = api.components.get_or_insert_default();
    components.schemas.insert(ProblemBody::name().into_owned(), ProblemBody::schema());
    components.schemas.insert(ErrorCode::name().into_owned(), ErrorCode::schema());
    for (name, schema) in &mut components.schemas {
        say_success(schema, name != &ProblemBody::name());
    }
    for (schema, field, most) in bounded(bounds) {
        bound(&mut components.schemas, schema, field, most);
    }
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "A JWT; on a server without keys a room's host secret; or the access token that a participant got with `room-joined`.",
    ));
    components.security_schemes.insert(BEARER.to_owned(), RefOr::T(SecurityScheme::Http(bearer.build())));
    for (path, item) in &mut api.paths.paths {
        operations(item).into_iter().flatten().for_each(|operation| complete(path, operation));
    }
    api
}

/// What the configuration bounds: the schema, its field, and the most that is allowed.
fn bounded(bounds: RoomBounds) -> [(&'static str, &'static str, u64); 5] {
    let (people, life) = (bounds.max_participants as u64, bounds.max_expiry.as_secs());
    [
        ("RoomSettings", "maxParticipants", people),
        ("RoomSettings", "expiresInSeconds", life),
        ("RoomChange", "maxParticipants", people),
        ("RoomChange", "expiresInSeconds", life),
        ("MakeInvites", "expiresInSeconds", life),
    ]
}

fn bound(schemas: &mut BTreeMap<String, RefOr<Schema>>, schema: &str, field: &str, most: u64) {
    let Some(RefOr::T(Schema::Object(object))) = schemas.get_mut(schema) else { return };
    if let Some(RefOr::T(Schema::Object(property))) = object.properties.get_mut(field) {
        property.maximum = usize::try_from(most).ok().map(Number::from);
    }
}

/// Every answer says whether it is a success, always the same.
fn say_success(schema: &mut RefOr<Schema>, success: bool) {
    let RefOr::T(Schema::Object(object)) = schema else { return };
    if let Some(RefOr::T(Schema::Object(property))) = object.properties.get_mut("success") {
        property.enum_values = Some(vec![success.into()]);
    }
}

/// Takes `null` out of what a schema allows.
pub(crate) fn forbid_null(schema: &mut RefOr<Schema>) {
    let RefOr::T(inner) = schema else { return };
    match inner {
        Schema::Object(object) => {
            if let SchemaType::Array(types) = &object.schema_type
                && let Some(only) = types.iter().find(|&only| *only != Type::Null)
            {
                object.schema_type = SchemaType::Type(only.clone());
            }
        }
        Schema::OneOf(choices) => {
            let is_null = |choice: &RefOr<Schema>| matches!(choice, RefOr::T(Schema::Object(object)) if object.schema_type == SchemaType::Type(Type::Null));
            choices.items.retain(|choice| !is_null(choice));
            if let [only] = choices.items.as_slice() {
                *schema = only.clone();
            }
        }
        _ => {}
    }
}

fn operations(item: &mut PathItem) -> [Option<&mut Operation>; 5] {
    [item.get.as_mut(), item.post.as_mut(), item.put.as_mut(), item.patch.as_mut(), item.delete.as_mut()]
}

fn complete(path: &str, operation: &mut Operation) {
    // Behind the `?` and in headers there is no `null`, and a body that may be left out is not `null` instead.
    let parameters = operation.parameters.iter_mut().flatten().filter_map(|parameter| match parameter {
        RefOr::T(parameter) => parameter.schema.as_mut(),
        RefOr::Ref(_) => None,
    });
    parameters.for_each(forbid_null);
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        let contents = body.content.values_mut().filter_map(|content| match content {
            RefOr::T(content) => content.schema.as_mut(),
            RefOr::Ref(_) => None,
        });
        contents.for_each(forbid_null);
    }
    let of_everybody = if operation.security.is_none() { OF_CREDENTIALS } else { &[] };
    let of_rooms = if path.contains("{room_id}") { OF_ROOMS } else { &[] };
    let of_bodies = if operation.request_body.is_some() { OF_BODIES } else { &[] };
    let responses = &mut operation.responses.responses;
    for (status, description) in ALWAYS.iter().chain(of_everybody).chain(of_rooms).chain(of_bodies) {
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
        if let Some((name, header)) = header_of(status) {
            response.headers.insert(name.to_owned(), RefOr::T(header));
        }
    }
    // Who shows none may get less, or be refused.
    operation.security.get_or_insert_with(|| {
        let none: [&str; 0] = [];
        vec![SecurityRequirement::default(), SecurityRequirement::new(BEARER, none)]
    });
}

/// The header that every refusal of a status has.
fn header_of(status: &str) -> Option<(&'static str, Header)> {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let (name, description, schema) = match status {
        "401" => ("WWW-Authenticate", "How to show a credential (RFC 6750).", text().pattern(Some("^Bearer"))),
        "405" => ("Allow", "The methods that are allowed.", text()),
        "429" | "503" => {
            let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
            ("Retry-After", "Seconds to wait.", seconds)
        }
        _ => return None,
    };
    Some((name, HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()))
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
    use super::*;
    use crate::tests::board_with;
    use axum::body::Body;
    use axum::http::Request;
    use serde_json::Value;
    use std::collections::HashSet;
    use std::time::Duration;
    use tower::ServiceExt;

    const BOUNDS: RoomBounds = RoomBounds { max_participants: 500, max_expiry: Duration::from_secs(3600) };

    fn described() -> Value {
        serde_json::to_value(crate::rest::description(BOUNDS)).unwrap()
    }

    #[test]
    fn every_operation_has_a_name_and_its_refusals() {
        let described = described();
        assert!(described["openapi"].as_str().unwrap().starts_with("3.1"));
        let mut names = HashSet::new();
        for (path, item) in described["paths"].as_object().unwrap() {
            assert!(path.starts_with("/api/"), "{path}");
            for (method, operation) in item.as_object().unwrap() {
                let name = operation["operationId"].as_str().unwrap();
                assert!(names.insert(name.to_owned()), "{method} {path}: the name is taken");
                if name == "describe_api" {
                    continue;
                }
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

    /// The paths of the source's `.route("…"`, in whichever file they are.
    fn routes() -> HashSet<String> {
        let sources = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/rest")).unwrap();
        let read =
            |source: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(source.unwrap().path()).unwrap();
        let of_source = |text: String| -> Vec<String> {
            let routes = text.split(".route(\"").skip(1);
            routes.filter_map(|rest| Some(format!("/api{}", rest.split_once('"')?.0))).collect()
        };
        sources.map(read).flat_map(of_source).collect()
    }

    #[tokio::test]
    async fn every_route_is_described_with_its_methods_and_no_other() {
        let described = described();
        let paths = described["paths"].as_object().unwrap();
        assert_eq!(paths.keys().cloned().collect::<HashSet<_>>(), routes());
        let router = crate::Signaling { board: board_with(crate::FileSettings::default()) }.router();
        for (path, item) in paths {
            let request = Request::builder().method("PROPFIND").uri(path.replace(['{', '}'], ""));
            let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let allowed = response.headers()["allow"].to_str().unwrap().to_lowercase();
            let allowed: HashSet<_> = allowed.split(',').filter(|&method| method != "head").collect();
            assert_eq!(item.as_object().unwrap().keys().map(String::as_str).collect::<HashSet<_>>(), allowed, "{path}");
        }
    }

    #[test]
    fn bodies_are_described_as_they_are_taken() {
        let described = described();
        let schemas = &described["components"]["schemas"];
        for item in described["paths"].as_object().unwrap().values() {
            for operation in item.as_object().unwrap().values() {
                let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") else { continue };
                let name = schema["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
                assert_eq!(schemas[name]["additionalProperties"], false, "{name}");
            }
        }
        for (schema, field, most) in bounded(BOUNDS) {
            assert_eq!(schemas[schema]["properties"][field]["maximum"], most, "{schema}.{field}");
        }
        let types = |schema: &str, field: &str| schemas[schema]["properties"][field]["type"].clone();
        assert_eq!(types("RoomSettings", "locked"), serde_json::json!(["boolean", "null"]));
        assert_eq!(types("RoomChange", "locked"), "boolean");
        assert_eq!(types("RoomChange", "password"), serde_json::json!(["string", "null"]));
        assert!(schemas["RoomChange"]["properties"].get("roomId").is_none());
        assert_eq!(schemas["Problem"]["properties"]["success"]["enum"], serde_json::json!([false]));
        assert_eq!(schemas["Done"]["properties"]["success"]["enum"], serde_json::json!([true]));
    }
}
