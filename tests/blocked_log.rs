//! A `tracing` subscriber that does not let those go on who write: a pipe that nobody reads, a lock that is not given
//! back. It holds up nobody but who writes by itself.
//!
//! A binary of its own: the subscriber is the process's.

#[path = "support.rs"]
#[expect(dead_code, reason = "it is the other tests' too")]
mod support;

use std::io;
use std::sync::{Arc, Mutex};

use actor_core::prelude::*;
use actor_core::{AskError, OutOfThreads, StopReason, TooManyCondemned};
use support::{Gate, Loop, Responder, builder, eventually};

/// Where lines are written to, as soon as the gate is open.
#[derive(Clone, Default)]
struct Pipe {
    gate: Gate,
    text: Arc<Mutex<String>>,
}

impl io::Write for Pipe {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.gate.pass();
        self.text.lock().unwrap().push_str(&String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Pipe {
    fn has(&self, text: &str) -> bool {
        self.text.lock().unwrap().contains(text)
    }
}

/// Fails in one way or another.
#[derive(Actor)]
#[actor(mailbox = "unbounded", stall = "50ms")]
struct Unlucky(Loop);

#[messages]
impl Unlucky {
    #[message]
    fn runs(&mut self) {
        while self.0.goes_on() {}
    }

    #[message]
    fn panics(&mut self) {
        panic!("{}", support::ON_PURPOSE);
    }

    #[message]
    fn lives(&mut self) -> bool {
        true
    }
}

/// Loops without a limit, so that its worker is taken over.
#[derive(Actor)]
struct Looper(Loop);

#[messages]
impl Looper {
    #[message]
    fn runs(&mut self) {
        while self.0.goes_on() {}
    }
}

/// More lines than can wait.
const FAILURES: u32 = 5_000;

#[test]
fn a_subscriber_that_blocks_holds_nobody_up() {
    let pipe = Pipe::default();
    let to = pipe.clone();
    tracing_subscriber::fmt().with_writer(move || to.clone()).with_ansi(false).init();

    let system = builder(2)
        .max_condemned(4)
        .too_many_condemned(TooManyCondemned::Report)
        .out_of_threads(OutOfThreads::Report)
        .build()
        .unwrap();
    let (condemned, long) = (Loop::default(), Loop::default());
    let spinner = condemned.clone();
    let unlucky = system.spawn(move || Unlucky(spinner.clone())).unwrap();
    let spinner = long.clone();
    let looper = system.spawn(move || Looper(spinner.clone())).unwrap();
    let responder = system.spawn(|| Responder).unwrap();

    // Sysmon has something to say of either, and so has the supervisor of the first.
    looper.runs().tell().unwrap();
    long.runs();
    assert!(matches!(unlucky.runs().wait(), Err(AskError::Stalled)));
    pipe.gate.somebody_waits();
    assert!(unlucky.lives().wait().unwrap(), "its supervisor has restarted it");

    // More than can wait, from the actor's own turns.
    for _ in 0..FAILURES {
        unlucky.panics().tell().unwrap();
    }
    assert!(unlucky.lives().wait().unwrap());
    assert_eq!(responder.ping(7).wait().unwrap(), 8);
    assert!(!pipe.has("actor"), "nothing is written yet");

    // Sysmon still watches: another one is found.
    assert!(matches!(unlucky.runs().wait(), Err(AskError::Stalled)));
    condemned.end();
    long.end();

    let report = system.shutdown();
    assert!(report.is_clean(), "{report}");
    assert!(matches!(report.reason, StopReason::Shutdown));

    // What could wait is written, and how much could not.
    pipe.gate.open();
    eventually("the lines are written", || pipe.has("there was more to say than the subscriber could take"));
    for line in
        ["another thread takes the place of its own", "stalled", "restarting", "failed", "dead letter"]
    {
        eventually(line, || pipe.has(line));
    }
}
