//! What a run is to do: plain data, which the command line and a TOML file are read into.
//!
//! Two runs of one plan do the same: who sends what and when somebody comes or goes follows from the seed.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a newcomer needs until it is sent nothing but what has just been sent: a server may repeat what was before its coming, so that it
/// need not wait for a key frame, and finds out what its path carries. The steady part begins so much after the last join, and latency
/// counts from so much after a track's first packet.
pub const SETTLING: Duration = Duration::from_secs(3);

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    /// The server: `http://` or `https://` for Parlor, `ws://` or `wss://` for Janus.
    pub server: String,
    /// What kind of server it is.
    pub target: TargetKind,
    /// Take a certificate that nobody vouches for.
    pub insecure: bool,
    /// For servers with keys: a credential that may create rooms and sign tokens (`Authorization: Bearer`).
    pub credential: Option<String>,
    /// A room that is there already, which everybody joins and which stays. Without it rooms are made for the run, and ended after it.
    pub room: Option<String>,
    /// How long the run takes once everybody has joined and settled, in seconds.
    pub duration_seconds: f64,
    /// How many participants join in a second.
    pub joins_per_second: f64,
    /// How long a participant may take to join, connect and get what it waits for, in seconds.
    pub join_timeout_seconds: f64,
    /// What everything that looks random is drawn from.
    pub seed: u64,
    /// Threads that send and receive, each with its share of the clients. One drives a thousand light clients.
    pub threads: usize,
    /// How many of the receivers decrypt and check everything. They are spread evenly over the scenarios' receivers.
    pub witnesses: usize,
    /// Of how many packets that light receivers get one is looked at closely (jitter); 1 is all.
    pub sample_every: u32,
    /// What happens, all at once.
    pub scenarios: Vec<Scenario>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            server: TargetKind::Parlor.default_server().to_owned(),
            target: TargetKind::Parlor,
            insecure: false,
            credential: None,
            room: None,
            duration_seconds: 30.0,
            joins_per_second: 50.0,
            join_timeout_seconds: 15.0,
            seed: 1,
            threads: 1,
            witnesses: 2,
            sample_every: 16,
            scenarios: Vec::new(),
        }
    }
}

/// The kinds of servers that can be put under load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    /// Parlor, by `/ws`.
    #[default]
    Parlor,
    /// Janus with its VideoRoom plugin, by its WebSocket API.
    Janus,
}

impl TargetKind {
    /// As it is written in a plan.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Parlor => "parlor",
            Self::Janus => "janus",
        }
    }

    /// Where such a server listens by default.
    #[must_use]
    pub fn default_server(self) -> &'static str {
        match self {
            Self::Parlor => "http://localhost:8080",
            Self::Janus => "ws://localhost:8188",
        }
    }
}

/// What happens in some rooms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Scenario {
    /// One room in which everybody sends to everybody.
    Meeting {
        /// How many there are.
        participants: usize,
        /// What each sends.
        #[serde(default)]
        media: Media,
    },
    /// One room in which few send and many watch.
    Livestream {
        /// Who send.
        #[serde(default = "one")]
        publishers: usize,
        /// Who watch.
        viewers: usize,
        /// What each publisher sends.
        #[serde(default)]
        media: Media,
    },
    /// One room in which few speak, without pictures, and many listen.
    Audio {
        /// Who speak, all the time.
        speakers: usize,
        /// Who listen.
        listeners: usize,
        /// What a speaker sends.
        #[serde(default)]
        audio: Audio,
    },
    /// Rooms in which publishers stay, while others come to watch and go again. Coming and going go on for the whole
    /// duration of the run.
    Churn {
        /// How many rooms.
        #[serde(default = "one")]
        rooms: usize,
        /// How many publishers stay in each.
        #[serde(default = "one")]
        publishers: usize,
        /// How many come in a second, in all rooms together.
        joins_per_second: f64,
        /// How long one stays on average, in seconds; each between half and one and a half of it.
        stay_seconds: f64,
        /// What each publisher sends.
        #[serde(default)]
        media: Media,
    },
    /// Many small meetings.
    Rooms {
        /// How many.
        rooms: usize,
        /// How many participants each has.
        participants: usize,
        /// What each participant sends.
        #[serde(default)]
        media: Media,
    },
}

