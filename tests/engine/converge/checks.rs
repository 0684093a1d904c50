//! What must hold of replicas at any moment, by what they know.

use super::model::{Model, read};
use super::world::{COLLECTIONS, World};
use lakota::clock::Stamp;
use lakota::collection::{At, Collection, CollectionError};
use lakota::history::changelog::HistoryError;
use lakota::ops;
use std::collections::BTreeSet;

impl World {
    /// What a site must have, and has; `all`: every revision and every moment, else one of each.
    pub(super) fn check(&mut self, site: usize, all: bool) {
        for c in 0..COLLECTIONS.len() {
            let collection = self.open(site, c);
            let log = collection.changelog().log().unwrap();
            let seen = (log.stamps().collect(), collection.tags().unwrap());
            if !all && self.sites[site].seen[c] == seen {
                continue;
            }
            self.sites[site].seen[c] = seen;
            let heads = collection.changelog().heads(&log).unwrap();
            let (model, known) = (&self.models[c], &self.sites[site].known[c]);
            let what = format!("site {site}, collection {c}");
            // Merges of the same heads may be made anywhere.
            let real = |of: &BTreeSet<Stamp>| -> BTreeSet<Stamp> {
                of.iter().copied().filter(|stamp| !model.is_merge(*stamp)).collect()
            };
            let found = model.closure(heads.iter().copied());
            assert_eq!(real(&found), real(known), "{what}: what the heads are made of");
            assert_eq!(heads, model.heads(&found), "{what}: a head that others follow");
            model.check(known, &read(&collection, At::Newest).unwrap(), &what);
            let n = self.number as usize;
            let stamps: Vec<Stamp> = log.stamps().collect();
            let some = |n: usize, len: usize| if all { 0..len } else { n % len..n % len + 1 };
            for stamp in &stamps[some(n, stamps.len())] {
                let found = read(&collection, At::Revision(*stamp)).unwrap();
                model.check(&model.closure([*stamp]), &found, &format!("{what} at {stamp}"));
            }
            let times: Vec<u64> = known.iter().map(|stamp| stamp.time).collect();
            for time in &times[some(n / 2, times.len())] {
                self.tally.past += usize::from(at_time(model, known, &collection, *time, &what));
            }
            self.pin(site, c, &collection, &stamps);
        }
    }

    /// What has a tag where it is stays there.
    fn pin(&mut self, site: usize, c: usize, collection: &Collection, stamps: &[Stamp]) {
        let tagged: BTreeSet<Stamp> =
            collection.tags().unwrap().into_iter().map(|(_, stamp)| stamp).collect();
        let pinned = &mut self.sites[site].pinned[c];
        pinned.retain(|stamp| tagged.contains(stamp));
        for stamp in pinned.iter() {
            assert!(stamps.contains(stamp), "site {site}: {stamp} had a tag, and is gone");
            read(collection, At::Revision(*stamp)).unwrap();
            self.tally.pinned += 1;
        }
        pinned.extend(tagged.iter().filter(|stamp| stamps.contains(stamp)));
    }

    pub(super) fn verify(&self, site: usize) {
        let mut damage = Vec::new();
        ops::verify(&self.repo(site), &mut |found| damage.push(found.what.clone())).unwrap();
        assert_eq!(damage, Vec::<String>::new(), "site {site}");
    }

    /// Whether all have the same heads and series, and tags.
    pub(super) fn are_equal(&self) -> bool {
        let of = |site: usize| {
            let one = |c: usize| {
                let collection = self.open(site, c);
                let log = collection.changelog().log().unwrap();
                let heads = collection.changelog().heads(&log).unwrap();
                (heads, read(&collection, At::Newest).unwrap(), collection.tags().unwrap())
            };
            [one(0), one(1)]
        };
        let first = of(0);
        (1..self.sites.len()).all(|site| of(site) == first)
    }
}

/// The state of a time is what the revisions before it set, or told to be forgotten; gives whether it was there.
fn at_time(model: &Model, known: &BTreeSet<Stamp>, collection: &Collection, time: u64, what: &str) -> bool {
    let before: BTreeSet<Stamp> = known.iter().copied().filter(|stamp| stamp.time < time).collect();
    match read(collection, At::Before(time)) {
        Ok(found) => {
            let log = collection.changelog().log().unwrap();
            // Known gap: what came below the horizon by the clock of another, and was left out, is not told apart from
            // what was trimmed here.
            if log.horizon.time == 0 || log.missing().all(|(parent, _)| parent.time < log.horizon.time) {
                model.check(&before, &found, &format!("{what} before {time}"));
            }
            true
        }
        // Of the revisions before it, the newest; or what merging them needs.
        Err(CollectionError::History(HistoryError::Trimmed(_) | HistoryError::Unmergeable { .. })) => false,
        // Before the collection.
        Err(_) if before.is_empty() => false,
        Err(e) => panic!("{what} before {time}: {e:?}"),
    }
}
