//! Where a handler is that does not return.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::hint::black_box;
use std::io::{self, PipeReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use actor_core::ActorId;
use actor_core::observe::{LongTurn, Stack, StackError};
use actor_core::prelude::*;

use crate::support::{LIMIT, eventually, system};

/// What handlers read from, and when they end.
#[derive(Default)]
struct Sources {
    until: AtomicBool,
    rounds: AtomicU64,
}

/// Does not return for long, in functions that can be told by their names.
#[derive(Actor)]
struct Slow(Arc<Sources>);

#[inline(never)]
fn spins_in_a_function_of_its_own(sources: &Sources) {
    while !sources.until.load(Ordering::Relaxed) {
        sources.rounds.fetch_add(1, Ordering::Relaxed);
    }
}

#[inline(never)]
fn spins_further_out(sources: &Sources) {
    spins_in_a_function_of_its_own(sources);
    black_box(sources);
}

#[inline(never)]
fn reads_in_a_function_of_its_own(from: &mut impl Read) -> io::Result<usize> {
    let mut byte = [0];
    black_box(from.read(&mut byte))
}

#[messages]
impl Slow {
    #[message]
    fn spin(&mut self) {
        spins_further_out(&self.0);
    }

    #[message]
    fn read_pipe(&mut self, mut from: PipeReader) -> io::Result<usize> {
        reads_in_a_function_of_its_own(&mut from)
    }

    /// A read with a time limit is one of those that the kernel does not go on with after a signal.
    #[message]
    fn read_socket(&mut self, mut from: TcpStream) -> io::Result<usize> {
        from.set_read_timeout(Some(2 * LIMIT))?;
        reads_in_a_function_of_its_own(&mut from)
    }
}

/// Sets what handlers wait for, also where a test fails.
struct Release(Arc<Sources>);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.until.store(true, Ordering::Relaxed);
    }
}

fn slow(system: &System) -> (SlowRef, Release) {
    let sources = Arc::<Sources>::default();
    let shown = sources.clone();
    (system.spawn(move || Slow(shown.clone())).unwrap(), Release(sources))
}

/// The turn of this actor, when it has taken long.
fn long_turn(system: &System, actor: ActorId) -> LongTurn {
    let mut turn = None;
    eventually("its turn takes long", || {
        turn = system.snapshot().long_turns.into_iter().find(|turn| turn.actor == actor);
        turn.is_some()
    });
    turn.expect("it was found")
}

/// A stack, on a machine where a thread may have to wait long for a processor.
fn stack_of(system: &System, turn: &LongTurn) -> Stack {
    let mut stack = None;
    eventually("the thread answers", || {
        stack = match system.stack_of(turn) {
            Err(StackError::Silent | StackError::Restless) => None,
            other => Some(other.unwrap()),
        };
        stack.is_some()
    });
    stack.expect("it was found")
}

fn place_of(stack: &Stack, function: &str) -> Option<usize> {
    let is_it = |name: &Option<String>| name.as_ref().is_some_and(|name| name.contains(function));
    stack.frames.iter().position(|frame| is_it(&frame.function))
}

#[test]
fn an_endless_loop_is_found_where_it_is() {
    let system = system(2);
    let (slow, release) = slow(&system);
    slow.spin().tell().unwrap();
    let turn = long_turn(&system, slow.id());
    for _ in 0..5 {
        let stack = stack_of(&system, &turn);
        assert_eq!((stack.call, &stack.thread), (None, &turn.thread), "{stack}");
        // It is called by the other, and that by the handler.
        let inner = place_of(&stack, "spins_in_a_function_of_its_own");
        let outer = place_of(&stack, "spins_further_out");
        assert!(inner.is_some() && inner < outer, "{stack}");
        assert!(outer < place_of(&stack, "Slow"), "{stack}");
        let frame = &stack.frames[inner.unwrap()];
        assert!(frame.file.as_ref().is_some_and(|file| file.ends_with("behaviour/stacks.rs")), "{stack}");
        assert!(frame.line.is_some() && stack.to_string().contains("stacks.rs:"), "{stack}");
    }
    // It goes on.
    let rounds = release.0.rounds.load(Ordering::Relaxed);
    eventually("it goes round", || release.0.rounds.load(Ordering::Relaxed) > rounds);
    drop(release);
    eventually("it has ended", || system.snapshot().long_turns.is_empty());
    let ended = system.stack_of(&turn);
    assert!(matches!(ended, Err(StackError::Ended)), "{ended:?}");
    assert!(system.shutdown().is_clean());
}

#[test]
fn a_handler_that_blocks_is_found_where_it_does() {
    let system = system(2);
    let (slow, _release) = slow(&system);
    let (reader, mut writer) = io::pipe().unwrap();
    let asked = {
        let slow = slow.clone();
        std::thread::spawn(move || slow.read_pipe(reader).wait())
    };
    let turn = long_turn(&system, slow.id());
    let stack = stack_of(&system, &turn);
    assert_eq!(stack.call.and_then(|call| call.name), Some("read"), "{stack}");
    assert!(place_of(&stack, "reads_in_a_function_of_its_own").is_some(), "{stack}");
    assert!(stack.to_string().contains(", in read:"), "{stack}");
    writer.write_all(b"x").unwrap();
    assert_eq!(asked.join().unwrap().unwrap(), 1);
    assert!(system.shutdown().is_clean());
}

#[test]
fn a_call_that_a_signal_would_end_goes_on() {
    let system = system(2);
    let (slow, _release) = slow(&system);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let asked = {
        let slow = slow.clone();
        std::thread::spawn(move || slow.read_socket(client).wait())
    };
    let turn = long_turn(&system, slow.id());
    for _ in 0..50 {
        let stack = stack_of(&system, &turn);
        assert_eq!(stack.call.and_then(|call| call.name), Some("recvfrom"), "{stack}");
    }
    assert!(!asked.is_finished());
    server.write_all(b"x").unwrap();
    // `TcpStream::read` gives `Interrupted` back to its caller.
    assert_eq!(asked.join().unwrap().unwrap(), 1);
    assert!(system.shutdown().is_clean());
}

#[test]
fn a_handler_that_sleeps_and_computes_in_turn_is_not_interrupted() {
    #[derive(Actor)]
    struct Restless(Arc<AtomicBool>);

    #[messages]
    impl Restless {
        #[message]
        fn work(&mut self) {
            while !self.0.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    let system = system(2);
    let until = Arc::<AtomicBool>::default();
    let shown = until.clone();
    let actor = system.spawn(move || Restless(shown.clone())).unwrap();
    actor.work().tell().unwrap();
    let turn = long_turn(&system, actor.id());
    // It is found in its sleep.
    let stack = stack_of(&system, &turn);
    assert_eq!(stack.call.and_then(|call| call.name), Some("clock_nanosleep"), "{stack}");
    assert!(place_of(&stack, "Restless").is_some(), "{stack}");
    until.store(true, Ordering::Relaxed);
    assert!(system.shutdown().is_clean());
}
