//! Tests that run in a process of their own, to be ended or paused.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::LIMIT;

/// The test of this path, in a process of its own, which knows that by the variable `name`.
pub(crate) fn child(test: &str, name: &str) -> Killed {
    let program = std::env::current_exe().expect("this test has a path");
    let mut command = Command::new(program);
    command.args(["--exact", test, "--nocapture"]).env(name, "1");
    Killed(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a child"))
}

/// A child that does not outlive its test.
pub(crate) struct Killed(Child);

impl Killed {
    /// By which signal it was ended.
    pub(crate) fn ends_by_signal(mut self) -> Option<i32> {
        self.0.wait().expect("the child can be waited for").signal()
    }

    /// Stops the process for 1.2 s again and again, until it ends; how it has ended, and how often it was stopped.
    pub(crate) fn ends_between_pauses(mut self) -> (ExitStatus, usize) {
        let pid = self.0.id().to_string();
        let signal = |name: &str| {
            assert!(Command::new("kill").args([name, &pid]).status().expect("kill runs").success());
        };
        let end = Instant::now() + LIMIT;
        let mut pauses = 0;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return (status, pauses);
            }
            assert!(Instant::now() < end, "the child does not end");
            thread::sleep(Duration::from_millis(130));
            if self.0.try_wait().unwrap().is_none() {
                signal("-STOP");
                thread::sleep(Duration::from_millis(1200));
                signal("-CONT");
                pauses += 1;
            }
        }
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
