//! Holds `docs/metrics.md` against the catalogue, in both directions.

use super::catalogue::{Kind, Label, Metric, PARTS, Part, Values, all};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");

fn document() -> String {
    std::fs::read_to_string(PATH).unwrap()
}

/// A part's table as the document is to have it.
fn table(part: &Part) -> String {
    let rows = part.metrics.iter().map(|metric| row(metric));
    std::iter::once("| metric | type | unit | labels | meaning |\n|---|---|---|---|---|\n".to_owned())
        .chain(rows)
        .collect()
}

fn row(metric: &Metric) -> String {
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram { .. } => "histogram",
    };
    let labels: Vec<String> = metric.labels.iter().map(|label| show(metric, label)).collect();
    format!("| `{}` | {kind} | {} | {} | {} |\n", metric.name, unit(metric.name), labels.join("; "), metric.help)
}

/// The base unit that a name ends in; what has none is a number of things.
fn unit(name: &str) -> &'static str {
    let name = name.trim_end_matches("_total");
    ["seconds", "bytes", "ratio"].into_iter().find(|unit| name.ends_with(&format!("_{unit}"))).unwrap_or("")
}

fn show(metric: &Metric, label: &Label) -> String {
    let values = match &label.values {
        Values::Closed(values) => values().iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", "),
        Values::Explained(_) => format!("[below](#{}-of-{})", label.name, metric.name),
        Values::Elsewhere { document, .. } => (*document).to_owned(),
        Values::Open(text) => (*text).to_owned(),
    };
    format!("`{}`: {values}", label.name)
}

/// The tables of the values that want a word each.
fn explanations() -> Vec<(String, String)> {
    let mut tables = Vec::new();
    for (metric, label) in all().flat_map(|metric| metric.labels.iter().map(move |label| (metric, label))) {
        if let Values::Explained(values) = label.values {
            let rows = values().into_iter().map(|(value, meaning)| format!("| `{value}` | {meaning} |\n"));
            let head = format!("| {} | meaning |\n|---|---|\n", label.name);
            tables.push((
                format!("### `{}` of `{}`", label.name, metric.name),
                std::iter::once(head).chain(rows).collect(),
            ));
        }
    }
    tables
}

#[test]
fn the_document_has_the_tables_of_the_catalogue_and_no_others() {
    let parts = PARTS.iter().map(|part| (format!("### {}", part.title), table(part)));
    let expected: Vec<(String, String)> = parts.chain(explanations()).collect();
    let document = document();
    for (heading, table) in &expected {
        let section = document.split(&format!("{heading}\n")).nth(1).unwrap_or_else(|| panic!("no \"{heading}\""));
        let found: String = section
            .lines()
            .skip_while(|line| !line.starts_with('|'))
            .take_while(|line| line.starts_with('|'))
            .map(|line| format!("{line}\n"))
            .collect();
        let differs = found.lines().zip(table.lines()).find(|(found, expected)| found != expected);
        assert_eq!(found, *table, "\"{heading}\" in docs/metrics.md ({differs:?}) is to be\n\n{table}");
    }
    let tables = document.lines().filter(|line| line.starts_with("|---")).count();
    assert_eq!(tables, expected.len(), "every table is one of the catalogue's");
}

#[test]
fn the_document_speaks_of_no_metric_that_is_not() {
    let document = document();
    let is_name = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_';
    for (start, _) in document.match_indices("parlor_") {
        let name = document[start..].split(|character| !is_name(character)).next().unwrap();
        let known = |metric: &Metric| {
            let series = name.strip_prefix(metric.name);
            match metric.kind {
                Kind::Histogram { .. } => series.is_some_and(|end| ["", "_bucket", "_sum", "_count"].contains(&end)),
                _ => series == Some(""),
            }
        };
        assert!(all().any(known), "docs/metrics.md speaks of {name}");
    }
}

#[test]
fn labels_say_what_they_may() {
    for label in all().flat_map(|metric| metric.labels) {
        let values = match label.values {
            Values::Closed(values) | Values::Elsewhere { values, .. } => values(),
            Values::Explained(values) => values().into_iter().map(|(value, _)| value).collect(),
            Values::Open(_) => continue,
        };
        assert!(!values.is_empty() && values.iter().all(|value| label.values.allow(value)), "{}", label.name);
        assert!(!label.values.allow("no such value"), "{}", label.name);
    }
}
