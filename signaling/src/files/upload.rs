//! The way of an upload: claimed, received, recognised, stored, recorded.
//!
//! It runs in a task of its own, so that it ends in order when its client goes away: whatever was stored by then is removed.

use super::kind::{self, HEAD_BYTES};
use super::quota::Claim;
use super::{Files, within};
use crate::access::Identity;
use crate::lifecycle::to_the_end;
use crate::lines::{FILE_FAILURES, paced};
use crate::protocol::FileId;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::file::SharedFile;
use crate::room::Room;
use crate::stats::{Direction, Limit};
use crate::store::{FileRecord, RoomUid, StoreError};
use crate::switchboard::{Switchboard, entropy};
use crate::webhooks::Event;
use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::StreamExt;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// What is sent to the storage at a time: the least that S3 takes as a part, equal in size as R2 wants it.
pub(super) const PART_BYTES: usize = 5 << 20;

/// How long a client may send nothing.
const IDLE_PATIENCE: Duration = Duration::from_secs(30);

/// How long an upload may take: the whole of the default size needs 7 KB/s.
pub(super) const UPLOAD_PATIENCE: Duration = Duration::from_secs(3600);

/// Records that the store is asked for at a time.
const PAGE: usize = 200;

/// What is known of a file before its bytes.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) room: Arc<Room>,
    pub(crate) uploader: Identity,
    pub(crate) name: String,
    /// As `Content-Length` says.
    pub(crate) declared: Option<u64>,
}

impl Switchboard {
    /// Takes a file in.
    ///
    /// # Errors
    /// Nothing is left of it then.
    pub(crate) async fn take_file(self: &Arc<Self>, upload: Upload, body: Body) -> Result<SharedFile, Refusal> {
        let files = &self.files;
        files.store()?;
        files.check_size(upload.declared.unwrap_or(0))?;
        self.learn_quota(upload.room.uid).await?;
        let place = Arc::clone(&files.uploads).try_acquire_owned().map_err(|_| Refusal::busy())?;
        let claim = files.quotas.claim(upload.room.uid, &upload.uploader, upload.declared.unwrap_or(0))?;
        // Dropped with the request: the task learns that its client is gone.
        let (_here, gone) = oneshot::channel::<()>();
        let board = Arc::clone(self);
        to_the_end(async move {
            let taken = board.receive(upload, body, claim, gone).await;
            drop(place);
            taken
        })
        .await
    }

    /// Learns what a room holds, once.
    pub(super) async fn learn_quota(&self, room: RoomUid) -> Result<(), Refusal> {
        if self.files.quotas.knows(room) {
            return Ok(());
        }
        let mut sizes = HashMap::new();
        loop {
            let page = self.store.files(room, sizes.len() as u64, PAGE, self.wall_clock()).await?;
            let before = sizes.len();
            sizes.extend(page.iter().map(|file| (file.id, file.size)));
            if page.len() < PAGE || sizes.len() == before {
                break;
            }
        }
        self.files.quotas.learn(room, sizes);
        Ok(())
    }

    async fn receive(
        &self,
        upload: Upload,
        body: Body,
        mut claim: Claim,
        gone: oneshot::Receiver<()>,
    ) -> Result<SharedFile, Refusal> {
        let Upload { room, uploader, name, declared } = upload;
        let id = FileId(u64::from_le_bytes(entropy()?) >> 1);
        let mut sink = Sink::new(&self.files, self.files.store()?, self.files.path(room.uid, id));
        let received = tokio::select! {
            received = timeout(UPLOAD_PATIENCE, self.files.fill(&mut sink, body.into_data_stream(), &mut claim, declared)) => {
                received.unwrap_or_else(|_| Err(broken("the upload took too long")))
            }
            _ = gone => Err(broken("the client went away")),
        };
        let (size, content_type) = match received {
            Ok(received) => received,
            Err(refusal) => {
                sink.abort().await;
                return Err(refusal);
            }
        };
        sink.finish().await?;
        let content_type = content_type.to_owned();
        let uploaded_at = self.wall_clock();
        let record = FileRecord { room: room.uid, id, name, size, content_type, uploader, uploaded_at };
        if let Err(error) = self.store.add_file(&record).await {
            self.forget_upload(&record).await;
            return Err(match error {
                StoreError::Missing => self.gone(&room),
                error => error.into(),
            });
        }
        claim.keep(id, size);
        let file = SharedFile::from(record);
        self.webhooks.emit(&Event::FileShared { room_id: &room.code, file: &file });
        self.counters.files_shared.count();
        Ok(file)
    }

