//! `parlor token create`: a token on standard output, signed with the first of the configuration's keys.

use super::CliError;
use clap::{Arg, ArgAction, ArgMatches, Command};
use parlor_config::Config;
use parlor_signaling::TokenRequest;
use parlor_signaling::protocol::Timestamp;
use std::time::Duration;

/// The subcommand, with the arguments that choose the configuration.
pub(super) fn command(configuration: impl IntoIterator<Item = Arg> + Clone) -> Command {
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let switch =
        |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let create = Command::new("create")
        .about("Print a token that is signed with the first of auth.keys")
        .arg(text("room", "ID", "The room that it opens; without one it opens none"))
        .arg(text("identity", "IDENTITY", "Who will show it").required(true))
        .arg(text("name", "NAME", "How they are called in rooms"))
        .arg(text("role", "host|speaker|listener", "What they are in the room; speaker without it"))
        .arg(text("publish", "audio,video,screen", "What they may publish; everything without it"))
        .arg(switch("no-chat", "They may not chat"))
        .arg(switch("hidden", "The others are not shown that they are there"))
        .arg(switch("admin", "They administer the server"))
        .arg(switch("create-rooms", "They may create rooms"))
        .arg(text("ttl", "DURATION", "How long it is good, as 90s, 15m, 6h or 7d; 6h without it"))
        .args(configuration);
    Command::new("token")
        .about("Tokens for a server with keys")
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .subcommand(create)
}

/// The token that the arguments of `parlor token create` ask for, and a line feed.
pub(super) fn create(arguments: &ArgMatches, config: &Config) -> Result<String, CliError> {
    let text = |name: &str| arguments.get_one::<String>(name).cloned();
    let lifetime = text("ttl").map(|ttl| duration(&ttl).ok_or(CliError::Lifetime(ttl))).transpose()?;
    let request = TokenRequest {
        room: text("room"),
        identity: text("identity").unwrap_or_default(),
        name: text("name"),
        role: text("role"),
        publish: text("publish"),
        no_chat: arguments.get_flag("no-chat"),
        hidden: arguments.get_flag("hidden"),
        admin: arguments.get_flag("admin"),
        create_rooms: arguments.get_flag("create-rooms"),
        lifetime,
    };
    let token = crate::server::keys(config)?.make_token(&request, Timestamp::now()).map_err(CliError::Usage)?;
    Ok(format!("{token}\n"))
}

/// Seconds, minutes, hours or days.
fn duration(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return None,
    };
    let is_number = digits.bytes().all(|digit| digit.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| is_number)?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("6h", 21_600), ("7d", 604_800), ("0s", 0)] {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in
            ["", "h", "1", "-1h", "+1h", "1.5h", "1 h", "1w", "1ö", "99999999999999999999s", "999999999999999999d"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
