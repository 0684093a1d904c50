//! The tree: what a name in a folder is, and what a folder lists.

mod delta;

use super::catalog::{CachedCollection, Catalog, Now, Point};
use super::commit;
use super::delta::Deltas;
use super::entry::{Entry, File, Lasts, Moment};
use super::failure::{Failure, Kind};
use super::name::{self, Names};
use super::render::Format;
use super::series::Series;
use super::view::{SeriesView, SeriesViews};
use crate::clock::Stamp;
use crate::collection::timeline::nth_last;
use crate::collection::when::When;
use crate::collection::{At, CollectionError};
use crate::data::label::escape;
use crate::history::entry::SeriesId;
use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Looks at a collection that commits while its revisions are resolved.
const LOOKS: usize = 3;

const FORMATS: [Format; 2] = [Format::Csv, Format::Parquet];

/// A name in a folder, and what it is.
#[derive(Debug, Clone)]
pub struct Child {
    /// The name.
    pub name: String,
    /// What it is.
    pub entry: Entry,
    /// When it changed, in milliseconds since 1970-01-01 UTC.
    pub mtime: u64,
    /// How long the name means it.
    pub lasts: Lasts,
}

impl Child {
    fn new(name: impl Into<String>, entry: Entry, mtime: u64, lasts: Lasts) -> Child {
        Child { name: name.into(), entry, mtime, lasts }
    }
}

/// Everything that can be found in a repository.
#[derive(Debug)]
pub struct Tree {
    /// What there is now.
    pub catalog: Catalog,
    /// What files are made of.
    pub views: SeriesViews,
    /// Texts of what differs.
    pub deltas: Deltas,
    /// How live files are named.
    pub names: Names,
    /// Whether `revisions` and `latest` are reachable but not listed.
    pub hide_revisions: bool,
}

impl Tree {
    /// What a name in a folder is.
    pub fn find(&self, parent: &Entry, name: &OsStr) -> Result<Child, Failure> {
        let text = || name.to_str().ok_or(Kind::NotFound);
        match parent {
            Entry::Root => {
                let label = name::label_of(name).ok_or(Kind::NotFound)?;
                let cached = self.catalog.collection(&label)?.ok_or(Kind::NotFound)?;
                Ok(collection(&label, &cached))
            }
            Entry::Collection(cached) if name == name::SCHEMA => {
                let now = cached.now()?;
                Ok(schema(&now))
            }
            Entry::Collection(cached) => {
                let label = name::label_of(name).ok_or(Kind::NotFound)?;
                let now = cached.now()?;
                let id = now.state.id(&label).map_err(CollectionError::from)?;
                Ok(one_series(cached, &now, &label, id.ok_or(Kind::NotFound)?))
            }
            Entry::Series(series) => self.of_series(series, text()?),
            Entry::Revisions(series) => self.revision(series, text()?),
            Entry::At(series) => self.moment(series, text()?),
            Entry::Diff(series) => self.diff(series, text()?),
            Entry::Moment(of) if name == name::DELTA => self.delta(of),
            Entry::Moment(Moment { series, point, .. }) => {
                let view = self.view(&*series.cached.now()?, series, point)?;
                if name == name::COMMIT {
                    return self.commit(series, point, &view);
                }
                let format = FORMATS.into_iter().find(|&format| name == name::data(format));
                Ok(data(series, point, &view, format.ok_or(Kind::NotFound)?))
            }
            _ => Err(Kind::NotAFolder.into()),
        }
    }

