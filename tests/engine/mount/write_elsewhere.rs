//! The model of writes: what happens without the mount, and what must be seen after each step.

use super::walk::Walk;
use super::write_model::{Hidden, Target, World, change, path};
use super::write_steps::{FILES, FOLDERS, LABELS, Step};
use crate::support::{SeriesRows, series};
use lakota::collection::At;
use lakota::interval::Interval;
use lakota::ops;
use lakota::series::write::Mode;

impl World {
    pub(super) fn elsewhere(&mut self, step: &Step) {
        match step {
            Step::Elsewhere(series, rows, all) => {
                let mode = if *all { Mode::Overlay(Interval::ALL) } else { Mode::Upsert };
                let Some(now) = &self.series[*series] else { return };
                let new = self.rows(rows);
                let mut batch = self.other.batch("").unwrap();
                batch.write(LABELS[*series], &mode, self.sorted(rows)).unwrap();
                batch.commit().unwrap();
                let mut now = if *all { SeriesRows::new() } else { now.clone() };
                now.extend(new);
                self.series[*series] = Some(now);
            }
            Step::Heads(series, one, two) => {
                let Some(base) = self.series[*series].clone() else { return };
                let mut batches = [one, two].map(|rows| (self.other.batch("").unwrap(), rows));
                for (batch, rows) in &mut batches {
                    batch.write(LABELS[*series], &Mode::Upsert, self.sorted(rows)).unwrap();
                }
                let mut now = base.clone();
                for (batch, rows) in batches {
                    batch.commit().unwrap();
                    let mut mine = base.clone();
                    mine.extend(self.rows(rows));
                    change(&mut now, &base, &mine);
                }
                self.series[*series] = Some(now);
            }
            Step::Trim => {
                let stamps: Vec<_> = self.other.changelog().log().unwrap().stamps().collect();
                ops::trim(&self.other, stamps[stamps.len() / 2].time).unwrap();
                for (_, target) in &self.open {
                    if let Target::Written(file, _) = target {
                        file.borrow_mut().trimmed = true;
                    }
                }
            }
            _ => drop(ops::defrag(&self.other, 1000).unwrap()),
        }
    }

    pub(super) fn check(&self) {
        let walk = Walk(&self.kernel.fs);
        for (i, rows) in self.series.iter().enumerate() {
            assert_eq!(walk.exists(FOLDERS[i]), rows.is_some());
            let Some(rows) = rows else { continue };
            for format in 0..FILES.len() {
                let at = path((i, format));
                match self.hidden.get(&(i, format)) {
                    Some(Hidden::Gone) => assert!(!walk.exists(&at)),
                    Some(Hidden::Emptied) => assert_eq!(walk.read(&at), b""),
                    None => {
                        let bytes = walk.read(&at);
                        assert_eq!(self.parse(format, &bytes).as_ref(), Some(rows), "{at}");
                    }
                }
            }
        }
        for (fd, target) in &self.open {
            match target {
                Target::Reader(bytes) => assert_eq!(self.kernel.read(*fd), *bytes, "a reader's file changed"),
                Target::Written(file, _) => {
                    let bytes = String::from_utf8_lossy(&self.kernel.read(*fd)).into_owned();
                    assert_eq!(bytes, String::from_utf8_lossy(&file.borrow().bytes));
                }
            }
        }
        assert_eq!(walk.names(".lakota/rejected").len(), self.rejected, "{}", walk.text(".lakota/errors"));
    }

    pub(super) fn end(&mut self) {
        while !self.open.is_empty() {
            self.close(0, false);
        }
        self.check();
        for (label, rows) in LABELS.iter().zip(&self.series) {
            let Some(rows) = rows else { continue };
            let mut found = series(&self.other, label, At::Newest);
            found.values_mut().for_each(|lines| lines.sort());
            assert_eq!(found, *rows, "what the store has");
        }
        self.kernel.check_clean();
        let left = std::fs::read_dir(&self.spool).unwrap().count();
        assert_eq!(left, 0, "files that nobody writes are left in the spool");
    }
}
