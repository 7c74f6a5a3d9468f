//! `parlor config check` and `parlor config print`.

use super::Invocation;
use clap::{Arg, Command};
use parlor_config::{Loaded, Source, print};
use std::collections::BTreeSet;

/// The subcommand, with the arguments that choose the configuration.
pub(super) fn command(configuration: impl IntoIterator<Item = Arg> + Clone) -> Command {
    let subcommand =
        |name: &'static str, about: &'static str| Command::new(name).about(about).args(configuration.clone());
    Command::new("config")
        .about("The configuration that a start with the same flags would have")
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .subcommand(subcommand("check", "Say whether it is right, or everything that is wrong"))
        .subcommand(subcommand("print", "Print it as a file, with the origin of each key and without secrets"))
}

/// What a subcommand comes to.
pub(super) fn run(subcommand: &str, loaded: &Loaded) -> Invocation {
    let mut problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    if problems.is_empty() {
        problems = crate::server::problems(&loaded.config);
    }
    match subcommand {
        _ if !problems.is_empty() => Invocation::Refuse(problems),
        "check" => Invocation::Print(format!("the configuration is right: {}\n", origins(loaded))),
        _ => Invocation::Print(print(&loaded.config, &loaded.origins)),
    }
}

/// The files, variables and flags that say something.
fn origins(loaded: &Loaded) -> String {
    let name = |source: &Source| match source {
        Source::File(name) | Source::Environment(name) | Source::Flag(name) => name.clone(),
    };
    let names: BTreeSet<String> = loaded.origins.values().map(name).collect();
    if names.is_empty() {
        return "defaults alone".to_owned();
    }
    format!("defaults, {}", names.into_iter().collect::<Vec<_>>().join(", "))
}
