//! What a signal leaves: no unfinished files, and a true word of what was done.

use super::{INPUT, Sandbox};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

/// Starts the program with a standard input that stays open.
fn start(sandbox: &Sandbox, words: &[&str]) -> Child {
    let mut command = sandbox.command();
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Waits until a folder has a file whose name starts so.
fn wait_for(folder: &Path, start: &str) {
    let begun = Instant::now();
    let is_there = || {
        let Ok(found) = folder.read_dir() else { return false };
        found.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with(start))
    };
    while !is_there() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no {start} in {}", folder.display());
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn names(folder: &Path) -> Vec<String> {
    let found = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = found.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Rows that take a while to be written out.
fn many_rows(sandbox: &Sandbox) {
    sandbox.run(&["create", "many", "k int*", "v float"]).ok();
    let rows: String = (0..400_000).map(|k| format!("{k},{}.5\n", k % 977)).collect();
    sandbox.pipe(rows, &["write", "many/a", "--no-sync"]).ok();
}

#[test]
fn an_output_that_is_stopped_leaves_no_file() {
    let sandbox = Sandbox::new();
    many_rows(&sandbox);
    std::fs::create_dir(sandbox.path("out")).unwrap();
    sandbox.file("out/kept.csv", "before\n");
    let export = ["export", "out", "-c", "many"];
    let cases: [(&[&str], &str, Signal, i32); 4] = [
        (&["read", "many/a", "-o", "out/kept.csv"], "out", Signal::INT, 130),
        (&["blame", "many/a", "-o", "out/kept.csv"], "out", Signal::TERM, 143),
        (&["diff", "many/a", "-o", "out/kept.csv"], "out", Signal::HUP, 129),
        (&export, "out/many", Signal::INT, 130),
    ];
    for (words, folder, with, code) in cases {
        let folder = sandbox.path(folder);
        let child = start(&sandbox, words);
        wait_for(&folder, ".lakota-");
        signal(&child, with);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", told(&output));
        assert_eq!(told(&output), "lakota: interrupted, nothing changed\n", "{words:?}");
        let left = sandbox.shell("find . -name '.lakota-*'");
        assert_eq!(left.ok(), "");
        assert_eq!(sandbox.text("out/kept.csv"), "before\n");
    }
    assert_eq!(names(&sandbox.path("out")), ["kept.csv"]);
}

/// Threads cost a short read more than what it reads.
#[test]
fn a_read_that_leaves_nothing_is_stopped_without_a_word_and_a_thread_for_it() {
    let sandbox = Sandbox::new();
    many_rows(&sandbox);
    for (with, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut command = sandbox.command();
        // Who that is would be asked of the system, on a thread.
        command.env_remove("USER").args(["read", "many/a"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It waits for somebody to take the rest.
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 100]).unwrap();
        let tasks = PathBuf::from(format!("/proc/{}/task", child.id()));
        for task in names(&tasks) {
            let name = std::fs::read_to_string(tasks.join(task).join("comm")).unwrap();
            assert!(!["signals", "user"].contains(&name.trim()), "{name}");
        }
        signal(&child, with);
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), told(&output).as_str()), (Some(code), ""));
    }
}

#[test]
fn a_write_that_is_stopped_while_it_reads_changes_nothing() {
    let sandbox = Sandbox::with_rows();
    let log = || sandbox.run(&["log", "temp", "--oneline"]).ok();
    let before = log();
    let mut child = start(&sandbox, &["write", "temp/bxl"]);
    // Open until the end: a write whose input ends may be done before it hears of the signal.
    let mut input = child.stdin.take().unwrap();
    input.write_all(INPUT.replace(",2", ",3").as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), told(&output).as_str()),
        (Some(130), "lakota: interrupted, nothing changed\n")
    );
    assert_eq!(log(), before);
}

