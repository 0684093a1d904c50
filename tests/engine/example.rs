//! The program in docs/examples does what it says.

#[allow(dead_code, reason = "its `main` is not called")]
#[path = "../../docs/examples/engine.rs"]
mod engine;

#[test]
fn the_example_tells_what_was_said_before_the_correction() {
    let folder = tempfile::tempdir().unwrap();
    let told = engine::run(folder.path()).unwrap();
    assert!(
        told.contains("ann@lab \"a correction\"") && told.contains("ann@lab \"first readings\""),
        "{told}"
    );
    let (now, then) = told.split_once("now:").unwrap().1.split_once("then:").unwrap();
    assert!(now.contains("24.0") && now.contains("27.9") && !now.contains("25.0"), "{told}");
    assert!(then.contains("24.0") && then.contains("27.0"), "{told}");
}
