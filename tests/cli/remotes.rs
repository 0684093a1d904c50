//! `clone`, `push`, `pull`, `remote` and repairs, as users run them.

use super::Sandbox;

/// With a repository `.lakota` of six rows, and a clone of it in `copy`.
fn cloned() -> Sandbox {
    let sandbox = Sandbox::with_rows();
    sandbox.run(&["clone", ".lakota", "copy"]).ok();
    sandbox
}

fn rows(sandbox: &Sandbox, repo: &str) -> String {
    sandbox.run(&["-r", repo, "read", "temp/bxl"]).ok()
}

#[test]
fn clone_has_rows_and_history_and_knows_its_origin() {
    let sandbox = cloned();
    assert_eq!(rows(&sandbox, "copy"), rows(&sandbox, ".lakota"));
    let log = |repo| sandbox.run(&["-r", repo, "log", "temp"]).ok();
    assert_eq!(log("copy"), log(".lakota"));
    let origin = format!("origin\t{}\n", sandbox.path(".lakota").canonicalize().unwrap().display());
    assert_eq!(sandbox.run(&["-r", "copy", "remote"]).ok(), origin);
    assert_eq!(sandbox.run(&["-r", "copy", "pull"]).err, "nothing to pull: copy is up to date\n");
}

/// The original's examples/push_pull: a clone, writes on both sides, a pull, and the merge.
#[test]
fn both_sides_write_and_one_pulls() {
    let sandbox = cloned();
    sandbox.pipe("2020-06-22,99\n", &["-r", "copy", "write", "temp/bxl"]).ok();
    sandbox.pipe("2020-06-27,11\n", &["write", "temp/bxl"]).ok();
    let said = sandbox.run(&["-r", "copy", "pull"]).err;
    assert!(said.starts_with("temp: 1 revision, 0 objects ("), "{said}");
    assert!(said.ends_with("temp: 2 heads; lakota merge temp\n"), "{said}");
    let merged = rows(&sandbox, "copy");
    assert!(merged.contains("2020-06-22T00:00:00,99.0") && merged.contains("2020-06-27T00:00:00,11.0"));
    // Any write makes the merge durable.
    sandbox.pipe("2020-06-28,1\n", &["-r", "copy", "write", "temp/bxl"]).ok();
    let said = sandbox.run(&["-r", "copy", "push", "origin"]).err;
    assert!(said.starts_with("temp: 3 revisions, "), "{said}");
    assert_eq!(rows(&sandbox, ".lakota"), rows(&sandbox, "copy"));
    assert_eq!(sandbox.run(&["-r", "copy", "push"]).err, "nothing to push: origin is up to date\n");
}

#[test]
fn backup_is_a_push_to_a_named_place_and_heals() {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "c", "k int*", "v int"]).ok();
    let rows: String = (0..50_000_i64).map(|i| format!("{i},{}\n", i * 7919 % 10_007)).collect();
    sandbox.pipe(&rows, &["write", "c/s"]).ok();
    sandbox.run(&["-r", "backup", "create", "other", "k int*"]).ok();
    sandbox.run(&["remote", "add", "backup", "backup"]).ok();
    let said = sandbox.run(&["push", "-n"]).err;
    assert!(said.contains("c: would push 2 revisions\n"), "{said}");
    sandbox.run(&["push"]).ok();
    let script = "file=$(find .lakota -type f -printf '%s %p\\n' | sort -n | tail -1 | cut -d' ' -f2); \
                  printf X | dd of=$file bs=1 seek=1000 conv=notrunc status=none; $LAKOTA verify";
    sandbox.shell(script).fails(1);
    let ran = sandbox.run(&["verify", "--repair-from", "backup"]);
    assert!(ran.err.starts_with("healed c: "), "{ran:?}");
    ran.ok();
    sandbox.run(&["verify"]).ok();
}

#[test]
fn shallow_clone_has_one_revision() {
    let sandbox = Sandbox::with_rows();
    sandbox.run(&["clone", "--shallow", ".lakota", "copy"]).ok();
    assert_eq!(rows(&sandbox, "copy"), rows(&sandbox, ".lakota"));
    assert_eq!(sandbox.run(&["-r", "copy", "log", "temp", "--oneline"]).ok().lines().count(), 1);
    sandbox.pipe("2020-06-28,1\n", &["write", "temp/bxl"]).ok();
    sandbox.run(&["-r", "copy", "pull", "--shallow"]).ok();
    assert_eq!(rows(&sandbox, "copy"), rows(&sandbox, ".lakota"));
    sandbox.run(&["-r", "copy", "verify"]).ok();
}

#[test]
fn remotes_are_named_once_and_forgotten() {
    let sandbox = cloned();
    sandbox.run(&["remote", "add", "a", "copy"]).ok();
    sandbox.run(&["remote", "add", "a", "copy"]).ok();
    let taken = sandbox.run(&["remote", "add", "a", "elsewhere"]).fails(1);
    assert!(taken.contains("exists already"), "{taken}");
    sandbox.run(&["remote", "add", "b/c", "copy"]).fails(1);
    sandbox.run(&["remote", "remove", "a"]).ok();
    sandbox.run(&["remote", "remove", "a"]).fails(1);
    assert_eq!(sandbox.run(&["remote", "list"]).ok(), "");
}

