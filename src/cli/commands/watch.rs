//! `watch`: a line for each revision as it happens, or a command.

use crate::cli::args::{Place, parse_duration};
use crate::cli::exit::{Gone, Told, Usage};
use crate::cli::history::{TagsOf, Version};
use crate::cli::output::{self, Output};
use crate::cli::overrides::Overrode;
use crate::cli::session::Session;
use crate::collection::when::When;
use crate::data::plain;
use crate::history::outline::Outline;
use crate::ops::watch::{News, Since, Watch, is_of_one};
use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level::pipe};
use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bytes of labels of series that a command gets in its environment; the JSON has them all.
const LABELS: usize = 64 << 10;

/// Print a line for each revision as it happens, until interrupted
///
/// Of a series, a collection, or, where none is named, of all collections (also of those created later) and of the
/// registry, which tells of collections created, renamed and deleted. Nothing is left out and nothing comes twice: a
/// revision that is pulled or merged in comes whatever its time is. Who ends it and begins again --since the last id it
/// saw has missed nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota watch temp/bxl
  lakota watch temp --since 554d6f --json
  lakota watch temp --exec 'echo \"$LAKOTA_COLLECTION: $LAKOTA_SERIES\"'")]
pub(crate) struct Args {
    /// COLLECTION or COLLECTION/SERIES; none: everything
    place: Option<Place>,
    /// First print what came after a revision (all that is neither it nor before it in its history; also ~1, a tag) or
    /// since a time
    #[arg(long, value_name = "REV|TIME")]
    since: Option<String>,
    /// Print JSON objects, as `log` does, with the collection (null: the registry)
    #[arg(long)]
    json: bool,
    /// Run `sh -c CMD` for each instead of printing, one after the other, with LAKOTA_REPO, LAKOTA_COLLECTION,
    /// LAKOTA_REVISION, LAKOTA_SERIES (a label a line), LAKOTA_AUTHOR, LAKOTA_MESSAGE, and the JSON on stdin
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,
    /// End with the exit code of a command that fails, instead of telling and going on
    #[arg(long, requires = "exec")]
    strict: bool,
    /// End after so many revisions
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// List all folders again after so long: over a network not all changes are heard
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "1s")]
    poll: u64,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let since = since(args)?;
    let interrupts = Interrupts::register().context("cannot wait for signals")?;
    let place = args.place.as_ref().map(|place| (place.collection.as_str(), place.series.as_deref()));
    let watch = Watch::start(session.repo()?, place, &since)?;
    session.say(match &args.place {
        Some(Place { collection, series: Some(series) }) => format!("watching {collection}/{series}"),
        Some(place) => format!("watching {}", place.collection),
        None => "watching all collections".to_owned(),
    });
    let repo = session.place().canonicalize().context("cannot resolve the repository's path")?;
    let mut teller = Teller { args, repo, output: Output::stdout()?, left: args.count.unwrap_or(u64::MAX) };
    let poll = Duration::from_millis(args.poll.max(1));
    follow(watch, poll, &interrupts, &mut teller)
}

fn since(args: &Args) -> Result<Since> {
    Ok(match &args.since {
        None => Since::Now,
        Some(text) => match When::time(text) {
            Some((start, _)) => Since::Time(start),
            None if args.place.is_none() && is_of_one(text) => {
                let message = "a revision is of one collection: name that, or give a time or a tag";
                return Err(Usage::of("watch", message).into());
            }
            None => Since::Revision(text.clone()),
        },
    })
}

/// Looks, tells, waits.
fn follow(mut watch: Watch, poll: Duration, interrupts: &Interrupts, teller: &mut Teller<'_>) -> Result<()> {
    let (mut all, mut listed) = (false, Instant::now());
    loop {
        if all {
            listed = Instant::now();
        }
        let news = watch.look(all)?;
        for one in &news {
            if interrupts.came() || teller.left == 0 {
                return Ok(());
            }
            match watch.read(one) {
                Ok(Some(outline)) => teller.tell(one, &outline)?,
                Ok(None) => {}
                Err(error) => {
                    let error = anyhow::Error::new(error).context(format!("cannot read {}", one.stamp));
                    output::error(&error);
                }
            }
        }
        if teller.left == 0 || !interrupts.wait(&watch, poll.saturating_sub(listed.elapsed()), teller)? {
            return Ok(());
        }
        all = listed.elapsed() >= poll;
    }
}

