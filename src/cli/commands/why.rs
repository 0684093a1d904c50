//! `why`: the last refusal of a write through a mount.

use crate::cli::args::Place;
use crate::cli::mounted::Mountpoint;
use crate::cli::output;
use crate::cli::refused::{self, Refusal, Wanted};
use crate::cli::session::Session;
use crate::clock::{Clock, SystemClock};
use crate::collection::At;
use crate::data::plain;
use crate::data::plain::word;
use crate::vfs::spool::{Ticket, Way};
use anyhow::{Result, anyhow, bail};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Tell why the last write to a file of a mount was refused, and where its bytes are kept
#[derive(Debug, clap::Args)]
#[command(after_help = "The exit code is 1 where nothing was refused.

Examples:
  lakota why mnt/temp/bxl/live.csv
  lakota why mnt/temp
  lakota -r repo why temp/bxl")]
pub(crate) struct Args {
    /// A live file, or the folder of a series, of a collection or of all in a mount; or COLLECTION/SERIES of the repository's mounts
    #[arg(value_name = "FILE")]
    place: PathBuf,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let shown = args.place.display();
    let (mounts, wanted) = match Mountpoint::around(&args.place)? {
        Some((mount, below)) => {
            let wanted = Wanted::at(&below);
            (vec![mount], wanted.ok_or_else(|| anyhow!("{shown} is not a file that can be written"))?)
        }
        None => {
            let place = place(&args.place).ok_or_else(|| {
                anyhow!("{shown} lies in no lakota mount (`lakota mounts` lists them), and is no COLLECTION/SERIES")
            })?;
            (Mountpoint::of(session, None)?, labels(place, session))
        }
    };
    let mut newest: Option<(Mountpoint, Refusal)> = None;
    for mount in mounts {
        let found = refused::last(&mount.errors()?, &mount.index()?, &wanted);
        if let Some(found) = found
            && newest.as_ref().is_none_or(|(_, newest)| newest.time < found.time)
        {
            newest = Some((mount, found));
        }
    }
    match newest {
        Some((mount, refusal)) => {
            let asker = rustix::process::geteuid().as_raw();
            output::print(paragraph(&mount, &refusal, asker, SystemClock.now()))
        }
        None => bail!("{shown}: nothing was refused"),
    }
}

/// A path that is no file of a mount, as a place of the repository.
fn place(path: &Path) -> Option<Place> {
    let text = path.to_str().filter(|_| path.is_relative() && !path.starts_with(".."))?;
    text.strip_prefix("./").unwrap_or(text).trim_end_matches('/').parse().ok()
}

/// The labels that a place means, in full where the repository has such; what is gone from it may have been refused still.
fn labels(place: Place, session: &Session) -> Wanted {
    let mut wanted = Wanted { collection: Some(place.collection), series: place.series, file: None };
    let mut complete = || -> Result<()> {
        let repo = session.repo()?;
        let collection = repo.collection(wanted.collection.as_deref().unwrap_or_default())?;
        wanted.collection = Some(collection.label().to_owned());
        if let Some(series) = &mut wanted.series {
            *series = collection.find(&collection.state(At::Newest)?, series)?.label;
        }
        Ok(())
    };
    if let Err(error) = complete() {
        log::info!("labels are taken as they are: {error:#}");
    }
    wanted
}

