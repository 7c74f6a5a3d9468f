//! A shared file, as people are told of it.

use super::Timestamp;
use crate::access::Identity;
use crate::protocol::FileId;
use crate::store::FileRecord;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A shared file; its bytes are fetched by REST.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = File)]
pub struct SharedFile {
    /// The file.
    pub(crate) file_id: FileId,
    /// For people; never a path.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// As recognised by the server.
    pub content_type: String,
    /// Who uploaded it; `host` for who had the room's host secret without being in the room.
    pub(crate) uploader: Identity,
    /// When it was complete.
    pub uploaded_at: Timestamp,
}

impl From<FileRecord> for SharedFile {
    fn from(record: FileRecord) -> Self {
        let FileRecord { id, name, size, content_type, uploader, uploaded_at, .. } = record;
        Self { file_id: id, name, size, content_type, uploader, uploaded_at }
    }
}
