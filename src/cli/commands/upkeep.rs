//! `pack`, `defrag`, `trim`, `squash`, `gc`, `verify`: the upkeep of a repository.

use crate::cli::args::{parse_duration, parse_time};
use crate::cli::output::{Output, count, size};
use crate::cli::remote;
use crate::cli::session::{Session, exact};
use crate::clock::iso;
use crate::collection::Collection;
use crate::data::plain;
use crate::ops::{self, OpError, Repaired};
use crate::repo::Repo;
use anyhow::{Context, Result, bail};
use std::path::Path;

/// Which collections.
#[derive(Debug, clap::Args)]
pub(crate) struct Targets {
    /// Collections; none: the registry, which names them
    collections: Vec<String>,
    /// All collections, their tags and the registry
    #[arg(long, short, conflicts_with = "collections")]
    all: bool,
}

/// Make one file of the revisions of a collection; its history stays as it is
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  lakota pack temp")]
pub(crate) struct Pack {
    #[command(flatten)]
    targets: Targets,
}

/// Make full segments of small ones: reads get faster, rows and history stay as they are
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  lakota defrag temp")]
pub(crate) struct Defrag {
    #[command(flatten)]
    targets: Targets,
}

/// Forget the revisions before a time; what is newer reads the same
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  lakota trim temp --before 2020-09-01")]
pub(crate) struct Trim {
    #[command(flatten)]
    targets: Targets,
    /// Time (UTC), such as 2020-06-22 or 2020-06-22T14:03
    #[arg(long, short, value_name = "TIME", value_parser = parse_time)]
    before: u64,
}

/// Defragment, then forget all revisions but one
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  lakota squash temp")]
pub(crate) struct Squash {
    #[command(flatten)]
    targets: Targets,
}

/// Delete what no revision names any more, in two runs: one sets it aside, a later one deletes it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  lakota gc --grace 10m")]
pub(crate) struct Gc {
    /// How long an object is kept aside before it is deleted: 600s, 10m, 2h, 1d
    #[arg(long, default_value = "600s", value_name = "TIME", value_parser = parse_duration)]
    grace: u64,
    /// Give up a changelog folder that no registry names, by its first digits: its collection was deleted, or is not wanted
    #[arg(long, value_name = "FOLDER")]
    drop: Vec<String>,
}

/// Read everything and check it; what is damaged is listed, and the exit code is 1
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota verify
  lakota verify --repair-from backup
  lakota verify --set-aside
  lakota verify --adopt")]
pub(crate) struct Verify {
    /// Fetch what is damaged or missing from another repository first: the name of a remote, or a path
    #[arg(long, value_name = "REMOTE")]
    repair_from: Option<String>,
    /// Set aside revisions that are not whole, so that what was before them is read; their files stay under another name
    #[arg(long)]
    set_aside: bool,
    /// Name the collections that are there but that the registry does not name: its files were lost
    #[arg(long)]
    adopt: bool,
}

/// Does `act` to each collection meant; what it gives is said after the collection's name.
fn each(
    targets: &Targets,
    session: &Session,
    verb: &str,
    act: impl Fn(&Collection) -> Result<String, OpError>,
) -> Result<()> {
    let repo = session.repo()?;
    let labels = if targets.all { repo.collections()? } else { targets.collections.clone() };
    let one = |collection: &Collection| -> Result<()> {
        let label = collection.label();
        let done = act(collection).with_context(|| format!("cannot {verb} {label}"))?;
        session.say(format!("{label}: {done}"));
        Ok(())
    };
    for label in &labels {
        one(&exact(&repo, label)?)?;
    }
    // Only where anything was ever tagged.
    if targets.all && repo.tags().exist().map_err(OpError::from)? {
        one(repo.tags().collection())?;
    }
    // The registry last: it names the others.
    if labels.is_empty() || targets.all { one(repo.registry()) } else { Ok(()) }
}

impl Pack {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        each(&self.targets, session, "pack", |collection| {
            Ok(match ops::pack(collection)? {
                0 => "nothing to pack: it is one file".to_owned(),
                1 => "packed 1 revision in one file".to_owned(),
                revisions => format!("packed {revisions} revisions in one file"),
            })
        })
    }
}

impl Defrag {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        each(&self.targets, session, "defrag", |collection| {
            let rows = collection.context().segment_rows;
            Ok(defragged(&ops::defrag(collection, rows)?))
        })
    }
}

fn defragged(done: &ops::Defragged) -> String {
    match done.revision {
        None => "nothing to defragment".to_owned(),
        Some(revision) => format!(
            "defragmented {} series, {} -> {} segments, revision {revision}",
            done.series, done.segments_before, done.segments_after
        ),
    }
}

