//! What `mount-scripts` installs: the helper of mount(8), and that nothing of it stays.

use crate::mounted::Mount;
use crate::sandbox::{LAKOTA, Sandbox};
use crate::tools::{is_root, limited, run, within};
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

/// Files put where the system looks for them; they go with the guard.
struct Installed(Vec<&'static Path>);

impl Drop for Installed {
    fn drop(&mut self) {
        self.0.iter().for_each(|path| drop(std::fs::remove_file(path)));
    }
}

#[test]
fn mount_8_calls_the_helper() {
    let paths = ["/sbin/mount.lakota", "/sbin/lakota", "/sbin/mount.fuse.lakota"].map(Path::new);
    if !is_root() || paths.iter().any(|path| std::fs::symlink_metadata(path).is_ok()) {
        eprintln!("not root, or a helper is installed: mount -t lakota is not tested");
        return;
    }
    let sandbox = Sandbox::quickstart();
    std::fs::create_dir(sandbox.path("mnt")).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("mount-scripts/mount.lakota");
    let _installed = Installed(paths.to_vec());
    run(limited("install").args(["-m", "755"]).arg(script).arg(paths[0]), "").ok();
    // The helper looks for the program beside itself, since mount(8) gives it no PATH.
    std::os::unix::fs::symlink(LAKOTA, paths[1]).unwrap();
    // By this name mount(8) looks for it once it is mounted.
    std::os::unix::fs::symlink("mount.lakota", paths[2]).unwrap();
    let mut mount = limited("mount");
    mount.args(["-t", "lakota", "-o", "ro,nofail,_netdev,x-systemd.automount,umask=027"]);
    run(mount.arg(sandbox.repo()).arg(sandbox.path("mnt")), "").ok();
    let mount = Mount::guard(sandbox.path("mnt"), None);
    assert_eq!(mount.text("temp/bxl/live.csv"), sandbox.read("temp/bxl"));
    let changed = run(limited("mount").args(["-o", "remount,ro"]).arg(mount.path()), "");
    assert!(
        changed.code != Some(0) && changed.err.contains("unmount it, then mount it again"),
        "{changed:?}"
    );
    run(limited("umount").arg(mount.path()), "").ok();
    within(SOON, "the daemon has ended", || !mount.is_running());
}

#[test]
fn uninstall_takes_away_all_that_install_put() {
    let sandbox = Sandbox::new();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("mount-scripts");
    std::fs::create_dir_all(sandbox.path("target/release")).unwrap();
    std::os::unix::fs::symlink(LAKOTA, sandbox.path("target/release/lakota")).unwrap();
    let script = |name: &str| {
        let mut command = limited("bash");
        command.env("DESTDIR", sandbox.path("root")).env("CARGO_TARGET_DIR", sandbox.path("target"));
        run(command.arg(scripts.join(name)).arg("/usr"), "").ok()
    };
    let files = || {
        let mut find = limited("find");
        run(find.arg(sandbox.path("root")).args(["-not", "-type", "d", "-printf", "%P\n"]), "").ok()
    };
    script("install.sh");
    let installed = files();
    for name in ["usr/bin/lakota", "sbin/mount.lakota", "sbin/mount.fuse.lakota", "system/lakota@.service"] {
        assert!(installed.lines().any(|line| line.ends_with(name)), "{name}: {installed}");
    }
    // mount(8) gives the helper no PATH that has the program, wherever it was put.
    let helper = std::fs::read_to_string(sandbox.path("root/sbin/mount.lakota")).unwrap();
    assert!(helper.contains("'/usr/bin/lakota'") && !helper.contains("@BIN@"), "{helper}");
    script("uninstall.sh");
    assert_eq!(files(), "");
}
