//! A participant of a VideoRoom.
//!
//! Subscriptions grow by one request at a time: the next one leaves only when the offer that answered the one before is answered, as
//! two of them would be answered with one offer or with two, and nobody could tell.

use super::api::{ApiError, Description, Event, Session};
use super::room;
use crate::target::{Line, OfferedTrack, Seat, SeatEvent, TargetError};
use async_trait::async_trait;
use serde_json::json;
use std::collections::VecDeque;

/// Publishers of a room that are known and not subscribed to yet. More than Janus carries in one room by far.
const MAX_FEEDS: usize = 4096;

/// See the module's text.
pub(super) struct JanusSeat {
    session: Session,
    room: u64,
    publisher: u64,
    private_id: u64,
    subscriber: Option<Subscriber>,
    /// Feeds that wait for a request.
    wanted: VecDeque<u64>,
    negotiations: u64,
}

/// The handle on [`Line::Subscribe`].
struct Subscriber {
    handle: u64,
    /// A request for the first feeds has been made; those that follow add to it.
    has_joined: bool,
    /// A request is under way, or its offer is not answered yet.
    is_negotiating: bool,
}

impl JanusSeat {
    /// Enters the room.
    pub(super) async fn join(url: &str, room: u64, name: &str) -> Result<Self, TargetError> {
        let mut session = Session::create(url).await?;
        let publisher = session.attach().await?;
        let joined = session.message(publisher, room::join(room, name), None).await?;
        let private_id = joined.data["private_id"].as_u64();
        let private_id = private_id
            .ok_or_else(|| TargetError::Unexpected("Janus's answer to \"join\" has no private_id".to_owned()))?;
        let wanted = room::publishers(&joined.data).take(MAX_FEEDS).collect();
        Ok(Self { session, room, publisher, private_id, subscriber: None, wanted, negotiations: 0 })
    }

    /// Asks for what is wanted, unless a request is under way.
    fn subscribe_to_wanted(&mut self) -> Result<(), ApiError> {
        let Some(subscriber) = self.subscriber.as_mut().filter(|subscriber| !subscriber.is_negotiating) else {
            return Ok(());
        };
        // What is known already may tell of more: one negotiation for all.
        if self.wanted.is_empty() || self.session.has_events() {
            return Ok(());
        }
        let feeds: Vec<u64> = self.wanted.drain(..).collect();
        let request = if subscriber.has_joined {
            room::subscribe(&feeds)
        } else {
            room::join_as_subscriber(self.room, self.private_id, &feeds)
        };
        subscriber.has_joined = true;
        subscriber.is_negotiating = true;
        self.session.post(subscriber.handle, request)
    }

    /// What an event of Janus means here; `None` when it is nothing that the client has to know.
    fn handle(&mut self, event: Event) -> Option<SeatEvent> {
        if let Some(reason) = event.hangup() {
            return Some(SeatEvent::Removed { reason: format!("Janus hung up: {reason}") });
        }
        if let Some(reason) = room::removal(&event.data) {
            return Some(SeatEvent::Removed { reason: reason.to_owned() });
        }
        let fresh = room::publishers(&event.data).take(MAX_FEEDS.saturating_sub(self.wanted.len()));
        self.wanted.extend(fresh);
        let subscriber = self.subscriber.as_mut().filter(|subscriber| subscriber.handle == event.handle)?;
        if let Some(sdp) = event.sdp {
            subscriber.is_negotiating = true;
            self.negotiations += 1;
            return Some(SeatEvent::Offered { line: Line::Subscribe, negotiation: self.negotiations, sdp });
        }
        match event.refusal() {
            // Feeds that have gone meanwhile. Where they were the first, there is no subscriber yet.
            Some((NO_SUCH_FEED, _)) => {
                subscriber.is_negotiating = false;
                subscriber.has_joined &= self.negotiations > 0;
                None
            }
            Some((_, reason)) => Some(SeatEvent::Removed { reason: format!("Janus refused subscriptions: {reason}") }),
            None => {
                if room::needs_no_negotiation(&event.data) {
                    subscriber.is_negotiating = false;
                }
                None
            }
        }
    }
}

/// `JANUS_VIDEOROOM_ERROR_NO_SUCH_FEED`
const NO_SUCH_FEED: i64 = 428;

#[async_trait]
impl Seat for JanusSeat {
    async fn publish(&mut self, offer: String, _tracks: Vec<OfferedTrack>) -> Result<String, TargetError> {
        let body = json!({ "request": "publish" });
        let answer = self.session.message(self.publisher, body, Some(Description::Offer(&offer))).await?;
        answer.sdp.ok_or_else(|| TargetError::Unexpected("Janus's answer to \"publish\" has no SDP".to_owned()))
    }

    async fn subscribe(&mut self) -> Result<(), TargetError> {
        let handle = self.session.attach().await?;
        self.subscriber = Some(Subscriber { handle, has_joined: false, is_negotiating: false });
        Ok(self.subscribe_to_wanted()?)
    }

    async fn answer(&mut self, line: Line, _negotiation: u64, sdp: String) -> Result<(), TargetError> {
        let Some(subscriber) = self.subscriber.as_mut().filter(|_| line == Line::Subscribe) else {
            return Err(TargetError::Unexpected("Janus offers on the subscriber's connection only".to_owned()));
        };
        let handle = subscriber.handle;
        self.session.message(handle, json!({ "request": "start" }), Some(Description::Answer(&sdp))).await?;
        subscriber.is_negotiating = false;
        Ok(())
    }

    async fn next_event(&mut self) -> SeatEvent {
        loop {
            // Nothing is awaited between an event and what follows from it.
            let step = match self.subscribe_to_wanted() {
                Ok(()) => self.session.next_event().await,
                Err(error) => Err(error),
            };
            match step {
                Ok(event) => {
                    if let Some(event) = self.handle(event) {
                        return event;
                    }
                }
                Err(error) => return SeatEvent::Removed { reason: error.to_string() },
            }
        }
    }

    async fn leave(&mut self) -> Result<(), TargetError> {
        self.session.message(self.publisher, json!({ "request": "leave" }), None).await?;
        Ok(self.session.destroy().await?)
    }
}
