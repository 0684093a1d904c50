//! Folders of plain files, as the original exports them.

use super::{INPUT, Sandbox};

/// An export of the original: seconds, CRLF, its names of types.
fn original(sandbox: &Sandbox) {
    sandbox.file(
        "old/temp/_schema.json",
        r#"{"kind": null, "columns": {
            "timestamp": {"dt": "datetime64[s]", "codecs": ["blosc"], "idx": true},
            "value": {"dt": "float64", "codecs": ["blosc"], "idx": false},
            "note": {"dt": "<U0", "codecs": ["msgpack2", "zstd"], "idx": false}}}"#,
    );
    sandbox.file("old/temp/bxl.csv", "timestamp,value,note\r\n2020-06-22T00:00:00,25.0,ok\r\n");
    sandbox.file("old/temp/rome.csv", "timestamp,value,note\r\n2020-06-23T00:00:00,nan,\"a,b\"\r\n");
}

#[test]
fn export_of_the_original_is_imported() {
    let sandbox = Sandbox::new();
    original(&sandbox);
    sandbox.run(&["import", "old"]).ok();
    assert_eq!(sandbox.run(&["schema", "temp"]).ok(), "timestamp timestamp[s]*\nvalue float\nnote str\n");
    assert_eq!(
        sandbox.run(&["read", "temp/rome"]).ok(),
        "timestamp,value,note\n2020-06-23T00:00:00,NaN,\"a,b\"\n"
    );
}

#[test]
fn import_is_one_revision_and_repeats_without_one() {
    let sandbox = Sandbox::new();
    original(&sandbox);
    for _ in 0..2 {
        sandbox.run(&["import", "old"]).ok();
        // The collection's first revision and that of the import.
        assert_eq!(sandbox.run(&["log", "temp", "--oneline"]).ok().lines().count(), 2);
    }
}

