//! `rejected`: bytes that a mount refused and keeps, listed, shown, written again, removed.

use crate::cli::args::Place;
use crate::cli::commands::mounts::LOOK;
use crate::cli::exit::{Conflict, Usage};
use crate::cli::mounted::Mountpoint;
use crate::cli::output::{self, Output};
use crate::cli::refused::{age, who};
use crate::cli::rewrite;
use crate::cli::session::Session;
use crate::clock::{Clock, SystemClock, iso};
use crate::data::files::table::{Table, Texts};
use crate::data::label::closest;
use crate::data::schema::Schema;
use crate::mount::machine::table;
use crate::vfs::spool::{Kept, Way};
use anyhow::{Context, Result, anyhow, bail};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use serde_json::json;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// List what mounts refused and keep: whose bytes, where they were written, and why not; show it, write it again, drop it
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota rejected mnt
  lakota rejected --json
  lakota rejected show 2026-11-22T16-30-12.506Z-temp-bxl.csv > fix.csv
  lakota rejected retry mnt/.lakota/rejected/2026-11-22T16-30-12.506Z-temp-bxl.csv
  lakota rejected retry 2026-11-22T16-30-12.506Z-temp-bxl.csv --with fix.csv
  lakota rejected mnt drop 2026-11-22T16-30-12.506Z-temp-bxl.csv")]
pub(crate) struct Args {
    /// Folder where the repository is mounted; else all mounts of it are asked
    mountpoint: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// What is to be done with rejected bytes. Their name may be a path in a mount, too.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Write the bytes to the standard output
    #[command(after_help = "Example:
  lakota rejected show 2026-11-22T16-30-12.506Z-temp-bxl.csv > fix.csv")]
    Show {
        /// Name of the kept file, as `lakota rejected` lists it
        name: PathBuf,
    },
    /// Write the bytes again as they were meant, and drop them if that succeeds
    Retry(Retry),
    /// Remove the bytes for good
    #[command(after_help = "Example:
  lakota rejected drop 2026-11-22T16-30-12.506Z-temp-bxl.csv")]
    Drop {
        /// Names of kept files, as `lakota rejected` lists them
        #[arg(required = true)]
        names: Vec<PathBuf>,
    },
}

/// Write the bytes again as they were meant, and drop them if that succeeds
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A whole file is written as a change of the rows that the program had opened: rows that others wrote since stay. If these \
rows are gone from the history, and if the bytes may be a part of a file, a retry that takes rows away is refused with \
the exit code 3, and tells how many; --replace does it.

Examples:
  lakota rejected retry 2026-11-22T16-30-12.506Z-temp-bxl.csv
  lakota rejected show 2026-11-22T16-30-12.506Z-temp-bxl.csv > fix.csv
  lakota rejected retry 2026-11-22T16-30-12.506Z-temp-bxl.csv --with fix.csv
  lakota rejected retry 2026-11-22T16-30-12.506Z-temp-bxl.csv --to temp/brussels"
)]
struct Retry {
    /// Name of the kept file, as `lakota rejected` lists it
    name: PathBuf,
    /// A file to write instead: the kept one, corrected
    #[arg(long, value_name = "FILE")]
    with: Option<PathBuf>,
    /// Another series to write to
    #[arg(long, value_name = "COLLECTION/SERIES")]
    to: Option<Place>,
    /// Write it also if rows go that are there now
    #[arg(long)]
    replace: bool,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    if args.json && args.verb.is_some() {
        return Err(Usage::of("rejected", "--json is for the list").into());
    }
    let find = |name: &Path| find(args, session, name);
    match &args.verb {
        None => list(args, session),
        Some(Verb::Show { name }) => show(&find(name)?),
        Some(Verb::Retry(how)) => retry(&find(&how.name)?, how, session),
        Some(Verb::Drop { names }) => {
            // All of them are there, or none is removed.
            let found = names.iter().map(|name| find(name)).collect::<Result<Vec<_>>>()?;
            for one in &found {
                one.remove()?;
                session.say(format!("dropped {}", one.kept.name));
            }
            Ok(())
        }
    }
}

/// Rejected bytes of a mount.
struct Found {
    mount: Mountpoint,
    kept: Kept,
}

impl Found {
    fn path(&self) -> PathBuf {
        self.mount.rejected(&self.kept.name)
    }

    fn open(&self) -> Result<File> {
        let path = self.path();
        File::open(&path).with_context(|| format!("cannot open {}", path.display()))
    }

    fn remove(&self) -> Result<()> {
        let path = self.path();
        std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }
}

