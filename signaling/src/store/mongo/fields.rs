//! Between records and documents: numbers, times and secrets as the database has them, and a document's fields read with care.
//!
//! Whatever a database holds, reading it ends in a record or in an error that names the collection and the field, and shows
//! nothing of what is in it.

use super::{RoomUid, Secret, StoreError};
use crate::protocol::Timestamp;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Document, deserialize_from_bson, doc};
use serde::de::DeserializeOwned;

/// A room's uid: the same 64 bits as the database's integer.
pub(super) fn uid(room: RoomUid) -> Bson {
    number(room.0)
}

/// 64 bits without an order.
pub(super) fn number(bits: u64) -> Bson {
    Bson::Int64(bits.cast_signed())
}

/// A number with an order, for queries: beyond what the database has it is the largest, which nothing reaches.
pub(super) fn clamped(count: u64) -> Bson {
    Bson::Int64(i64::try_from(count).unwrap_or(i64::MAX))
}

/// A number with an order, to be stored.
pub(super) fn count(field: &'static str, count: u64) -> Result<Bson, StoreError> {
    let out_of_range = |_| StoreError::Failed(format!("`{field}` is beyond the numbers of the database"));
    i64::try_from(count).map(Bson::Int64).map_err(out_of_range)
}

pub(super) fn time(at: Timestamp) -> Bson {
    // Times end with the year 9999.
    Bson::DateTime(DateTime::from_millis(at.as_ms().cast_signed()))
}

pub(super) fn optional_time(at: Option<Timestamp>) -> Bson {
    at.map_or(Bson::Null, time)
}

pub(super) fn secret(secret: Secret) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: secret.0.to_vec() })
}

/// What is told by an `expiresAt` that is not over.
pub(super) fn not_over(now: Timestamp) -> Bson {
    Bson::Array(vec![doc! { "expiresAt": null }.into(), doc! { "expiresAt": { "$gt": time(now) } }.into()])
}

/// A document that is read, field by field.
pub(super) struct Fields {
    collection: &'static str,
    document: Document,
}

impl Fields {
    pub(super) fn new(collection: &'static str, document: Document) -> Self {
        Self { collection, document }
    }

    /// The error for a field that cannot be read.
    pub(super) fn unreadable(&self, field: &str) -> StoreError {
        StoreError::Failed(format!("a document's `{}.{field}` cannot be read", self.collection))
    }

    /// A field that is not there is null.
    pub(super) fn take<T: DeserializeOwned>(&mut self, field: &'static str) -> Result<T, StoreError> {
        let value = self.document.remove(field).unwrap_or(Bson::Null);
        deserialize_from_bson(value).map_err(|_| self.unreadable(field))
    }

    /// The documents of an array.
    pub(super) fn take_all(&mut self, field: &'static str) -> Result<Vec<Self>, StoreError> {
        let documents: Vec<Document> = self.take(field)?;
        Ok(documents.into_iter().map(|document| Self::new(self.collection, document)).collect())
    }

    pub(super) fn number(&mut self, field: &'static str) -> Result<u64, StoreError> {
        Ok(self.take::<i64>(field)?.cast_unsigned())
    }

    pub(super) fn uid(&mut self, field: &'static str) -> Result<RoomUid, StoreError> {
        self.number(field).map(RoomUid)
    }

    pub(super) fn time(&mut self, field: &'static str) -> Result<Timestamp, StoreError> {
        self.optional_time(field)?.ok_or_else(|| self.unreadable(field))
    }

    pub(super) fn optional_time(&mut self, field: &'static str) -> Result<Option<Timestamp>, StoreError> {
        // Not by serde, to which every time beyond the year 9999 is its end.
        let ms = match self.document.remove(field) {
            None | Some(Bson::Null) => return Ok(None),
            Some(Bson::DateTime(at)) => u64::try_from(at.timestamp_millis()).map_err(|_| self.unreadable(field))?,
            Some(_) => return Err(self.unreadable(field)),
        };
        let at = Timestamp::from_ms(ms);
        if at.as_ms() == ms { Ok(Some(at)) } else { Err(self.unreadable(field)) }
    }

    pub(super) fn secret(&mut self, field: &'static str) -> Result<Secret, StoreError> {
        self.optional_secret(field)?.ok_or_else(|| self.unreadable(field))
    }

    pub(super) fn optional_secret(&mut self, field: &'static str) -> Result<Option<Secret>, StoreError> {
        let Some(binary) = self.take::<Option<Binary>>(field)? else { return Ok(None) };
        let bytes = <[u8; 32]>::try_from(binary.bytes).map_err(|_| self.unreadable(field))?;
        Ok(Some(Secret(bytes)))
    }
}
