//! The engine's manifest proves its purity: no runtime, no sockets, no clock, no source of entropy of its own.

/// All that the engine may depend on.
const ALLOWED: [&str; 7] = ["bytes", "rand", "ring", "rtc", "rtp", "slab", "thiserror"];

#[test]
fn the_engine_depends_on_nothing_that_reaches_outside() {
    let manifest = include_str!("../Cargo.toml");
    let names: Vec<&str> = dependencies(manifest);
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        assert!(ALLOWED.contains(&name), "{name} is not among what the engine may depend on");
    }
    assert_eq!(dependencies("[dependencies]\ntokio = \"1\"\n[dev-dependencies]\nmio = \"1\"\n"), ["tokio"]);
}

/// The names in a manifest's `[dependencies]`.
fn dependencies(manifest: &str) -> Vec<&str> {
    let lines = manifest.lines().skip_while(|line| line.trim() != "[dependencies]").skip(1);
    let lines = lines.take_while(|line| !line.starts_with('[')).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|name| !name.is_empty()).collect()
}