impl Trim {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        each(&self.targets, session, "trim", |collection| {
            let done = ops::trim(collection, self.before)?;
            Ok(format!("forgot {} before {}", count(done.revisions, "revision"), iso(self.before)))
        })
    }
}

impl Squash {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        each(&self.targets, session, "squash", |collection| {
            let (defragmented, trimmed) = ops::squash(collection)?;
            let forgot = count(trimmed.revisions, "revision");
            Ok(format!("{}, forgot {forgot}", defragged(&defragmented)))
        })
    }
}

impl Gc {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        let repo = session.repo()?;
        for digits in &self.drop {
            let folder = repo.unnamed_folder(&digits.replace('/', "").to_lowercase())?;
            repo.mark_dropped(folder)?;
            session.say(format!("gave up the changelog folder {}", folder.key()));
        }
        let done = ops::gc(&repo, self.grace)?;
        session.say(format!(
            "deleted {} ({}), set {} aside, restored {}",
            count(done.deleted, "object"),
            size(done.bytes),
            done.set_aside,
            done.restored
        ));
        if done.unnamed > 0 {
            session.say(format!(
                "kept what {} need that no registry names: `lakota verify` tells which",
                count(done.unnamed, "changelog folder")
            ));
        }
        Ok(())
    }
}

impl Verify {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        let repaired = self.repair(session)?;
        self.put_aside(session)?;
        let repo = session.repo()?;
        if self.adopt {
            adopt(session, &repo)?;
        }
        let mut output = Output::stdout()?;
        let mut printed = Ok(());
        let done = ops::verify(&repo, &mut |damage| {
            if printed.is_ok() {
                printed = output.put_lines(format!("{}\n", plain::line(&damage.what)).as_bytes());
            }
        })?;
        printed?;
        for note in done.notes.iter().chain(&absent_remotes(&repo)) {
            output.put(format!("note: {note}\n").as_bytes())?;
        }
        let objects = count(done.objects, "object");
        let checked = format!("{objects} ({}), {}", size(done.bytes), count(done.revisions, "revision"));
        if done.damaged > 0 {
            let cure = match self.repair_from {
                Some(_) => "",
                None => {
                    "; `lakota verify --repair-from REMOTE` fetches what another repository has whole, `lakota verify --set-aside` sets aside revisions that are not whole"
                }
            };
            bail!("{} damaged among {checked}{cure}", done.damaged);
        }
        if !repaired.lost.is_empty() {
            bail!("{} could not be healed; what is left is sound: {checked}", repaired.lost.len());
        }
        session.say(format!("all is well: {checked}"));
        Ok(())
    }

    /// Sets aside what is not whole still.
    fn put_aside(&self, session: &Session) -> Result<()> {
        if !self.set_aside {
            return Ok(());
        }
        let done = ops::set_aside(&session.repo()?).context("cannot set revisions aside")?;
        done.revisions.iter().for_each(|line| session.say(format!("set aside {line}")));
        done.left.iter().for_each(|line| session.say(format!("not set aside: {line}")));
        Ok(())
    }

    /// Heals what can be, and tells what was and what was not.
    fn repair(&self, session: &Session) -> Result<Repaired> {
        let Some(name) = &self.repair_from else { return Ok(Repaired::default()) };
        let (repo, bad_format) = session.repo_damaged()?;
        let other = remote::open(session, &repo, Some(name))?;
        if bad_format || repo.has_wrong_format()? {
            repo.mend_format()?;
            session.say("healed format");
        }
        let repaired =
            ops::repair(&repo, &other.repo).with_context(|| format!("cannot repair from {name}"))?;
        repaired.healed.iter().for_each(|line| session.say(format!("healed {line}")));
        repaired.lost.iter().for_each(|line| session.say(format!("not healed: {line}")));
        repaired.newer.iter().for_each(|line| session.say(line));
        Ok(repaired)
    }
}

/// Lets the registry name what it lost.
fn adopt(session: &Session, repo: &Repo) -> Result<()> {
    for adopted in repo.adopt().context("cannot name what the registry does not name")? {
        session.say(match adopted.told {
            true => format!(
                "named {0}, as it was when it was created (folder {1})",
                adopted.label,
                adopted.folder.key()
            ),
            false => format!(
                "named {0} (folder {1}); `lakota rename {0} LABEL` gives it another name",
                adopted.label,
                adopted.folder.key()
            ),
        });
    }
    Ok(())
}

/// Remotes at whose places there is nothing.
fn absent_remotes(repo: &Repo) -> Vec<String> {
    // What cannot be read of them was told.
    let remotes =
        repo.remotes().unwrap_or_default().into_iter().filter(|(_, place)| !Path::new(place).exists());
    remotes.map(|(name, place)| format!("remotes/{name}: there is nothing at {place}")).collect()
}