/// Finds rejected bytes by name, or by a path in a mount.
fn find(args: &Args, session: &Session, name: &Path) -> Result<Found> {
    let around = match (&args.mountpoint, name.iter().count()) {
        (None, 2..) => Mountpoint::around(name)?.map(|(mount, _)| vec![mount]),
        _ => None,
    };
    let mounts = around.map_or_else(|| Mountpoint::of(session, args.mountpoint.as_deref()), Ok)?;
    let wanted = name.file_name().unwrap_or_default().to_string_lossy();
    let mut all = Vec::new();
    for mount in mounts {
        all.extend(mount.index()?.into_iter().map(|kept| Found { mount: mount.clone(), kept }));
    }
    let names: Vec<String> = all.iter().map(|found| found.kept.name.clone()).collect();
    let mut found = all.into_iter().filter(|found| found.kept.name == wanted);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(one), Some(other)) => bail!(
            "{wanted} is kept by the mounts at {} and {}: name the one that is meant before the verb",
            one.mount.0.display(),
            other.mount.0.display()
        ),
        (None, _) => {
            let hint = closest(&wanted, names.iter().map(String::as_str));
            let hint = hint.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
            Err(anyhow!("nothing of the name {wanted} is kept: `lakota rejected` lists what is{hint}"))
        }
    }
}

fn list(args: &Args, session: &Session) -> Result<()> {
    let mounts = Mountpoint::of(session, args.mountpoint.as_deref())?;
    let mut all = Vec::new();
    for mount in &mounts {
        all.extend(mount.index()?.into_iter().map(|kept| Found { mount: mount.clone(), kept }));
    }
    let now = SystemClock.now();
    let mut out = Vec::new();
    if args.json {
        for found in &all {
            out.extend_from_slice(format!("{}\n", object(found, now)).as_bytes());
        }
    } else if all.is_empty() {
        session.say("nothing that was refused is kept");
    } else {
        out = table(&all, mounts.len() > 1, rustix::process::geteuid().as_raw(), now)?;
    }
    if args.json { Output::stdout()?.put(&out) } else { output::print(&out) }
}

fn object(found: &Found, now: u64) -> serde_json::Value {
    let Found { mount, kept: Kept { name, size, ticket } } = found;
    json!({
        "mountpoint": mount.0.display().to_string(),
        "name": name,
        "size": size,
        "time": iso(ticket.time),
        "age_seconds": now.saturating_sub(ticket.time) / 1000,
        "place": ticket.place(),
        "collection": ticket.collection,
        "series": ticket.series,
        "file": ticket.file,
        "way": ticket.way,
        "process": ticket.process,
        "pid": ticket.pid,
        "uid": ticket.uid,
        "reason": ticket.reason,
    })
}

fn table(all: &[Found], several: bool, asker: u32, now: u64) -> Result<Vec<u8>> {
    let texts = |of: &dyn Fn(&Found) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(all.iter().map(of)))
    };
    let sizes = all.iter().map(|found| i64::try_from(found.kept.size).unwrap_or(i64::MAX));
    let mut columns =
        vec!["name str*", "size int", "age str", "place str", "way str", "who str", "reason str"];
    let mut arrays: Vec<ArrayRef> = vec![
        texts(&|found| found.kept.name.clone()),
        Arc::new(Int64Array::from_iter_values(sizes)),
        texts(&|found| age(now.saturating_sub(found.kept.ticket.time))),
        texts(&|found| found.kept.ticket.place()),
        texts(&|found| found.kept.ticket.way.to_string()),
        texts(&|found| who(&found.kept.ticket, asker)),
        texts(&|found| found.kept.ticket.reason.clone()),
    ];
    if several {
        columns.insert(1, "mountpoint str");
        arrays.insert(1, texts(&|found| found.mount.0.display().to_string()));
    }
    let columns = Schema::parse(columns)?;
    let frame = RecordBatch::try_new(Arc::clone(columns.arrow()), arrays)?;
    let mut out = Vec::new();
    Table::new(columns.columns()).push(&Texts::of(columns.columns(), &frame), &mut out);
    Ok(out)
}

fn show(found: &Found) -> Result<()> {
    let (mut file, mut output) = (found.open()?, Output::stdout()?);
    rewrite::copy(&mut file, |bytes| output.put(bytes))
        .map_err(|error| error.context(format!("cannot show {}", found.kept.name)))
}

fn retry(found: &Found, how: &Retry, session: &Session) -> Result<()> {
    let Found { mount, kept } = found;
    let mut source = match &how.with {
        Some(path) => File::open(path).with_context(|| format!("cannot open {}", path.display()))?,
        None if kept.size == 0 => bail!("{} is empty: there is nothing to write", kept.name),
        None => found.open()?,
    };
    let target = target(found, how)?;
    let before: Vec<String> = mount.index()?.into_iter().map(|kept| kept.name).collect();
    match rewrite::write(&mut source, &target.path, kept.ticket.way) {
        Err(error) => return Err(refused_again(found, &before, error, &target.shown)),
        Ok(0) => bail!("{} is empty: there is nothing to write, {} is kept", target.what, kept.name),
        Ok(_) => found.remove()?,
    }
    session.say(format!("wrote {} to {}", target.what, target.shown.display()));
    Ok(())
}

