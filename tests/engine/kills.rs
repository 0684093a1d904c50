//! Operations that die at every call of the backend, batches torn in any order: what `crash.rs` (writes, merges, packs,
//! defrag, trim, gc) and `transfer/` (copies, repairs) do not kill.
//!
//! After each death the repository opens, is sound, and reads as before or as after; what any revision that is left reads is
//! what it was. Done again, the operation ends where an undisturbed one ends.

use crate::support::{CountingClock, copy, frame, lines, repo_on};
use lakota::backend::Backend;
use lakota::backend::faulty::FaultyBackend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::Stamp;
use lakota::collection::{At, Collection, Past};
use lakota::data::alter::Alteration;
use lakota::data::schema::Schema;
use lakota::data::sort::Sorted;
use lakota::interval::Interval;
use lakota::ops;
use lakota::ops::transfer::{What, transfer};
use lakota::repo::Repo;
use lakota::series::read::Query;
use lakota::series::write::Mode;
use std::collections::BTreeMap;
use std::sync::Arc;

type Done = Result<(), Box<dyn std::error::Error>>;

/// Columns, and rows by label.
type State = (String, BTreeMap<String, Vec<String>>);

/// What users see of a collection: state, tags, how many heads.
type Seen = (State, Vec<(String, Stamp)>, usize);

fn state(collection: &Collection, at: At) -> State {
    let schema = collection.state(at).unwrap().schema;
    let rows = |label: &str| {
        let rows = collection.read(label, at, &Query::default()).unwrap();
        lines(&schema, &rows.collect_frame().unwrap())
    };
    let list = collection.list(at).unwrap().into_iter();
    (schema.to_string(), list.map(|s| (s.label.clone(), rows(&s.label))).collect())
}

fn heads(collection: &Collection) -> Vec<Stamp> {
    collection.changelog().heads(&collection.changelog().log().unwrap()).unwrap()
}

fn seen(repo: &Repo) -> BTreeMap<String, Seen> {
    let one = |label: String| {
        let c = repo.collection(&label).unwrap();
        let tags = c.tags().unwrap();
        (label, (state(&c, At::Newest), tags, heads(&c).len()))
    };
    repo.collections().unwrap().into_iter().map(one).collect()
}

fn past(repo: &Repo) -> BTreeMap<Stamp, State> {
    let mut past = BTreeMap::new();
    for label in repo.collections().unwrap() {
        let c = repo.collection(&label).unwrap();
        for stamp in c.changelog().log().unwrap().stamps() {
            past.insert(stamp, state(&c, At::Revision(stamp)));
        }
    }
    past
}

fn sound(repo: &Repo, place: &str) {
    let mut damage = Vec::new();
    ops::verify(repo, &mut |found| damage.push(found.what.clone())).unwrap();
    assert_eq!(damage, Vec::<String>::new(), "{place}");
}

fn upsert(repo: &Repo, label: &str, rows: &str) -> Stamp {
    let collection = repo.collection("c").unwrap();
    let mut batch = collection.batch("").unwrap();
    put(&mut batch, label, rows);
    batch.commit().unwrap().unwrap()
}

fn put(batch: &mut lakota::collection::Batch<'_>, label: &str, rows: &str) {
    let schema = batch.base().schema.clone();
    batch.write(label, &Mode::Upsert, Sorted::of(&schema, vec![frame(&schema, rows)])).unwrap();
}

/// Rows that do not compress.
fn noise(first: u64, n: u64) -> String {
    let value = |k: u64| k.wrapping_mul(0x9E37_79B9_7F4A_7C15) as f64 / 1e9;
    (first..first + n).map(|k| format!("{k},{:?}\n", value(k))).collect()
}

/// How an operation is killed.
struct Killed<'a> {
    prepare: &'a dyn Fn(&Repo),
    act: &'a dyn Fn(&Repo) -> Done,
    /// It may take old revisions away.
    trims: bool,
    /// It is made of several steps that each may be seen alone.
    steps: bool,
}