#[test]
fn nothing_changed_is_said_only_where_it_is_true() {
    let sandbox = Sandbox::with_rows();
    let newest = || sandbox.run(&["log", "temp", "--oneline", "--limit", "1"]).ok();
    let mut stopped = 0;
    for n in 0..60_u64 {
        let before = newest();
        let mut child = start(&sandbox, &["write", "temp/bxl"]);
        child.stdin.take().unwrap().write_all(format!("2020-06-22,{n}.25\n").as_bytes()).unwrap();
        std::thread::sleep(Duration::from_micros(700 * n));
        // It may have ended already.
        kill_process(Pid::from_child(&child), Signal::INT).ok();
        let output = child.wait_with_output().unwrap();
        let (said, changed) = (told(&output), newest() != before);
        match output.status.code() {
            Some(0) => assert!(changed, "{said}"),
            Some(130) => {
                stopped += 1;
                assert_eq!(said.contains("nothing changed"), !changed, "{said}");
            }
            // Before it listens to signals.
            None => assert!(!changed),
            code => panic!("{code:?}: {said}"),
        }
        let left = sandbox.shell("find .lakota -name '.tmp-*'").ok();
        assert_eq!(left, "");
    }
    println!("{stopped} of 60 writes were stopped");
}

#[test]
fn a_clone_that_is_stopped_leaves_no_unfinished_file_and_goes_on() {
    let sandbox = Sandbox::with_rows();
    for n in 0..12_u64 {
        let place = format!("copy-{n}");
        let child = start(&sandbox, &["clone", ".lakota", &place]);
        std::thread::sleep(Duration::from_millis(5 * n));
        // It may have ended already.
        kill_process(Pid::from_child(&child), Signal::TERM).ok();
        let output = child.wait_with_output().unwrap();
        let (code, said) = (output.status.code(), told(&output));
        assert!(matches!(code, Some(0 | 143) | None), "{code:?}: {said}");
        if code == Some(143) {
            let made = sandbox.path(&place).exists();
            assert!(
                !made || said.ends_with("lakota: interrupted; what was done until then stays\n"),
                "{said}"
            );
        }
        let left = sandbox.shell("find . -name '.tmp-*' -o -name '.lakota-*'");
        assert_eq!(left.ok(), "");
        let again = sandbox.run(&["clone", ".lakota", &place]);
        assert!(again.code == Some(0) || again.err.contains("is a repository already"), "{again:?}");
        assert_eq!(sandbox.run(&["-r", &place, "len", "temp/bxl"]).ok(), "6\n");
    }
}

#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let sandbox = Sandbox::with_rows();
    let ran = sandbox.shell(
        "trap '' HUP; (sleep .5; echo 2020-06-22,7) | $LAKOTA write temp/bxl & sleep .2; kill -HUP $!; wait $!",
    );
    assert!(ran.err.starts_with("wrote 1 row"), "{ran:?}");
}

/// As a terminal does that is closed: it and its shell tell of it.
#[test]
fn a_second_hangup_does_not_cut_the_end_short() {
    let sandbox = Sandbox::new();
    many_rows(&sandbox);
    std::fs::create_dir(sandbox.path("out")).unwrap();
    for n in 0..8_u64 {
        let child = start(&sandbox, &["read", "many/a", "-o", "out/rows.csv"]);
        wait_for(&sandbox.path("out"), ".lakota-");
        signal(&child, Signal::HUP);
        std::thread::sleep(Duration::from_micros(50 * n));
        signal(&child, Signal::HUP);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(129), "{}", told(&output));
        assert_eq!(told(&output), "lakota: interrupted, nothing changed\n");
        assert!(names(&sandbox.path("out")).is_empty());
    }
}

#[test]
fn an_end_whose_words_nobody_reads_comes_all_the_same() {
    let sandbox = Sandbox::with_rows();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let room = rustix::pipe::fcntl_getpipe_size(&writer).unwrap();
    writer.write_all(&vec![b'x'; room]).unwrap();
    let mut command = sandbox.command();
    command.args(["write", "temp/bxl"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(writer);
    let mut child = command.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, Signal::INT);
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if begun.elapsed() > Duration::from_secs(30) => break None,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    child.kill().ok();
    child.wait().unwrap();
    assert_eq!(status.and_then(|status| status.code()), Some(130));
    drop(reader);
}
