//! Holds the shape of the code: each layer imports only lower ones, no cycles inside a layer, no long files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "layers/crates.rs"]
mod crates;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The layers, lowest first; docs/architecture.md draws them. Modules of one line may not import each other.
const LAYERS: &[&[&str]] = &[
    &["digest", "halt", "wire"],
    &["clock", "interval", "users"],
    &["data"],
    &["backend"],
    &["store"],
    &["history"],
    &["series"],
    &["collection"],
    &["repo"],
    &["ops"],
    &["vfs"],
    &["mount"],
    &["cli"],
];

const MOST_LINES: usize = 500;

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// A file's module path: `history/tree/node.rs` is `[history, tree, node]`.
fn module(path: &Path) -> Vec<String> {
    let relative = path.strip_prefix(src()).unwrap().with_extension("");
    relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect()
}

/// The text without unit tests and comments.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The module paths that a file names, through `crate::` or `super::`, lists in braces included.
fn named(own: &[String], code: &str) -> BTreeSet<Vec<String>> {
    let mut out = BTreeSet::new();
    let parent = &own[..own.len() - 1];
    for (word, base) in [("crate::", &[][..]), ("super::", parent)] {
        for part in code.split(word).skip(1) {
            paths(base, part, &mut out);
        }
    }
    out
}

/// Adds the paths at the start of `text`: `a::b`, or `{a::b, c}`.
fn paths(base: &[String], text: &str, out: &mut BTreeSet<Vec<String>>) {
    if let Some(list) = text.strip_prefix('{') {
        let mut depth = 0;
        let end = list.find(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth < 0
        });
        let list = &list[..end.unwrap_or(list.len())];
        let mut depth = 0;
        let items = list.split(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            c == ',' && depth == 0
        });
        items.for_each(|item| paths(base, item.trim(), out));
        return;
    }
    let mut path = base.to_vec();
    let mut rest = text;
    loop {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end == 0 {
            break;
        }
        path.push(rest[..end].to_owned());
        match rest[end..].strip_prefix("::") {
            Some(more) if more.starts_with('{') => return paths(&path, more, out),
            Some(more) => rest = more,
            None => break,
        }
    }
    if !path.is_empty() {
        out.insert(path);
    }
}

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

#[test]
fn every_layer_imports_only_lower_ones() {
    let mut wrong = Vec::new();
    for path in sources(&src()) {
        let own = module(&path);
        let Some(mine) = rank(&own[0]) else {
            assert!(matches!(own[0].as_str(), "lib" | "main"), "{own:?} is in no layer: add it to LAYERS");
            continue;
        };
        for other in named(&own, &code(&path)) {
            match rank(&other[0]) {
                Some(theirs) if theirs < mine || other[0] == own[0] => {}
                _ => wrong.push(format!("{} imports crate::{}", own.join("::"), other.join("::"))),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn modules_of_a_layer_do_not_import_in_circles() {
    let files: BTreeMap<Vec<String>, String> =
        sources(&src()).into_iter().map(|path| (module(&path), code(&path))).collect();
    let mut edges: BTreeMap<&[String], BTreeSet<&[String]>> = BTreeMap::new();
    for (own, code) in &files {
        for other in named(own, code) {
            // The longest known module the path starts with.
            let target = files.keys().filter(|m| other.starts_with(m)).max_by_key(|m| m.len());
            if let Some(target) = target
                // A child may name what its parents own, and parents what their children do.
                && !target.starts_with(own)
                && !own.starts_with(target)
            {
                edges.entry(own).or_default().insert(target);
            }
        }
    }
    let mut done = BTreeSet::new();
    for start in edges.keys().copied().collect::<Vec<_>>() {
        visit(start, &edges, &mut Vec::new(), &mut done);
    }
}

fn visit<'a>(
    module: &'a [String],
    edges: &BTreeMap<&'a [String], BTreeSet<&'a [String]>>,
    stack: &mut Vec<&'a [String]>,
    done: &mut BTreeSet<&'a [String]>,
) {
    if let Some(at) = stack.iter().position(|m| *m == module) {
        let circle: Vec<String> = stack[at..].iter().map(|m| m.join("::")).collect();
        assert!(circle.is_empty(), "modules import in a circle: {}", circle.join(" -> "));
    }
    if done.contains(module) {
        return;
    }
    stack.push(module);
    for next in edges.get(module).into_iter().flatten() {
        visit(next, edges, stack, done);
    }
    stack.pop();
    done.insert(module);
}

#[test]
fn no_file_is_too_long() {
    for path in sources(&src()) {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines; the most is {MOST_LINES}", path.display());
    }
}

#[test]
fn only_the_command_line_prints() {
    for path in sources(&src()) {
        if !matches!(module(&path)[0].as_str(), "cli" | "main") {
            let code = code(&path);
            assert!(!code.contains("println!"), "{} prints", path.display());
        }
    }
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// All tests and test programs, as one text.
fn tests() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = sources(&root.join("src"));
    files.extend(sources(&root.join("tests")));
    files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn every_promise_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let promises = std::fs::read_to_string(root.join("docs/promises.md")).unwrap();
    let tests = tests();
    let mut wrong = Vec::new();
    let rows = promises.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise"));
    for row in rows.filter(|row| !row.starts_with("| ---")) {
        let held_by = row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap();
        let missing = |name: &&str| match name.strip_prefix("tests/") {
            Some(_) => !root.join(name).is_file(),
            None => !tests.contains(&format!("fn {name}(")),
        };
        wrong.extend(quoted(held_by).filter(missing).map(|name| format!("{name}: {row}")));
        if quoted(held_by).next().is_none() {
            wrong.push(format!("no test: {row}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What belongs to one adapter, not to the files of a repository.
const OF_THE_KERNEL: &[&str] = &["libc", "fuser", "errno", "ino"];

#[test]
fn the_files_of_a_repository_know_no_kernel() {
    for path in sources(&src())
        .into_iter()
        .filter(|path| module(path)[0] == "vfs" && !module(path).contains(&"tests".to_owned()))
    {
        let code = code(&path);
        let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
        let found = words.find(|word| OF_THE_KERNEL.contains(word));
        assert_eq!(found, None, "{}", path.display());
    }
}
