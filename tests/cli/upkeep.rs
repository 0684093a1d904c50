//! The upkeep verbs: rows read the same after each.

use super::{CORRECTED, Sandbox};

/// With two writes in the history.
fn corrected() -> Sandbox {
    let sandbox = Sandbox::with_rows();
    sandbox.pipe(CORRECTED, &["write", "temp/bxl"]).ok();
    sandbox
}

fn revisions(sandbox: &Sandbox) -> usize {
    sandbox.run(&["log", "temp", "--oneline"]).ok().lines().count()
}

#[test]
fn pack_keeps_the_history() {
    let sandbox = corrected();
    let log = sandbox.run(&["log", "temp"]).ok();
    assert_eq!(sandbox.run(&["pack", "temp"]).err, "temp: packed 3 revisions in one file\n");
    assert_eq!(sandbox.run(&["log", "temp"]).ok(), log);
}

#[test]
fn squash_leaves_one_revision_and_the_rows() {
    let sandbox = corrected();
    let rows = sandbox.run(&["read", "temp/bxl"]).ok();
    sandbox.run(&["squash", "temp"]).ok();
    assert_eq!(revisions(&sandbox), 1);
    assert_eq!(sandbox.run(&["read", "temp/bxl"]).ok(), rows);
}

#[test]
fn upkeep_without_a_collection_is_that_of_the_registry() {
    let said = corrected().run(&["squash"]).err;
    assert!(said.starts_with("the registry: "), "{said}");
}

#[test]
fn all_means_every_collection_and_the_registry() {
    let sandbox = corrected();
    sandbox.run(&["create", "other", "k int*"]).ok();
    let said = sandbox.run(&["pack", "--all"]).err;
    let labels: Vec<&str> = said.lines().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(labels, ["other", "temp", "the registry"]);
}

#[test]
fn trim_forgets_what_is_older() {
    let sandbox = corrected();
    sandbox.run(&["trim", "temp", "--before", "2100-01-01"]).ok();
    assert_eq!(revisions(&sandbox), 1);
}

#[test]
fn state_before_a_trim_is_told_to_be_gone() {
    let sandbox = corrected();
    sandbox.run(&["squash", "temp"]).ok();
    let message = sandbox.run(&["read", "temp/bxl", "--before", "2020-01-01"]).fails(1);
    assert!(message.contains("was trimmed"), "{message}");
}

#[test]
fn gc_spares_what_is_read() {
    let sandbox = corrected();
    let rows: String = (0..20_000).map(|i| format!("{i},{}\n", i * i)).collect();
    sandbox.run(&["create", "c", "k int*", "v int"]).ok();
    sandbox.pipe(&rows, &["write", "c/s"]).ok();
    sandbox.pipe("1,1\n", &["write", "c/s", "--replace"]).ok();
    sandbox.run(&["squash", "c"]).ok();
    for _ in 0..2 {
        sandbox.run(&["gc", "--grace", "0s"]).ok();
    }
    assert_eq!(sandbox.run(&["read", "c/s"]).ok(), "k,v\n1,1\n");
    assert_eq!(sandbox.run(&["len", "temp/bxl"]).ok(), "6\n");
}

#[test]
fn verify_finds_all_well() {
    let said = corrected().run(&["verify"]).err;
    assert!(said.starts_with("all is well: "), "{said}");
}

#[test]
fn verify_tells_damage_and_exits_with_1() {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "c", "k int*", "v int"]).ok();
    let rows: String = (0..50_000_i64).map(|i| format!("{i},{}\n", i * 7919 % 10_007)).collect();
    sandbox.pipe(&rows, &["write", "c/s"]).ok();
    let script = "file=$(find .lakota -type f -printf '%s %p\\n' | sort -n | tail -1 | cut -d' ' -f2); \
                  printf X | dd of=$file bs=1 seek=1000 conv=notrunc status=none; $LAKOTA verify";
    let ran = sandbox.shell(script);
    assert!(!ran.out.is_empty(), "{ran:?}");
    ran.fails(1);
}

#[test]
fn one_revision_is_one_and_sizes_are_for_people() {
    let sandbox = Sandbox::with_rows();
    sandbox.pipe(CORRECTED, &["write", "temp/bxl"]).ok();
    sandbox.run(&["trim", "temp", "--before", "2099"]).ok();
    let said = sandbox.run(&["verify"]).err;
    assert!(said.contains(", 2 revisions\n") && said.starts_with("all is well: "), "{said}");
    sandbox.pipe("2020-06-28,1\n", &["write", "temp/bxl"]).ok();
    let said = sandbox.run(&["squash", "temp"]).err;
    assert!(said.contains("forgot ") && !said.contains("forgot 1 revisions"), "{said}");
}