    /// Removes what was stored, and its record, of which nobody knows whether it was written. What fails here goes with the room.
    async fn forget_upload(&self, record: &FileRecord) {
        let bytes = self.files.delete(record.room, record.id).await;
        let entry = self.store.remove_file(record.room, record.id).await;
        if bytes.is_err() || entry.is_err() {
            paced!(FILE_FAILURES, warn, "a file that could not be recorded is left until its room ends");
        }
    }
}

impl Files {
    fn check_size(&self, bytes: u64) -> Result<(), Refusal> {
        let most = self.settings.max_bytes;
        if bytes <= most {
            return Ok(());
        }
        let message = format!("a file may have {most} bytes at most");
        Err(Refusal::new(ErrorCode::FileTooLarge, message).by(Limit::FileBytes))
    }

    fn check_type(&self, head: &[u8]) -> Result<&'static str, Refusal> {
        let found = kind::content_type(head);
        let types = &self.settings.types;
        if kind::is_allowed(types, found) {
            return Ok(found);
        }
        let message = format!("the file is {found}, but only {} are taken", types.join(", "));
        Err(Refusal::new(ErrorCode::FileTypeRefused, message))
    }

    /// Receives the bytes. Returns how many there were, and what they are.
    async fn fill(
        &self,
        sink: &mut Sink<'_>,
        mut body: BodyDataStream,
        claim: &mut Claim,
        declared: Option<u64>,
    ) -> Result<(u64, &'static str), Refusal> {
        let (mut size, mut head, mut content_type) = (0_u64, Vec::new(), None);
        loop {
            let late = |_| broken(format!("no bytes came for {} seconds", IDLE_PATIENCE.as_secs()));
            let Some(bytes) = timeout(IDLE_PATIENCE, body.next()).await.map_err(late)? else { break };
            let bytes = bytes.map_err(|_| broken("the upload broke off"))?;
            size += bytes.len() as u64;
            self.counters.file_bytes.add(Direction::In, bytes.len() as u64);
            self.check_size(size)?;
            claim.grow(size)?;
            if content_type.is_none() {
                head.extend(bytes.iter().take(HEAD_BYTES - head.len()));
                if head.len() == HEAD_BYTES {
                    content_type = Some(self.check_type(&head)?);
                }
            }
            sink.put(&bytes).await?;
        }
        if declared.is_some_and(|declared| declared != size) {
            return Err(broken(format!("{size} bytes came, `Content-Length` was another")));
        }
        let content_type = match content_type {
            Some(found) => found,
            None => self.check_type(&head)?,
        };
        Ok((size, content_type))
    }
}

fn broken(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::BadMessage, message)
}

/// Where an upload's bytes go: small files in one request, others in parts.
struct Sink<'a> {
    files: &'a Files,
    store: &'a dyn ObjectStore,
    path: Path,
    part: Vec<u8>,
    parts: Option<Box<dyn MultipartUpload>>,
}

impl<'a> Sink<'a> {
    fn new(files: &'a Files, store: &'a dyn ObjectStore, path: Path) -> Self {
        Self { files, store, path, part: Vec::new(), parts: None }
    }

    async fn put(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(PART_BYTES - self.part.len()));
            self.part.extend_from_slice(now);
            bytes = rest;
            if self.part.len() == PART_BYTES {
                self.put_part().await?;
            }
        }
        Ok(())
    }

    async fn put_part(&mut self) -> Result<(), Refusal> {
        let payload = Bytes::from(std::mem::take(&mut self.part)).into();
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => {
                let begun = within(self.store.put_multipart(&self.path)).await;
                none.insert(begun.map_err(|error| self.files.unavailable(error))?)
            }
        };
        within(parts.put_part(payload)).await.map_err(|error| self.files.unavailable(error))
    }

    /// Makes the file visible, all at once.
    async fn finish(mut self) -> Result<(), Refusal> {
        let finished = async {
            if self.parts.is_some() {
                if !self.part.is_empty() {
                    self.put_part().await?;
                }
            } else {
                let payload = Bytes::from(std::mem::take(&mut self.part)).into();
                let put = within(self.store.put(&self.path, payload)).await;
                put.map_err(|error| self.files.unavailable(error))?;
            }
            if let Some(parts) = &mut self.parts {
                within(parts.complete()).await.map_err(|error| self.files.unavailable(error))?;
            }
            Ok(())
        };
        let finished = finished.await;
        if finished.is_err() {
            // It may be there, for all one knows.
            let _ = within(self.store.delete(&self.path)).await;
            self.abort().await;
        }
        finished
    }

    /// Removes what is there of it.
    async fn abort(mut self) {
        if let Some(parts) = &mut self.parts
            && let Err(error) = within(parts.abort()).await
        {
            self.files.counters.storage_errors.count();
            paced!(FILE_FAILURES, warn, %error, "parts of an upload that did not end are left in the file storage");
        }
    }
}
