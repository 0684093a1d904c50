//! Scratch files: other names in a series' folder behave as on the disk, and never reach the repository.

use crate::mounted::Mount;
use crate::sandbox::Sandbox;
use crate::tools::{Ran, limited, needs, python, run};
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

/// Runs a script in the series' folder, and in an empty one on the disk: what they say must be the same.
#[track_caller]
fn same(sandbox: &Sandbox, mount: &Mount, script: &str) -> Ran {
    let disk = tempfile::tempdir().unwrap();
    let clear =
        "find . -mindepth 1 -maxdepth 1 ! -name 'live.*' ! -name latest ! -name revisions -exec rm -rf {} +";
    sandbox.shell(mount, &format!("cd $M/temp/bxl; {clear}")).ok();
    let there = sandbox.shell(mount, &format!("cd $M/temp/bxl; {script}"));
    let here = sandbox.shell(mount, &format!("cd {}; {script}", disk.path().display()));
    let told = |ran: &Ran| (ran.code, ran.out.clone(), ran.err.clone());
    assert_eq!(told(&there), told(&here), "mount and disk differ: {script}");
    there
}

fn log(sandbox: &Sandbox) -> String {
    sandbox.run(&["log", "temp", "--format", "json"]).ok()
}

#[test]
fn files_and_folders_behave_as_on_the_disk() {
    let sandbox = Sandbox::quickstart();
    let before = log(&sandbox);
    let mount = sandbox.mount();
    for script in [
        "echo a > f; cat f; echo b >> f; cat f; stat -c '%s %F %h' f; rm f; test ! -e f",
        "echo one > f; : > f; stat -c %s f; echo two 1<> f; cat f; rm f",
        "cat gone",
        "rm gone",
        "set -C; echo a > f; echo b > f",
        "mkdir f; echo a > f",
        "touch -d '2020-06-22 12:00:00.5 UTC' f; date -u -r f +%F-%T.%3N; stat -c %s f; rm f",
        "mkdir -p d/e/f; echo x > d/e/f/g; find d | sort; rmdir d",
        "mkdir -p d/e; mv d/e d/h; mv d h; find h; mv h h/below",
        "mkdir h i; touch h/x; mv -T i h; echo $?",
        "mkdir h; touch x; mv -T x h; echo $?",
        "echo old > a; echo new > b; mv -n a b; cat a b; mv a b; cat b; ls a",
        "rm -rf a b; echo 12345 > t; truncate -s 3 t; od -c t; truncate -s 6 t; od -c t; rm t",
        "dd if=/dev/zero of=s bs=1 count=1 seek=5G status=none; stat -c %s s; tail -c 2 s | od -c; rm s",
        "echo a > .hidden; echo b > 'with blank'; echo c > '%41'; echo d > ☀; cat .hidden 'with blank' %41 ☀; rm .hidden 'with blank' %41 ☀",
        "n=$(printf 'n%.0s' {1..255}); echo x > $n; cat $n; rm $n; echo x > ${n}n",
        "f=$'\\xff\\xfe'; echo x > $f; cat $f; mv $f $'\\x80'; rm $'\\x80'",
        "seq 100000 > q; sed -i s/9/8/g q; perl -i -pe 's/7/6/' q; sort -o q q; cksum < q; rm q",
        "seq 100000 | tee w | cksum; cp w v; cmp w v; install -m 600 w u; cmp w u; cat u v >> w; wc -c < w; rm u v w",
        "printf 'a\\nb\\n' > e; printf '1d\\na\\nc\\n.\\nw\\nq\\n' | ed -s e; cat e; rm e",
        "mkdir m; (cd m; for i in $(seq 300); do echo $i > $i; done; ls | wc -l; cat * | cksum; rm 1*; ls | wc -l); rm -r m",
        "exec 3> k; echo a >&3; rm k; echo b >&3; test ! -e k; cat /proc/self/fd/3",
        "exec 3> k; echo a >&3; mv k l; echo b >&3; cat l; rm l",
    ] {
        same(&sandbox, &mount, script);
    }
    assert_eq!(log(&sandbox), before, "scratch files are nothing to the repository");
}

#[test]
fn they_are_there_again_at_the_next_mount() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let make = "cd $M/temp/bxl; mkdir -p d/e; seq 1000 > d/e/f; echo swap > .live.csv.swp; touch -d @1600000000 .live.csv.swp";
    let look = "cd $M/temp/bxl; stat -c '%n %i %s %Y' d d/e d/e/f .live.csv.swp; cksum d/e/f .live.csv.swp";
    sandbox.shell(&mount, make).ok();
    let before = sandbox.shell(&mount, look).ok();
    assert!(before.contains(".live.csv.swp") && before.contains(" 1600000000\n"), "{before}");
    mount.unmount();
    let mount = sandbox.mount();
    assert_eq!(sandbox.shell(&mount, look).ok(), before);
    assert!(!sandbox.run(&["ls", "temp"]).ok().contains("swp"));
}