#[test]
fn damage_says_how_it_is_healed() {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "temp", "n int*", "value float"]).ok();
    let rows: String = (0..40_000_u64).map(|i| format!("{},{}\n", 1_000_000 + i, i * i % 9973)).collect();
    sandbox.pipe(rows, &["write", "temp/bxl"]).ok();
    sandbox.shell("rm $(find .lakota -type f -size +8k | head -n 1)").ok();
    assert!(sandbox.run(&["verify"]).fails(1).contains("`lakota verify --repair-from REMOTE`"));
}

#[test]
fn trim_needs_a_time() {
    let sandbox = Sandbox::with_rows();
    let log = || sandbox.run(&["log", "temp", "--format", "json"]).ok();
    let before = log();
    let message = sandbox.run(&["trim", "temp"]).fails(2);
    assert!(message.contains("--before"), "{message}");
    assert_eq!(log(), before);
}

/// Empties what a write without sync put, as a power failure may.
fn tear(sandbox: &Sandbox) {
    sandbox.pipe("2021-01-01,1\n", &["write", "--no-sync", "temp/bulk"]).ok();
    assert!(sandbox.path(".lakota/unsynced").exists());
    let said = sandbox.shell("find .lakota -name '*.unsynced' -size +0 -exec truncate -s 0 {} + -print").ok();
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_torn_write_is_told_and_the_rest_reads_writes_and_is_set_aside_for() {
    let sandbox = Sandbox::with_rows();
    let rows = sandbox.run(&["read", "temp/bxl"]).ok();
    tear(&sandbox);
    let read = sandbox.run(&["read", "temp/bxl"]);
    assert!(read.err.starts_with("lakota: warning: temp: revision "), "{}", read.err);
    assert!(read.err.contains("--no-sync") && read.err.contains("lakota verify --set-aside"), "{}", read.err);
    assert_eq!((read.code, read.out.as_str()), (Some(0), rows.as_str()));
    assert!(sandbox.run(&["read", "temp/bulk"]).fails(1).contains("there is no series"));
    sandbox.pipe("2021-01-01,2\n", &["write", "temp/other"]).ok();
    assert!(!sandbox.path(".lakota/unsynced").exists());
    assert!(sandbox.run(&["gc"]).fails(1).contains("lakota verify --set-aside"));
    assert!(sandbox.run(&["verify"]).fails(1).contains("1 damaged"));
    let done = sandbox.run(&["verify", "--set-aside"]);
    assert!(done.err.starts_with("set aside revision ") && done.err.contains("all is well"), "{}", done.err);
    assert_eq!(sandbox.run(&["gc"]).code, Some(0));
    let read = sandbox.run(&["read", "temp/bxl"]);
    assert_eq!((read.out, read.err), (rows, String::new()));
}

#[test]
fn a_pull_brings_back_what_was_torn() {
    let sandbox = Sandbox::with_rows();
    sandbox.pipe("2021-01-01,1\n", &["write", "--no-sync", "temp/bulk"]).ok();
    sandbox.run(&["clone", ".lakota", "backup"]).ok();
    sandbox.shell("find .lakota -name '*.unsynced' -exec truncate -s 0 {} +").ok();
    sandbox.pipe("2021-01-01,2\n", &["write", "temp/other"]).ok();
    sandbox.run(&["pull", "backup"]).ok();
    sandbox.run(&["merge", "temp"]).ok();
    sandbox.run(&["verify"]).ok();
    for (label, value) in [("bulk", "1.0"), ("other", "2.0")] {
        assert!(sandbox.run(&["read", &format!("temp/{label}")]).ok().ends_with(&format!(",{value}\n")));
    }
}

#[test]
fn a_repair_brings_back_what_was_torn() {
    let sandbox = Sandbox::with_rows();
    sandbox.pipe("2021-01-01,1\n", &["write", "--no-sync", "temp/bulk"]).ok();
    sandbox.run(&["clone", ".lakota", "backup"]).ok();
    sandbox.shell("find .lakota -name '*.unsynced' -exec truncate -s 0 {} +").ok();
    sandbox.pipe("2021-01-01,2\n", &["write", "temp/other"]).ok();
    let said = sandbox.run(&["verify", "--repair-from", "backup"]).err;
    assert!(said.contains("healed temp: revision ") && said.contains("all is well"), "{said}");
    assert!(sandbox.run(&["read", "temp/bulk"]).ok().ends_with(",1.0\n"));
    assert!(sandbox.run(&["read", "temp/other"]).ok().ends_with(",2.0\n"));
}

#[test]
fn a_damaged_revision_is_an_error_that_names_the_way_out() {
    let sandbox = corrected();
    sandbox.shell("truncate -s 1 \"$(ls -t .lakota/*/*/*.* | head -1)\"").ok();
    assert!(sandbox.run(&["read", "temp/bxl"]).fails(1).contains("is damaged"));
    assert!(sandbox.run(&["verify"]).fails(1).contains("lakota verify --set-aside"));
    sandbox.run(&["verify", "--set-aside"]).ok();
    assert!(!sandbox.run(&["read", "temp/bxl"]).ok().is_empty());
}

#[test]
fn lost_registry_is_told_kept_and_named_again() {
    let sandbox = Sandbox::with_rows();
    let rows = sandbox.run(&["read", "temp/bxl"]).ok();
    sandbox.shell("rm .lakota/00/00000*/*").ok();
    let told = sandbox.run(&["verify"]);
    assert!(told.out.contains("\"temp\"") && told.out.contains("--adopt"), "{told:?}");
    told.fails(1);
    for _ in 0..2 {
        let said = sandbox.run(&["gc", "--grace", "0s"]).err;
        assert!(said.contains("kept what 1 changelog folder"), "{said}");
    }
    let said = sandbox.run(&["verify", "--adopt"]).err;
    assert!(said.contains("named temp") && said.contains("all is well"), "{said}");
    assert_eq!(sandbox.run(&["read", "temp/bxl"]).ok(), rows);
}

#[test]
fn folder_that_nobody_wants_is_dropped_by_its_digits() {
    let sandbox = Sandbox::with_rows();
    sandbox.shell("rm .lakota/00/00000*/*").ok();
    assert!(sandbox.run(&["gc", "--drop", "no"]).fails(1).contains("`lakota verify` lists"));
    let told = sandbox.run(&["verify"]).out;
    let folder = told.split_whitespace().next().unwrap();
    let said = sandbox.run(&["gc", "--grace", "0s", "--drop", &folder[..10]]).err;
    assert!(said.contains("gave up") && !said.contains("kept"), "{said}");
    sandbox.run(&["verify"]).ok();
}

#[test]
fn lost_or_damaged_format_is_told_and_mended_from_a_clone() {
    let sandbox = Sandbox::with_rows();
    let rows = sandbox.run(&["read", "temp/bxl"]).ok();
    sandbox.run(&["clone", ".lakota", "backup"]).ok();
    for script in [
        "rm .lakota/format",
        "echo nonsense > .lakota/format",
        ": > .lakota/format",
        "yes | head -c 5000 > .lakota/format",
        "rm .lakota/format; mkfifo .lakota/format",
        "rm .lakota/format; mkdir .lakota/format; echo mine > .lakota/format/text",
    ] {
        sandbox.shell(script).ok();
        for words in [&["read", "temp/bxl"][..], &["verify"], &["gc"]] {
            let message = sandbox.run(words).fails(1);
            assert!(message.contains("`format`") && message.contains("--repair-from"), "{message}");
        }
        let said = sandbox.run(&["verify", "--repair-from", "backup"]);
        assert!(said.err.contains("healed format"), "{said:?}");
        said.ok();
        assert_eq!(sandbox.run(&["read", "temp/bxl"]).ok(), rows);
    }
    // What lay under its name and may be somebody's is kept.
    assert_eq!(sandbox.shell("cat .lakota/format.damaged/text; rm -r .lakota/format.damaged").ok(), "mine\n");
    // A later format is no damage, or nobody can tell.
    sandbox.shell("echo 'lakota repository, format 7' > .lakota/format").ok();
    let message = sandbox.run(&["verify", "--repair-from", "backup"]).fails(1);
    assert!(message.contains("newer lakota") && message.contains("format 1"), "{message}");
    // Bytes behind the line do no harm, and are told.
    sandbox.shell("printf 'lakota repository, format 1\n\n' > .lakota/format").ok();
    assert!(sandbox.run(&["verify"]).out.contains("file format is damaged"));
    assert!(sandbox.run(&["verify", "--repair-from", "backup"]).err.contains("healed format"));
    sandbox.run(&["verify"]).ok();
    // What is no repository is none.
    sandbox.run(&["-r", "backup/..", "verify"]).fails(1);
}

#[test]
fn repair_tells_what_the_remote_has_beside() {
    let sandbox = Sandbox::with_rows();
    sandbox.run(&["clone", ".lakota", "backup"]).ok();
    sandbox.pipe(CORRECTED, &["-r", "backup", "write", "temp/bxl"]).ok();
    let ran = sandbox.run(&["verify", "--repair-from", "backup"]);
    assert!(
        ran.err.contains("temp: the remote has 1 revision that is not here") && ran.err.contains("pull"),
        "{ran:?}"
    );
    ran.ok();
}

#[test]
fn file_that_is_not_ours_and_a_remote_that_is_gone_are_notes() {
    let sandbox = Sandbox::with_rows();
    sandbox.file(".lakota/notes.txt", "x");
    sandbox.run(&["remote", "add", "backup", "gone"]).ok();
    let out = sandbox.run(&["verify"]).ok();
    assert!(out.contains("note: notes.txt") && out.contains("note: remotes/backup"), "{out}");
    sandbox.shell("printf '\\001' >> .lakota/remotes/backup").ok();
    assert!(sandbox.run(&["verify"]).out.contains("file remotes/backup is damaged"));
}