impl Killed<'_> {
    fn at_every_call(&self) {
        let clock = CountingClock::new();
        let start: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let duplicate = || {
            let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
            copy(start.as_ref(), memory.as_ref(), 0);
            memory
        };
        let open = |backend: &Arc<dyn Backend>| repo_on(backend, &clock, Some(1000));
        let repo = open(&start);
        repo.create_collection("c", &Schema::parse(["k int*", "v float"]).unwrap()).unwrap();
        (self.prepare)(&repo);
        let (before, past) = (seen(&open(&start)), past(&open(&start)));
        let undisturbed = duplicate();
        (self.act)(&open(&undisturbed)).unwrap();
        let after = seen(&open(&undisturbed));
        let mut kills = 0;
        for seed in 0..2 {
            for calls in 1.. {
                let memory = duplicate();
                let faulty = Arc::new(FaultyBackend::new(Arc::clone(&memory)));
                let backend: Arc<dyn Backend> = Arc::<FaultyBackend>::clone(&faulty);
                let victim = open(&backend);
                if seed > 0 {
                    faulty.tear_anywhere(seed * 1000 + calls);
                }
                faulty.fail_after(calls);
                let done = (self.act)(&victim).is_ok();
                drop(victim);
                // Uploads of a dead one end on their own.
                faulty.fail_after(0);
                let place = format!("seed {seed} call {calls}");
                self.check(&open(&memory), (&before, &after), &past, &place);
                (self.act)(&open(&memory)).unwrap_or_else(|e| panic!("{place}: again: {e}"));
                assert_eq!(seen(&open(&memory)), after, "{place}: again");
                sound(&open(&memory), &place);
                if done {
                    break;
                }
                kills += 1;
            }
        }
        assert!(kills > 3, "{kills}");
    }

    fn check(
        &self,
        repo: &Repo,
        (before, after): (&BTreeMap<String, Seen>, &BTreeMap<String, Seen>),
        past: &BTreeMap<Stamp, State>,
        place: &str,
    ) {
        sound(repo, place);
        let found = seen(repo);
        if !self.steps {
            assert!(found == *before || found == *after, "{place}: neither old nor new: {found:?}");
        }
        let now = self::past(repo);
        for (revision, then) in past {
            match now.get(revision) {
                Some(found) => assert_eq!(found, then, "{place}: {revision:?}"),
                None => assert!(self.trims, "{place}: {revision:?} is gone"),
            }
        }
        upsert(&copied(repo), "next", &next(repo));
    }
}

/// A row for the columns there are.
fn next(repo: &Repo) -> String {
    let columns = repo.collection("c").unwrap().schema().unwrap().columns().len();
    format!("1{}\n", ",1".repeat(columns - 1))
}

/// The same repository elsewhere, so that a bystander's write leaves no trace.
fn copied(repo: &Repo) -> Repo {
    let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    copy(repo.store().backend().as_ref(), memory.as_ref(), 0);
    repo_on(&memory, &CountingClock::new(), Some(1000))
}

fn two_revisions(repo: &Repo) {
    upsert(repo, "a", &noise(0, 300));
    upsert(repo, "a", "5,5\n900,9\n");
}

/// Two heads with objects of their own.
fn two_heads(repo: &Repo) {
    two_revisions(repo);
    let (one, two) = (repo.collection("c").unwrap(), repo.collection("c").unwrap());
    let (mut first, mut second) = (one.batch("").unwrap(), two.batch("").unwrap());
    put(&mut first, "a", &noise(100, 300));
    put(&mut second, "b", &noise(150, 300));
    first.commit().unwrap();
    second.commit().unwrap();
}

fn kill(prepare: &dyn Fn(&Repo), act: &dyn Fn(&Repo) -> Done) {
    Killed { prepare, act, trims: false, steps: false }.at_every_call();
}

#[test]
fn settling_is_whole_or_not_there() {
    // Heads become one; nothing else is seen of it.
    let act = |repo: &Repo| Ok(repo.collection("c")?.settle()?);
    Killed { prepare: &two_heads, act: &act, trims: false, steps: true }.at_every_call();
}

#[test]
fn choice_of_a_head_is_whole_or_not_there() {
    let act = |repo: &Repo| -> Done {
        let collection = repo.collection("c")?;
        let heads = collection.newest()?;
        if heads.len() > 1 {
            collection.choose(heads[0], "ours")?;
        }
        Ok(())
    };
    kill(&two_heads, &act);
}

#[test]
fn columns_are_altered_wholly_or_not() {
    let act = |repo: &Repo| -> Done {
        let collection = repo.collection("c")?;
        if collection.schema()?.position("w").is_none() {
            let step = Alteration::Rename { from: "v".to_owned(), to: "value".to_owned() };
            collection.alter(&[Alteration::add("w int", Some("7"))?, step], "")?;
        }
        Ok(())
    };
    kill(&two_revisions, &act);
}

#[test]
fn undo_is_whole_or_not_there() {
    let act = |repo: &Repo| -> Done {
        let collection = repo.collection("c")?;
        let second = collection.changelog().log()?.stamps().nth(2);
        collection.undo(second.ok_or("there is no second")?, "")?;
        Ok(())
    };
    kill(&two_revisions, &act);
}

