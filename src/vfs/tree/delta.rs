//! What differs: `delta.csv` of a revision, and `diff/<A>..<B>.csv`.
//!
//! The states are taken under the lock of what there is now, the text is made without it: nobody else waits.

use super::{Child, LOOKS, Tree, point, when};
use crate::collection::CollectionError;
use crate::history::changelog::HistoryError;
use crate::history::entry::Segments;
use crate::vfs::catalog::{Now, Point};
use crate::vfs::delta::{Pair, Text};
use crate::vfs::entry::{Difference, Entry, Lasts, Moment};
use crate::vfs::failure::{Failure, Kind};
use crate::vfs::name;
use crate::vfs::render::Source;
use crate::vfs::series::Series;
use crate::vfs::view::SeriesView;
use std::sync::Arc;

impl Tree {
    /// What the revision changed that made a series what it is in a folder of `revisions` or `at`: against its parent; of a merge,
    /// the newest one that has the series. Without one all rows came.
    pub(super) fn delta(&self, folder: &Moment) -> Result<Child, Failure> {
        let Moment { series, point: at, .. } = folder;
        let (difference, mtime) = {
            let now = series.cached.now()?;
            let origin = self.view(&now, series, at)?.origin;
            let made = if origin == at.stamp { at.clone() } else { now.point_of(origin) };
            let before = self.before(&now, series, &made)?;
            (self.difference(&now, series, before, made)?, origin.time)
        };
        let lasts = if folder.at.is_none() { Lasts::Revision } else { Lasts::Now };
        self.shown(name::DELTA, difference, mtime, lasts)
    }

    /// What differs between two moments of a series, which `name` names.
    pub(super) fn diff(&self, series: &Series, name: &str) -> Result<Child, Failure> {
        for ends in name::ends(name) {
            match self.between(series, ends) {
                // A name may have two dots within: then another part of the text is the other end.
                Err(failure) if failure.kind() == Kind::NotFound => {}
                found => {
                    let (difference, mtime) = found?;
                    return self.shown(name, difference, mtime, Lasts::Now);
                }
            }
        }
        Err(Kind::NotFound.into())
    }

    fn between(&self, series: &Series, ends: (&str, &str)) -> Result<(Unmade, u64), Failure> {
        let (first, last) = (when(ends.0)?, when(ends.1)?);
        for _ in 0..LOOKS {
            let now = series.cached.now()?;
            let (old, new) = (point(&now, series, &first)?, point(&now, series, &last)?);
            if now.knows(&old) && now.knows(&new) {
                let view = self.views.get(&now, series, &new)?;
                let mtime = view.map_or(new.stamp.time, |view| view.origin.time);
                return Ok((self.difference(&now, series, Some(old), new)?, mtime));
            }
        }
        Err(Kind::NotFound.into())
    }

    /// The newest parent of a revision that has a series; none where it has no parents, or they were trimmed.
    fn before(&self, now: &Now, series: &Series, made: &Point) -> Result<Option<Point>, Failure> {
        let mut parents = match &made.pending {
            Some(moment) => moment.heads.clone(),
            None => {
                let found = series.cached.collection().changelog().find(made.stamp);
                found.map_err(CollectionError::from)?.parents.clone()
            }
        };
        parents.retain(|parent| now.timeline.knows(*parent));
        parents.sort_unstable();
        for parent in parents.into_iter().rev().map(Point::written) {
            if self.views.get(now, series, &parent)?.is_some() {
                return Ok(Some(parent));
            }
        }
        Ok(None)
    }

    fn difference(
        &self,
        now: &Now,
        series: &Series,
        old: Option<Point>,
        new: Point,
    ) -> Result<Unmade, Failure> {
        let pair = self.pair(now, series, old.as_ref(), &new)?;
        Ok(Unmade { series: series.clone(), old, new, pair })
    }

    /// What a series is made of in two states; a state without it has no rows.
    fn pair(&self, now: &Now, series: &Series, old: Option<&Point>, new: &Point) -> Result<Pair, Failure> {
        let old = old.map_or(Ok(None), |old| self.views.get(now, series, old))?;
        let new = self.views.get(now, series, new)?;
        let columns = new.as_ref().or(old.as_ref()).map_or(&now.state.schema, |view| &view.source.schema);
        let nothing = Source {
            view: now.state.view.clone(),
            schema: Arc::clone(columns),
            segments: Segments::Few(Vec::new()),
        };
        let source = |view: Option<Arc<_>>| -> Source {
            view.map_or_else(|| nothing.clone(), |view: Arc<SeriesView>| view.source.clone())
        };
        Ok(Pair { new: source(new), old: source(old) })
    }

    /// Makes the text, without which nobody can tell its length.
    fn shown(&self, name: &str, unmade: Unmade, mtime: u64, lasts: Lasts) -> Result<Child, Failure> {
        let text = self.deltas.get(&unmade.pair)?;
        let Unmade { series, old, new, pair } = unmade;
        let difference =
            Difference { series, old, new, key: pair.key(), len: text.len(), digest: text.digest() };
        Ok(Child::new(name, Entry::Difference(difference), mtime, lasts))
    }

    /// The text that was found; `Stale` where it cannot be made any more, and the name is to be looked up again.
    pub fn text(&self, of: &Difference) -> Result<Arc<Text>, Failure> {
        let text = match self.deltas.known(&of.key) {
            Some(text) => text,
            None => {
                let found = {
                    let now = of.series.cached.now()?;
                    self.pair(&now, &of.series, of.old.as_ref(), &of.new)
                };
                match found {
                    Ok(pair) if pair.key() == of.key => self.deltas.get(&pair)?,
                    Err(failure) if !is_gone(&failure) => return Err(failure),
                    _ => return Err(Kind::Stale.into()),
                }
            }
        };
        // What the kernel knows of the inode is of that text.
        if text.digest() == of.digest { Ok(text) } else { Err(Kind::Stale.into()) }
    }
}

/// Whether a state was trimmed, and collected.
fn is_gone(failure: &Failure) -> bool {
    let gone = matches!(failure, Failure::Collection(CollectionError::History(HistoryError::Gone(_))));
    gone || failure.kind() == Kind::NotFound
}

/// What differs, before its text is made.
struct Unmade {
    series: Series,
    old: Option<Point>,
    new: Point,
    pair: Pair,
}
