//! What `clone`, `push`, `pull` and repairs share: other repositories by name or path, progress, and a summary.

use super::output::{self, count, size};
use super::session::Session;
use crate::data::plain;
use crate::data::plain::word;
use crate::ops::transfer::{Moved, Progress, Report, TransferError, What, transfer};
use crate::repo::Repo;
use anyhow::{Context, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The remote that a clone has from birth.
pub(crate) const ORIGIN: &str = "origin";

/// How often the line of progress is drawn, at most.
const TICK: Duration = Duration::from_millis(100);

/// Another repository, as the user names it.
#[derive(Debug)]
pub(crate) struct Remote {
    /// The name of a remote, or a path.
    pub(crate) name: String,
    pub(crate) repo: Repo,
}

/// Opens another repository by a name this one has for it, or by its path; none: `origin`, or the only one there is.
pub(crate) fn open(session: &Session, repo: &Repo, name: Option<&str>) -> Result<Remote> {
    let (name, place) = match name {
        Some(name) => (name.to_owned(), place(repo, name)?),
        None => default(repo)?,
    };
    let path = PathBuf::from(&place);
    if same(&path, session.place()) {
        bail!("{place} is this repository itself");
    }
    if !path.exists() {
        let called = if name == place { String::new() } else { format!(" (remote {name})") };
        let first = first(session, &path);
        bail!("there is nothing at {place}{called}: is a drive missing? A first copy is made by `{first}`");
    }
    let repo = session.repo_at(&path).map_err(|error| match is_empty(&path) {
        true => anyhow!("{place} is empty: a first copy is made by `{}`", first(session, &path)),
        false => anyhow::Error::new(error),
    });
    let repo = repo.with_context(|| format!("cannot open remote {name}"))?;
    Ok(Remote { name, repo })
}

/// The place of a name, or the name itself where it is a path.
fn place(repo: &Repo, name: &str) -> Result<String> {
    if let Some(place) = repo.remote(name)? {
        return Ok(place);
    }
    if !name.contains('/') && !Path::new(name).exists() {
        let known: Vec<String> = repo.remotes()?.into_iter().map(|(name, _)| name).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        bail!(
            "there is no remote {name:?} (known: {known}), and no folder of that name; `lakota remote add {name} PATH` adds one"
        );
    }
    Ok(name.to_owned())
}

fn default(repo: &Repo) -> Result<(String, String)> {
    if let Some(place) = repo.remote(ORIGIN)? {
        return Ok((ORIGIN.to_owned(), place));
    }
    let mut all = repo.remotes()?;
    match (all.pop(), all.len()) {
        (Some(only), 0) => Ok(only),
        (None, _) => bail!("this repository knows no remote: name one, or `lakota remote add NAME PATH`"),
        (Some(_), _) => bail!("this repository knows several remotes, none of them {ORIGIN}: name one"),
    }
}

/// How a remote comes to be.
fn first(session: &Session, path: &Path) -> String {
    format!("lakota clone {} {}", word(session.place()), word(path))
}

/// Whether a folder has nothing in it.
fn is_empty(path: &Path) -> bool {
    path.read_dir().is_ok_and(|mut found| found.next().is_none())
}

/// Whether two paths are one folder.
fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// An absolute path as text: what other folders can be told.
pub(crate) fn absolute(path: &Path) -> Result<String> {
    let full = match path.canonicalize() {
        Ok(full) => full,
        Err(_) => {
            plain(&std::path::absolute(path).with_context(|| format!("cannot find {}", path.display()))?)
        }
    };
    full.into_os_string().into_string().ok().with_context(|| format!("{} is not UTF-8", path.display()))
}

/// The path of what is not there yet, as the folder above it tells: without `..` and links.
fn plain(path: &Path) -> PathBuf {
    match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// Copies, with a line of progress, and tells what was copied. `verb` and `other` are for messages: `push`, `backup`.
pub(crate) fn copy(
    session: &Session,
    (verb, other): (&str, &str),
    (from, to): (&Repo, &Repo),
    what: &What,
) -> Result<()> {
    let bar = bar(session);
    let report = transfer(from, to, what, &|progress| {
        if let Some(bar) = &bar {
            bar.set_message(plain::line(&line(progress)).into_owned());
        }
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    tell(session, (verb, other), what, report.with_context(|| format!("cannot {verb}"))?)
}

fn bar(session: &Session) -> Option<ProgressBar> {
    if session.is_quiet() || !io::stderr().is_terminal() {
        return None;
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let bar = bar.with_style(ProgressStyle::with_template("{spinner} {msg}").ok()?);
    bar.enable_steady_tick(TICK);
    Some(bar)
}

fn line(progress: &Progress<'_>) -> String {
    format!(
        "{}: {} of {} revisions, {} ({})",
        progress.collection,
        progress.revisions,
        progress.revisions_total,
        count(progress.objects, "object"),
        size(progress.bytes)
    )
}

fn tell(session: &Session, (verb, other): (&str, &str), what: &What, mut report: Report) -> Result<()> {
    for moved in &report.moved {
        session.say(match what.dry_run {
            true => format!("{}: would {verb} {}", moved.label, count(moved.revisions, "revision")),
            false => format!("{}: {}", moved.label, amount(moved)),
        });
    }
    if report.moved.len() > 1 && !what.dry_run {
        let sum = |part: fn(&Moved) -> u64| report.moved.iter().map(part).sum();
        let (revisions, objects, bytes) = (sum(|m| m.revisions), sum(|m| m.objects), sum(|m| m.bytes));
        session.say(format!("total: {}", amount(&Moved { revisions, objects, bytes, ..Moved::default() })));
    }
    if report.moved.is_empty() && report.failed.is_empty() {
        session.say(format!("nothing to {verb}: {other} is up to date"));
    }
    for moved in report.moved.iter().filter(|moved| moved.heads > 1) {
        let label = moved.label_there.as_ref().unwrap_or(&moved.label);
        session.say(match verb {
            "push" => format!("{label}: {} heads in {other}; pull, merge, and push again", moved.heads),
            _ => format!("{label}: {} heads; lakota merge {label}", moved.heads),
        });
    }
    // The last one makes the exit code: damage goes before conflicts.
    report.failed.sort_by_key(|(_, error)| !error.is_conflict());
    let last = report.failed.pop();
    let wrap = |(label, error): (String, TransferError)| {
        anyhow::Error::new(error).context(format!("cannot {verb} {label}"))
    };
    report.failed.into_iter().for_each(|failed| output::error(&wrap(failed)));
    last.map_or(Ok(()), |failed| Err(wrap(failed)))
}

fn amount(moved: &Moved) -> String {
    let (revisions, objects) = (count(moved.revisions, "revision"), count(moved.objects, "object"));
    format!("{revisions}, {objects} ({})", size(moved.bytes))
}

/// The error of a folder that holds something, where a clone was to go.
pub(crate) fn must_be_new(found: &Repo, source: &str, place: &Path) -> Result<()> {
    match found.unfinished_clone()? {
        Some(of) if of == source => Ok(()),
        Some(of) => bail!("{} is an unfinished clone of {of}: choose a new folder", place.display()),
        None => bail!(
            "{0} is a repository already: `lakota -r {0} pull {source}` brings it up to date; else choose a new folder",
            place.display()
        ),
    }
}
