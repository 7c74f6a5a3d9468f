//! A request's JSON body, into its type.

use super::MAX_BODY_BYTES;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::fields;
use crate::protocol::ids::clip;
use axum::extract::rejection::BytesRejection;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The largest whole number whose neighbours a float tells apart.
const MAX_WHOLE: f64 = 9_007_199_254_740_991.0;

/// A body as a handler gets it.
pub(crate) type Content = Result<Bytes, BytesRejection>;

/// The object in a body; no body is the empty object.
///
/// # Errors
/// When it is too large, of another type, no JSON object, or not what `T` wants: then the field is named.
pub(crate) fn json<T: DeserializeOwned>(headers: &HeaderMap, content: Content) -> Result<T, Refusal> {
    typed(object(headers, content)?)
}

/// The same, not yet understood.
pub(crate) fn object(headers: &HeaderMap, content: Content) -> Result<Map<String, Value>, Refusal> {
    let content = content.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Refusal::new(ErrorCode::BodyTooLarge, format!("the body may have {MAX_BODY_BYTES} bytes at most"))
        }
        _ => Refusal::new(ErrorCode::BadJson, "the body could not be read"),
    })?;
    if content.is_empty() {
        return Ok(Map::new());
    }
    // A form of a foreign page cannot send this type without asking first.
    let essence =
        headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(|text| text.split(';').next());
    if !essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json")) {
        return Err(Refusal::new(ErrorCode::UnsupportedMediaType, "`Content-Type` must be application/json"));
    }
    match serde_json::from_slice(&content) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Refusal::new(ErrorCode::BadJson, "the body must be a JSON object")),
        Err(error) => Err(Refusal::new(ErrorCode::BadJson, format!("the body is not JSON: {error}"))),
    }
}

/// An object as `T`. A field's number that is whole is an integer, however it is written: `60.0` is 60.
pub(crate) fn typed<T: DeserializeOwned>(mut object: Map<String, Value>) -> Result<T, Refusal> {
    object.values_mut().for_each(write_whole);
    fields::from_object(object).map_err(|error| {
        let code = if error.field.as_deref() == Some("roomId") { ErrorCode::BadRoomId } else { ErrorCode::BadMessage };
        let refusal = Refusal::new(code, error.message);
        match error.field {
            Some(field) => refusal.with_field(clip(&field)),
            None => refusal,
        }
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and within the range")]
fn write_whole(value: &mut Value) {
    if let Some(number) = value.as_f64()
        && value.is_f64()
        && number.fract() == 0.0
        && (0.0..=MAX_WHOLE).contains(&number)
    {
        *value = Value::from(number as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whole_numbers_are_integers_however_they_are_written() {
        let read = |mut value: Value| {
            write_whole(&mut value);
            value
        };
        assert_eq!(read(json!(60.0)), json!(60));
        for other in [json!(60.5), json!(-1.0), json!(1e300), json!({"a": 1.0}), json!(7)] {
            assert_eq!(read(other.clone()), other);
        }
    }
}
