//! The files of `.lakota/`: what the mount does, and what went wrong.

use super::errno::{self, Errno};
use crate::clock::iso;
use crate::mount::options::MountOptions;
use crate::vfs::catalog::Catalog;
use crate::vfs::failure::Failure;
use crate::vfs::name::Names;
use crate::vfs::spool::one_line;
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

/// Lines of `errors` that are kept.
const ERRORS: usize = 1000;

/// The folder of control files.
pub const CONTROL: &str = ".lakota";

/// In the folder of refused bytes: where they are written again as they were meant.
pub const RETRY: &str = ".retry";
/// The same, where rows may go that are there now.
pub const REPLACE: &str = ".replace";

/// The names in `.lakota/`.
pub const NAMES: [&str; 4] = ["errors", "metrics", "status", "version"];

/// What was done since the mount began.
#[derive(Debug, Default)]
pub struct Counters {
    /// Names looked up.
    pub lookups: AtomicU64,
    /// Files opened.
    pub opens: AtomicU64,
    /// Reads that reached the mount: the kernel answers the others itself.
    pub reads: AtomicU64,
    /// Bytes of those.
    pub read_bytes: AtomicU64,
    /// Bytes written.
    pub written_bytes: AtomicU64,
    /// Revisions made.
    pub saves: AtomicU64,
    /// Operations that failed for another reason than a missing name.
    pub failures: AtomicU64,
}

impl Counters {
    /// Adds to a counter.
    pub fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

/// What is open or kept at this moment.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Kept {
    /// Files and folders open.
    pub handles: u64,
    /// Inodes the kernel knows.
    pub inodes: u64,
    /// Bytes of chunks and text in memory.
    pub cache_bytes: u64,
    /// Bytes of the index in memory.
    pub index_bytes: u64,
    /// Revisions of all collections that are known.
    pub revisions: u64,
    /// About so many bytes it takes to know them.
    pub history_bytes: u64,
    /// Most bytes of the cache and the index.
    pub cache_limit: u64,
    /// Parts that were asked for and there, or being made.
    pub cache_hits: u64,
    /// Parts that had to be made.
    pub cache_misses: u64,
}

/// Who looks at the control files, and what else they need.
pub struct Asker<'a> {
    /// The user.
    pub uid: u32,
    /// Whether that is who mounted, who sees all.
    pub owner: bool,
    /// What is open or kept now.
    pub kept: &'a dyn Fn() -> Kept,
    /// Where bytes wait that are written, and what is kept there; none where nothing can be written.
    pub spool: &'a dyn Fn() -> Option<SpoolStatus>,
}

impl std::fmt::Debug for Asker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asker").field("uid", &self.uid).field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// The spool as `status` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct SpoolStatus {
    /// Its folder.
    pub folder: String,
    /// Live files being written.
    pub writing: u64,
    /// Refused files that are kept.
    pub rejected: usize,
    /// Files beside live files.
    pub scratch_files: u64,
    /// Their bytes.
    pub scratch_bytes: u64,
}

/// The state of the mount as `status` shows it.
#[derive(Serialize)]
struct Status<'a> {
    version: &'static str,
    pid: u32,
    repo: String,
    mounted: String,
    options: Options,
    collections: Vec<CollectionStatus<'a>>,
    kept: Kept,
    #[serde(skip_serializing_if = "Option::is_none")]
    spool: Option<SpoolStatus>,
    errors: usize,
}

#[derive(Serialize)]
struct Options {
    read_only: bool,
    allow_other: bool,
    hide_revisions: bool,
    names: &'static str,
    poll_seconds: f64,
}

#[derive(Serialize)]
struct CollectionStatus<'a> {
    collection: &'a str,
    head: String,
    /// Heads that are shown as their merge; none where there is one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    heads: Vec<String>,
    revisions: usize,
    series: u64,
    rows: u64,
}

/// What the control files are made of.
#[derive(Debug)]
pub struct Control {
    began: u64,
    /// What was done.
    pub counters: Counters,
    errors: Mutex<VecDeque<Report>>,
    lines: AtomicU64,
}

/// A line of `errors`.
#[derive(Debug)]
struct Report {
    number: u64,
    /// Whose it is; none: the mount's.
    uid: Option<u32>,
    line: String,
}

