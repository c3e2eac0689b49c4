//! What is done about long turns is done without privileges too: tests of it are run again as `nobody`, in a process of
//! their own. `tests/privileges.sh` runs all of them so, and in a control group.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write;
use std::process::Command;

/// Some of what an unprivileged process might not be allowed to do: to demote a thread, to read its usage, to ask it
/// where it is, to have as many threads as there may be.
const TESTS: [&str; 5] = [
    "preemption::endless_loops_hold_up_nobody_and_their_threads_go",
    "preemption::what_takes_long_is_seen_and_said",
    "out_of_threads::it_is_said_once_for_each_turn_and_work_goes_on_when_one_returns",
    "stacks::an_endless_loop_is_found_where_it_is",
    "privileges::there_are_none",
];

fn status(key: &str) -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim().to_owned()
}

/// Past the test harness, which keeps what is printed.
fn skips(why: &str) {
    let line = format!("SKIPPED: the tests without privileges: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

#[test]
#[ignore = "run by the test below, as nobody"]
fn there_are_none() {
    assert_eq!(status("CapEff:"), "0000000000000000");
    assert!(!status("Uid:").split_whitespace().any(|uid| uid == "0"));
}

#[test]
fn long_turns_hold_up_nobody_without_privileges() {
    if status("CapEff:") == "0000000000000000" {
        return skips("this process has none, so the other tests are that already");
    }
    let mut nobody = Command::new("setpriv");
    nobody.args([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--inh-caps=-all",
        "--bounding-set=-all",
    ]);
    let tests = std::env::current_exe().unwrap();
    let can = Command::new("setpriv").args(nobody.get_args()).arg(&tests).arg("--list").output();
    if !can.is_ok_and(|can| can.status.success()) {
        return skips("setpriv is not there or not allowed, or nobody may not read this binary");
    }
    let output = nobody.arg(&tests).args(["--include-ignored", "--exact"]).args(TESTS).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("5 passed"), "{text}");
}
