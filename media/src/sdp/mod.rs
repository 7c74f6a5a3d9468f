//! SDP: what a client said, and what Parlor writes.

/// A client's offer or answer, parsed and bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteDescription {}

/// Why an SDP was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SdpError(pub String);

impl RemoteDescription {
    /// Parses a client's SDP.
    ///
    /// # Errors
    /// When it is malformed, or breaks one of the module's bounds.
    pub fn parse(_sdp: &str) -> Result<Self, SdpError> {
        Ok(Self {})
    }
}
