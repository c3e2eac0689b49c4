//! What users of the macros are told: a golden per mistake in `tests/ui`, pinned to the toolchain.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn mistakes_are_reported_as_the_goldens_say() {
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}

/// What the macros write is none of the users' business.
#[test]
fn no_error_speaks_of_what_is_generated() {
    let internals = [
        "__private",
        "__Unheld",
        "_marker",
        "AccountMessage",
        "Envelope",
        "Fallible",
        "Step",
        "Accepts",
        "automatically_derived",
    ];
    for golden in goldens() {
        let text = fs::read_to_string(&golden).expect("a golden can be read");
        for internal in internals {
            assert!(!text.contains(internal), "{} mentions `{internal}`", golden.display());
        }
    }
}

/// A mistake that the macros find comes with a way out. (The compiler's own errors have a code.)
#[test]
fn every_error_of_the_macros_has_a_help() {
    for golden in goldens() {
        let text = format!("\n{}", fs::read_to_string(&golden).expect("a golden can be read"));
        for error in text.split("\nerror: ").skip(1) {
            assert!(error.contains("help: "), "no help in {}: {error}", golden.display());
        }
    }
}

fn goldens() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui");
    let files = fs::read_dir(folder).expect("the folder of goldens can be read");
    let goldens: Vec<_> = files
        .map(|file| file.expect("the folder of goldens can be read").path())
        .filter(|file| file.extension() == Some(OsStr::new("stderr")))
        .collect();
    assert!(goldens.len() > 25, "the goldens are where they are looked for");
    goldens
}
