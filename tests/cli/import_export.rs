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
