//! Where a spool may be, and for whom.

use super::*;

#[test]
fn all_folders_and_files_are_for_this_user_alone() {
    let world = World::new();
    let spool = world.try_open("a/b/base").unwrap();
    let file = spool.file(&ticket()).unwrap();
    spool.reject(file.file(), &refused(NOW, "bxl")).unwrap();
    let mut seen = 0;
    let mut folders = vec![world.path("a")];
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for name in names(&folder) {
            let path = folder.join(name);
            if path.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 5, "lock, bytes, ticket, rejected bytes, reason");
}

#[test]
fn folders_that_were_opened_to_others_are_closed_again() {
    let world = World::new();
    let folder = world.killed(|_| {});
    std::fs::set_permissions(folder.join("rejected"), PermissionsExt::from_mode(0o777)).unwrap();
    let _spool = world.open();
    assert_eq!(mode(&folder.join("rejected")), 0o700);
}

#[test]
fn links_are_refused_wherever_they_are() {
    let world = World::new();
    std::fs::create_dir(world.path("elsewhere")).unwrap();
    symlink(world.path("elsewhere"), world.path("link")).unwrap();
    assert!(matches!(world.try_open("link"), Err(SpoolError::Link(_))));
    let folder = world.killed(|_| {});
    std::fs::remove_dir(folder.join("writes")).unwrap();
    symlink(world.path("elsewhere"), folder.join("writes")).unwrap();
    let error = world.try_open("base").unwrap_err();
    assert!(matches!(&error, SpoolError::Link(path) if *path == folder.join("writes")));
    assert!(error.to_string().contains("-o spool=DIR"), "{error}");
    std::fs::remove_dir_all(&folder).unwrap();
    symlink(world.path("elsewhere"), &folder).unwrap();
    assert!(matches!(world.try_open("base"), Err(SpoolError::Link(path)) if path == folder));
    assert_eq!(names(&world.path("elsewhere")), [""; 0]);
}

#[test]
fn folders_of_other_users_are_refused() {
    if !rustix::process::geteuid().is_root() {
        let refused = Spool::open(Path::new("/"), Path::new("/nothing/a"), Path::new("/nothing/b"), NOW);
        assert!(matches!(refused, Err(SpoolError::Foreign { uid: 0, .. })));
        return;
    }
    let world = World::new();
    let folder = world.killed(|_| {});
    std::os::unix::fs::chown(&folder, Some(65534), None).unwrap();
    assert!(matches!(world.try_open("base"), Err(SpoolError::Foreign { uid: 65534, .. })));
    std::os::unix::fs::chown(world.path("base"), Some(65534), None).unwrap();
    let error = world.try_open("base").unwrap_err();
    assert!(error.to_string().contains("belongs to another user (65534)"), "{error}");
}

#[test]
fn a_folder_that_anybody_can_write_is_refused_unless_it_is_sticky() {
    let world = World::new();
    std::fs::create_dir(world.path("base")).unwrap();
    std::fs::set_permissions(world.path("base"), PermissionsExt::from_mode(0o777)).unwrap();
    assert!(matches!(world.try_open("base"), Err(SpoolError::Open(_))));
    std::fs::set_permissions(world.path("base"), PermissionsExt::from_mode(0o1777)).unwrap();
    world.open();
}

#[test]
fn what_cannot_be_a_folder_is_refused_with_its_path() {
    let world = World::new();
    std::fs::write(world.path("file"), "").unwrap();
    assert!(matches!(world.try_open("file"), Err(SpoolError::NotAFolder(_))));
    let error = world.try_open("file/base").unwrap_err();
    assert!(error.to_string().contains("file/base (`-o spool=DIR` names another)"), "{error}");
    // Root may write anywhere but there.
    let kernel = Spool::open(Path::new("/proc/spool"), &world.path("repo"), &world.path("mnt"), NOW);
    assert!(matches!(kernel, Err(SpoolError::Use { .. })));
}

#[test]
fn every_place_has_a_folder_of_its_own_named_after_the_repository() {
    let name = |repo: &str, mnt: &str| slot::name(Path::new(repo), Path::new(mnt));
    let all = [name("/srv/repo", "/mnt/a"), name("/srv/repo", "/mnt/b"), name("/srv/other/repo", "/mnt/a")];
    assert!(all.iter().all(|name| name.starts_with("repo-") && name.len() == "repo-".len() + 16));
    assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
    assert_eq!(all[0], name("/srv/repo", "/mnt/a"));
    assert!(name("/home/me/.lakota", "/mnt").starts_with("lakota-"), "nothing that `ls` hides");
    assert!(name("/", "/mnt").starts_with('-'));
    assert!(name(&format!("/{}", "é".repeat(127)), "/mnt").len() <= 220);
}

#[test]
fn a_running_server_keeps_its_folder_and_the_next_gets_another() {
    let world = World::new();
    let first = world.open();
    let waiting = first.file(&ticket()).unwrap();
    waiting.file().write_all_at(b"bytes", 0).unwrap();
    let (second, third) = (world.open(), world.open());
    assert_eq!(second.folder().to_str(), Some(format!("{}.2", first.folder().display()).as_str()));
    assert_eq!(third.folder().to_str(), Some(format!("{}.3", first.folder().display()).as_str()));
    assert_eq!((second.rejected(), third.rejected()), (Vec::new(), Vec::new()));
    assert_eq!(names(&first.folder().join("writes")), ["1"]);
}

#[test]
fn a_file_that_is_open_holds_the_folder_beyond_its_spool() {
    let world = World::new();
    let first = world.open();
    let file = first.file(&ticket()).unwrap();
    file.file().write_all_at(b"bytes", 0).unwrap();
    drop(first);
    assert!(world.open().folder().to_str().unwrap().ends_with(".2"));
    drop(file);
    assert!(!world.open().folder().to_str().unwrap().ends_with(".2"));
    assert_eq!(world.kept(), []);
}

#[test]
fn spools_are_where_states_of_users_are() {
    let os = |text: &str| Some(text.into());
    let path = |text: &str| Some(PathBuf::from(text));
    assert_eq!(default_base(os("/s"), os("/home/me"), true), path("/var/lib/lakota"));
    assert_eq!(default_base(os("/s"), os("/home/me"), false), path("/s/lakota"));
    assert_eq!(default_base(os("relative"), os("/home/me"), false), path("/home/me/.local/state/lakota"));
    assert_eq!(default_base(os(""), os(""), false), None);
    assert_eq!(default_base(None, None, false), None);
}
