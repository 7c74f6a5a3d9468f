//! Tracks and participants as the wire shows them.

use super::ids::{ParticipantRef, TrackRef};
use super::time::Timestamp;
use crate::access::{Identity, Role};
use parlor_media::command::{self, MediaKind, TrackInfo};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Audio or video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `audio`
    Audio,
    /// `video`
    Video,
}

impl From<MediaKind> for Kind {
    fn from(kind: MediaKind) -> Self {
        match kind {
            MediaKind::Audio => Self::Audio,
            MediaKind::Video => Self::Video,
        }
    }
}

/// What a track shows or plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// `microphone`
    Microphone,
    /// `camera`
    Camera,
    /// `screen`
    Screen,
    /// `screen-audio`
    ScreenAudio,
}

impl From<command::Source> for Source {
    fn from(source: command::Source) -> Self {
        match source {
            command::Source::Microphone => Self::Microphone,
            command::Source::Camera => Self::Camera,
            command::Source::Screen => Self::Screen,
            command::Source::ScreenAudio => Self::ScreenAudio,
        }
    }
}

impl From<Source> for command::Source {
    fn from(source: Source) -> Self {
        match source {
            Source::Microphone => Self::Microphone,
            Source::Camera => Self::Camera,
            Source::Screen => Self::Screen,
            Source::ScreenAudio => Self::ScreenAudio,
        }
    }
}

/// A published track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Track {
    /// The track.
    pub track_id: TrackRef,
    /// The publisher's m-line; only its publisher is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
    /// Audio or video.
    pub kind: Kind,
    /// What it shows.
    pub source: Source,
    /// Whether its publisher muted it.
    pub muted: bool,
    /// The simulcast encodings, lowest first; empty without simulcast.
    pub rids: Vec<String>,
}

impl Track {
    /// As others see it.
    #[must_use]
    pub fn without_mid(&self) -> Self {
        Self { mid: None, ..self.clone() }
    }
}

impl From<TrackInfo> for Track {
    fn from(info: TrackInfo) -> Self {
        Self {
            track_id: TrackRef(info.track),
            mid: Some(info.mid),
            kind: info.kind.into(),
            source: info.source.into(),
            muted: info.muted,
            rids: info.rids.iter().map(|rid| rid.as_str().to_owned()).collect(),
        }
    }
}

/// A member of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Participant {
    /// Who, in this room and for this stay.
    pub participant_id: ParticipantRef,
    /// Who, over joins and devices.
    pub identity: Identity,
    /// What it is.
    pub role: Role,
    /// The name; `null` without one.
    pub display_name: Option<String>,
    /// Since when.
    pub joined_at: Timestamp,
    /// What is published.
    pub tracks: Vec<Track>,
}
