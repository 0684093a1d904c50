//! A server that is killed at any moment: what was saved is there at the next mount, and nothing else.

use crate::sandbox::{LAKOTA, Sandbox};
use crate::tools::{run, script};

/// Rounds, unless LAKOTA_KILL_ROUNDS says how many, and LAKOTA_KILL_SEED which.
const ROUNDS: &str = "8";

#[test]
fn what_was_saved_or_synced_survives_that_the_server_is_killed() {
    let sandbox = Sandbox::new();
    let set = |name: &str, otherwise: &str| std::env::var(name).unwrap_or_else(|_| otherwise.to_owned());
    let (rounds, seed) = (set("LAKOTA_KILL_ROUNDS", ROUNDS), set("LAKOTA_KILL_SEED", "1"));
    let mut killed = script("killed.py");
    let said = run(killed.arg(LAKOTA).arg(sandbox.path("killed")).args([&rounds, &seed]), "").ok();
    assert!(said.starts_with(&format!("{rounds} rounds, ")), "{said}");
}
