//! The example files, the types and the document must name the same messages and fields.

use super::{ClientFrame, ClientMessage, ErrorCode, ServerMessage};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The examples of one direction: message type and text.
fn examples(direction: &str) -> Vec<(String, String)> {
    let files = std::fs::read_dir(root().join("protocol").join(direction)).unwrap();
    let example = |path: std::path::PathBuf| {
        assert_eq!(path.extension().unwrap(), "json", "{path:?}");
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap())
    };
    files.map(|file| example(file.unwrap().path())).collect()
}

fn names(examples: &[(String, String)]) -> BTreeSet<&str> {
    examples.iter().map(|(name, _)| name.as_str()).collect()
}

/// Every `type` of the server's messages, as serde knows them: it lists them when it meets one that is not there.
fn server_types() -> BTreeSet<String> {
    let error = serde_json::from_str::<ServerMessage>(r#"{"type":"?"}"#).unwrap_err().to_string();
    let (_, list) = error.split_once("expected one of ").unwrap();
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn examples_of_the_client_survive_the_types() {
    let examples = examples("client");
    assert_eq!(names(&examples), ClientMessage::TYPES.iter().copied().collect());
    for (name, text) in examples {
        let frame = ClientFrame::parse(&text).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(frame.message.message_type().as_str(), name);
        let expected: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_value(frame).unwrap(), expected, "{name}");
    }
}

#[test]
fn examples_of_the_server_survive_the_types() {
    let examples = examples("server");
    let types = server_types();
    assert_eq!(names(&examples), types.iter().map(String::as_str).collect());
    for (name, text) in examples {
        let message: ServerMessage = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&expected["type"], message.message_type().as_str()), (&name.as_str().into(), name.as_str()));
        assert_eq!(serde_json::to_value(message).unwrap(), expected, "{name}");
    }
}

/// A section of the document, by its heading.
fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    let (_, rest) = document.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    rest.split_once("\n## ").map_or(rest, |(section, _)| section)
}

/// The messages that a section has a heading of their own for.
fn documented<'a>(document: &'a str, heading: &str) -> BTreeSet<&'a str> {
    let lines = section(document, heading).lines();
    lines.filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect()
}

#[test]
fn the_document_explains_every_message_and_field() {
    let document = std::fs::read_to_string(root().join("../docs/protocol.md")).unwrap();
    for (direction, heading) in [("client", "Client to server"), ("server", "Server to client")] {
        let examples = examples(direction);
        assert_eq!(documented(&document, heading), names(&examples));
        for (name, text) in &examples {
            let all = section(&document, heading);
            let (_, rest) = all.split_once(&format!("### `{name}`\n")).unwrap();
            let explained = rest.split_once("\n### ").map_or(rest, |(this, _)| this);
            let Value::Object(fields) = serde_json::from_str(text).unwrap() else { panic!("{name}") };
            for field in fields.keys().filter(|&field| field != "type" && field != "id") {
                assert!(explained.contains(field), "{name} does not explain {field}");
            }
        }
    }
}

#[test]
fn the_document_explains_every_error_code() {
    let document = std::fs::read_to_string(root().join("../docs/protocol.md")).unwrap();
    let codes = section(&document, "Error codes");
    let documented: BTreeSet<_> =
        codes.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(code, _)| code).collect();
    assert_eq!(documented, ErrorCode::ALL.iter().map(|code| code.as_str()).collect());
}