#[test]
fn bad_remotes_are_told() {
    let sandbox = cloned();
    let told = |words: &[&str], part: &str| {
        let message = sandbox.run(words).fails(1);
        assert!(message.contains(part), "{message}");
    };
    told(&["push"], "knows no remote");
    told(&["push", "nowhere"], "there is no remote \"nowhere\"");
    told(&["push", "./nowhere"], "there is nothing at ./nowhere");
    told(&["push", "./.lakota"], "this repository itself");
    sandbox.file("folder/x", "");
    told(&["pull", "folder"], "not a lakota repository");
    told(&["clone", "folder", "new"], "not a lakota repository");
    told(&["clone", ".lakota", "folder"], "holds other files");
    told(&["clone", ".lakota", "copy"], "is a repository already");
    for inside in [".lakota/new", "./copy/../.lakota/a/b"] {
        told(&["clone", ".lakota", inside], "lies in the repository");
    }
    assert!(!sandbox.path("new").exists());
    sandbox.run(&["remote", "add", "gone", "unplugged"]).ok();
    told(&["push", "gone"], "is a drive missing?");
    told(&["push", "copy", "tempo"], "did you mean \"temp\"");
}

#[test]
fn clone_that_was_cut_short_goes_on() {
    let sandbox = cloned();
    let origin = sandbox.path(".lakota").canonicalize().unwrap();
    // As a kill leaves it: no registry yet.
    std::fs::remove_dir_all(sandbox.path("copy/00").join("0".repeat(62))).unwrap();
    sandbox.file("copy/cloning", origin.to_str().unwrap());
    let other = Sandbox::with_rows();
    let foreign = other.path(".lakota");
    let message = sandbox.run(&["clone", foreign.to_str().unwrap(), "copy"]).fails(1);
    assert!(message.contains("unfinished clone"), "{message}");
    sandbox.run(&["clone", ".lakota", "copy"]).ok();
    assert_eq!(rows(&sandbox, "copy"), rows(&sandbox, ".lakota"));
    assert!(!sandbox.path("copy/cloning").exists());
}

#[test]
fn what_cannot_be_merged_is_a_conflict() {
    let sandbox = cloned();
    sandbox.pipe("2020-06-28,1\n", &["write", "temp/bxl"]).ok();
    sandbox.pipe("2020-06-29,1\n", &["write", "temp/bxl"]).ok();
    sandbox.run(&["squash", "temp"]).ok();
    for _ in 0..3 {
        sandbox.run(&["gc", "--grace", "0s"]).ok();
    }
    sandbox.pipe("2020-07-01,1\n", &["-r", "copy", "write", "temp/bxl"]).ok();
    let before = rows(&sandbox, "copy");
    let message = sandbox.run(&["-r", "copy", "pull"]).fails(3);
    assert!(message.contains("cannot pull temp") && message.contains("cannot be merged"), "{message}");
    assert!(message.contains("pull --unmergeable") && message.contains("--ours"), "{message}");
    assert_eq!(rows(&sandbox, "copy"), before);
    let message = sandbox.run(&["push", "copy"]).fails(3);
    assert!(message.contains("cannot push temp") && message.contains("pull --unmergeable"), "{message}");
    // The way out that the message tells.
    let said = sandbox.run(&["-r", "copy", "pull", "--unmergeable", "origin", "temp"]);
    assert!(said.err.contains("temp: 2 heads"), "{}", said.err);
    let message = sandbox.run(&["-r", "copy", "read", "temp/bxl"]).fails(3);
    assert!(message.contains("`lakota status`"), "{message}");
    sandbox.run(&["-r", "copy", "merge", "temp", "--ours"]).ok();
    sandbox.run(&["push", "copy"]).ok();
    sandbox.run(&["-r", "copy", "push"]).ok();
    assert_eq!(rows(&sandbox, ".lakota"), rows(&sandbox, "copy"));
}

#[test]
fn an_empty_folder_and_the_folder_around_a_repository_are_told_what_is_missing() {
    let sandbox = Sandbox::with_rows();
    std::fs::create_dir(sandbox.path("empty")).unwrap();
    let message = sandbox.run(&["push", "./empty"]).fails(1);
    assert!(message.contains("lakota clone .lakota ./empty"), "{message}");
    let message = sandbox.run(&["clone", ".", "copy"]).fails(1);
    assert!(message.contains("./.lakota is one"), "{message}");
}

#[test]
fn a_place_that_is_not_there_yet_is_remembered_without_detours() {
    let sandbox = Sandbox::with_rows();
    sandbox.run(&["remote", "add", "backup", ".lakota/../later"]).ok();
    let place = sandbox.folder.path().canonicalize().unwrap().join("later");
    assert_eq!(sandbox.run(&["remote"]).ok(), format!("backup\t{}\n", place.display()));
}

#[test]
fn a_shallow_copy_says_that_it_does_not_know_what_came_before() {
    let sandbox = Sandbox::with_rows();
    sandbox.pipe("2020-06-28,1\n", &["write", "temp/bxl"]).ok();
    sandbox.run(&["clone", "--shallow", ".lakota", "laptop"]).ok();
    let message = sandbox.run(&["-r", "laptop", "diff", "temp/bxl"]).fails(1);
    assert!(message.contains("history here begins with it"), "{message}");
}
