//! The tree: what a name in a folder is, and what a folder lists.

mod delta;

use super::control::{self, Asker, Control};
use super::node::{File, Node, What};
use crate::clock::Stamp;
use crate::collection::timeline::nth_last;
use crate::collection::when::When;
use crate::collection::{At, CollectionError};
use crate::data::label::escape;
use crate::history::entry::SeriesId;
use crate::mount::options::MountOptions;
use crate::vfs::catalog::{Catalog, Now, Point, Shelf};
use crate::vfs::commit;
use crate::vfs::delta::Deltas;
use crate::vfs::failure::{Failure, Kind};
use crate::vfs::name;
use crate::vfs::render::Format;
use crate::vfs::series::Series;
use crate::vfs::view::{Sheet, Sheets};
use std::ffi::{OsStr, OsString};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// How long what never changes is believed.
const FOREVER: Duration = Duration::from_secs(86_400);

/// How long a folder of a revision is believed: it goes when history is trimmed.
const REVISION: Duration = Duration::from_secs(60);

/// Looks at a collection that commits while its revisions are resolved.
const LOOKS: usize = 3;

const FORMATS: [Format; 2] = [Format::Csv, Format::Parquet];

/// A name in a folder, and what it is.
#[derive(Debug)]
pub struct Child {
    /// The name.
    pub name: OsString,
    /// The inode.
    pub node: Node,
    /// How long the name means it.
    pub ttl: Duration,
}

impl Child {
    /// A name that is believed for a time.
    pub fn new(name: impl Into<OsString>, node: Node, ttl: Duration) -> Child {
        Child { name: name.into(), node, ttl }
    }
}

/// Everything that can be found.
#[derive(Debug)]
pub struct Tree {
    /// What there is now.
    pub catalog: Catalog,
    /// What files are made of.
    pub sheets: Sheets,
    /// Texts of what differs.
    pub deltas: Deltas,
    /// What is told in `.lakota/`.
    pub control: Control,
    /// How it is mounted.
    pub options: MountOptions,
}

impl Tree {
    /// How long names and attributes that a commit may change are believed.
    #[must_use]
    pub fn soon(&self) -> Duration {
        self.options.poll.min(Duration::from_secs(1))
    }

    /// How long the attributes of a node are believed.
    #[must_use]
    pub fn attr_ttl(&self, node: &Node) -> Duration {
        match node.what {
            What::File(_) | What::Text(_) | What::Difference(_) | What::Link(_) => FOREVER,
            What::Moment(..) => REVISION,
            What::Copy(_) | What::Empty(..) | What::Scratch(..) => Duration::ZERO,
            _ => self.soon(),
        }
    }

    /// What a name in a folder is.
    pub fn find(&self, parent: &Node, name: &OsStr, asker: &Asker<'_>) -> Result<Child, Failure> {
        match &parent.what {
            What::Root if name == control::CONTROL => {
                Ok(Child::new(control::CONTROL, Node::control(self.control.began()), FOREVER))
            }
            What::Root => {
                let label = name::label_of(name).ok_or(Kind::NotFound)?;
                let shelf = self.catalog.shelf(&label)?.ok_or(Kind::NotFound)?;
                Ok(self.collection(&label, &shelf))
            }
            What::Control => self.control_file(name.to_str().ok_or(Kind::NotFound)?, asker),
            What::Collection(shelf) if name == name::SCHEMA => {
                let now = shelf.now()?;
                Ok(schema(&now))
            }
            What::Collection(shelf) => {
                let label = name::label_of(name).ok_or(Kind::NotFound)?;
                let now = shelf.now()?;
                let id = now.state.id(&label).map_err(CollectionError::from)?;
                Ok(self.series(shelf, &now, &label, id.ok_or(Kind::NotFound)?))
            }
            What::Series(series) => self.of_series(series, name.to_str().ok_or(Kind::NotFound)?),
            What::Revisions(series) => self.revision(series, name.to_str().ok_or(Kind::NotFound)?),
            What::At(series) => self.moment(series, name.to_str().ok_or(Kind::NotFound)?),
            What::Diff(series) => self.diff(series, name.to_str().ok_or(Kind::NotFound)?),
            What::Moment(series, point) if name == name::DELTA => self.delta(parent, series, point),
            What::Moment(series, point) => {
                let sheet = self.sheet(&*series.shelf.now()?, series, point)?;
                if name == name::COMMIT {
                    return self.commit(series, point, &sheet);
                }
                let format = FORMATS.into_iter().find(|&format| name == name::data(format));
                Ok(data(series, point, &sheet, format.ok_or(Kind::NotFound)?))
            }
            _ => Err(Kind::NotAFolder.into()),
        }
    }

