//! The server under load, as the tester sees it: somewhere to open rooms and to join them.
//!
//! A participant has one PeerConnection, or two. With [`Layout::Single`] (Parlor) everything goes over
//! [`Line::Publish`]: the client offers what it sends, if only a data channel, and the server later offers what it has on
//! the same connection. With [`Layout::Split`] (Janus) the client offers what it sends on [`Line::Publish`], if it sends
//! anything, and the server offers what it has on [`Line::Subscribe`], a connection that begins with its first offer.
//!
//! Descriptions are complete: every candidate stands inside. Nobody trickles.

mod janus;
pub mod parlor;

use crate::plan::Plan;
use async_trait::async_trait;
use std::sync::Arc;

/// Whether publishing and subscribing share a PeerConnection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// They do.
    Single,
    /// They do not.
    Split,
}

/// A PeerConnection of a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Line {
    /// That on which the client offers first.
    Publish,
    /// That on which the server offers first; with [`Layout::Split`] alone.
    Subscribe,
}

/// What an offered m-line shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A camera.
    Camera,
    /// A microphone.
    Microphone,
}

/// What a room must have place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomSize {
    /// Participants at once.
    pub participants: usize,
    /// How many of them publish.
    pub publishers: usize,
}

/// An m-line of the client's offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedTrack {
    /// Its media identification tag.
    pub mid: String,
    /// What it shows.
    pub source: Source,
}

/// What happens at a participant's seat without being asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeatEvent {
    /// The server offers; [`Seat::answer`] is expected.
    Offered {
        /// On which connection.
        line: Line,
        /// To be given back with the answer.
        negotiation: u64,
        /// The description.
        sdp: String,
    },
    /// The participant is no longer in the room, and the seat is of no use.
    Removed {
        /// Why, in a few words that do not differ from one participant to another.
        reason: String,
    },
}

/// Why something did not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The server said no.
    #[error("refused: {0}")]
    Refused(String),
    /// There is no connection to the server, or no longer.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// What the server said makes no sense.
    #[error("unexpected: {0}")]
    Unexpected(String),
    /// It took too long.
    #[error("timeout: {0}")]
    Timeout(String),
}

/// A server. One serves the whole run, from several tasks at once.
#[async_trait]
pub trait Target: Send + Sync {
    /// How participants connect.
    fn layout(&self) -> Layout;

    /// Opens a room. What it returns names the room from then on.
    ///
    /// # Errors
    /// See [`TargetError`].
    async fn open_room(&self, size: RoomSize) -> Result<String, TargetError>;

    /// Ends a room that [`Self::open_room`] opened.
    ///
    /// # Errors
    /// See [`TargetError`].
    async fn close_room(&self, room: &str) -> Result<(), TargetError>;

    /// Enters a room. The caller bounds the time that this and every other step takes.
    ///
    /// # Errors
    /// See [`TargetError`].
    async fn join(&self, room: &str, name: &str) -> Result<Box<dyn Seat>, TargetError>;
}

/// A participant's place in a room, with its own signalling.
#[async_trait]
pub trait Seat: Send {
    /// Offers on [`Line::Publish`] and gets the answer. Called once, and with [`Layout::Split`] only by who sends. What
    /// the server offers meanwhile is kept for [`Self::next_event`].
    ///
    /// # Errors
    /// See [`TargetError`].
    async fn publish(&mut self, offer: String, tracks: Vec<OfferedTrack>) -> Result<String, TargetError>;

    /// Asks for everything that others publish, now and later: offers follow as events. Called once, after
    /// [`Self::publish`] if that is called at all.
    ///
    /// # Errors
    /// See [`TargetError`].
    async fn subscribe(&mut self) -> Result<(), TargetError>;

    /// Answers the server's offer.
    ///
    /// # Errors
    /// See [`TargetError`].
    async fn answer(&mut self, line: Line, negotiation: u64, sdp: String) -> Result<(), TargetError>;

    /// Waits for what happens next. Must be called again and again, so that the socket is read and kept alive, and must
    /// lose nothing when the future is dropped. When the server is gone: [`SeatEvent::Removed`].
    async fn next_event(&mut self) -> SeatEvent;

    /// Leaves the room, and returns when the server has confirmed it.
    ///
    /// # Errors
    /// See [`TargetError`].
    async fn leave(&mut self) -> Result<(), TargetError>;
}

impl TargetError {
    /// A short text to count by, the same for every participant that fails in this way.
    #[must_use]
    pub fn reason(&self) -> String {
        self.to_string()
    }
}

/// The target that a plan names.
///
/// # Errors
/// When the server's address is not one of this kind of server.
pub fn connect(plan: &Plan) -> anyhow::Result<Arc<dyn Target>> {
    match plan.target {
        crate::plan::TargetKind::Parlor => Ok(Arc::new(parlor::Parlor::new(plan)?)),
        crate::plan::TargetKind::Janus => Ok(Arc::new(janus::Janus::new(&plan.server)?)),
    }
}
