//! Janus (<https://janus.conf.meetecho.com>) with its VideoRoom plugin, over its WebSocket API, for comparisons on one machine.
//!
//! A participant is what the plugin's own demo makes of one: a session with a *publisher* handle, also for who only watches, since
//! its events tell of new publishers; and a *subscriber* handle, one PeerConnection for everything (`multistream`, Janus 1.0 and newer).

mod api;
mod room;
mod seat;
#[cfg(test)]
mod tests;

use crate::target::{Layout, RoomSize, Seat, Target, TargetError};
use api::{ApiError, Session};
use async_trait::async_trait;
use seat::JanusSeat;

/// A Janus server.
pub(crate) struct Janus {
    url: String,
}

impl Janus {
    /// At `server`, a `ws://` URL.
    ///
    /// # Errors
    /// When it is something else.
    pub(crate) fn new(server: &str) -> anyhow::Result<Self> {
        anyhow::ensure!(
            server.starts_with("ws://"),
            "the server of Janus is {server:?}, expected a ws:// URL such as ws://127.0.0.1:8188"
        );
        Ok(Self { url: server.to_owned() })
    }
}

#[async_trait]
impl Target for Janus {
    fn layout(&self) -> Layout {
        Layout::Split
    }

    async fn open_room(&self, size: RoomSize) -> Result<String, TargetError> {
        let mut session = Session::create(&self.url).await?;
        let handle = session.attach().await?;
        let created = session.message(handle, room::create(size), None).await?;
        session.destroy().await?;
        Ok(room::number(&created.data)?.to_string())
    }

    async fn close_room(&self, room: &str) -> Result<(), TargetError> {
        let room = room::parse(room)?;
        let mut session = Session::create(&self.url).await?;
        let handle = session.attach().await?;
        session.message(handle, room::destroy(room), None).await?;
        Ok(session.destroy().await?)
    }

    async fn join(&self, room: &str, name: &str) -> Result<Box<dyn Seat>, TargetError> {
        let seat = JanusSeat::join(&self.url, room::parse(room)?, name).await?;
        Ok(Box::new(seat))
    }
}

impl From<ApiError> for TargetError {
    fn from(error: ApiError) -> Self {
        let text = error.to_string();
        match error {
            ApiError::Unreachable { .. } | ApiError::Broken(_) | ApiError::Ended => Self::Unreachable(text),
            ApiError::Silent(_) => Self::Timeout(text),
            ApiError::Refused { .. } => Self::Refused(text),
            ApiError::Malformed { .. } | ApiError::TooMany => Self::Unexpected(text),
        }
    }
}
