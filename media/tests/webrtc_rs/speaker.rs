//! A client that publishes a camera and a microphone.

use crate::client::Sender;
use crate::house::House;
use bytes::Bytes;
use std::time::Duration;

/// Between two frames, and two pieces of audio.
const FRAME: Duration = Duration::from_millis(20);

/// A VP8 frame in one packet: a payload descriptor with a 15-bit picture id (RFC 7741 section 4.2), and a frame header
/// whose lowest bit says that it is no key frame.
pub(crate) fn vp8(picture: u16, key: bool) -> Bytes {
    let mut payload = vec![0x90, 0x80, 0x80 | (picture >> 8) as u8, picture as u8, u8::from(!key)];
    payload.resize(400, picture as u8);
    payload.into()
}

/// What stands for Opus: nobody looks inside.
pub(crate) fn opus(number: u16) -> Bytes {
    vec![number as u8; 80].into()
}

/// See the module's text.
pub(crate) struct Speaker {
    /// The client's number in the house.
    pub(crate) number: usize,
    video: Sender,
    audio: Sender,
    sent: u16,
}

impl Speaker {
    /// Joins with media from `ssrc` on.
    pub(crate) fn join(house: &mut House, ssrc: u32) -> Self {
        let mut client = house.new_client();
        let (audio, video) = (client.add_audio(ssrc), client.add_video(ssrc + 1));
        Self { number: house.join(client), video, audio, sent: 0 }
    }

    /// Adds media to a client that has joined; the next offer publishes it.
    pub(crate) fn publish(house: &mut House, number: usize, ssrc: u32) -> Self {
        let client = &mut house.clients[number];
        let (audio, video) = (client.add_audio(ssrc), client.add_video(ssrc + 1));
        Self { number, video, audio, sent: 0 }
    }

    /// Sends a frame and a piece of audio. The first frame is a key frame, and each one that the server asks for.
    pub(crate) fn send(&mut self, house: &mut House) {
        let (n, now) = (self.sent, house.now);
        let client = &mut house.clients[self.number];
        let key = n == 0 || std::mem::take(&mut client.keyframes_wanted) > 0;
        // Both sequences roll over on the way.
        client.send(now, self.video, 65_500u16.wrapping_add(n), 1_800 * u32::from(n), vp8(n, key));
        client.send(now, self.audio, 65_510u16.wrapping_add(n), 960 * u32::from(n), opus(n));
        self.sent += 1;
    }

    /// Does so `count` times, in real pace.
    pub(crate) fn speak(&mut self, house: &mut House, count: usize) {
        for _ in 0..count {
            self.send(house);
            house.run_for(FRAME);
        }
    }
}
