//! What comes on the data channel `chat`.

use super::rate_limited;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::{ClientFrame, ClientMessage, RoomCode};
use crate::rate::Verdict;
use crate::session::Place;
use crate::stats::Carrier;
use crate::switchboard::Switchboard;
use bytes::Bytes;
use std::sync::Arc;
use tokio::time::Instant;

impl Switchboard {
    /// Handles a message of the data channel; what is refused is told on the socket.
    pub(crate) fn handle_data(&self, place: &Place, text: &Bytes) {
        let session = {
            let mut state = place.room.lock();
            let Some(member) = state.member(place.participant) else { return };
            Arc::clone(&member.session)
        };
        let verdict = session.judge(Instant::now());
        if verdict != Verdict::Pass {
            self.counters.messages_dropped.count(Carrier::DataChannel);
        }
        let refusal = match verdict {
            Verdict::Pass => self.handle_chat_frame(place, text).err(),
            Verdict::DropAndWarn => Some(rate_limited(self.settings.messages)),
            Verdict::Drop | Verdict::Close => None,
        };
        if let Some(refusal) = refusal {
            self.refuse(&session, refusal);
        }
    }

    fn handle_chat_frame(&self, place: &Place, text: &Bytes) -> Result<(), Refusal> {
        let frame = self.parse_chat_frame(text);
        self.counters.count_received(Carrier::DataChannel, &frame);
        let ClientFrame { id, message } = frame?;
        let in_room = |room: &RoomCode| {
            if place.room.code == *room { Ok(()) } else { Err(Refusal::wrong_room(room, &place.room.code)) }
        };
        let result = match message {
            ClientMessage::SendMessage(message) if message.file_id.is_some() => {
                // The file would have to be waited for, and with it everything else of the shard.
                let message = "a message with a file is not taken on the data channel: send it on the socket";
                Err(Refusal::new(ErrorCode::NotAllowedHere, message).with_field("fileId"))
            }
            ClientMessage::SendMessage(message) => {
                in_room(&message.room_id).and_then(|()| self.say(place, message, None))
            }
            ClientMessage::Typing(typing) => in_room(&typing.room_id).and_then(|()| self.typing(place, typing.typing)),
            ClientMessage::ChatReceived(received) => self.chat_received(place, received.count),
            other => {
                let name = other.message_type().as_str();
                let message =
                    format!("`{name}` is not taken on the data channel: send-message, typing and chat-received are");
                Err(Refusal::new(ErrorCode::NotAllowedHere, message).with_field("type"))
            }
        };
        result.map_err(|refusal| refusal.with_id(id))
    }

    fn parse_chat_frame(&self, text: &Bytes) -> Result<ClientFrame, Refusal> {
        if text.len() > self.settings.max_frame_bytes {
            let message = format!("at most {} bytes are allowed", self.settings.max_frame_bytes);
            return Err(Refusal::new(ErrorCode::FrameTooLarge, message));
        }
        let text = std::str::from_utf8(text)
            .map_err(|error| Refusal::new(ErrorCode::BadFrame, format!("the message is not UTF-8: {error}")))?;
        ClientFrame::parse(text)
    }

    fn chat_received(&self, place: &Place, count: u64) -> Result<(), Refusal> {
        let mut state = place.room.lock();
        let member = state.member(place.participant).ok_or_else(Refusal::not_joined)?;
        if member.chat.line.acknowledge(count) {
            return Ok(());
        }
        Err(Refusal::field("count", format!("`count` is {count}, more than were sent since the channel opened")))
    }
}