fn one() -> usize {
    1
}

/// Those of a scenario who stay.
pub(crate) struct Cast {
    /// How many rooms there are, all alike.
    pub(crate) rooms: usize,
    /// Who send, in each.
    pub(crate) publishers: usize,
    /// Who only receive, in each.
    pub(crate) viewers: usize,
    /// What each publisher sends.
    pub(crate) media: Media,
}

/// What a participant sends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    /// The camera.
    pub video: Option<Video>,
    /// The microphone.
    pub audio: Option<Audio>,
}

impl Default for Media {
    fn default() -> Self {
        Self { video: Some(Video::default()), audio: Some(Audio::default()) }
    }
}

/// A camera: VP8.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Video {
    /// Bits per second of RTP payload, of the highest layer; each lower layer has a quarter of the one above.
    pub bitrate_bps: u64,
    /// Frames per second, of every layer.
    pub fps: u32,
    /// The most bytes of RTP payload in a packet (80 to 1200).
    pub payload_bytes: usize,
    /// Simulcast layers: 1 is none, 2 are `h` and `f`, 3 are `q`, `h` and `f`.
    pub layers: usize,
}

impl Default for Video {
    fn default() -> Self {
        Self { bitrate_bps: 1_500_000, fps: 30, payload_bytes: 1_100, layers: 1 }
    }
}

/// A microphone: Opus.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audio {
    /// Bits per second of RTP payload.
    pub bitrate_bps: u64,
    /// What one packet holds, in milliseconds (10, 20, 40 or 60).
    pub packet_ms: u32,
}

impl Default for Audio {
    fn default() -> Self {
        Self { bitrate_bps: 32_000, packet_ms: 20 }
    }
}

impl Plan {
    /// The steady part of the run.
    #[must_use]
    pub fn duration(&self) -> Duration {
        seconds(self.duration_seconds)
    }

    /// See [`Self::join_timeout_seconds`].
    #[must_use]
    pub fn join_timeout(&self) -> Duration {
        seconds(self.join_timeout_seconds)
    }

    /// What is wrong with it, as a sentence that names the field; nothing when it can be run.
    ///
    /// # Errors
    /// When a number is out of its range or there is nothing to do.
    pub fn check(&self) -> Result<(), String> {
        range("duration_seconds", self.duration_seconds, 0.1, 7.0 * 86_400.0)?;
        range("joins_per_second", self.joins_per_second, 0.1, 10_000.0)?;
        range("join_timeout_seconds", self.join_timeout_seconds, 0.1, 600.0)?;
        range("threads", self.threads as f64, 1.0, 256.0)?;
        range("sample_every", f64::from(self.sample_every), 1.0, 1e9)?;
        if self.scenarios.is_empty() {
            return Err("`scenarios` is empty: there is nothing to do".to_owned());
        }
        self.scenarios.iter().try_for_each(Scenario::check)?;
        let rooms: usize = self.scenarios.iter().map(|scenario| scenario.cast().rooms).sum();
        if self.room.is_some() && rooms != 1 {
            return Err(format!("`room` is for a run in one room, and this takes {rooms}"));
        }
        Ok(())
    }
}