#[test]
fn export_reads_back_in_both_file_types() {
    let sandbox = Sandbox::with_rows();
    for label in ["temp/a%b/c", "temp/_hidden", "temp/.dot"] {
        sandbox.pipe(INPUT, &["write", label]).ok();
    }
    sandbox.run(&["create", "temp/empty"]).ok();
    for file_type in ["csv", "parquet"] {
        sandbox.run(&["export", file_type, "--file-type", file_type]).ok();
        sandbox.run(&["-r", &format!("repo-{file_type}"), "import", file_type]).ok();
        let listing = |repo: &str| {
            let long = sandbox.run(&["-r", repo, "ls", "-l", "temp"]).ok();
            long.lines().map(|line| line.rsplit_once(' ').unwrap().0.trim().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(listing(&format!("repo-{file_type}")), listing(".lakota"), "{file_type}");
    }
}

#[test]
fn collections_can_be_chosen() {
    let sandbox = Sandbox::with_rows();
    sandbox.run(&["create", "other", "k int*"]).ok();
    sandbox.run(&["export", "out"]).ok();
    sandbox.run(&["-r", "new", "import", "out", "-c", "other"]).ok();
    assert_eq!(sandbox.run(&["-r", "new", "ls"]).ok(), "other\n");
}

#[test]
fn bad_file_of_an_import_is_told() {
    let sandbox = Sandbox::new();
    original(&sandbox);
    sandbox.file("old/temp/rome.csv", "timestamp,value,note\n2020-06-23,x,y\n");
    let message = sandbox.run(&["import", "old"]).fails(1);
    assert!(message.contains("old/temp/rome.csv: line 2, column value: \"x\" is not a float"), "{message}");
}

#[test]
fn folder_without_collections_is_told() {
    let sandbox = Sandbox::new();
    sandbox.file("old/readme.txt", "x");
    let message = sandbox.run(&["import", "old"]).fails(1);
    assert!(message.contains("no folder in it has a _schema.json"), "{message}");
}

/// What an import of a folder gives.
fn imported(sandbox: &Sandbox, folder: &str) -> String {
    let repo = tempfile::tempdir_in(sandbox.folder.path()).unwrap();
    let repo = repo.path().join("repo").into_os_string().into_string().unwrap();
    sandbox.run(&["-r", &repo, "-q", "import", folder]).ok();
    let script = "for c in $($LAKOTA -r REPO ls); do echo $c:; $LAKOTA -r REPO ls $c; done";
    sandbox.shell(&script.replace("REPO", &repo)).ok()
}

#[test]
fn an_export_does_not_leave_what_is_gone_in_its_folder() {
    let sandbox = Sandbox::with_rows();
    for label in ["temp/rome", "temp/oslo"] {
        sandbox.pipe(INPUT, &["write", label]).ok();
    }
    sandbox.run(&["create", "wind/a", "k int*"]).ok();
    sandbox.run(&["export", "out"]).ok();
    sandbox.run(&["export", "out"]).ok();
    sandbox.run(&["delete", "temp/rome"]).ok();
    sandbox.run(&["rename", "temp/oslo", "temp/Oslo"]).ok();
    sandbox.run(&["delete", "wind"]).ok();
    sandbox.pipe("2020-06-22,99\n", &["write", "temp/bxl"]).ok();
    let before = sandbox.shell("find out -type f | sort | xargs md5sum").ok();
    let message = sandbox.run(&["export", "out"]).fails(1);
    for part in
        ["4 files", "out/temp/rome.csv", "out/temp/oslo.csv", "out/wind/a.csv", "--delete removes them"]
    {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(sandbox.shell("find out -type f | sort | xargs md5sum").ok(), before, "nothing was written");
    // One collection is exported without a look at the others.
    assert!(sandbox.run(&["export", "out", "-c", "temp"]).fails(1).contains("2 files"));
    let said = sandbox.run(&["export", "out", "--delete"]).err;
    assert!(said.contains("removed 4 files of earlier exports from out"), "{said}");
    assert_eq!(imported(&sandbox, "out"), "temp:\nOslo\nbxl\n");
    assert!(!sandbox.path("out/wind").exists());
    assert!(sandbox.text("out/temp/bxl.csv").contains("99"));
}

#[test]
fn an_export_in_another_format_does_not_stand_beside_the_first() {
    let sandbox = Sandbox::with_rows();
    sandbox.run(&["export", "out"]).ok();
    let parquet = ["export", "out", "-T", "parquet"];
    let message = sandbox.run(&parquet).fails(1);
    assert!(message.contains("out/temp/bxl.csv; --delete"), "{message}");
    sandbox.run(&[&parquet[..], &["--delete"]].concat()).ok();
    assert_eq!(imported(&sandbox, "out"), "temp:\nbxl\n");
}

#[test]
fn an_export_removes_nothing_that_no_export_wrote() {
    let sandbox = Sandbox::with_rows();
    sandbox.run(&["export", "out"]).ok();
    sandbox.file("out/temp/_notes.csv", "");
    sandbox.file("out/temp/README.md", "");
    sandbox.file("out/other/x.csv", "no collection");
    sandbox.run(&["export", "out", "--delete"]).ok();
    for name in ["out/temp/sub/x.csv", "out/temp/notes.txt", "out/temp/a%2fb.csv"] {
        let path = sandbox.file(name, "mine");
        for words in [&["export", "out"][..], &["export", "out", "--delete"]] {
            let message = sandbox.run(words).fails(1);
            assert!(message.contains(&format!("{name}; {name} was written by no export")), "{message}");
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        std::fs::remove_file(path).unwrap();
    }
    std::os::unix::fs::symlink("bxl.csv", sandbox.path("out/temp/link.csv")).unwrap();
    sandbox.run(&["export", "out", "--delete"]).fails(1);
    for name in ["out/temp/_notes.csv", "out/temp/README.md", "out/other/x.csv", "out/temp/link.csv"] {
        assert!(sandbox.path(name).exists(), "{name}");
    }
}

#[test]
fn labels_of_any_length_are_exported_and_come_back() {
    let sandbox = Sandbox::with_rows();
    let long = [249, 252, 255].map(|len| "x".repeat(len));
    let accents = format!("{}/{}", "é".repeat(60), "_".repeat(130));
    for label in long.iter().chain([&accents]) {
        sandbox.pipe(INPUT, &["write", &format!("temp/{label}")]).ok();
    }
    let hidden = format!("_{}", "c".repeat(254));
    sandbox.run(&["create", &format!("{hidden}/a"), "k int*"]).ok();
    let all = |repo: &str| {
        let labels = [sandbox.run(&["-r", repo, "ls"]), sandbox.run(&["-r", repo, "ls", "temp"])];
        labels.map(super::Ran::ok)
    };
    for file_type in ["csv", "parquet"] {
        for _ in 0..2 {
            sandbox.run(&["export", file_type, "-T", file_type]).ok();
        }
        let repo = format!("repo-{file_type}");
        sandbox.run(&["-r", &repo, "import", file_type]).ok();
        assert_eq!(all(&repo), all(".lakota"));
        assert_eq!(sandbox.run(&["-r", &repo, "ls", &hidden]).ok(), "a\n");
    }
    sandbox.run(&["delete", &format!("temp/{}", long[2])]).ok();
    let message = sandbox.run(&["export", "csv"]).fails(1);
    assert!(message.contains("1 file that"), "{message}");
    sandbox.run(&["export", "csv", "--delete"]).ok();
    sandbox.run(&["-r", "again", "import", "csv"]).ok();
    assert_eq!(all("again"), all(".lakota"));
}

#[test]
fn an_export_waits_for_no_pipe_in_its_folder() {
    let sandbox = Sandbox::with_rows();
    for name in ["bxl.csv", "_schema.json", "_labels.json"] {
        let ran = sandbox
            .shell(&format!("mkdir -p out/temp; mkfifo out/temp/{name}; timeout 20 $LAKOTA export out"));
        let message = ran.fails(1);
        assert!(message.contains(&format!("out/temp/{name} is no regular file")), "{message}");
        std::fs::remove_file(sandbox.path(&format!("out/temp/{name}"))).unwrap();
    }
    sandbox.shell("mkfifo out/_labels.json; timeout 20 $LAKOTA export out -c temp").ok();
}

#[test]
fn pipes_in_a_folder_are_refused_and_named_ones_are_read() {
    let sandbox = Sandbox::with_rows();
    original(&sandbox);
    sandbox.shell("mkfifo old/temp/pipe.csv").ok();
    let import = |sandbox: &Sandbox| sandbox.shell("timeout 20 $LAKOTA -r new import old");
    let message = import(&sandbox).fails(1);
    assert!(message.contains("old/temp/pipe.csv: not a regular file"), "{message}");
    sandbox.shell("rm old/temp/pipe.csv; ln -s . old/temp/again").ok();
    let message = import(&sandbox).fails(1);
    assert!(message.contains("old/temp/again: a link that leads back to a folder above it"), "{message}");
    sandbox.shell("rm old/temp/again; rm old/temp/_schema.json; mkfifo old/temp/_schema.json").ok();
    let message = import(&sandbox).fails(1);
    assert!(!message.is_empty());
    // One that somebody names is meant.
    sandbox.shell("timeout 20 $LAKOTA write temp/a <(echo 2020-06-22,1)").ok();
    sandbox.shell("echo 2020-06-22,2 | timeout 20 $LAKOTA write temp/b /dev/stdin").ok();
    sandbox.shell("mkfifo named; echo 2020-06-22,3 > named & timeout 20 $LAKOTA write temp/c named").ok();
    for (label, value) in [("a", 1), ("b", 2), ("c", 3)] {
        let rows = sandbox.run(&["read", &format!("temp/{label}")]).ok();
        assert_eq!(rows, format!("timestamp,value\n2020-06-22T00:00:00,{value}.0\n"));
    }
}

#[test]
fn a_repository_with_pipes_in_it_hangs_nobody() {
    let sandbox = Sandbox::with_rows();
    let script = r#"
        for at in .lakota/*/*/*.*; do case $at in */00000000*|*/ffffffff*) ;; *) folder=${at%/*} head=${at##*.} ;; esac; done
        mkfifo "$folder/$head.1ffffffffff-$(printf 'cd%.0s' $(seq 32))"
        cp -r --no-preserve=all .lakota/remotes . 2>/dev/null
        mkdir -p .lakota/remotes; mkfifo .lakota/remotes/backup
        for verb in "read temp/bxl" "log temp" verify "gc" "clone .lakota other" "pull backup" "remote list" "status"; do
            timeout 20 $LAKOTA -q $verb >/dev/null 2>&1
            echo "$verb: $?"
        done
        rm .lakota/format; mkfifo .lakota/format
        timeout 20 $LAKOTA ls; echo "ls: $?"
    "#;
    let said = sandbox.shell(script).ok();
    assert!(!said.contains(": 124") && said.contains("read temp/bxl: 1") && said.contains("ls: 1"), "{said}");
}
