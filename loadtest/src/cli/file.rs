//! Plans in TOML: the keys of [`Plan`], and a table `checks` with the thresholds.

use crate::plan::{Plan, Scenario};
use crate::report::Checks;
use std::path::Path;

/// A plan takes a few lines. What is longer is something else.
const MAX_BYTES: u64 = 1024 * 1024;

/// A plan whose server is not named: it follows from the target.
pub(super) fn plan(scenarios: Vec<Scenario>) -> Plan {
    Plan { server: String::new(), scenarios, ..Plan::default() }
}

/// Reads a file.
///
/// # Errors
/// Says what is wrong with it, and where.
pub(super) fn read(path: &Path) -> Result<(Plan, Checks), String> {
    let of_file = |text: String| format!("{}: {text}", path.display());
    let length = std::fs::metadata(path).map_err(|error| of_file(error.to_string()))?.len();
    if length > MAX_BYTES {
        return Err(of_file("it is longer than 1 MiB, no plan is".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| of_file(error.to_string()))?;
    parse(&text).map_err(of_file)
}

/// Reads a plan and its thresholds.
pub(super) fn parse(text: &str) -> Result<(Plan, Checks), String> {
    let mut table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let checks: Checks = match table.remove("checks") {
        Some(checks) => checks.try_into().map_err(|error: toml::de::Error| format!("in `checks`: {error}"))?,
        None => Checks::default(),
    };
    checks.check().map_err(|error| format!("in `checks`: {error}"))?;
    let is_server_named = table.contains_key("server");
    let plan: Plan = toml::Value::Table(table).try_into().map_err(|error: toml::de::Error| error.to_string())?;
    let plan = if is_server_named { plan } else { Plan { server: String::new(), ..plan } };
    plan.check()?;
    Ok((plan, checks))
}