    /// What a folder lists, in order.
    pub fn list(&self, parent: &Entry) -> Result<Vec<Child>, Failure> {
        match parent {
            Entry::Root => {
                let collections = self.catalog.collections()?;
                Ok(collections.iter().map(|(label, cached)| collection(label, cached)).collect())
            }
            Entry::Collection(cached) => all_series(cached),
            Entry::Series(series) => {
                let now = series.cached.now()?;
                let view = self.view(&now, series, &now.point)?;
                let mut children: Vec<Child> =
                    FORMATS.iter().map(|&format| self.live(&now, series, &view, format)).collect();
                if !self.hide_revisions {
                    children.push(latest(series, &view));
                    children.push(revisions(series, &view));
                }
                Ok(children)
            }
            Entry::Revisions(series) => {
                let now = series.cached.now()?;
                let stamps = now.revisions(series.id).into_iter();
                Ok(stamps.map(|stamp| revision(series, now.point_of(stamp))).collect())
            }
            Entry::At(_) | Entry::Diff(_) => Ok(Vec::new()),
            Entry::Moment(Moment { series, point, .. }) => {
                let view = self.view(&*series.cached.now()?, series, point)?;
                let files = FORMATS.map(|format| data(series, point, &view, format));
                Ok([self.commit(series, point, &view)?].into_iter().chain(files).collect())
            }
            _ => Err(Kind::NotAFolder.into()),
        }
    }

    /// What a long listing follows from: equal ones list the same. None where listing costs little.
    pub fn version(&self, folder: &Entry) -> Result<Option<(Stamp, u64)>, Failure> {
        Ok(match folder {
            Entry::Collection(cached) | Entry::Revisions(Series { cached, .. }) => {
                let now = cached.now()?;
                Some((now.point.stamp, now.timeline.epoch()))
            }
            _ => None,
        })
    }

    /// When a folder changed last, and whether it is still there; `None` where it is as it was found, or that cannot be told.
    pub fn mtime(&self, folder: &Entry) -> Result<Option<u64>, Failure> {
        Ok(match folder {
            // Also where the repository cannot be read: it is there.
            Entry::Root => self.catalog.last_change().ok().flatten(),
            Entry::Collection(cached) => Some(cached.now()?.point.stamp.time),
            Entry::Series(series) | Entry::Revisions(series) | Entry::At(series) | Entry::Diff(series) => {
                let now = series.cached.now()?;
                Some(self.view(&now, series, &now.point)?.origin.time)
            }
            _ => None,
        })
    }

    /// What the files of a series are made of in a state; `NotFound` where it is not there.
    pub fn view(&self, now: &Now, series: &Series, from: &Point) -> Result<Arc<SeriesView>, Failure> {
        Ok(self.views.get(now, series, from)?.ok_or(Kind::NotFound)?)
    }

    fn of_series(&self, series: &Series, name: &str) -> Result<Child, Failure> {
        let now = series.cached.now()?;
        let view = self.view(&now, series, &now.point)?;
        match name {
            name::LATEST => Ok(latest(series, &view)),
            name::REVISIONS => Ok(revisions(series, &view)),
            name::AT => Ok(Child::new(name::AT, Entry::At(series.clone()), view.origin.time, Lasts::Soon)),
            name::DIFF => {
                Ok(Child::new(name::DIFF, Entry::Diff(series.clone()), view.origin.time, Lasts::Soon))
            }
            _ => {
                let format = FORMATS.into_iter().find(|&format| self.live_name(&view, format) == name);
                Ok(self.live(&now, series, &view, format.ok_or(Kind::NotFound)?))
            }
        }
    }

    fn live_name(&self, view: &SeriesView, format: Format) -> String {
        name::live(self.names, &view.label, format)
    }

    /// Which live file of a series has a name.
    pub fn live_format(&self, series: &Series, name: &OsStr) -> Result<Option<Format>, Failure> {
        let now = series.cached.now()?;
        let view = self.view(&now, series, &now.point)?;
        Ok(FORMATS.into_iter().find(|&format| OsStr::new(&self.live_name(&view, format)) == name))
    }

    fn live(&self, now: &Now, series: &Series, view: &SeriesView, format: Format) -> Child {
        let file = File::of(series, view, now.point.clone(), format);
        Child::new(self.live_name(view, format), Entry::File(file), view.origin.time, Lasts::Now)
    }

