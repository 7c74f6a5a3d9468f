//! Data channels: `chat` goes to the control plane, which gives messages their order; labels that Parlor does not know
//! are accepted and ignored.

use super::Room;
use crate::command::{Channel, Event};
use crate::context::Context;
use crate::participant::ChatChannel;
use crate::transport::TransportEvent;

impl Room {
    /// Takes what happened on a participant's data channels.
    pub(crate) fn handle_channel_event(&mut self, context: &mut Context<'_>, index: usize, event: TransportEvent) {
        let Some(participant) = self.participants.get_mut(index) else { return };
        let id = participant.id;
        match event {
            TransportEvent::ChannelOpened { id: stream, label } => {
                if let Some(channel) = Channel::from_label(&label) {
                    let opening = participant.chat.opening + 1;
                    participant.chat = ChatChannel { stream: Some(stream), opening, refuses: false };
                    context.emit(Event::ChannelOpened { participant: id, channel, opening });
                }
            }
            TransportEvent::ChannelClosed { id: stream } if participant.chat.stream == Some(stream) => {
                participant.chat.stream = None;
                context.emit(Event::ChannelClosed { participant: id, channel: Channel::Chat });
            }
            TransportEvent::Message { id: stream, data, .. } if participant.chat.stream == Some(stream) => {
                context.core.stats.data_in.add(data.len());
                context.emit(Event::Data { participant: id, channel: Channel::Chat, text: data });
            }
            _ => {}
        }
    }
}
