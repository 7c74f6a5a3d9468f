//! JSON objects into structs, with errors that name the field.
//!
//! serde_json loses the name of a field whose value is of the wrong type once the text became a [`Value`]; this keeps it.

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, IntoDeserializer, MapAccess};
use serde_json::{Map, Value};

/// What was wrong with an object's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field to blame, if it is one that is there.
    pub field: Option<String>,
    /// What is wrong with it and what is allowed.
    pub message: String,
}

/// Reads a struct from a JSON object.
///
/// # Errors
/// When a field is missing, unknown, or not what the struct wants.
pub fn from_object<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, FieldError> {
    let mut field = None;
    let fields = Fields { rest: object.into_iter(), value: None, blamed: &mut field };
    T::deserialize(MapAccessDeserializer::new(fields)).map_err(|error: serde_json::Error| {
        let message = match &field {
            Some(name) => format!("`{name}`: {error}"),
            None => error.to_string(),
        };
        FieldError { field, message }
    })
}

struct Fields<'a> {
    rest: serde_json::map::IntoIter,
    value: Option<(String, Value)>,
    blamed: &'a mut Option<String>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Self::Error> {
        let Some((name, value)) = self.rest.next() else { return Ok(None) };
        let deserializer: StrDeserializer<'_, serde_json::Error> = name.as_str().into_deserializer();
        let key = seed.deserialize(deserializer)?;
        self.value = Some((name, value));
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Self::Error> {
        let (name, value) = self.value.take().ok_or_else(|| serde_json::Error::custom("a value without a name"))?;
        seed.deserialize(value).inspect_err(|_| *self.blamed = Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Sample {
        #[allow(dead_code)]
        room_id: String,
        #[allow(dead_code)]
        muted: Option<bool>,
    }

    fn error(value: Value) -> FieldError {
        let Value::Object(object) = value else { panic!("not an object") };
        from_object::<Sample>(object).unwrap_err()
    }

    #[test]
    fn errors_name_the_field_and_what_is_allowed() {
        let wrong_type = error(json!({"roomId": 5}));
        assert_eq!(wrong_type.field.as_deref(), Some("roomId"));
        assert_eq!(wrong_type.message, "`roomId`: invalid type: integer `5`, expected a string");
        assert_eq!(error(json!({})).message, "missing field `roomId`");
        assert_eq!(error(json!({"rum": 1})).message, "unknown field `rum`, expected `roomId` or `muted`");
        assert_eq!(error(json!({"roomId": "a", "muted": "no"})).field.as_deref(), Some("muted"));
    }
}
