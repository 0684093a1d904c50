//! Files of other programs: what pandas, polars, pyarrow and duckdb write for our schemas.

use super::{Sandbox, command_in, feed};
use std::path::{Path, PathBuf};

/// The Python that `tests/run.sh` installs.
fn python() -> PathBuf {
    let home = || Path::new(&std::env::var("HOME").unwrap()).join(".cache/lakota-tests/python/bin/python");
    let path = std::env::var_os("LAKOTA_TEST_PYTHON").map_or_else(home, PathBuf::from);
    assert!(path.exists(), "{} is missing: run tests/run.sh --setup", path.display());
    path
}

#[test]
fn files_of_other_programs_are_taken_exactly_or_refused_by_name() {
    let sandbox = Sandbox::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/foreign.py");
    let mut command = command_in(sandbox.folder.path(), python().to_str().unwrap());
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(script).arg(env!("CARGO_BIN_EXE_lakota"));
    let ran = feed(&mut command, b"");
    assert_eq!((ran.code, ran.out.trim()), (Some(0), ""), "{}", ran.err);
}