impl Control {
    /// Of a mount that begins now: milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn new(began: u64) -> Control {
        Control { began, counters: Counters::default(), errors: Mutex::default(), lines: AtomicU64::new(0) }
    }

    /// When the mount began.
    #[must_use]
    pub const fn began(&self) -> u64 {
        self.began
    }

    /// Notes a failure, unless it only says that a name is not there, and gives what the kernel is report. `uid`: of
    /// whom it is, where it is not the mount's.
    pub fn note(&self, now: u64, uid: Option<u32>, what: &dyn std::fmt::Display, failure: &Failure) -> Errno {
        let errno = Errno::of(failure);
        if !errno::is_answer(failure) && errno != Errno::ENOENT {
            self.report(uid, format!("{} {what}: {}", iso(now), errno::line(failure)));
        }
        errno
    }

    /// Adds a line to `errors`, which begins with a time.
    pub fn report(&self, uid: Option<u32>, line: String) {
        self.report_again(None, uid, line);
    }

    /// The same, in the place of a line that told of the same failure, where there is one. Gives the number of the new
    /// line.
    pub fn report_again(&self, old: Option<u64>, uid: Option<u32>, line: String) -> u64 {
        let line = one_line(&line);
        log::error!("{}", line.split_once(' ').map_or("", |(_, rest)| rest));
        match old {
            Some(old) => self.errors.lock().retain(|report| report.number != old),
            None => Counters::add(&self.counters.failures, 1),
        }
        self.keep(uid, line)
    }

    /// Adds a line to `errors` that was told before.
    pub fn keep(&self, uid: Option<u32>, line: String) -> u64 {
        let number = self.lines.fetch_add(1, Ordering::Relaxed);
        let mut errors = self.errors.lock();
        if errors.len() == ERRORS {
            errors.pop_front();
        }
        errors.push_back(Report { number, uid, line });
        number
    }

    /// The text of a control file; `None` where there is none of that name.
    pub fn text(
        &self,
        name: &str,
        catalog: &Catalog,
        options: &MountOptions,
        asker: &Asker<'_>,
    ) -> Option<String> {
        let kept = (asker.kept)();
        Some(match name {
            "errors" => {
                let lost = if asker.owner { catalog.lost() } else { Vec::new() };
                let errors = self.errors.lock();
                let own = errors.iter().filter(|report| asker.owner || report.uid == Some(asker.uid));
                let lost = lost.iter().map(|line| one_line(line));
                let lines = lost.chain(own.map(|report| report.line.clone()));
                lines.fold(String::new(), |text, line| text + &line + "\n")
            }
            // All of them also where the repository cannot be read: that is when they are asked for.
            "metrics" => self.metrics(catalog.last_change().ok().flatten().unwrap_or(self.began), kept),
            "status" => self.status(catalog, options, kept, (asker.spool)()),
            "version" => format!("{}\n", env!("CARGO_PKG_VERSION")),
            _ => return None,
        })
    }

    fn status(
        &self,
        catalog: &Catalog,
        options: &MountOptions,
        kept: Kept,
        spool: Option<SpoolStatus>,
    ) -> String {
        let clock = &catalog.repo().context().clock;
        let known = catalog.collections().unwrap_or_else(|e| {
            self.note(clock.now(), None, &"status of the registry", &e.into());
            BTreeMap::new()
        });
        let mut collections = Vec::with_capacity(known.len());
        for (label, cached) in &known {
            let now = match cached.now() {
                Ok(now) => now,
                Err(e) => {
                    self.note(clock.now(), None, &format!("status of {label}"), &e.into());
                    continue;
                }
            };
            let sums = now.state.sums();
            collections.push(CollectionStatus {
                collection: label,
                head: now.point.stamp.to_string(),
                heads: now
                    .point
                    .pending
                    .iter()
                    .flat_map(|moment| &moment.heads)
                    .map(ToString::to_string)
                    .collect(),
                revisions: now.timeline.len(),
                series: sums.series,
                rows: sums.rows,
            });
        }
        let status = Status {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            repo: options.repo.display().to_string(),
            mounted: iso(self.began),
            options: Options {
                read_only: options.read_only,
                allow_other: options.allow_other,
                hide_revisions: options.hide_revisions,
                names: if options.names == Names::Label { "label" } else { "live" },
                poll_seconds: options.poll.as_secs_f64(),
            },
            collections,
            kept,
            spool,
            errors: self.errors.lock().len(),
        };
        // Of strings and numbers alone: it cannot fail.
        let mut text = serde_json::to_string_pretty(&status).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Prometheus' text format, version 0.0.4.
    fn metrics(&self, last_change: u64, kept: Kept) -> String {
        let mut out = String::new();
        let mut family = |name: &str, kind: &str, help: &str, value: u64| {
            let text =
                format!("# HELP lakota_{name} {help}\n# TYPE lakota_{name} {kind}\nlakota_{name} {value}\n");
            out.push_str(&text);
        };
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let all = &self.counters;
        family("lookups_total", "counter", "Names looked up.", count(&all.lookups));
        family("opens_total", "counter", "Files opened.", count(&all.opens));
        family("reads_total", "counter", "Reads that the kernel's cache did not answer.", count(&all.reads));
        family("read_bytes_total", "counter", "Bytes of those reads.", count(&all.read_bytes));
        family("saves_total", "counter", "Revisions made.", count(&all.saves));
        family("written_bytes_total", "counter", "Bytes written by programs.", count(&all.written_bytes));
        family("errors_total", "counter", "Operations that failed.", count(&all.failures));
        family("open_handles", "gauge", "Files and folders open.", kept.handles);
        family("inodes", "gauge", "Inodes that the kernel knows.", kept.inodes);
        family("cache_bytes", "gauge", "Bytes of chunks and text in memory.", kept.cache_bytes);
        family("index_bytes", "gauge", "Bytes of the index in memory.", kept.index_bytes);
        family("cache_hits_total", "counter", "Parts that were there, or being made.", kept.cache_hits);
        family("cache_misses_total", "counter", "Parts that had to be made.", kept.cache_misses);
        family("cache_limit_bytes", "gauge", "Most bytes of the cache and the index.", kept.cache_limit);
        family("revisions", "gauge", "Revisions of all collections.", kept.revisions);
        family("history_bytes", "gauge", "Bytes in memory that it takes to know them.", kept.history_bytes);
        family("last_change_seconds", "gauge", "Time of the newest revision seen.", last_change / 1000);
        out
    }
}
