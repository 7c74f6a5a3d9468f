//! A participant's session on the WebSocket.

use super::socket::Socket;
use crate::target::{Line, OfferedTrack, Seat, SeatEvent, Source, TargetError};
use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt};
use parlor_signaling::protocol::client::{
    Answer, AnswerDescription, AnswerType, JoinRoom, LeaveRoom, Offer, OfferDescription, OfferType,
    OfferedTrack as Track,
};
use parlor_signaling::protocol::{ClientFrame, ClientMessage, RoomCode, SecretText, ServerMessage, track};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::VecDeque;
use tokio_tungstenite::tungstenite::Message;

/// The messages that a client of the tester acts upon. Others, such as who else comes and goes, are not even parsed: in
/// a room of a thousand there are a million of them.
const HEEDED: [&str; 9] = [
    "hello",
    "room-joined",
    "lobby-waiting",
    "answer-received",
    "offer-received",
    "publish-refused",
    "subscription-failed",
    "room-left",
    "error",
];

/// See the module's text.
pub(super) struct ParlorSeat {
    socket: Socket,
    room: RoomCode,
    requests: u64,
    /// What happened while a reply was awaited.
    kept: VecDeque<SeatEvent>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

impl ParlorSeat {
    /// Enters a room by a new socket.
    pub(super) async fn join(
        socket: Socket,
        room: RoomCode,
        name: &str,
        token: Option<String>,
    ) -> Result<Self, TargetError> {
        let mut seat = Self { socket, room: room.clone(), requests: 0, kept: VecDeque::new() };
        match seat.next_message().await? {
            ServerMessage::Hello { .. } => {}
            _ => return Err(TargetError::Unexpected("the first message is no hello".to_owned())),
        }
        let join = JoinRoom {
            room_id: room,
            display_name: Some(name.to_owned()),
            follows_bindings: true,
            auto_subscribe: true,
            token: token.map(SecretText::new),
            host_secret: None,
            invite: None,
            password: None,
            guest_key: None,
        };
        seat.request(ClientMessage::JoinRoom(join), |message| match message {
            ServerMessage::RoomJoined(_) => Some(Ok(())),
            ServerMessage::LobbyWaiting { .. } => Some(Err(TargetError::Refused("the room has a lobby".to_owned()))),
            _ => None,
        })
        .await?;
        Ok(seat)
    }

    async fn send(&mut self, message: ClientMessage, id: Option<String>) -> Result<(), TargetError> {
        let text = serde_json::to_string(&ClientFrame { id, message });
        let text = text.map_err(|error| TargetError::Unexpected(error.to_string()))?;
        self.socket.send(Message::text(text)).await.map_err(|error| TargetError::Unreachable(lost(&error)))
    }

    /// Sends a request and waits for its reply, which `take` knows.
    async fn request<T>(
        &mut self,
        message: ClientMessage,
        mut take: impl FnMut(ServerMessage) -> Option<Result<T, TargetError>>,
    ) -> Result<T, TargetError> {
        self.requests += 1;
        let request = self.requests.to_string();
        self.send(message, Some(request.clone())).await?;
        loop {
            let message = self.next_message().await?;
            if let ServerMessage::Error { code, id, .. } = &message
                && id.as_deref().is_none_or(|id| id == request)
            {
                return Err(TargetError::Refused(code.as_str().to_owned()));
            }
            if let Some(event) = event(&message) {
                self.kept.push_back(event);
            } else if let Some(reply) = take(message) {
                return reply;
            }
        }
    }

    /// The next message that is heeded. Loses nothing when it is cancelled.
    async fn next_message(&mut self) -> Result<ServerMessage, TargetError> {
        loop {
            let text = match self.socket.next().await {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map_or(0, |frame| u16::from(frame.code));
                    return Err(TargetError::Unreachable(format!("the socket was closed ({code})")));
                }
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(TargetError::Unreachable(lost(&error))),
                None => return Err(TargetError::Unreachable("the socket ended".to_owned())),
            };
            let nonsense = |_| TargetError::Unexpected("a message that cannot be read".to_owned());
            let envelope: Envelope<'_> = serde_json::from_str(&text).map_err(nonsense)?;
            if HEEDED.contains(&envelope.kind.as_ref()) {
                return serde_json::from_str(&text).map_err(|error| {
                    tracing::debug!(%error, kind = %envelope.kind, "a message of the server's was not read");
                    TargetError::Unexpected(format!("{}: not as the protocol says", envelope.kind))
                });
            }
        }
    }
}