    /// What a folder lists, in order.
    pub fn list(&self, parent: &Node, asker: &Asker<'_>) -> Result<Vec<Child>, Failure> {
        match &parent.what {
            What::Root => {
                let shelves = self.catalog.shelves()?;
                Ok(shelves.iter().map(|(label, shelf)| self.collection(label, shelf)).collect())
            }
            What::Control => control::NAMES.iter().map(|name| self.control_file(name, asker)).collect(),
            What::Collection(shelf) => self.all_series(shelf),
            What::Series(series) => {
                let now = series.shelf.now()?;
                let sheet = self.sheet(&now, series, &now.point)?;
                let mut children: Vec<Child> =
                    FORMATS.iter().map(|&format| self.live(&now, series, &sheet, format)).collect();
                if !self.options.hide_revisions {
                    children.push(latest(series, &sheet));
                    children.push(self.revisions(series, &sheet));
                }
                Ok(children)
            }
            What::Revisions(series) => {
                let now = series.shelf.now()?;
                let stamps = now.revisions(series.id).into_iter();
                Ok(stamps.map(|stamp| revision(series, now.point_of(stamp))).collect())
            }
            What::At(_) | What::Diff(_) => Ok(Vec::new()),
            What::Moment(series, point) => {
                let sheet = self.sheet(&*series.shelf.now()?, series, point)?;
                let files = FORMATS.map(|format| data(series, point, &sheet, format));
                Ok([self.commit(series, point, &sheet)?].into_iter().chain(files).collect())
            }
            _ => Err(Kind::NotAFolder.into()),
        }
    }

    /// What a long listing follows from: equal ones list the same. None where listing costs little.
    pub fn version(&self, node: &Node) -> Result<Option<(Stamp, u64)>, Failure> {
        Ok(match &node.what {
            What::Collection(shelf) | What::Revisions(Series { shelf, .. }) => {
                let now = shelf.now()?;
                Some((now.point.stamp, now.timeline.epoch()))
            }
            _ => None,
        })
    }

    /// When a folder changed last, and whether it is still there.
    pub fn mtime(&self, node: &Node) -> Result<u64, Failure> {
        Ok(match &node.what {
            // Also where the repository cannot be read: `.lakota` below tells why.
            What::Root => self.catalog.last_change().ok().flatten().unwrap_or(self.control.began()),
            What::Collection(shelf) => shelf.now()?.point.stamp.time,
            What::Series(series) | What::Revisions(series) | What::At(series) | What::Diff(series) => {
                let now = series.shelf.now()?;
                self.sheet(&now, series, &now.point)?.origin.time
            }
            _ => node.mtime,
        })
    }

    /// What the files of a series are made of in a state; `ENOENT` where it is not there.
    pub fn sheet(&self, now: &Now, series: &Series, from: &Point) -> Result<Arc<Sheet>, Failure> {
        Ok(self.sheets.get(now, series, from)?.ok_or(Kind::NotFound)?)
    }

    /// One that cannot be read is listed too: looking into it tells why.
    fn collection(&self, label: &str, shelf: &Arc<Shelf>) -> Child {
        let mtime = shelf.last_change().unwrap_or(0);
        Child::new(escape(label), Node::collection(shelf, mtime), self.soon())
    }

    fn control_file(&self, name: &str, asker: &Asker<'_>) -> Result<Child, Failure> {
        let text = self.control.text(name, &self.catalog, &self.options, asker);
        let now = self.catalog.repo().context().clock.now();
        let mtime = if name == "version" { self.control.began() } else { now };
        let node = Node::text(name, &text.ok_or(Kind::NotFound)?, mtime);
        let node = if name == "errors" { node.private(asker.uid) } else { node };
        Ok(Child::new(name, node, Duration::ZERO))
    }

    fn all_series(&self, shelf: &Arc<Shelf>) -> Result<Vec<Child>, Failure> {
        let now = shelf.now()?;
        let mut children = vec![schema(&now)];
        let listed = now.state.list("", |summary| {
            children.push(self.series(shelf, &now, &summary.label, summary.id));
            ControlFlow::Continue(())
        });
        listed.map_err(CollectionError::from)?;
        Ok(children)
    }

    fn series(&self, shelf: &Arc<Shelf>, now: &Now, label: &str, id: SeriesId) -> Child {
        let series = Series { shelf: Arc::clone(shelf), id, label: label.into() };
        Child::new(escape(label), Node::series(series, now.origin(id).time), self.soon())
    }

    fn of_series(&self, series: &Series, name: &str) -> Result<Child, Failure> {
        let now = series.shelf.now()?;
        let sheet = self.sheet(&now, series, &now.point)?;
        match name {
            name::LATEST => Ok(latest(series, &sheet)),
            name::REVISIONS => Ok(self.revisions(series, &sheet)),
            name::AT => Ok(Child::new(name::AT, Node::at(series.clone(), sheet.origin.time), self.soon())),
            name::DIFF => {
                Ok(Child::new(name::DIFF, Node::diff(series.clone(), sheet.origin.time), self.soon()))
            }
            _ => {
                let format = FORMATS.into_iter().find(|&format| self.live_name(&sheet, format) == name);
                Ok(self.live(&now, series, &sheet, format.ok_or(Kind::NotFound)?))
            }
        }
    }

