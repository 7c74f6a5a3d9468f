//! What is published and received, counted now and then instead of followed: codecs show with the first packet, and an encoding
//! that is forwarded falls silent without a word.

use crate::command::MediaKind;
use crate::formats::Codec;
use crate::quality::Level;
use crate::subscription::MAX_ENCODINGS;

/// Kind and codec that tracks are told apart by: the codecs in the order of [`Codec`], then what has sent nothing yet.
pub const TRACK_CLASSES: [(MediaKind, &str); 9] = [
    (MediaKind::Audio, "opus"),
    (MediaKind::Audio, "red"),
    (MediaKind::Video, "vp8"),
    (MediaKind::Video, "vp9"),
    (MediaKind::Video, "h264"),
    (MediaKind::Video, "h265"),
    (MediaKind::Video, "av1"),
    (MediaKind::Audio, "unknown"),
    (MediaKind::Video, "unknown"),
];

/// What a video subscription is sent: nothing at present, a track that has one encoding, or an encoding of several, 0 the lowest.
pub const LAYERS: [&str; 2 + MAX_ENCODINGS] = ["none", "single", "0", "1", "2", "3"];

/// The place in [`TRACK_CLASSES`] of a track whose packets have shown that codec.
pub(crate) fn track_class(kind: MediaKind, codec: Option<Codec>) -> usize {
    let silent = match kind {
        MediaKind::Audio => 7,
        MediaKind::Video => 8,
    };
    codec.map_or(silent, |codec| codec as usize)
}

/// The place in [`LAYERS`] of the encoding that is forwarded, of so many.
pub(crate) fn layer(forwarded: Option<usize>, encodings: usize) -> usize {
    match forwarded {
        None => 0,
        Some(_) if encodings == 1 => 1,
        Some(encoding) => 2 + encoding.min(MAX_ENCODINGS - 1),
    }
}

/// Counts of one room, or of a shard's rooms together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Publications by [`TRACK_CLASSES`].
    pub publications: [u64; TRACK_CLASSES.len()],
    /// Subscriptions by the class of their publication, those that wait for their m-line among them.
    pub subscriptions: [u64; TRACK_CLASSES.len()],
    /// Video subscriptions by [`LAYERS`].
    pub layers: [u64; LAYERS.len()],
    /// Participants by [`Level`]; those of whom nothing is known are not counted.
    pub quality: [u64; Level::ALL.len()],
}

impl Census {
    /// Puts the counts of one room in the place of its earlier ones.
    pub(crate) fn replace(&mut self, earlier: &Self, now: &Self) {
        let parts = [
            (&mut self.publications[..], &earlier.publications[..], &now.publications[..]),
            (&mut self.subscriptions, &earlier.subscriptions, &now.subscriptions),
            (&mut self.layers, &earlier.layers, &now.layers),
            (&mut self.quality, &earlier.quality, &now.quality),
        ];
        for (all, earlier, now) in parts {
            for ((all, earlier), now) in all.iter_mut().zip(earlier).zip(now) {
                *all = *all + now - earlier;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::FORMATS;

    #[test]
    fn every_format_has_the_class_of_its_kind_and_name() {
        for format in FORMATS {
            let kind = if format.channels > 0 { MediaKind::Audio } else { MediaKind::Video };
            let class = TRACK_CLASSES[track_class(kind, Some(format.codec))];
            assert_eq!(class, (kind, format.name.to_ascii_lowercase().as_str()));
        }
        for kind in [MediaKind::Audio, MediaKind::Video] {
            assert_eq!(TRACK_CLASSES[track_class(kind, None)], (kind, "unknown"));
        }
    }

    #[test]
    fn layers_are_named_by_their_index_where_there_are_several() {
        let name = |forwarded, encodings| LAYERS[layer(forwarded, encodings)];
        assert_eq!((name(None, 3), name(Some(0), 1), name(Some(0), 3), name(Some(2), 3)), ("none", "single", "0", "2"));
        assert_eq!(name(Some(MAX_ENCODINGS - 1), MAX_ENCODINGS), "3");
    }
}