impl Scenario {
    /// The name of its kind.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Meeting { .. } => "meeting",
            Self::Livestream { .. } => "livestream",
            Self::Audio { .. } => "audio",
            Self::Churn { .. } => "churn",
            Self::Rooms { .. } => "rooms",
        }
    }

    /// Who is there from the beginning to the end.
    pub(crate) fn cast(&self) -> Cast {
        let (rooms, publishers, viewers, media) = match *self {
            Self::Meeting { participants, media } => (1, participants, 0, media),
            Self::Livestream { publishers, viewers, media } => (1, publishers, viewers, media),
            Self::Audio { speakers, listeners, audio } => {
                (1, speakers, listeners, Media { video: None, audio: Some(audio) })
            }
            Self::Churn { rooms, publishers, media, .. } => (rooms, publishers, 0, media),
            Self::Rooms { rooms, participants, media } => (rooms, participants, 0, media),
        };
        Cast { rooms, publishers, viewers, media }
    }

    fn check(&self) -> Result<(), String> {
        let people = |name: &str, count: usize| range(name, count as f64, 1.0, 100_000.0);
        match self {
            Self::Meeting { participants, media } => {
                people("participants", *participants)?;
                media.check()
            }
            Self::Livestream { publishers, viewers, media } => {
                people("publishers", *publishers)?;
                people("viewers", *viewers)?;
                media.check()
            }
            Self::Audio { speakers, listeners, audio } => {
                people("speakers", *speakers)?;
                range("listeners", *listeners as f64, 0.0, 100_000.0)?;
                audio.check()
            }
            Self::Churn { rooms, publishers, joins_per_second, stay_seconds, media } => {
                people("rooms", *rooms)?;
                people("publishers", *publishers)?;
                range("joins_per_second", *joins_per_second, 0.01, 10_000.0)?;
                range("stay_seconds", *stay_seconds, 0.1, 86_400.0)?;
                media.check()
            }
            Self::Rooms { rooms, participants, media } => {
                people("rooms", *rooms)?;
                people("participants", *participants)?;
                media.check()
            }
        }
    }
}

impl Media {
    fn check(&self) -> Result<(), String> {
        if self.video.is_none() && self.audio.is_none() {
            return Err("`media` has neither `video` nor `audio`".to_owned());
        }
        self.audio.as_ref().map_or(Ok(()), Audio::check)?;
        self.video.as_ref().map_or(Ok(()), Video::check)
    }
}

impl Video {
    fn check(&self) -> Result<(), String> {
        range("bitrate_bps", self.bitrate_bps as f64, 1_000.0, 100e6)?;
        range("fps", f64::from(self.fps), 1.0, 120.0)?;
        range("payload_bytes", self.payload_bytes as f64, 80.0, 1_200.0)?;
        range("layers", self.layers as f64, 1.0, 3.0)
    }
}

impl Audio {
    fn check(&self) -> Result<(), String> {
        range("bitrate_bps", self.bitrate_bps as f64, 6_000.0, 510_000.0)?;
        match self.packet_ms {
            10 | 20 | 40 | 60 => Ok(()),
            other => Err(format!("`packet_ms` is {other}, allowed are 10, 20, 40 and 60")),
        }
    }
}

fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
}

fn range(name: &str, value: f64, least: f64, most: f64) -> Result<(), String> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(format!("`{name}` is {value}, allowed is {least} to {most}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_reads_what_it_writes_and_fills_in_the_rest() {
        let text = r#"
            server = "https://example.org"
            [[scenarios]]
            kind = "livestream"
            viewers = 100
            [scenarios.media]
            video = { bitrate_bps = 2_300_000 }
        "#;
        let plan: Plan = toml::from_str(text).unwrap();
        assert_eq!(plan.check(), Ok(()));
        let Some(Scenario::Livestream { publishers: 1, viewers: 100, media }) = plan.scenarios.first() else {
            panic!("{plan:?}");
        };
        assert_eq!(media.video.unwrap().bitrate_bps, 2_300_000);
        assert_eq!(toml::from_str::<Plan>(&toml::to_string(&plan).unwrap()).unwrap(), plan);
    }

    #[test]
    fn what_cannot_be_done_is_named() {
        let mut plan = Plan::default();
        assert!(plan.check().unwrap_err().contains("scenarios"));
        let video = Video { layers: 4, ..Video::default() };
        let media = Media { video: Some(video), audio: None };
        plan.scenarios.push(Scenario::Meeting { participants: 2, media });
        assert_eq!(plan.check().unwrap_err(), "`layers` is 4, allowed is 1 to 3");
    }
}
