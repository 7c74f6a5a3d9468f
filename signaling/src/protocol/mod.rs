//! The wire protocol: every message as a type, parsed and bounded.
//!
//! `docs/protocol.md` explains it for whoever writes a client; the files in `signaling/protocol/` hold one example of each
//! message, which these types, that document and the web client's tests are held against.

pub mod chat;
pub mod client;
pub mod emoji;
pub mod error;
pub mod fields;
pub mod file;
pub mod ids;
pub mod media;
pub mod quality;
pub mod room;
pub(crate) mod schema;
pub mod secret;
pub mod server;
mod server_type;
pub mod text;
pub mod time;
pub mod track;
pub mod view;

#[cfg(test)]
mod goldens;

pub use client::{ClientFrame, ClientMessage, ClientType};
pub use error::{ErrorCode, Refusal};
pub use ids::{FileId, InviteId, MessageId, ParticipantRef, RoomCode, TrackRef};
pub use room::RoomView;
pub use secret::SecretText;
pub use server::ServerMessage;
pub use server_type::ServerType;
pub use time::Timestamp;
pub use track::{Participant, Track};