/// Signals that end a watch.
struct Interrupts {
    came: Arc<AtomicBool>,
    pipe: UnixStream,
}

impl Interrupts {
    fn register() -> std::io::Result<Interrupts> {
        let came = Arc::new(AtomicBool::new(false));
        let (pipe, writer) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // The first lets a command end, the second does not wait for one that hangs.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&came))?;
            flag::register(signal, Arc::clone(&came))?;
            pipe::register(signal, writer.try_clone()?)?;
        }
        Ok(Interrupts { came, pipe })
    }

    fn came(&self) -> bool {
        self.came.load(Ordering::Relaxed)
    }

    /// Waits until something may have come, at most so long; gives whether to go on. Fails where nobody reads the output
    /// any more.
    fn wait(&self, watch: &Watch, limit: Duration, teller: &Teller<'_>) -> Result<bool> {
        let stdout = std::io::stdout();
        let ready = watch.ready();
        let mut fds = vec![PollFd::new(&self.pipe, PollFlags::IN)];
        if teller.args.exec.is_none() {
            // Nothing is asked of it: an error shows all the same.
            fds.push(PollFd::new(&stdout, PollFlags::empty()));
        }
        let outputs = fds.len();
        if let Some(ready) = &ready {
            fds.push(PollFd::new(ready, PollFlags::IN));
        }
        let limit = Timespec { tv_sec: limit.as_secs().cast_signed(), tv_nsec: limit.subsec_nanos().into() };
        match poll(&mut fds, Some(&limit)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(anyhow::Error::new(e).context("cannot wait for changes")),
        }
        let broken = |fd: &PollFd<'_>| fd.revents().intersects(PollFlags::ERR | PollFlags::HUP);
        if fds[1..outputs].iter().any(broken) {
            return Err(Gone.into());
        }
        Ok(!self.came())
    }
}

/// Prints revisions, or runs the command.
struct Teller<'a> {
    args: &'a Args,
    repo: PathBuf,
    output: Output,
    /// How many more are wanted.
    left: u64,
}

impl Teller<'_> {
    fn tell(&mut self, news: &News, outline: &Outline) -> Result<()> {
        self.left -= 1;
        let tags = TagsOf::read(&news.collection)?;
        let overrode = Overrode::default();
        let version = Version { stamp: news.stamp, outline, tags: tags.of(news.stamp), overrode };
        let label = (!news.registry).then(|| news.collection.label());
        if let Some(command) = &self.args.exec {
            return self.exec(command, label, &version);
        }
        let line = if self.args.json {
            version.json_of(Some(label), false)? + "\n"
        } else {
            format!("{} {}", plain::line(label.unwrap_or("(registry)")), version.line())
        };
        self.output.put(line.as_bytes())
    }

    fn exec(&self, command: &str, label: Option<&str>, version: &Version<'_>) -> Result<()> {
        let Outline { note, changes, .. } = version.outline;
        let mut labels = String::new();
        for one in &changes.series {
            if labels.len() + one.label.len() > LABELS {
                break;
            }
            if !labels.is_empty() {
                labels.push('\n');
            }
            labels.push_str(&one.label);
        }
        let mut child = Command::new("sh")
            .args(["-c", command])
            .env("LAKOTA_REPO", &self.repo)
            .env("LAKOTA_COLLECTION", label.unwrap_or_default())
            .env("LAKOTA_REVISION", version.stamp.to_string())
            .env("LAKOTA_SERIES", labels)
            .env("LAKOTA_AUTHOR", clean(&note.author))
            .env("LAKOTA_MESSAGE", clean(&note.message))
            .stdin(Stdio::piped())
            .spawn()
            .context("cannot run sh")?;
        let json = version.json_of(Some(label), false)? + "\n";
        if let Some(mut input) = child.stdin.take() {
            match input.write_all(json.as_bytes()) {
                // It need not read.
                Err(e) if e.kind() == ErrorKind::BrokenPipe => {}
                done => done.context("cannot write to the command")?,
            }
        }
        let status = child.wait().context("cannot wait for the command")?;
        if status.success() {
            return Ok(());
        }
        output::say(&format!("lakota: {command:?} failed for revision {}: {status}", version.stamp));
        if !self.args.strict {
            return Ok(());
        }
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        Err(Told(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)).into())
    }
}

/// No variable of the environment may hold a null.
fn clean(text: &str) -> String {
    text.replace('\0', " ")
}
