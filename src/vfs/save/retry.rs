//! Refused bytes that are written again: what they are meant for, what they are a change of, and what they must not take away.

use super::{Basis, Guard};
use crate::clock::Stamp;
use crate::collection::CollectionError;
use crate::vfs::catalog::{Catalog, Point};
use crate::vfs::failure::{Failure, Kind};
use crate::vfs::render::Format;
use crate::vfs::series::Series;
use crate::vfs::spool::{Opened, Ticket, Way};
use crate::vfs::view::SeriesViews;

/// How refused bytes are to be saved.
#[derive(Debug)]
pub struct Retry {
    /// The series, whatever its label is now.
    pub series: Series,
    /// Of what format the bytes are.
    pub format: Format,
    /// What they are a change of; none where that is not known, or not there any more.
    pub basis: Option<Basis>,
    /// Which rows they must not take away.
    pub guard: Guard,
}

impl Retry {
    /// Of the bytes of a ticket; `consent`: whether rows may go.
    pub fn of(
        catalog: &Catalog,
        views: &SeriesViews,
        ticket: &Ticket,
        consent: bool,
    ) -> Result<Retry, Failure> {
        let format = if ticket.file.ends_with(".parquet") { Format::Parquet } else { Format::Csv };
        let (series, basis) = meant(catalog, views, ticket)?;
        let guard = match (consent, ticket.way, &basis) {
            (true, ..) | (_, Way::Append, _) => Guard::Nothing,
            (false, Way::Replace, None) => Guard::Present,
            (false, Way::Replace, Some(_)) if ticket.may_be_part() => Guard::Lacking,
            (false, Way::Replace, Some(_)) => Guard::Nothing,
        };
        Ok(Retry { series, format, basis, guard })
    }
}

/// The series that refused bytes are meant for, whatever its label is now, and what they are a change of, where that
/// is known and there still.
fn meant(
    catalog: &Catalog,
    views: &SeriesViews,
    ticket: &Ticket,
) -> Result<(Series, Option<Basis>), Failure> {
    let collections = catalog.collections()?;
    let by_key = |key: &str| collections.values().find(|cached| cached.key().to_string() == key);
    let known = ticket.basis.as_ref().and_then(|basis| Some((basis, by_key(&basis.collection)?)));
    let Some((opened, cached)) = known else {
        let cached = collections.get(&ticket.collection).ok_or_else(|| gone(ticket))?;
        return Ok((Series::find(cached, &ticket.series)?.ok_or_else(|| gone(ticket))?, None));
    };
    let labelled = Series::find(cached, &ticket.series)?;
    let same = labelled.as_ref().is_some_and(|series| series.id.to_string() == opened.series);
    if let Some(series) = labelled.filter(|_| same) {
        let basis = opened_rows(views, &series, opened)?;
        return Ok((series, basis));
    }
    // Renamed, or dropped since.
    if let Some(series) = Series::find_id(cached, &opened.series)? {
        let basis = opened_rows(views, &series, opened)?;
        return Ok((series, basis));
    }
    Ok((Series::find(cached, &ticket.series)?.ok_or_else(|| gone(ticket))?, None))
}

/// The rows that bytes are a change of; none where they cannot be had any more.
fn opened_rows(views: &SeriesViews, series: &Series, opened: &Opened) -> Result<Option<Basis>, Failure> {
    let now = series.cached.now()?;
    let current = views.get(&now, series, &now.point)?;
    // Nothing changed since, though the revision may be gone: squashed, for instance.
    if let Some(view) = current.filter(|view| view.content.to_string() == opened.content) {
        return Ok(Some(Basis { point: now.point.clone(), view }));
    }
    let Some(stamp) = Stamp::from_file_name(&opened.revision) else { return Ok(None) };
    let changelog = series.cached.collection().changelog();
    // What a trim hides is no base of a revision, though its file may be there still.
    if stamp == now.point.stamp || !changelog.log().map_err(CollectionError::from)?.contains(stamp) {
        return Ok(None);
    }
    let point = Point::written(stamp);
    let view = views.get(&now, series, &point)?;
    let view = view.filter(|view| view.content.to_string() == opened.content);
    Ok(view.map(|view| Basis { point, view }))
}

fn gone(ticket: &Ticket) -> Failure {
    let place = ticket.place();
    let why = format!("the series of {place} is not there any more: make its folder, or name another one");
    Failure::refused(Kind::NotFound, why)
}
