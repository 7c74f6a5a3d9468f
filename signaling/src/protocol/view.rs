//! How a client shows the tracks it receives, which decides how good a picture is of use to it.

use super::ids::{RoomCode, TrackRef, clip};
use parlor_media::command::View;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The most views that one message may carry: as many tracks as a participant may be subscribed to.
pub const MAX_VIEWS: usize = 96;
/// The most device pixels of a side: what AV1's highest level has, and more than any screen.
pub const MAX_PIXELS: u16 = 16_384;

/// Body of `set-view`.
///
/// It carries a list, because what changes a view changes many: scrolling, a resized window, a page that is hidden. One
/// message for all of them counts once against the session's rate, and is taken or refused as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetView {
    /// The room.
    pub room_id: RoomCode,
    /// The views that have changed. Of several of a track the last one holds.
    #[serde(deserialize_with = "bounded")]
    pub views: Vec<TrackView>,
}

/// How one track is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawView", into = "RawView")]
pub struct TrackView {
    /// The track.
    pub track_id: TrackRef,
    /// How it is shown.
    pub view: View,
}

/// A view as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawView {
    track_id: TrackRef,
    visible: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    width: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    height: Option<Value>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pinned: bool,
}

impl TryFrom<RawView> for TrackView {
    type Error = String;

    fn try_from(raw: RawView) -> Result<Self, String> {
        let RawView { track_id, visible, width, height, pinned } = raw;
        let size = match (width, height) {
            (None, None) => None,
            (Some(width), Some(height)) => {
                Some((pixels(track_id, "width", &width)?, pixels(track_id, "height", &height)?))
            }
            (Some(_), None) => {
                return Err(format!("{track_id} has a `width` and no `height`: both or none are allowed"));
            }
            (None, Some(_)) => {
                return Err(format!("{track_id} has a `height` and no `width`: both or none are allowed"));
            }
        };
        Ok(Self { track_id, view: View { visible, size, pinned } })
    }
}

impl From<TrackView> for RawView {
    fn from(TrackView { track_id, view: View { visible, size, pinned } }: TrackView) -> Self {
        let (width, height) = size.unzip();
        Self { track_id, visible, width: width.map(Value::from), height: height.map(Value::from), pinned }
    }
}

/// The bounds are told with the value that is outside of them, whatever it is: `serde` would name no field.
fn pixels(track: TrackRef, name: &str, value: &Value) -> Result<u16, String> {
    let pixels = value.as_u64().and_then(|pixels| u16::try_from(pixels).ok());
    pixels.filter(|pixels| (1..=MAX_PIXELS).contains(pixels)).ok_or_else(|| {
        let text = value.to_string();
        format!("`{name}` of {track} is {}, whole numbers from 1 to {MAX_PIXELS} are allowed", clip(&text))
    })
}

fn bounded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TrackView>, D::Error> {
    let views = Vec::deserialize(deserializer)?;
    if views.len() > MAX_VIEWS {
        return Err(D::Error::custom(format!("{} entries, at most {MAX_VIEWS} are allowed", views.len())));
    }
    Ok(views)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{ClientFrame, ClientMessage, ErrorCode};
    use serde_json::json;

    const TRACK: &str = "t0000000000001";

    fn parse(views: &Value) -> Result<Vec<View>, (ErrorCode, Option<String>, String)> {
        let text = json!({"type": "set-view", "roomId": "abc", "views": views}).to_string();
        match ClientFrame::parse(&text) {
            Ok(ClientFrame { message: ClientMessage::SetView(set), .. }) => {
                Ok(set.views.into_iter().map(|track| track.view).collect())
            }
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => Err((refusal.code, refusal.field, refusal.message)),
        }
    }

    #[test]
    fn a_view_has_both_sides_or_none() {
        let view = |visible, size, pinned| Ok(vec![View { visible, size, pinned }]);
        assert_eq!(parse(&json!([{"trackId": TRACK, "visible": false}])), view(false, None, false));
        let large = json!([{"trackId": TRACK, "visible": true, "width": 1, "height": 16384, "pinned": true}]);
        assert_eq!(parse(&large), view(true, Some((1, 16_384)), true));
        assert_eq!(parse(&json!([])), Ok(vec![]));
        let none = json!([{"trackId": TRACK, "visible": true, "width": null, "height": null}]);
        assert_eq!(parse(&none), view(true, None, false));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        let refused = |mut view: Value, expected: &str| {
            view["trackId"] = TRACK.into();
            let (code, field, message) = parse(&json!([view])).unwrap_err();
            assert_eq!((code, field.as_deref()), (ErrorCode::BadMessage, Some("views")), "{message}");
            assert_eq!(message, format!("set-view: `views`: {expected}"));
        };
        let bounds = "whole numbers from 1 to 16384 are allowed";
        for (value, shown) in [
            (json!(0), "0"),
            (json!(-3), "-3"),
            (json!(16_385), "16385"),
            (json!(1e30), "1e+30"),
            (json!(640.5), "640.5"),
            (json!("640"), "\"640\""),
        ] {
            let wide = json!({"visible": true, "width": value, "height": 90});
            refused(wide, &format!("`width` of {TRACK} is {shown}, {bounds}"));
            let high = json!({"visible": true, "width": 160, "height": value});
            refused(high, &format!("`height` of {TRACK} is {shown}, {bounds}"));
        }
        let one = "has a `width` and no `height`: both or none are allowed";
        refused(json!({"visible": true, "width": 640}), &format!("{TRACK} {one}"));
        let other = "has a `height` and no `width`: both or none are allowed";
        refused(json!({"visible": true, "height": 360}), &format!("{TRACK} {other}"));
        refused(json!({}), "missing field `visible`");
    }

    #[test]
    fn the_list_is_bounded_and_so_is_what_an_error_repeats() {
        let view = json!({"trackId": TRACK, "visible": true});
        assert_eq!(parse(&vec![view.clone(); MAX_VIEWS].into()).unwrap().len(), MAX_VIEWS);
        let (_, field, message) = parse(&vec![view; MAX_VIEWS + 1].into()).unwrap_err();
        assert_eq!(field.as_deref(), Some("views"));
        assert_eq!(message, "set-view: `views`: 97 entries, at most 96 are allowed");
        let long = json!([{"trackId": TRACK, "visible": true, "width": "x".repeat(10_000), "height": 1}]);
        assert!(parse(&long).unwrap_err().2.len() < 400);
    }
}