    fn revision(&self, series: &Series, text: &str) -> Result<Child, Failure> {
        let time = match When::parse(text.rsplit_once("Z-").ok_or(Kind::NotFound)?.0) {
            Some(When::Time(start, _)) => start,
            _ => return Err(Kind::NotFound.into()),
        };
        let now = series.cached.now()?;
        let found = now.revisions_at(series.id, time).into_iter().find(|stamp| stamp.to_string() == text);
        let point = now.point_of(found.ok_or(Kind::NotFound)?);
        self.view(&now, series, &point)?;
        Ok(revision(series, point))
    }

    fn moment(&self, series: &Series, text: &str) -> Result<Child, Failure> {
        let when = when(text)?;
        for _ in 0..LOOKS {
            let now = series.cached.now()?;
            let point = point(&now, series, &when)?;
            if now.knows(&point) {
                let view = self.view(&now, series, &point)?;
                let moment = Moment { series: series.clone(), point, at: Some(text.into()) };
                return Ok(Child::new(text, Entry::Moment(moment), view.origin.time, Lasts::Now));
            }
        }
        // Nobody tells of changes here: it is there with the next listing.
        Err(Kind::NotFound.into())
    }

    fn commit(&self, series: &Series, point: &Point, view: &SeriesView) -> Result<Child, Failure> {
        let text = commit::text(&self.views, point, series, view)?;
        let entry = Entry::Text(name::COMMIT, text.into());
        Ok(Child::new(name::COMMIT, entry, view.origin.time, Lasts::Forever))
    }
}

/// What a name in `at` asks for. It may have come after `now`.
fn point(now: &Now, series: &Series, when: &When) -> Result<Point, Failure> {
    let collection = series.cached.collection();
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

/// One that cannot be read is listed too: looking into it tells why.
fn collection(label: &str, cached: &Arc<CachedCollection>) -> Child {
    let mtime = cached.last_change().unwrap_or(0);
    Child::new(escape(label), Entry::Collection(Arc::clone(cached)), mtime, Lasts::Soon)
}

fn all_series(cached: &Arc<CachedCollection>) -> Result<Vec<Child>, Failure> {
    let now = cached.now()?;
    let mut children = vec![schema(&now)];
    let listed = now.state.list("", |summary| {
        children.push(one_series(cached, &now, &summary.label, summary.id));
        ControlFlow::Continue(())
    });
    listed.map_err(CollectionError::from)?;
    Ok(children)
}

fn one_series(cached: &Arc<CachedCollection>, now: &Now, label: &str, id: SeriesId) -> Child {
    let series = Series { cached: Arc::clone(cached), id, label: label.into() };
    Child::new(escape(label), Entry::Series(series), now.origin(id).time, Lasts::Soon)
}

fn schema(now: &Now) -> Child {
    let text = now.state.schema.to_string();
    let mtime = now.columns().map_or(0, |stamp| stamp.time);
    Child::new(name::SCHEMA, Entry::Text(name::SCHEMA, text.into()), mtime, Lasts::Now)
}

fn latest(series: &Series, view: &SeriesView) -> Child {
    Child::new(name::LATEST, Entry::latest(series, view.origin), view.origin.time, Lasts::Now)
}

fn revisions(series: &Series, view: &SeriesView) -> Child {
    Child::new(name::REVISIONS, Entry::Revisions(series.clone()), view.origin.time, Lasts::Soon)
}

fn revision(series: &Series, point: Point) -> Child {
    let stamp = point.stamp;
    let moment = Moment { series: series.clone(), point, at: None };
    Child::new(stamp.to_string(), Entry::Moment(moment), stamp.time, Lasts::Revision)
}

fn data(series: &Series, point: &Point, view: &SeriesView, format: Format) -> Child {
    let file = File::of(series, view, point.clone(), format);
    Child::new(name::data(format), Entry::File(file), view.origin.time, Lasts::Forever)
}
