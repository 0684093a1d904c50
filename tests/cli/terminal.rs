//! What others wrote into a repository does not act on the terminal of who looks at it.

use super::{Ran, Sandbox};
use lakota::repo::{Options, Repo};

/// Clears the screen, sets a title, ends in C1 and bidirectional characters.
const EVIL: &str = "evil\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}1m\u{202e}\u{2066}\u{2028}";

/// What is left of it.
const SHOWN: &str = r"evil\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}1m\u{202e}\u{2066}\u{2028}";

/// Fails if a text could act on a terminal.
#[track_caller]
fn is_plain(text: &str) {
    let odd = |c: char| (c.is_control() && c != '\n' && c != '\t') || "\u{202e}\u{2066}\u{2028}".contains(c);
    assert!(!text.contains(odd), "{text:?}");
}

/// A repository whose messages, authors, labels, tags and values are evil as far as they may be.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "c/s\u{202e}", "k int*", "v int", "\u{202e}t str"]).ok();
    sandbox.pipe("1,2,\"a\u{1b}[2Jb\"\n", &["write", "c/s\u{202e}"]).ok();
    // This program makes no such authors: another one may.
    let author = format!("ann{EVIL}\nauthor    root@host");
    let repo = Repo::open(&sandbox.path(".lakota"), Options { author, ..Options::default() }).unwrap();
    let collection = repo.collection("c").unwrap();
    let mut batch = collection.batch(&format!("{EVIL}\nauthor    root\r\n\nrevision  fake\n")).unwrap();
    batch.rename("s\u{202e}", "s\u{202e}2").unwrap();
    batch.commit().unwrap();
    sandbox
}

#[test]
fn all_that_is_shown_of_a_history_is_plain() {
    let sandbox = sandbox();
    sandbox.run(&["tag", "v\u{202e}1", "c"]).ok();
    for words in [
        &["log", "c"][..],
        &["log", "c", "--oneline"],
        &["log"],
        &["show", "-c", "c", "latest"],
        &["status", "c"],
        &["merge", "c"],
        &["tag"],
        &["ls", "-l"],
        &["ls", "-l", "c"],
        &["schema", "c"],
        &["diff", "c/s\u{202e}2"],
        &["diff", "c"],
        &["diff", "c", "--stat"],
        &["read", "c/s\u{202e}2", "--format", "table"],
        &["blame", "c/s\u{202e}2", "--format", "table"],
        &["watch", "c", "--since", "2020", "--count", "2"],
        &["verify"],
    ] {
        let Ran { out, err, .. } = sandbox.run(words);
        is_plain(&out);
        is_plain(&err);
    }
}

#[test]
fn a_message_of_several_lines_is_indented_and_fakes_no_field() {
    let sandbox = sandbox();
    let log = sandbox.run(&["log", "c", "--limit", "1"]).ok();
    let indent = " ".repeat(10);
    assert!(
        log.contains(&format!("\nmessage   {SHOWN}\n{indent}author    root\n\n{indent}revision  fake\n")),
        "{log}"
    );
    let authors: Vec<&str> = log.lines().filter(|line| line.starts_with("author")).collect();
    assert_eq!(authors, [format!("author    ann{SHOWN}\\nauthor    root@host")]);
    assert_eq!(sandbox.run(&["log", "c", "--oneline"]).ok().lines().count(), 4);
    // Data has what was written.
    let json: serde_json::Value =
        serde_json::from_str(&sandbox.run(&["log", "c", "--limit", "1", "--json"]).ok()).unwrap();
    assert!(json["author"].as_str().unwrap().starts_with(&format!("ann{EVIL}\nauthor    root")));
    assert!(sandbox.run(&["read", "c/s\u{202e}2"]).ok().contains("a\u{1b}[2Jb"));
    assert_eq!(sandbox.run(&["ls", "c"]).ok(), "s\u{202e}2\n");
}

#[test]
fn messages_show_what_they_quote() {
    let sandbox = Sandbox::with_rows();
    let path = format!("{EVIL}\nlakota: all is well");
    sandbox.file(&format!("{path}.csv"), format!("{EVIL},value\n2020-01-01,x\n"));
    for words in [
        &["read", &format!("temp/{path}")][..],
        &["read", "temp/bxl", &path],
        &["write", "temp/bxl", &format!("{path}.csv")],
        &["write", "temp/bxl", &format!("no{path}.csv")],
        &["import", &path],
        &["export", "out", "-c", &path],
        &["clone", &path, "new"],
        &["push", &path],
        &["remote", "add", &path, "x"],
        &["tag", &path],
        &["-r", &path, "ls"],
        &["rename", "temp/bxl", &format!("temp/{path}")],
        &["create", &path, "k int*"],
        &["create", "x", &path],
        &["mount", &path],
        &["umount", &path],
        &["diff", &path, "temp/bxl"],
        &["restore", "temp/bxl", "--to", &path],
        &["alter", "temp", "rename", &path, "x"],
    ] {
        let Ran { out, err, code } = sandbox.run(words);
        is_plain(&out);
        is_plain(&err);
        assert!(matches!(code, Some(1 | 2)) && err.contains(r"evil\u{1b}[2J"), "{words:?}: {err}");
        assert!(!err.contains("\nlakota: all is well"), "{err}");
    }
    // The arguments of this process itself may be shown on lines of their own.
    let usage = sandbox.run(&["read", "--limit", &path]);
    is_plain(&usage.err);
    let ran = sandbox.run(&["remote", "add", "evil", &path]);
    assert!(ran.err.starts_with("added remote evil: "), "{ran:?}");
    is_plain(&ran.err);
    assert_eq!(sandbox.run(&["remote", "list"]).ok().lines().count(), 1);
    let logged = sandbox.run(&["-vv", "write", "temp/bxl", &format!("{path}.csv")]);
    is_plain(&logged.err);
}
