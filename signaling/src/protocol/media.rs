//! What the server says of media connections and of what they carry.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Of a media connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaState {
    /// Media flows.
    Connected,
    /// It ended for good.
    Failed,
}

/// What carries media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MediaProtocol {
    /// UDP.
    Udp,
    /// ICE-TCP.
    Tcp,
}

impl MediaProtocol {
    /// The protocol as it is written, in messages as in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// Why a media connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediaFailure {
    /// The client closed it.
    ClosedByClient,
    /// Nothing was heard of the client for 30 s.
    ConsentExpired,
    /// DTLS was not up in time.
    HandshakeTimeout,
    /// The certificate is not the one that the SDP announced.
    FingerprintMismatch,
    /// DTLS failed otherwise.
    DtlsFailed,
    /// The part of the server that held the room was started anew.
    ServerRestarted,
}

impl MediaFailure {
    /// The cause as it is written, in messages as in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClosedByClient => "closed-by-client",
            Self::ConsentExpired => "consent-expired",
            Self::HandshakeTimeout => "handshake-timeout",
            Self::FingerprintMismatch => "fingerprint-mismatch",
            Self::DtlsFailed => "dtls-failed",
            Self::ServerRestarted => "server-restarted",
        }
    }
}

/// Why a track cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubscriptionFailure {
    /// There is no such track, or it is the participant's own.
    NoTrack,
    /// The client cannot decode it.
    Codec,
    /// The client's answer refused its m-line.
    Refused,
    /// The client has too many subscriptions.
    TooMany,
}

/// Why a subscription is sent nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PauseReason {
    /// The receiver's connection does not carry it beside what is more important.
    Bandwidth,
}

/// Whether anybody watches an encoding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedEncoding {
    /// Which; absent for the one encoding of a track without simulcast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// Whether it is to be sent.
    pub active: bool,
}
