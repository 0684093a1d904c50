//! `mounts`: the lakota mounts of this machine.

use crate::cli::output::{self, Output};
use crate::data::files::table::{Table, Texts};
use crate::data::schema::Schema;
use crate::mount::machine::table::{self, Health, Mount};
use anyhow::{Context, Result};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long a mount may take to answer.
pub(crate) const LOOK: Duration = Duration::from_secs(3);

/// List the lakota mounts: where, of which repository, served by which process since when
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota mounts
  lakota mounts --json")]
pub(crate) struct Args {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// The lakota mounts and how they answer.
pub(crate) fn all() -> Result<Vec<(Mount, Health)>> {
    let mounts = table::read().context("cannot read what is mounted")?;
    let ours: Vec<Mount> = mounts.into_iter().filter(Mount::is_lakota).collect();
    // Looked at together: several that hang take no longer than one.
    let looks: Vec<_> = ours
        .into_iter()
        .map(|mount| {
            let path = mount.mountpoint.clone();
            (mount, std::thread::spawn(move || table::health(&path, LOOK)))
        })
        .collect();
    Ok(looks.into_iter().map(|(mount, look)| (mount, look.join().unwrap_or(Health::Hangs))).collect())
}

struct Line {
    mountpoint: String,
    repo: String,
    pid: Option<u32>,
    since: Option<String>,
    state: &'static str,
}

fn line(mount: &Mount, health: Health) -> Line {
    let status = if health == Health::Alive {
        table::status(&mount.mountpoint, LOOK)
    } else {
        table::Status::default()
    };
    Line {
        mountpoint: mount.mountpoint.display().to_string(),
        repo: status.repo.unwrap_or_else(|| PathBuf::from(&mount.source)).display().to_string(),
        pid: status.pid,
        since: status.mounted,
        state: health.word(),
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let lines: Vec<Line> = all()?.iter().map(|(mount, health)| line(mount, *health)).collect();
    let mut out = Vec::new();
    if args.json {
        for Line { mountpoint, repo, pid, since, state } in &lines {
            let object =
                json!({"mountpoint": mountpoint, "repo": repo, "pid": pid, "since": since, "state": state});
            out.extend_from_slice(format!("{object}\n").as_bytes());
        }
    } else if !lines.is_empty() {
        let texts = |of: fn(&Line) -> Option<String>| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(
                lines.iter().map(|l| of(l).unwrap_or_else(|| "-".to_owned())),
            ))
        };
        let columns = Schema::parse(["mountpoint str*", "repo str", "pid str", "since str", "state str"])?;
        let arrays = vec![
            texts(|l| Some(l.mountpoint.clone())),
            texts(|l| Some(l.repo.clone())),
            texts(|l| l.pid.map(|pid| pid.to_string())),
            texts(|l| l.since.clone()),
            texts(|l| Some(l.state.to_owned())),
        ];
        let frame = RecordBatch::try_new(Arc::clone(columns.arrow()), arrays)?;
        Table::new(columns.columns()).push(&Texts::of(columns.columns(), &frame), &mut out);
    }
    if args.json { Output::stdout()?.put(&out) } else { output::print(&out) }
}
