//! `docs/configuration.md`: made from [`KNOBS`] and the comments of `parlor.toml`, and compared with what is there.
//!
//! `UPDATE_DOCS=1 cargo test -p parlor-config` writes it anew.

use crate::{Config, KNOBS, Knob};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

const SAMPLE: &str = include_str!("../../parlor.toml");

const INTRODUCTION: &str = "\
# Configuration

Everything has a default that works. A key can be set, in growing precedence, in a file (`--config FILE`, or else `parlor.toml` of
the working directory), by an environment variable, or by a flag. Lists are written `[\"a\", \"b\"]` in the file, and `a,b` in
variables and flags. [`parlor.toml`](../parlor.toml) is a file to start from.

`PORT` counts where nothing else sets `http.listen`, and `MONGODB_URI` where nothing else sets `store.url`. Unknown keys,
variables that begin with `PARLOR_` and are none, and bad values end the start with one line that says what is wrong.

```sh
parlor config check   # whether it is right, and which files, variables and flags it is made of; else a line for each problem
parlor config print   # what is in effect, and where each key comes from; secrets are not shown
```

<!-- Made from config/src/knobs.rs and parlor.toml: UPDATE_DOCS=1 cargo test -p parlor-config -->
";

/// The page.
fn page() -> String {
    let comments = comments();
    let mut config = Config::default();
    let (mut text, mut last_section) = (INTRODUCTION.to_owned(), "");
    for knob in KNOBS {
        let (section, _) = knob.key.split_once('.').unwrap();
        if section != last_section {
            writeln!(text, "\n## `[{section}]`").unwrap();
            last_section = section;
        }
        let field = (knob.field)(&mut config);
        writeln!(text, "\n### `{}`\n\n{}", knob.key, comments.get(knob.key).map_or("", String::as_str)).unwrap();
        writeln!(text, "- default: `{}`", field.shown()).unwrap();
        writeln!(text, "- takes {}", field.allowed()).unwrap();
        writeln!(text, "- set by `{}` or `{} {}`", knob.variable(), knob.flag(), knob.placeholder).unwrap();
        let moment = if knob.reload { "at SIGHUP" } else { "at the next start" };
        writeln!(text, "- a running server takes a new value {moment}").unwrap();
        if knob.reload {
            writeln!(text, "- a running server takes it on SIGHUP").unwrap();
        }
    }
    text
}

/// What `parlor.toml` says about each key: the comment above it, which may be above several.
fn comments() -> BTreeMap<String, String> {
    let (mut comments, mut section, mut above, mut keys_below) = (BTreeMap::new(), "", Vec::new(), false);
    for line in SAMPLE.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
        } else if let Some(comment) = line.strip_prefix("# ") {
            if std::mem::take(&mut keys_below) {
                above.clear();
            }
            above.push(comment);
        } else if let Some((name, _)) = line.strip_prefix('#').and_then(|setting| setting.split_once(" = ")) {
            comments.insert(format!("{section}.{name}"), markdown(&above));
            keys_below = true;
        } else {
            above.clear();
        }
    }
    comments
}

/// Indented lines are kept as they are.
fn markdown(comment: &[&str]) -> String {
    let (mut text, mut verbatim) = (String::new(), false);
    for line in comment {
        if line.starts_with("  ") != verbatim {
            verbatim = !verbatim;
            text.push_str(if verbatim { "\n```text\n" } else { "```\n\n" });
        }
        writeln!(text, "{}", line.strip_prefix("  ").unwrap_or(line)).unwrap();
    }
    if verbatim { text + "```\n" } else { text }
}

#[test]
fn the_page_of_the_configuration_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/configuration.md is out of date: UPDATE_DOCS=1 cargo test -p parlor-config");
}

#[test]
fn every_key_is_explained() {
    let comments = comments();
    for Knob { key, .. } in KNOBS {
        assert!(comments.get(*key).is_some_and(|comment| comment.len() > 10), "parlor.toml says nothing about {key}");
    }
    assert!(!comments["log.format"].contains("least severe"), "each comment belongs to its own keys");
    assert_eq!(comments["limits.max_connections"], comments["limits.max_connections_per_address"]);
    assert!(comments["store.url"].contains("```text\n\"sqlite:PATH\""), "{}", comments["store.url"]);
}
