//! The scenarios as subcommands, each with its own counts and what is sent.

use super::Scenario;
use super::values::{bitrate, number, seconds, whole};
use crate::plan::{Audio, Media, Video};
use clap::{Args, Subcommand};
use std::path::PathBuf;

const PEOPLE: u64 = 100_000;

#[derive(Debug, Subcommand)]
pub(super) enum Load {
    #[command(flatten)]
    Flags(Flags),
    /// What a file describes, which may be several scenarios at once
    Run {
        /// A plan in TOML: docs/loadtest.md explains its keys
        file: PathBuf,
    },
}

/// Scenarios that are described by flags.
#[derive(Debug, Subcommand)]
pub(super) enum Flags {
    /// One room in which everybody sends to everybody
    Meeting {
        /// How many there are
        #[arg(long, value_name = "COUNT", value_parser = whole::<usize>(1, PEOPLE))]
        participants: usize,
        #[command(flatten)]
        media: MediaArgs,
    },
    /// One room in which few send and many watch
    Livestream {
        /// Who watch
        #[arg(long, value_name = "COUNT", value_parser = whole::<usize>(1, PEOPLE))]
        viewers: usize,
        /// Who send
        #[arg(long, value_name = "COUNT", default_value = "1", value_parser = whole::<usize>(1, PEOPLE))]
        publishers: usize,
        #[command(flatten)]
        media: MediaArgs,
    },
    /// One room in which few speak, without pictures, and many listen
    Audio {
        /// Who speak, all the time
        #[arg(long, value_name = "COUNT", default_value = "1", value_parser = whole::<usize>(1, PEOPLE))]
        speakers: usize,
        /// Who listen
        #[arg(long, value_name = "COUNT", value_parser = whole::<usize>(0, PEOPLE))]
        listeners: usize,
        #[command(flatten)]
        audio: AudioArgs,
    },
    /// Rooms in which publishers stay while others come to watch and go again
    Churn {
        /// How many rooms
        #[arg(long, value_name = "COUNT", default_value = "1", value_parser = whole::<usize>(1, PEOPLE))]
        rooms: usize,
        /// Who send, in each room
        #[arg(long, value_name = "COUNT", default_value = "1", value_parser = whole::<usize>(1, PEOPLE))]
        publishers: usize,
        /// How many come in a second, in all rooms together
        #[arg(long, value_name = "JOINS", value_parser = number(0.01, 10_000.0))]
        rate: f64,
        /// How long one stays, on average
        #[arg(long, value_name = "TIME", default_value = "10s", value_parser = seconds(0.1, 86_400.0))]
        stay: f64,
        #[command(flatten)]
        media: MediaArgs,
    },
    /// Many small meetings
    Rooms {
        /// How many
        #[arg(long, value_name = "COUNT", value_parser = whole::<usize>(1, PEOPLE))]
        rooms: usize,
        /// How many are in each
        #[arg(long, value_name = "COUNT", default_value = "4", value_parser = whole::<usize>(1, PEOPLE))]
        participants: usize,
        #[command(flatten)]
        media: MediaArgs,
    },
}

/// What a participant sends.
#[derive(Args, Debug)]
#[command(next_help_heading = "Media")]
pub(super) struct MediaArgs {
    /// No pictures
    #[arg(long, conflicts_with_all = ["video_bitrate", "fps", "payload_bytes", "layers"])]
    no_video: bool,
    /// Bits per second of a camera, of its highest layer; each lower layer has a quarter of the one above
    #[arg(long, value_name = "BITRATE", default_value = "1.5M", value_parser = bitrate(1_000, 100_000_000))]
    video_bitrate: u64,
    /// Frames per second
    #[arg(long, value_name = "COUNT", default_value = "30", value_parser = whole::<u32>(1, 120))]
    fps: u32,
    /// The most bytes of payload in a video packet
    #[arg(long, value_name = "BYTES", default_value = "1100", value_parser = whole::<usize>(80, 1_200))]
    payload_bytes: usize,
    /// Simulcast layers: 1 is none
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = whole::<usize>(1, 3))]
    layers: usize,
    /// No sound
    #[arg(long, conflicts_with_all = ["no_video", "audio_bitrate", "packet_ms"])]
    no_audio: bool,
    #[command(flatten)]
    audio: AudioArgs,
}

/// What a microphone sends.
#[derive(Args, Debug)]
#[command(next_help_heading = "Media")]
pub(super) struct AudioArgs {
    /// Bits per second of a microphone
    #[arg(long, value_name = "BITRATE", default_value = "32k", value_parser = bitrate(6_000, 510_000))]
    audio_bitrate: u64,
    /// What an audio packet holds, in milliseconds
    #[arg(long, value_name = "MS", default_value = "20", value_parser = ["10", "20", "40", "60"])]
    packet_ms: String,
}

impl Flags {
    /// The scenario that they describe.
    pub(super) fn scenario(self) -> Scenario {
        match self {
            Self::Meeting { participants, media } => Scenario::Meeting { participants, media: media.media() },
            Self::Livestream { viewers, publishers, media } => {
                Scenario::Livestream { publishers, viewers, media: media.media() }
            }
            Self::Audio { speakers, listeners, audio } => Scenario::Audio { speakers, listeners, audio: audio.audio() },
            Self::Churn { rooms, publishers, rate, stay, media } => {
                Scenario::Churn { rooms, publishers, joins_per_second: rate, stay_seconds: stay, media: media.media() }
            }
            Self::Rooms { rooms, participants, media } => Scenario::Rooms { rooms, participants, media: media.media() },
        }
    }
}

impl MediaArgs {
    fn media(&self) -> Media {
        let Self { video_bitrate, fps, payload_bytes, layers, .. } = *self;
        let video = Video { bitrate_bps: video_bitrate, fps, payload_bytes, layers };
        Media { video: (!self.no_video).then_some(video), audio: (!self.no_audio).then(|| self.audio.audio()) }
    }
}

impl AudioArgs {
    fn audio(&self) -> Audio {
        let packet_ms = self.packet_ms.parse().unwrap_or(Audio::default().packet_ms);
        Audio { bitrate_bps: self.audio_bitrate, packet_ms }
    }
}
