//! The consumer matrix: programs that read columns and tables, and the values they get.

use crate::gallery::{gallery, rich_expected};
use crate::mounted::Mount;
use crate::sandbox::Sandbox;
use crate::tools::{consumer, limited, needs, python, run, script};
use std::path::PathBuf;

/// The repository with everything, mounted, and what the readers are to find in it.
fn served() -> (Sandbox, Mount, PathBuf) {
    let sandbox = gallery();
    let expected = sandbox.path("expected.json");
    std::fs::write(&expected, rich_expected().to_string()).unwrap();
    let mount = sandbox.mount();
    (sandbox, mount, expected)
}

/// Runs a script on the mount that fails where a value is not what was written.
#[track_caller]
fn agrees(name: &str) {
    let (_sandbox, mount, expected) = served();
    run(script(name).arg(mount.path()).arg(expected), "").ok();
}

#[test]
fn pyarrow_reads_what_was_written() {
    agrees("with_pyarrow.py");
}

#[test]
fn pandas_reads_what_was_written() {
    agrees("with_pandas.py");
}

#[test]
fn polars_reads_what_was_written() {
    agrees("with_polars.py");
}

#[test]
fn duckdb_reads_what_was_written() {
    agrees("with_duckdb.py");
}

#[test]
fn parquet_rs_reads_what_was_written() {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let (sandbox, mount, _) = served();
    for place in ["all/rich", "all/one", "all/empty", "temp/bundle", "temp/big"] {
        // The command line writes a Parquet file of its own: other row groups, the same rows.
        let exported = sandbox.path("exported.parquet");
        let read = sandbox.run(&["read", place, "-o", exported.to_str().unwrap()]);
        read.ok();
        let rows = |path: &std::path::Path| {
            let file = std::fs::File::open(path).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            let schema = std::sync::Arc::clone(reader.schema());
            let frames: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
            arrow_select::concat::concat_batches(&schema, &frames).unwrap()
        };
        let (live, exported) = (rows(&mount.at(place).join("live.parquet")), rows(&exported));
        assert_eq!(live.num_rows(), exported.num_rows(), "{place}");
        assert_eq!(live.schema().fields(), exported.schema().fields(), "{place}");
        for (a, b) in live.columns().iter().zip(exported.columns()) {
            assert!(a.to_data() == b.to_data(), "{place}");
        }
    }
}

#[test]
fn r_reads_csv() {
    needs("Rscript");
    let (sandbox, mount, expected) = served();
    let out = sandbox.path("from_r.csv");
    let mut r = limited("Rscript");
    r.env("TZ", "UTC").arg("--vanilla").arg(consumer("read.R"));
    run(r.arg(mount.at("all/rich/live.csv")).arg(&out), "").ok();
    run(script("dumped.py").arg("csv").arg(&out).arg(expected), "").ok();
}

#[test]
fn sqlite_imports_csv() {
    needs("sqlite3");
    let (sandbox, mount, expected) = served();
    let database = sandbox.path("rich.db");
    let statements = format!(
        "CREATE TABLE rich(at TEXT, station TEXT, f REAL, i INTEGER, s TEXT, b TEXT, d TEXT, sec TEXT, us TEXT, ns TEXT);\n\
         .import --csv --skip 1 {} rich\n.import --csv {} empty\n",
        mount.at("all/rich/live.csv").display(),
        mount.at("temp/big/live.csv").display()
    );
    run(limited("sqlite3").arg("-bail").arg(&database), statements).ok();
    run(script("dumped.py").arg("sqlite").arg(&database).arg(expected), "").ok();
    let counted = run(limited("sqlite3").arg(&database).arg("SELECT count(*) FROM empty"), "").ok();
    assert_eq!(counted, format!("{}\n", crate::gallery::BIG));
}

#[test]
fn libreoffice_makes_a_pdf_and_a_sheet() {
    needs("soffice");
    needs("pdftotext");
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let convert = |to: &str| {
        let profile = format!("-env:UserInstallation=file://{}", sandbox.path("profile").display());
        let mut office = limited("soffice");
        office.env("HOME", sandbox.path("")).arg(profile).args([
            "--headless",
            "--convert-to",
            to,
            "--outdir",
        ]);
        run(office.arg(sandbox.path("out")).arg(mount.at("temp/bxl/live.csv")), "").ok();
    };
    convert("pdf");
    let page = run(limited("pdftotext").arg("-layout").arg(sandbox.path("out/live.pdf")).arg("-"), "").ok();
    for value in ["timestamp", "25.2", "24.2", "27.9", "31", "32.5", "30.1"] {
        assert!(page.contains(value), "{value} in {page}");
    }
    convert("xlsx");
    let sheet =
        "import sys, zipfile; print(zipfile.ZipFile(sys.argv[1]).read('xl/worksheets/sheet1.xml').decode())";
    let sheet = run(limited(python()).args(["-c", sheet]).arg(sandbox.path("out/live.xlsx")), "").ok();
    assert!(sheet.contains("<v>25.2</v>") && sheet.contains("<v>30.1</v>"), "{sheet}");
}