/// Where bytes are written again.
struct Target {
    path: PathBuf,
    /// The same, for people.
    shown: PathBuf,
    what: String,
}

/// Where bytes are written again: where the mount knows what they are a change of, unless that is of no use.
fn target(found: &Found, how: &Retry) -> Result<Target> {
    let Found { mount, kept } = found;
    let ticket = &kept.ticket;
    let what = how.with.as_ref().map_or_else(|| kept.name.clone(), |path| path.display().to_string());
    let own = |place: &&Place| {
        place.collection == ticket.collection && place.series.as_ref() == Some(&ticket.series)
    };
    let to = how.to.as_ref().filter(|place| !own(place));
    let rows_are_known = !ticket.collection.is_empty() && !ticket.series.is_empty();
    if to.is_none() && rows_are_known {
        let path = mount.again(&kept.name, how.replace);
        return match table::within(LOOK, {
            let path = path.clone();
            move || path.symlink_metadata()
        }) {
            // The folder of the series tells what is missing; where it is there, the mount is of another version.
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                let shown = rewrite::target(&mount.0, ticket, None)?;
                let at = mount.0.display();
                Err(anyhow!("the mount at {at} cannot write {} again: mount it again", shown.display()))
            }
            _ => Ok(Target { path, shown: mount.0.join(ticket.place()), what }),
        };
    }
    let path = rewrite::target(&mount.0, ticket, to)?;
    if let (Some(place), Way::Replace, false) = (to, ticket.way, how.replace) {
        let rows = rewrite::rows(&path)?;
        if rows > 0 {
            let place = format!("{}/{}", place.collection, place.series.as_deref().unwrap_or_default());
            let why = format!(
                "{place} has {rows} rows, and {what} is a whole file: --replace puts it in their place"
            );
            return Err(Conflict(why).into());
        }
    }
    Ok(Target { shown: path.clone(), path, what })
}

/// Says why the bytes were refused again. The mount has kept them a second time, and once is enough.
fn refused_again(found: &Found, before: &[String], error: io::Error, target: &Path) -> anyhow::Error {
    let own = |kept: &Kept| kept.ticket.pid == std::process::id() && !before.contains(&kept.name);
    // What cannot be told any more is in the error of the write.
    let again = found.mount.index().unwrap_or_default().into_iter().rev().find(own);
    let shown = format!("cannot write {} again to {}", found.kept.name, target.display());
    let conflict = error.raw_os_error() == Some(rustix::io::Errno::STALE.raw_os_error());
    let Some(kept) = again else { return anyhow::Error::new(error).context(shown) };
    let told = format!("{shown}: {}", kept.ticket.reason);
    let told = if conflict { Conflict(told).into() } else { anyhow!(told) };
    match (Found { mount: found.mount.clone(), kept }).remove() {
        Ok(()) => told,
        Err(left) => left.context(format!("{told}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::spool::Ticket;

    fn found(reason: &str) -> Found {
        let ticket = Ticket {
            time: 1_795_365_012_506,
            uid: 7,
            pid: 412,
            process: "cp".into(),
            collection: "temp".into(),
            series: "bxl".into(),
            file: "live.csv".into(),
            way: Way::Append,
            reason: reason.into(),
            basis: None,
        };
        Found { mount: Mountpoint("/mnt".into()), kept: Kept { name: "a.csv".into(), size: 83, ticket } }
    }

    #[test]
    fn the_list_is_a_table_for_people() {
        let now = 1_795_365_012_506 + 180_000;
        let text = String::from_utf8(table(&[found("no\nrows")], false, 7, now).unwrap()).unwrap();
        assert_eq!(
            text,
            "name   size  age    place              way     who           reason\n\
             -----  ----  -----  -----------------  ------  ------------  --------\n\
             a.csv    83  3 min  temp/bxl/live.csv  append  cp (pid 412)  no\\nrows\n"
        );
        let several = String::from_utf8(table(&[found("x")], true, 7, now).unwrap()).unwrap();
        assert!(several.starts_with("name   mountpoint  size"), "{several}");
    }

    #[test]
    fn the_list_is_json_for_programs() {
        let object = object(&found("no rows"), 1_795_365_015_506);
        assert_eq!((&object["age_seconds"], &object["way"]), (&json!(3), &json!("append")));
        assert_eq!((&object["place"], &object["uid"]), (&json!("temp/bxl/live.csv"), &json!(7)));
    }
}
