//! How good a connection is, as it is told.

use super::ids::ParticipantRef;
use parlor_media::ids::ParticipantId;
use parlor_media::quality::{Level, Quality};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How good somebody's connection is. Scores are mean opinion scores, 1 to 5; `null` where nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConnectionQuality)]
pub struct QualityView {
    /// In a word.
    pub level: QualityLevel,
    /// Of the worse direction.
    pub score: Option<f64>,
    /// Of what comes from the person.
    pub up: Option<f64>,
    /// Of what goes to the person.
    pub down: Option<f64>,
}

impl From<Quality> for QualityView {
    fn from(quality: Quality) -> Self {
        Self {
            level: quality.level.into(),
            score: quality.score().map(rounded),
            up: quality.up.map(rounded),
            down: quality.down.map(rounded),
        }
    }
}

/// The same of a participant, as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParticipantQuality {
    /// Whose.
    pub participant_id: ParticipantRef,
    /// See [`QualityView`], as the rest.
    pub level: QualityLevel,
    /// 1 to 5, of the worse direction; `null` where nothing is known.
    pub score: Option<f64>,
    /// Of what comes from it.
    pub up: Option<f64>,
    /// Of what goes to it.
    pub down: Option<f64>,
}

impl ParticipantQuality {
    /// That of a participant.
    pub(crate) fn new(participant: ParticipantId, quality: Quality) -> Self {
        let QualityView { level, score, up, down } = quality.into();
        Self { participant_id: ParticipantRef(participant), level, score, up, down }
    }
}

/// How good a connection is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum QualityLevel {
    /// Nothing is known, yet or any more.
    Unknown,
    /// A score of 4 and more.
    Excellent,
    /// A score of 3.1 and more.
    Good,
    /// A score below that.
    Poor,
    /// Nothing was heard of the client for ten seconds.
    Lost,
}

impl From<Level> for QualityLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Unknown => Self::Unknown,
            Level::Excellent => Self::Excellent,
            Level::Good => Self::Good,
            Level::Poor => Self::Poor,
            Level::Lost => Self::Lost,
        }
    }
}

/// A score to the tenth, which is more than is known.
fn rounded(score: f32) -> f64 {
    (f64::from(score) * 10.0).round() / 10.0
}
