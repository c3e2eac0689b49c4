//! The binaries of the services, for tests that run them.
#![cfg(target_os = "linux")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};

/// Builds the binary of this package, of the same name, as this test was built, once, and says where it is.
pub(crate) fn binary(package: &'static str) -> PathBuf {
    static BUILT: Mutex<Option<HashMap<&str, PathBuf>>> = Mutex::new(None);
    // Poisoned by a build that has failed; then so does this one.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built.get_or_insert_default().entry(package).or_insert_with(|| build(package)).clone()
}

fn build(package: &str) -> PathBuf {
    // This test is <target>/<profile>/deps/services-<hash>.
    let test = std::env::current_exe().expect("this test has a path");
    let profile = test.ancestors().nth(2).expect("a profile's directory");
    let target = profile.parent().expect("a target directory");
    let name = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", package, "--bin", package, "--profile", name, "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the binary does not build");
    profile.join(package)
}

/// What the process writes to its standard error, which was piped, line by line from now on.
pub(crate) fn log_of(child: &mut Child) -> Arc<Mutex<String>> {
    let log = Arc::<Mutex<String>>::default();
    let (to, mut from) = (log.clone(), BufReader::new(child.stderr.take().expect("piped")));
    std::thread::spawn(move || {
        let mut line = String::new();
        while from.read_line(&mut line).is_ok_and(|n| n > 0) {
            to.lock().expect("no panic").push_str(&std::mem::take(&mut line));
        }
    });
    log
}
