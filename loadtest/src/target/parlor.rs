//! Parlor, by its REST interface and its WebSocket: `docs/protocol.md`.

mod rest;
mod seat;
mod socket;

use super::{Layout, RoomSize, Seat, Target, TargetError};
use crate::plan::Plan;
use async_trait::async_trait;
use parlor_signaling::protocol::RoomCode;
use reqwest::Url;
use rest::Rest;
use seat::ParlorSeat;
use socket::Dialer;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// See the module's text.
pub struct Parlor {
    rest: Rest,
    dialer: Dialer,
    /// The secret of each room's host, with which the room is ended.
    secrets: Mutex<HashMap<String, String>>,
    signs_tokens: bool,
}

impl Parlor {
    /// A server at the plan's URL. Nothing is sent yet.
    ///
    /// # Errors
    /// When the URL is none of `http` or `https`, or there is no TLS.
    pub fn new(plan: &Plan) -> anyhow::Result<Self> {
        let url = Url::parse(&plan.server)?;
        anyhow::ensure!(
            matches!(url.scheme(), "http" | "https"),
            "the server's URL must begin with http:// or https://"
        );
        Ok(Self {
            dialer: Dialer::new(&url, plan.insecure)?,
            rest: Rest::new(url, plan.insecure, plan.credential.clone())?,
            secrets: Mutex::default(),
            signs_tokens: plan.credential.is_some(),
        })
    }
}

#[async_trait]
impl Target for Parlor {
    fn layout(&self) -> Layout {
        Layout::Single
    }

    async fn open_room(&self, size: RoomSize) -> Result<String, TargetError> {
        let (room, secret) = self.rest.create_room(size).await?;
        if let Some(secret) = secret {
            self.secrets.lock().unwrap_or_else(PoisonError::into_inner).insert(room.clone(), secret);
        }
        Ok(room)
    }

    async fn close_room(&self, room: &str) -> Result<(), TargetError> {
        let secret = self.secrets.lock().unwrap_or_else(PoisonError::into_inner).remove(room);
        self.rest.delete_room(room, secret).await
    }

    async fn join(&self, room: &str, name: &str) -> Result<Box<dyn Seat>, TargetError> {
        let code = RoomCode::parse(room).ok_or_else(|| TargetError::Unexpected("a room id".to_owned()))?;
        let token = if self.signs_tokens { Some(self.rest.sign_token(room, name).await?) } else { None };
        let socket = self.dialer.connect().await?;
        Ok(Box::new(ParlorSeat::join(socket, code, name, token).await?))
    }
}