fn paragraph(mount: &Mountpoint, refusal: &Refusal, asker: u32, now: u64) -> String {
    let mut out = String::new();
    let mut field = |name: &str, text: &str| {
        if !text.is_empty() {
            // Writing to a string cannot fail.
            writeln!(out, "{name:<6} {}", plain::line(text)).unwrap_or_default();
        }
    };
    let kept = refusal.kept.as_ref();
    let ago = kept.map(|kept| format!(" ({} ago)", refused::age(now.saturating_sub(kept.ticket.time))));
    field("file", &refusal.place);
    field("time", &format!("{}{}", refusal.time, ago.unwrap_or_default()));
    field("who", &kept.map_or(refusal.who.clone(), |kept| refused::who(&kept.ticket, asker)));
    field("what", &kept.map_or(refusal.way.clone(), |kept| format!("{}, {} bytes", refusal.way, kept.size)));
    field("why", &refusal.reason);
    match (kept, &refusal.name) {
        (Some(kept), _) => {
            let path = mount.rejected(&kept.name);
            field("kept", &path.display().to_string());
            field("note", note(&kept.ticket));
            field("retry", &format!("lakota rejected retry {}", word(&path)));
        }
        (None, Some(name)) => field("kept", &format!("no more: {name} was removed")),
        (None, None) if refusal.way.is_empty() => {}
        (None, None) => field("kept", "no"),
    }
    out
}

/// What to think of before bytes are written again that may be a part of a file.
fn note(ticket: &Ticket) -> &'static str {
    match (ticket.may_be_part(), ticket.way) {
        (false, _) => "",
        (true, Way::Append) => "the last line may not be whole: `lakota rejected show` it first",
        (true, Way::Replace) => {
            "this may be a part of the file: `lakota rejected show` it first; a retry that drops rows wants --replace"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::spool::{ENDED, Kept};

    fn refusal(kept: bool) -> Refusal {
        let ticket = Ticket {
            time: 1_795_365_012_506,
            uid: 0,
            pid: 412,
            process: "cp".into(),
            collection: "temp".into(),
            series: "b l".into(),
            file: "live.csv".into(),
            way: Way::Replace,
            reason: "no rows".into(),
            basis: None,
        };
        let name = "2026-11-22T16-30-12.506Z-temp-b l.csv".to_owned();
        let line = ticket.line(Some(&name));
        let kept = Some(Kept { name, size: 83, ticket }).filter(|_| kept);
        refused::last(&line, kept.as_slice(), &Wanted::default()).unwrap()
    }

    #[test]
    fn all_that_is_known_is_told_and_what_to_type() {
        let mount = Mountpoint("/mnt".into());
        assert_eq!(
            paragraph(&mount, &refusal(true), 0, 1_795_365_132_506),
            "file   temp/b l/live.csv\n\
             time   2026-11-22T16:30:12.506Z (2 min ago)\n\
             who    cp (pid 412)\n\
             what   replace, 83 bytes\n\
             why    no rows\n\
             kept   /mnt/.lakota/rejected/2026-11-22T16-30-12.506Z-temp-b l.csv\n\
             retry  lakota rejected retry '/mnt/.lakota/rejected/2026-11-22T16-30-12.506Z-temp-b l.csv'\n"
        );
        let removed = paragraph(&mount, &refusal(false), 0, 0);
        assert!(removed.ends_with("kept   no more: 2026-11-22T16-30-12.506Z-temp-b l.csv was removed\n"));
    }

    #[test]
    fn what_may_be_a_part_is_not_to_be_written_again_unseen() {
        let mount = Mountpoint("/mnt".into());
        let mut cut = refusal(true);
        cut.kept.as_mut().unwrap().ticket.reason = ENDED.into();
        let told = paragraph(&mount, &cut, 0, 0);
        assert!(told.contains("\nnote   this may be a part of the file: "), "{told}");
        cut.kept.as_mut().unwrap().ticket.way = Way::Append;
        assert!(paragraph(&mount, &cut, 0, 0).contains("\nnote   the last line may not be whole"));
        assert!(!paragraph(&mount, &refusal(true), 0, 0).contains("note "));
    }

    #[test]
    fn only_relative_names_are_places() {
        let of = |text: &str| place(Path::new(text)).map(|place| (place.collection, place.series));
        assert_eq!(of("temp/bxl"), Some(("temp".into(), Some("bxl".into()))));
        assert_eq!(of("temp/"), Some(("temp".into(), None)));
        assert_eq!((of("/temp/bxl"), of("../temp"), of("")), (None, None, None));
    }
}