#[test]
fn links_and_special_files_are_refused_and_leave_nothing() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    sandbox.shell(&mount, "echo x > $M/temp/bxl/f").ok();
    for attempt in ["ln -s f l", "ln f l", "ln live.csv l", "mkfifo l", "mknod l c 1 3"] {
        let ran = sandbox.shell(&mount, &format!("cd $M/temp/bxl; {attempt}"));
        assert_ne!(ran.code, Some(0), "{attempt}");
        assert!(!mount.at("temp/bxl/l").exists(), "{attempt}");
    }
}

#[test]
fn an_unlinked_file_and_one_renamed_over_stay_for_who_has_them_open() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let (path, tmp) = (mount.at("temp/bxl/f"), mount.at("temp/bxl/tmp"));
    std::fs::write(&path, "old").unwrap();
    let old = File::options().read(true).write(true).open(&path).unwrap();
    std::fs::write(&tmp, "new").unwrap();
    std::fs::rename(&tmp, &path).unwrap();
    old.write_all_at(b"OLD!", 0).unwrap();
    let mut read = [0; 4];
    old.read_exact_at(&mut read, 0).unwrap();
    assert_eq!((&read, old.metadata().unwrap().len()), (b"OLD!", 4));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    let new = File::open(&path).unwrap();
    assert_ne!(old.metadata().unwrap().ino(), new.metadata().unwrap().ino());
    std::fs::remove_file(&path).unwrap();
    new.read_exact_at(&mut read[..3], 0).unwrap();
    assert_eq!(&read[..3], b"new");
}

#[test]
fn appends_of_several_programs_all_arrive() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let script = "cd $M/temp/bxl; for i in 1 2 3 4; do (for j in $(seq 100); do echo $i-$j >> f; done) & done; wait; sort -u f | wc -l; wc -l < f";
    assert_eq!(sandbox.shell(&mount, script).ok(), "400\n400\n");
}

#[test]
fn a_map_for_writing_reaches_the_file() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let code = "import mmap, sys; f = open(sys.argv[1], 'w+b'); f.truncate(10000); m = mmap.mmap(f.fileno(), 0); m[4000:4005] = b'hello'; m.flush(); m.close(); f.close()";
    let path = mount.at("temp/bxl/map");
    run(limited(python()).args(["-c", code]).arg(&path), "").ok();
    let mut wanted = vec![0; 10000];
    wanted[4000..4005].copy_from_slice(b"hello");
    assert_eq!(std::fs::read(&path).unwrap(), wanted);
    mount.unmount();
    let mount = sandbox.mount();
    assert_eq!(std::fs::read(mount.at("temp/bxl/map")).unwrap(), wanted);
}

#[test]
fn whole_trees_can_be_unpacked_and_kept_in_git() {
    needs("git");
    needs("rsync");
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let script = "S=$PWD/tree; mkdir -p $S/a/b; for i in $(seq 50); do seq $i > $S/a/b/$i; done
        cd $M/temp/bxl; cp -r $S one; diff -r $S one; tar -C $S -c . | (mkdir two; tar -C two -x); diff -r $S two
        rsync -a $S/ three; diff -r $S three; rsync -a --inplace $S/ three; rsync -ai $S/ three
        cd one; git init -q; git add .; git -c user.name=me -c user.email=me@here commit -qm all; git fsck --strict; git status --short
        cd ..; rm -rf one two three; ls";
    let said = sandbox.shell(&mount, script).ok();
    assert_eq!(said, "latest\nlive.csv\nlive.parquet\nrevisions\n");
}

/// What fsx does: writes, cuts and reads at random, and compares with a model.
#[test]
fn random_writes_cuts_and_reads_agree_with_a_model() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let path = mount.at("temp/bxl/fsx");
    let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    let (mut model, mut seed) = (Vec::new(), 20_240_611_u64);
    let mut random = |below: usize| {
        // Numbers of an xorshift generator: the same at every run.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).unwrap()
    };
    for step in 0..3000 {
        let (at, len) = (random(300_000), 1 + random(40_000));
        match random(10) {
            0..=3 => {
                let bytes: Vec<u8> = (0..len).map(|i| (i + step) as u8).collect();
                model.resize(model.len().max(at + len), 0);
                model[at..at + len].copy_from_slice(&bytes);
                file.write_all_at(&bytes, at as u64).unwrap();
            }
            4 => {
                model.resize(at, 0);
                file.set_len(at as u64).unwrap();
            }
            5 => file = File::options().read(true).write(true).open(&path).unwrap(),
            _ => {
                let mut read = vec![0; len];
                let got = file.read_at(&mut read, at as u64).unwrap();
                let wanted = &model[at.min(model.len())..(at + len).min(model.len())];
                assert!(read[..got] == *wanted, "step {step}: {len} bytes at {at} of {}", model.len());
            }
        }
        assert_eq!(file.metadata().unwrap().len(), model.len() as u64, "step {step}");
    }
    drop(file);
    assert!(std::fs::read(&path).unwrap() == model);
}
