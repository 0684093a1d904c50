//! Holds .ci/deny.toml: which licenses, which sources, and no crate twice without a reason.
//!
//! The file is cargo-deny's own, which reads it as it is. CI does not build cargo-deny: it has more crates than lakota, and
//! compiling those takes CI longer than all that is looked at here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// The texts of a list of deny.toml.
fn list(text: &str, name: &str) -> BTreeSet<String> {
    let (_, rest) = text.split_once(&format!("\n{name} = [")).unwrap();
    let items = rest.split_once(']').unwrap().0;
    let lines = items.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.flat_map(|line| line.split('"').skip(1).step_by(2)).map(str::to_owned).collect()
}

fn rules() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/deny.toml")).unwrap()
}

/// All crates that are compiled for the target of CI, but lakota.
fn crates() -> Vec<serde_json::Value> {
    let target = list(&rules(), "targets").pop_first().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &target]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let all = told["packages"].as_array_mut().unwrap();
    std::mem::take(all).into_iter().filter(|one| one["name"] != "lakota").collect()
}

fn shown(one: &serde_json::Value) -> String {
    format!("{}@{}", one["name"].as_str().unwrap(), one["version"].as_str().unwrap())
}

/// Whether a license expression can be met by licenses that are allowed: OR binds weaker than AND.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    // Older crates write a slash for OR.
    let text = expression.replace('/', " OR ");
    let mut depth = 0;
    let mut parts = vec![vec![String::new()]];
    for word in text.replace('(', " ( ").replace(')', " ) ").split_whitespace() {
        depth += i32::from(word == "(") - i32::from(word == ")");
        match (word, depth) {
            ("OR", 0) => parts.push(vec![String::new()]),
            ("AND", 0) => parts.last_mut().unwrap().push(String::new()),
            _ => {
                let part = parts.last_mut().unwrap().last_mut().unwrap();
                *part = format!("{part} {word}").trim().to_owned();
            }
        }
    }
    let one = |part: &String| match part.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => is_met(inner.trim(), allowed),
        None => allowed.contains(part),
    };
    parts.iter().any(|all| all.iter().all(one))
}

#[test]
fn every_crate_has_a_license_that_is_allowed() {
    let allowed = list(&rules(), "allow");
    let met = |one: &serde_json::Value| one["license"].as_str().is_some_and(|text| is_met(text, &allowed));
    let wrong: Vec<String> = crates()
        .iter()
        .filter(|one| !met(one))
        .map(|one| format!("{}: {}", shown(one), one["license"]))
        .collect();
    assert!(wrong.is_empty(), "licenses that .ci/deny.toml does not allow: {wrong:#?}");
}

#[test]
fn expressions_of_licenses_are_read_as_they_are_meant() {
    let allowed = BTreeSet::from(["MIT".to_owned(), "Unicode-3.0".to_owned()]);
    for met in
        ["MIT", "GPL-3.0 OR MIT", "MIT/Apache-2.0", "(MIT OR Apache-2.0) AND Unicode-3.0", "X AND Y OR MIT"]
    {
        assert!(is_met(met, &allowed), "{met}");
    }
    for unmet in ["GPL-3.0", "GPL-3.0 AND MIT", "(GPL-3.0 OR X) AND MIT", "MIT WITH X", "MIT AND (X OR Y)"] {
        assert!(!is_met(unmet, &allowed), "{unmet}");
    }
}

#[test]
fn every_crate_comes_from_an_allowed_registry() {
    let allowed: Vec<String> =
        list(&rules(), "allow-registry").iter().map(|url| format!("registry+{url}")).collect();
    let known = |one: &serde_json::Value| allowed.iter().any(|url| one["source"] == url.as_str());
    let wrong: Vec<String> = crates().iter().filter(|one| !known(one)).map(shown).collect();
    assert!(wrong.is_empty(), "crates from elsewhere: {wrong:?}");
}

#[test]
fn no_crate_is_there_twice_without_a_reason() {
    let mut skipped = list(&rules(), "skip");
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in crates() {
        // What is skipped and not there has no reason any more.
        if !skipped.remove(&shown(&one)) {
            versions.entry(one["name"].as_str().unwrap().to_owned()).or_default().push(shown(&one));
        }
    }
    let wrong: Vec<_> = versions.into_values().filter(|versions| versions.len() > 1).collect();
    assert!(
        wrong.is_empty(),
        "crates in several versions, add to `skip` of .ci/deny.toml with a reason: {wrong:?}"
    );
    assert!(skipped.is_empty(), "`skip` of .ci/deny.toml names what is not there: {skipped:?}");
}
