//! With `-o ro` nothing can be written: every way to try says "Read-only file system" and changes nothing.

use crate::sandbox::Sandbox;

#[test]
fn every_write_is_refused_as_read_only() {
    let sandbox = Sandbox::quickstart();
    sandbox.write("temp/paris", crate::sandbox::INPUT);
    let mount = sandbox.mount_with("ro");
    let state = || {
        let script =
            "cd $M; find . -printf '%p %y %s %m %T@\\n' | sort; find . -type f -exec cat {} + | cksum";
        (sandbox.shell(&mount, script).ok(), sandbox.run(&["log", "temp", "--format", "json"]).ok())
    };
    let before = state();
    for attempt in [
        "touch temp/bxl/live.csv",
        "touch temp/bxl/new",
        "touch new",
        "echo 2020-07-01,1 > temp/bxl/live.csv",
        "echo 2020-07-01,1 >> temp/bxl/live.csv",
        ": > temp/bxl/latest/data.csv",
        "echo x > temp/.schema",
        "rm temp/bxl/live.csv",
        "rm temp/bxl/latest",
        "rm -r temp/paris",
        "mkdir temp/rome",
        "mkdir weather",
        "rmdir temp/paris",
        "mv temp/bxl temp/brussels",
        "mv temp/bxl/live.csv temp/bxl/other.csv",
        "cp /etc/hostname temp/bxl/live.csv",
        "ln -s x temp/bxl/link",
        "ln temp/bxl/live.csv temp/bxl/hard",
        "chmod 600 temp/bxl/live.csv",
        "chown 1 temp/bxl/live.csv",
        "truncate -s 0 temp/bxl/live.csv",
        "dd if=/dev/zero of=temp/bxl/live.parquet bs=1 count=1 conv=notrunc",
        "mkfifo temp/pipe",
        "sed -i s/2/3/ temp/bxl/live.csv",
    ] {
        let ran = sandbox.shell(&mount, &format!("cd $M; {attempt}"));
        assert_ne!(ran.code, Some(0), "{attempt}");
        assert!(ran.err.contains("Read-only file system"), "{attempt}: {}", ran.err);
    }
    assert_eq!(state(), before);
}