/// What a message means for who sits here, if it is no reply.
fn event(message: &ServerMessage) -> Option<SeatEvent> {
    let removed = |reason: String| Some(SeatEvent::Removed { reason });
    match message {
        ServerMessage::OfferReceived { offer, negotiation_id, .. } => Some(SeatEvent::Offered {
            line: Line::Publish,
            negotiation: u64::from(*negotiation_id),
            sdp: offer.sdp.clone(),
        }),
        ServerMessage::PublishRefused { .. } => removed("publish-refused".to_owned()),
        ServerMessage::SubscriptionFailed { .. } => removed("subscription-failed".to_owned()),
        _ => None,
    }
}

fn lost(error: &tokio_tungstenite::tungstenite::Error) -> String {
    match error {
        tokio_tungstenite::tungstenite::Error::Io(error) => error.kind().to_string(),
        other => other.to_string(),
    }
}

#[async_trait]
impl Seat for ParlorSeat {
    async fn publish(&mut self, offer: String, tracks: Vec<OfferedTrack>) -> Result<String, TargetError> {
        let offered = |track: OfferedTrack| Track {
            mid: track.mid,
            source: match track.source {
                Source::Camera => track::Source::Camera,
                Source::Microphone => track::Source::Microphone,
            },
            muted: false,
        };
        let offer = Offer {
            room_id: self.room.clone(),
            offer: OfferDescription { kind: OfferType::Offer, sdp: offer },
            tracks: tracks.into_iter().map(offered).collect(),
        };
        self.request(ClientMessage::Offer(offer), |message| match message {
            ServerMessage::AnswerReceived { answer, .. } => Some(Ok(answer.sdp)),
            ServerMessage::RoomLeft { reason, .. } => Some(Err(TargetError::Refused(reason.as_str().to_owned()))),
            _ => None,
        })
        .await
    }

    /// Everything is subscribed to since the join.
    async fn subscribe(&mut self) -> Result<(), TargetError> {
        Ok(())
    }

    async fn answer(&mut self, _line: Line, negotiation: u64, sdp: String) -> Result<(), TargetError> {
        let answer = Answer {
            room_id: self.room.clone(),
            answer: AnswerDescription { kind: AnswerType::Answer, sdp },
            negotiation_id: negotiation.try_into().ok(),
        };
        // Only a refusal has a reply, and comes as an event.
        self.send(ClientMessage::Answer(answer), None).await
    }

    async fn next_event(&mut self) -> SeatEvent {
        if let Some(event) = self.kept.pop_front() {
            return event;
        }
        loop {
            match self.next_message().await {
                Ok(ServerMessage::RoomLeft { reason, .. }) => {
                    return SeatEvent::Removed { reason: reason.as_str().to_owned() };
                }
                Ok(ServerMessage::Error { code, .. }) => {
                    return SeatEvent::Removed { reason: format!("refused: {}", code.as_str()) };
                }
                Ok(message) => {
                    if let Some(event) = event(&message) {
                        return event;
                    }
                }
                Err(error) => return SeatEvent::Removed { reason: error.reason() },
            }
        }
    }

    async fn leave(&mut self) -> Result<(), TargetError> {
        let leave = LeaveRoom { room_id: self.room.clone() };
        let left = self.request(ClientMessage::LeaveRoom(leave), |message| match message {
            ServerMessage::RoomLeft { .. } => Some(Ok(())),
            _ => None,
        });
        left.await?;
        // The server answers the close; nothing of interest follows.
        let _ = self.socket.close(None).await;
        Ok(())
    }
}
