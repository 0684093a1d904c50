//! A mount that is written, for tests of single behaviours: one series of two rows, and a kernel that plays programs.

use super::kernel::{Fd, Kernel};
use super::walk::Walk;
use crate::support::{CountingClock, frame, repo_on};
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::collection::Collection;
use lakota::data::schema::Schema;
use lakota::mount::options::MountOptions;
use lakota::mount::posix::fs::Fs;
use lakota::repo::Repo;
use lakota::vfs::spool::Spool;
use libc::{O_TRUNC, O_WRONLY};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

pub(super) const LIVE: &str = "c/s/live.csv";
pub(super) const PARQUET: &str = "c/s/live.parquet";
pub(super) const ROWS: &str = "k,v\n1,10\n2,20\n";
pub(super) const NEVER: Duration = Duration::from_secs(3600);
pub(super) const CUT: i32 = O_WRONLY | O_TRUNC;

pub(super) struct World {
    pub(super) kernel: Kernel,
    pub(super) other: Collection,
    pub(super) repo: Repo,
    pub(super) folder: TempDir,
}

pub(super) fn options() -> MountOptions {
    MountOptions { poll: Duration::ZERO, ..MountOptions::default() }
}

pub(super) fn spool(folder: &Path) -> Spool {
    Spool::open(&folder.join("spool"), &folder.join("repo"), &folder.join("mnt"), 0).unwrap()
}

impl World {
    pub(super) fn new() -> World {
        World::with(options(), NEVER)
    }

    pub(super) fn with(options: MountOptions, hiding: Duration) -> World {
        World::on(Arc::new(MemoryBackend::new()), options, hiding)
    }

    pub(super) fn on(backend: Arc<dyn Backend>, options: MountOptions, hiding: Duration) -> World {
        let clock = CountingClock::new();
        let repo = repo_on(&backend, &clock, None);
        let other = repo.create_collection("c", &Schema::parse(["k int*", "v int"]).unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let fs = Fs::writable(repo_on(&backend, &clock, None), options, spool(folder.path()));
        let mut kernel = Kernel::new(fs.with_hidden_for(hiding), &folder.path().join("proc"));
        kernel.spawn(100, 0, "one");
        kernel.spawn(200, 0, "two");
        let world = World { kernel, other, repo, folder };
        world.elsewhere("s", ROWS);
        world
    }

    /// Rows that are written without the mount: they replace those of equal index.
    pub(super) fn elsewhere(&self, label: &str, text: &str) {
        let schema = self.other.schema().unwrap();
        let mut batch = self.other.batch("").unwrap();
        let rows = lakota::data::frame::sort(&schema, &frame(&schema, text)).unwrap();
        let rows = lakota::data::sort::Sorted::of(&schema, vec![rows]);
        batch.write(label, &lakota::series::write::Mode::Upsert, rows).unwrap();
        batch.commit().unwrap();
    }

    /// The same after its server was killed: nobody heard of the end of what was open.
    pub(super) fn killed(self) -> World {
        let World { kernel, other, repo, folder } = self;
        drop(kernel);
        std::fs::remove_dir_all(folder.path().join("proc")).unwrap();
        let fs = Fs::writable(repo.by("again"), options(), spool(folder.path()));
        let mut kernel = Kernel::new(fs.with_hidden_for(NEVER), &folder.path().join("proc"));
        kernel.spawn(100, 0, "one");
        kernel.spawn(200, 0, "two");
        World { kernel, other, repo, folder }
    }

    /// The names of what is kept as rejected, in order.
    pub(super) fn kept(&self) -> Vec<String> {
        Walk(&self.kernel.fs).names(".lakota/rejected")
    }

    pub(super) fn open(&mut self, flags: i32) -> Fd {
        self.kernel.open(100, LIVE, flags).unwrap()
    }

    pub(super) fn text(&self) -> String {
        Walk(&self.kernel.fs).text(LIVE)
    }

    pub(super) fn errors(&self) -> String {
        Walk(&self.kernel.fs).text(".lakota/errors")
    }

    /// What is kept as rejected, in order.
    pub(super) fn rejected(&self) -> Vec<String> {
        let walk = Walk(&self.kernel.fs);
        let names = walk.names(".lakota/rejected").into_iter();
        names.map(|name| walk.text(&format!(".lakota/rejected/{name}"))).collect()
    }

    pub(super) fn revisions(&self) -> usize {
        self.other.changelog().log().unwrap().len()
    }

    /// Author and message of the newest revision.
    pub(super) fn last(&self) -> (String, String) {
        let log = self.other.changelog().log().unwrap();
        let stamp = log.stamps().next_back().unwrap();
        let note = self.other.changelog().read(&log, stamp).unwrap().note.clone();
        (note.author, note.message)
    }
}
