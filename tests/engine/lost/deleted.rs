//! Collections that were deleted and whose history the registry still has: they are looked at as they were, whole.

use super::{Place, noise, schema, write};
use lakota::collection::At;
use lakota::ops::transfer::{What, transfer};
use lakota::ops::{self};

/// Two collections that were created apart and are one since: its revisions lie in two folders.
fn of_two_folders() -> Place {
    let (here, there) = (Place::new(), Place::new());
    for (place, value) in [(&here, 1), (&there, 2)] {
        let repo = place.open();
        repo.create_collection("both", &schema()).unwrap();
        write(&repo, "both", &format!("{value},1\n{}", noise(9000)));
    }
    transfer(&there.open(), &here.open(), &What::default(), &|_| ()).unwrap();
    let repo = here.open();
    assert_eq!(repo.collection("both").unwrap().changelog().folders().len(), 2);
    // On top of both.
    repo.collection("both").unwrap().settle().unwrap();
    write(&repo, "both", "3,1\n");
    here
}

#[test]
fn a_deleted_collection_of_two_folders_is_whole() {
    let place = of_two_folders();
    place.is_sound();
    place.open().delete_collection("both").unwrap();
    place.is_sound();
    place.gc_twice().unwrap();
    let clone = place.copy();
    ops::repair(&place.open(), &clone.open()).unwrap();
    let repo = place.open();
    repo.restore_collection("both").unwrap();
    place.is_sound();
    assert_eq!(repo.collection("both").unwrap().list(At::Newest).unwrap().len(), 1);
}