#[test]
fn series_that_was_dropped_is_brought_back_whole_or_not() {
    let prepare = |repo: &Repo| {
        two_revisions(repo);
        let collection = repo.collection("c").unwrap();
        let mut batch = collection.batch("").unwrap();
        batch.drop_series("a").unwrap();
        put(&mut batch, "b", "1,1\n");
        batch.commit().unwrap();
    };
    let act = |repo: &Repo| -> Done {
        let collection = repo.collection("c")?;
        let stamp = collection.changelog().log()?.stamps().nth(2).ok_or("there is no second")?;
        let then = collection.state(At::Revision(stamp))?;
        let entry = then.entry("a")?;
        let mut batch = collection.batch("")?;
        let past = Past { state: &then, entry: entry.as_ref(), held_by: &[stamp] };
        batch.restore("a", past, &[Interval::ALL])?;
        batch.commit()?;
        Ok(())
    };
    kill(&prepare, &act);
}

#[test]
fn tag_is_there_or_not_and_keeps_what_it_names() {
    let tag = |repo: &Repo| -> Done {
        let collection = repo.collection("c")?;
        let second = collection.changelog().log()?.stamps().nth(1).ok_or("there is no first")?;
        Ok(collection.tag("v1", second, true)?)
    };
    // The first of all tags; one more; one less.
    kill(&two_revisions, &tag);
    let tagged = |repo: &Repo| {
        two_revisions(repo);
        let collection = repo.collection("c").unwrap();
        collection.tag("v0", heads(&collection)[0], false).unwrap();
    };
    kill(&tagged, &tag);
    let untag = |repo: &Repo| -> Done {
        let collection = repo.collection("c")?;
        if !collection.tags()?.is_empty() {
            collection.untag("v0")?;
        }
        Ok(())
    };
    kill(&tagged, &untag);
}

/// A history with a tag in its midst, small segments, a pack and loose files.
fn long(repo: &Repo) {
    for i in 0..6 {
        upsert(repo, "a", &noise(40 * i, 30));
        if i == 2 {
            let collection = repo.collection("c").unwrap();
            collection.tag("v0", heads(&collection)[0], false).unwrap();
            ops::pack(&collection).unwrap();
        }
    }
}

#[test]
fn squash_keeps_the_rows_and_what_has_a_tag() {
    let act = |repo: &Repo| -> Done {
        let collection = repo.collection("c")?;
        ops::squash(&collection)?;
        let (_, tagged) = collection.tags()?[0].clone();
        collection.read("a", At::Revision(tagged), &Query::default())?;
        Ok(())
    };
    Killed { prepare: &long, act: &act, trims: true, steps: false }.at_every_call();
}

#[test]
fn gc_after_a_squash_keeps_the_rows_and_what_has_a_tag() {
    for rounds in 0..2 {
        let prepare = |repo: &Repo| {
            long(repo);
            ops::squash(&repo.collection("c").unwrap()).unwrap();
            (0..rounds).for_each(|_| {
                ops::gc(repo, 0).unwrap();
            });
        };
        let act = |repo: &Repo| Ok(ops::gc(repo, 0).map(|_done| ())?);
        kill(&prepare, &act);
    }
}

#[test]
fn registry_is_trimmed_and_packed_and_names_what_it_named() {
    let prepare = |repo: &Repo| {
        two_revisions(repo);
        let schema = Schema::parse(["k int*"]).unwrap();
        repo.create_collection("d", &schema).unwrap();
        repo.rename_collection("d", "e").unwrap();
    };
    let act = |repo: &Repo| -> Done {
        ops::squash(repo.registry())?;
        ops::pack(repo.registry())?;
        Ok(())
    };
    kill(&prepare, &act);
    kill(&prepare, &|repo| match repo.collections()?.iter().any(|label| label == "f") {
        true => Ok(()),
        false => Ok(repo.rename_collection("e", "f")?),
    });
    let delete = |repo: &Repo| match repo.collections()?.len() {
        1 => Ok(()),
        _ => Ok(repo.delete_collection("e")?),
    };
    Killed { prepare: &prepare, act: &delete, trims: true, steps: false }.at_every_call();
}

/// Another repository with a history that has forked, a tag and two collections.
fn elsewhere() -> Repo {
    let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let repo = repo_on(&memory, &CountingClock::new(), Some(1000));
    repo.create_collection("c", &Schema::parse(["k int*", "v float"]).unwrap()).unwrap();
    long(&repo);
    two_heads(&repo);
    repo.create_collection("d", &Schema::parse(["k int*", "v float"]).unwrap()).unwrap();
    repo
}

#[test]
fn copies_that_are_torn_in_any_order_go_on() {
    for shallow in [false, true] {
        let from = elsewhere();
        let act = |repo: &Repo| -> Done {
            let report = transfer(&from, repo, &What { shallow, ..What::default() }, &|_| ())?;
            match report.failed.into_iter().next() {
                Some((_, error)) => Err(error.into()),
                None => Ok(()),
            }
        };
        // Collections come one after another.
        Killed { prepare: &|_| (), act: &act, trims: false, steps: true }.at_every_call();
    }
}