    fn live_name(&self, sheet: &Sheet, format: Format) -> String {
        name::live(self.options.names, &sheet.label, format)
    }

    /// Which live file of a series has a name.
    pub fn live_format(&self, series: &Series, name: &OsStr) -> Result<Option<Format>, Failure> {
        let now = series.shelf.now()?;
        let sheet = self.sheet(&now, series, &now.point)?;
        Ok(FORMATS.into_iter().find(|&format| OsStr::new(&self.live_name(&sheet, format)) == name))
    }

    fn live(&self, now: &Now, series: &Series, sheet: &Sheet, format: Format) -> Child {
        let node = file(series, sheet, now.point.clone(), format);
        Child::new(self.live_name(sheet, format), node, Duration::ZERO)
    }

    fn revisions(&self, series: &Series, sheet: &Sheet) -> Child {
        Child::new(name::REVISIONS, Node::revisions(series.clone(), sheet.origin.time), self.soon())
    }

    fn revision(&self, series: &Series, text: &str) -> Result<Child, Failure> {
        let time = match When::parse(text.rsplit_once("Z-").ok_or(Kind::NotFound)?.0) {
            Some(When::Time(start, _)) => start,
            _ => return Err(Kind::NotFound.into()),
        };
        let now = series.shelf.now()?;
        let found = now.revisions_at(series.id, time).into_iter().find(|stamp| stamp.to_string() == text);
        let point = now.point_of(found.ok_or(Kind::NotFound)?);
        self.sheet(&now, series, &point)?;
        Ok(revision(series, point))
    }

    fn moment(&self, series: &Series, text: &str) -> Result<Child, Failure> {
        let when = when(text)?;
        for _ in 0..LOOKS {
            let now = series.shelf.now()?;
            let point = point(&now, series, &when)?;
            if now.knows(&point) {
                let sheet = self.sheet(&now, series, &point)?;
                let node = Node::moment(series.clone(), point, Some(text), sheet.origin.time);
                return Ok(Child::new(text, node, Duration::ZERO));
            }
        }
        // Nobody tells of changes here: it is there with the next listing.
        Err(Kind::NotFound.into())
    }

    fn commit(&self, series: &Series, point: &Point, sheet: &Sheet) -> Result<Child, Failure> {
        let text = commit::text(&self.sheets, point, series, sheet)?;
        let node = Node::text(name::COMMIT, &text, sheet.origin.time);
        Ok(Child::new(name::COMMIT, node, FOREVER))
    }
}

/// What a name in `at` asks for. It may have come after `now`.
fn point(now: &Now, series: &Series, when: &When) -> Result<Point, Failure> {
    let collection = series.shelf.collection();
    let log = collection.changelog().log().map_err(CollectionError::from)?;
    let back = |n| Ok(nth_last(&now.revisions(series.id), n));
    // Of the series, where the collection has several heads as well.
    let at = match when {
        When::Back(n) => At::Revision(back(*n)?.ok_or(Kind::NotFound)?),
        other => collection.at_when(&log, other, back)?,
    };
    Ok(match at {
        At::Newest => now.point.clone(),
        At::Revision(stamp) => now.point_of(stamp),
        At::Before(_) => collection.moment(&log, at)?.into(),
    })
}

/// The moment that a name in `at` or `diff` asks for.
fn when(text: &str) -> Result<When, Failure> {
    // A tag is shown as any label is.
    let tag = || name::label_of(OsStr::new(text)).map(When::Tag);
    let when = match When::parse(text) {
        Some(When::Tag(_)) | None => tag(),
        other => other,
    };
    Ok(when.ok_or(Kind::NotFound)?)
}

fn schema(now: &Now) -> Child {
    let text = now.state.schema.to_string();
    let mtime = now.columns().map_or(0, |stamp| stamp.time);
    Child::new(name::SCHEMA, Node::text(name::SCHEMA, &text, mtime), Duration::ZERO)
}

fn latest(series: &Series, sheet: &Sheet) -> Child {
    Child::new(name::LATEST, Node::latest(series, sheet.origin), Duration::ZERO)
}

fn revision(series: &Series, point: Point) -> Child {
    let stamp = point.stamp;
    Child::new(stamp.to_string(), Node::moment(series.clone(), point, None, stamp.time), REVISION)
}

fn data(series: &Series, point: &Point, sheet: &Sheet, format: Format) -> Child {
    Child::new(name::data(format), file(series, sheet, point.clone(), format), FOREVER)
}

/// A live file, or the file of a revision.
pub(super) fn file(series: &Series, sheet: &Sheet, from: Point, format: Format) -> Node {
    let size = format.size(&sheet.source.schema, &sheet.sums);
    let file = File { series: series.clone(), from, format, size, places: sheet.places };
    Node::file(file, sheet.content.as_bytes(), sheet.origin.time)
}
