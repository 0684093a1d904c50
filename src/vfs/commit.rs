//! `commit.json`: who made a revision, when and why, and what it did to one series.

use super::catalog::Point;
use super::series::Series;
use crate::clock::{Stamp, iso};
use crate::collection::CollectionError;
use crate::data::range;
use crate::history::revision::SeriesChange;
use crate::vfs::view::{SeriesView, SeriesViews};
use serde::Serialize;

#[derive(Serialize)]
struct Commit {
    revision: String,
    time: String,
    author: String,
    message: String,
    parents: Vec<String>,
    series: String,
    change: Change,
    rows: u64,
    digests: Digests,
}

/// What the revision did to the series.
#[derive(Serialize, Default)]
struct Change {
    created: bool,
    renamed_from: Option<String>,
    rows_before: Option<u64>,
    rows_after: u64,
    /// Index values whose rows changed; none where the change list of a merge does not tell.
    changed: Option<u64>,
    ranges: Vec<String>,
}

/// Equal digests mean equal bytes.
#[derive(Serialize)]
struct Digests {
    revision: String,
    content: String,
}

/// The text of the revision that made a series what `view` has at `point`.
pub fn text(
    views: &SeriesViews,
    point: &Point,
    series: &Series,
    view: &SeriesView,
) -> Result<String, CollectionError> {
    let stamp = view.origin;
    let mut commit = Commit {
        revision: stamp.to_string(),
        time: iso(stamp.time),
        author: String::new(),
        message: String::new(),
        parents: Vec::new(),
        series: view.label.clone(),
        change: Change { rows_after: view.sums.rows, ..Change::default() },
        rows: view.sums.rows,
        digests: Digests { revision: stamp.digest.to_string(), content: view.content.to_string() },
    };
    if let Some(moment) = point.pending.as_ref().filter(|_| point.stamp == stamp) {
        commit.parents = moment.heads.iter().map(Stamp::to_string).collect();
        commit.message = "merge, not written yet".to_owned();
    } else {
        let revision = series.cached.collection().changelog().find(stamp)?;
        commit.parents = revision.parents.iter().map(Stamp::to_string).collect();
        commit.author.clone_from(&revision.note.author);
        commit.message.clone_from(&revision.note.message);
        let list = views.changes(&series.cached, &revision, stamp)?;
        if let Some(one) = list.series.iter().find(|one| one.id == series.id) {
            commit.change = change(&revision.state.schema, one);
        }
    }
    // Of strings and numbers alone: it cannot fail.
    let mut text = serde_json::to_string_pretty(&commit).unwrap_or_default();
    text.push('\n');
    Ok(text)
}

fn change(schema: &crate::data::schema::Schema, one: &SeriesChange) -> Change {
    Change {
        created: one.created,
        renamed_from: one.renamed_from.clone(),
        rows_before: Some(one.rows_before),
        rows_after: one.rows_after,
        changed: Some(one.keys),
        ranges: one.intervals.iter().map(|interval| range::show(schema, &interval)).collect(),
    }
}
