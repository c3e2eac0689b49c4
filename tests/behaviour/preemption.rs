//! Handlers that do not return hold up nobody: their workers are taken over, with all that these had.

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use actor_core::observe::{Event, Snapshot};
use actor_core::prelude::*;
use actor_core::{BuildError, OutOfThreads};

use crate::support::{Gate, LIMIT, Log, builder, eventually, patient, system};

/// Ends the handlers that spin until it is set, also where a test fails.
#[derive(Clone, Default)]
struct Release(Arc<AtomicBool>);

impl Release {
    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        self.set();
    }
}

/// Does not return for as long as it is told to.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Hog {
    until: Arc<AtomicBool>,
    gate: Gate,
}

#[messages]
impl Hog {
    /// Burns processor time.
    #[message]
    fn spin(&mut self) {
        while !self.until.load(Ordering::Relaxed) {
            spin_loop();
        }
    }

    /// Blocks its thread.
    #[message]
    fn block(&mut self) {
        self.gate.pass();
    }

    /// Gives work to others and does not return.
    #[message]
    fn spin_after(&mut self, others: Vec<CounterRef>) {
        for other in &others {
            other.count().tell().unwrap();
        }
        self.spin();
    }

    /// Does not return, and has work for others again and again, on whichever thread it runs by then.
    #[message]
    fn work_from_afar(&mut self, counter: CounterRef, times: usize, ctx: &mut Context<Self>) -> usize {
        self.spin();
        for _ in 0..times {
            let born = ctx.spawn(Counter::default).unwrap();
            born.count().tell().unwrap();
            counter.count().tell().unwrap();
        }
        ctx.after(Duration::from_millis(1), HogTimed { counter });
        times
    }

    #[message]
    fn timed(&mut self, counter: CounterRef) {
        counter.count().tell().unwrap();
    }

    #[message]
    fn sleep(&mut self, long: Duration) {
        thread::sleep(long);
    }
}

#[derive(Actor, Default)]
#[actor(mailbox = "unbounded")]
struct Counter {
    counted: usize,
    beats: Log<Instant>,
}

#[messages]
impl Counter {
    #[message]
    fn count(&mut self) {
        self.counted += 1;
    }

    #[message]
    fn counted(&mut self) -> usize {
        self.counted
    }

    /// Notes the time again and again.
    #[message]
    fn beat(&mut self, times: usize, ctx: &mut Context<Self>) {
        self.beats.push(Instant::now());
        if times > 1 {
            ctx.after(Duration::from_millis(5), CounterBeat { times: times - 1 });
        }
    }
}

fn hogs(system: &System, count: usize, release: &Release, gate: &Gate) -> Vec<HogRef> {
    let hog = |_| {
        let (until, gate) = (release.0.clone(), gate.clone());
        system.spawn(move || Hog { until: until.clone(), gate: gate.clone() }).unwrap()
    };
    (0..count).map(hog).collect()
}

fn answers(counter: &CounterRef) -> bool {
    counter.counted().within(LIMIT).wait().is_ok()
}

fn has_counted(counter: &CounterRef, count: usize) -> bool {
    counter.counted().within(LIMIT).wait().unwrap() == count
}

fn shows(system: &System, what: &str, condition: impl Fn(&Snapshot) -> bool) {
    eventually(what, || condition(&system.snapshot()));
}

#[test]
fn endless_loops_hold_up_nobody_and_their_threads_go() {
    for workers in [1, 2] {
        let system = system(workers);
        let counter = system.spawn(Counter::default).unwrap();
        let release = Release::default();
        let hogs = hogs(&system, 4 * workers + 1, &release, &Gate::default());
        hogs.iter().for_each(|hog| hog.spin().tell().unwrap());
        for _ in 0..100 {
            assert!(answers(&counter));
        }
        shows(&system, "all hogs spin", |now| {
            now.long_turns.len() + now.background_threads >= hogs.len() || now.long_turns.len() >= hogs.len()
        });
        assert!(answers(&counter));
        release.set();
        for hog in &hogs {
            hog.sleep(Duration::ZERO).wait().unwrap();
        }
        shows(&system, "the threads are gone", |now| {
            now.threads - now.spare_threads - now.background_threads == workers && now.spare_threads <= 2
        });
        shows(&system, "the background lane is empty", |now| now.background_threads == 0);
        assert!(system.shutdown().is_clean());
    }
}

#[test]
fn what_was_scheduled_by_a_handler_that_does_not_return_runs() {
    let system = system(1);
    let counters: Vec<_> = (0..100).map(|_| system.spawn(Counter::default).unwrap()).collect();
    let release = Release::default();
    let hog = hogs(&system, 1, &release, &Gate::default()).remove(0);
    // One is the next of the only worker, the others are in its queue.
    hog.spin_after(counters.clone()).tell().unwrap();
    for counter in &counters {
        eventually("it has counted", || has_counted(counter, 1));
    }
    assert!(!release.is_set());
}

#[test]
fn a_handler_that_has_lost_its_worker_can_do_all_that_others_can() {
    let system = system(1);
    let release = Release::default();
    let hog = hogs(&system, 1, &release, &Gate::default()).remove(0);
    let counter = system.spawn(Counter::default).unwrap();
    let events = system.events().subscribe(1000);
    let asked = {
        let (hog, counter) = (hog.clone(), counter.clone());
        thread::spawn(move || hog.work_from_afar(counter, 500).wait())
    };
    eventually("its worker is taken over", || matches!(events.try_recv(), Ok(Event::Replaced(_))));
    release.set();
    assert_eq!(asked.join().unwrap().unwrap(), 500);
    eventually("all is counted, the timer's message too", || has_counted(&counter, 501));
    shows(&system, "all that were born live", |now| {
        let counters = now.actors.iter().filter(|group| group.name == "Counter");
        counters.map(|group| group.alive).sum::<u64>() == 501
    });
    assert!(system.shutdown().is_clean());
}

#[test]
fn timers_are_on_time_while_handlers_do_not_return() {
    let system = system(1);
    let beats = Log::default();
    let counter = {
        let beats = beats.clone();
        system.spawn(move || Counter { counted: 0, beats: beats.clone() }).unwrap()
    };
    let (release, gate) = (Release::default(), Gate::default());
    // Armed with the only worker, which is held up after that.
    counter.beat(40).tell().unwrap();
    let hogs = hogs(&system, 4, &release, &gate);
    for (index, hog) in hogs.iter().enumerate() {
        if index % 2 == 0 {
            hog.spin().tell().unwrap()
        } else {
            hog.block().tell().unwrap()
        }
        thread::sleep(Duration::from_millis(20));
    }
    eventually("all beats have come", || beats.len() == 40);
    gate.open();
}

#[test]
fn what_takes_long_is_seen_and_said() {
    let system = system(2);
    let events = system.events().subscribe(1000);
    let release = Release::default();
    let hog = hogs(&system, 1, &release, &Gate::default()).remove(0);
    hog.spin().tell().unwrap();
    shows(&system, "it is among the long turns", |now| {
        now.long_turns.iter().any(|turn| {
            turn.name == "Hog"
                && turn.message == Some("spin")
                && turn.actor == hog.id()
                && turn.site.file().ends_with("preemption.rs")
                && turn.took >= Duration::from_millis(10)
                && (turn.demoted || !cfg!(target_os = "linux"))
        })
    });
    let text = system.snapshot().to_string();
    assert!(text.contains("long turn: Hog#") && text.contains("in spin for"), "{text}");
    release.set();
    hog.sleep(Duration::ZERO).wait().unwrap();
    let mut seen = Vec::new();
    eventually("its end is said", || {
        seen.extend(events.try_iter());
        seen.iter().any(|event| matches!(event, Event::Returned(_)))
    });
    let name = |event: &Event| match event {
        Event::SoftPreempted(turn) if turn.actor == hog.id() => "asked",
        Event::Replaced(turn) if turn.actor == hog.id() => "replaced",
        Event::Demoted(turn) if turn.actor == hog.id() => "demoted",
        Event::Returned(turn) if turn.actor == hog.id() => "returned",
        _ => "other",
    };
    let names: Vec<_> = seen.iter().map(name).filter(|name| *name != "other").collect();
    let demoted: &[_] = if cfg!(target_os = "linux") { &["demoted"] } else { &[] };
    assert_eq!(names, [&["asked", "replaced"], demoted, &["returned"]].concat());
    shows(&system, "it is counted", |now| now.preemptions.replaced >= 1 && now.preemptions.returned >= 1);
}

#[test]
fn a_handler_that_blocks_is_not_demoted() {
    let system = system(1);
    let gate = Gate::default();
    let hog = hogs(&system, 1, &Release::default(), &gate).remove(0);
    hog.block().tell().unwrap();
    gate.somebody_waits();
    shows(&system, "its worker is taken over", |now| now.preemptions.replaced == 1);
    shows(&system, "it takes long", |now| {
        now.long_turns.iter().any(|turn| turn.took > Duration::from_millis(100))
    });
    assert_eq!(system.snapshot().preemptions.demoted, 0);
    gate.open();
}

#[test]
fn an_actor_that_keeps_taking_long_goes_into_the_background_and_comes_back() {
    let system = system(2);
    let events = system.events().subscribe(1000);
    let hog = hogs(&system, 1, &Release::default(), &Gate::default()).remove(0);
    let mut seen = Vec::new();
    eventually("it goes", || {
        hog.sleep(Duration::from_millis(20)).wait().unwrap();
        seen.extend(events.try_iter());
        seen.iter()
            .any(|event| matches!(event, Event::ToBackground { actor: Some(id), .. } if *id == hog.id()))
    });
    let before = system.snapshot().preemptions.background;
    eventually("it comes back", || {
        hog.sleep(Duration::ZERO).wait().unwrap();
        seen.extend(events.try_iter());
        seen.iter()
            .any(|event| matches!(event, Event::FromBackground { actor: Some(id), .. } if *id == hog.id()))
    });
    let after = system.snapshot().preemptions.background;
    assert!(after >= before + 16, "it had turns there: {before}, then {after}");
    for _ in 0..100 {
        hog.sleep(Duration::ZERO).wait().unwrap();
    }
    assert_eq!(system.snapshot().preemptions.background, after, "it has left");
    assert!(system.shutdown().is_clean());
}

#[test]
fn hundreds_that_block_cost_a_few_threads_and_all_get_on() {
    const BLOCKED: usize = 300;
    let system = system(2);
    let done = Arc::new(AtomicUsize::new(0));
    let counter = system.spawn(Counter::default).unwrap();
    let hogs = hogs(&system, BLOCKED, &Release::default(), &Gate::default());
    let most = thread::scope(|scope| {
        for hog in &hogs {
            hog.sleep(Duration::from_millis(50)).tell().unwrap();
        }
        let waiter = scope.spawn(|| {
            for hog in &hogs {
                hog.sleep(Duration::ZERO).wait().unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut most = 0;
        while !waiter.is_finished() {
            most = most.max(system.snapshot().threads);
            assert!(answers(&counter));
        }
        most
    });
    assert_eq!(done.load(Ordering::Relaxed), BLOCKED);
    assert!(most < 64, "{most} threads");
    shows(&system, "the threads are gone", |now| now.threads <= 4);
}

#[test]
fn shutdown_goes_on_beside_a_handler_that_does_not_return() {
    let system = builder(1).stop_within(Duration::from_millis(200)).build().unwrap();
    let counter = system.spawn(Counter::default).unwrap();
    let release = Release::default();
    let hog = hogs(&system, 1, &release, &Gate::default()).remove(0);
    hog.spin().tell().unwrap();
    shows(&system, "its worker is taken over", |now| now.preemptions.replaced == 1);
    let monitor = counter.monitor();
    let report = system.shutdown();
    // The others have ended, each in good order; the one thread is left with its handler.
    let down = monitor.wait_within(LIMIT).expect("it has ended");
    assert!(matches!(down.reason, StopReason::Shutdown), "{down:?}");
    assert_eq!(report.stuck_workers, 1, "{report}");
    assert!(report.ended, "{report}");
    release.set();
    eventually("its thread ends", || system.shutdown().stuck_workers == 0);
}

#[test]
fn the_parallelism_can_be_changed_by_a_demoted_handler() {
    #[derive(Actor)]
    struct Changer(Release);

    #[messages]
    impl Changer {
        #[message]
        fn change(&mut self, ctx: &mut Context<Self>) -> usize {
            while !self.0.is_set() {
                spin_loop();
            }
            ctx.system().set_parallelism(3).unwrap();
            ctx.system().workers()
        }
    }

    let system = builder(1).max_workers(4).build().unwrap();
    let release = Release::default();
    let state = release.clone();
    let changer = system.spawn(move || Changer(Release(state.0.clone()))).unwrap();
    let asked = thread::spawn(move || changer.change().wait());
    if cfg!(target_os = "linux") {
        shows(&system, "its thread is demoted", |now| now.preemptions.demoted == 1);
    }
    release.set();
    assert_eq!(asked.join().unwrap().unwrap(), 3);
    shows(&system, "all three have a thread", |now| now.threads - now.spare_threads >= 3);
    assert!(system.shutdown().is_clean());
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let error = System::builder().workers(4).max_threads(3).build().unwrap_err();
    assert!(matches!(error, BuildError::MaxThreads { max: 3, workers: 4 }));
    assert!(error.to_string().contains("at most 3 threads"), "{error}");
    let error = System::builder().hard_quantum(Duration::from_micros(10)).build().unwrap_err();
    assert!(error.to_string().contains("a hard quantum of 10µs"), "{error}");
    let error = System::builder().workers(1).max_workers(3).max_threads(2).build().unwrap();
    let error = error.set_parallelism(3).unwrap_err();
    assert!(error.to_string().contains("there are 2 already"), "{error}");
}

#[test]
fn nothing_is_taken_over_where_the_quanta_are_long() {
    let system = patient(1).out_of_threads(OutOfThreads::Report).build().unwrap();
    let hog = hogs(&system, 1, &Release::default(), &Gate::default()).remove(0);
    hog.sleep(Duration::from_millis(50)).wait().unwrap();
    let now = system.snapshot();
    assert_eq!((now.preemptions.soft, now.preemptions.replaced, now.threads), (0, 0, 1), "{now}");
}

#[test]
fn what_comes_from_outside_does_not_wait_for_turns_that_are_long_but_not_too_long() {
    #[derive(Actor)]
    struct Slow(Arc<AtomicBool>, Release);

    #[messages]
    impl Slow {
        /// One piece of work after another, until it comes to one that it is stuck in.
        #[message]
        fn work(&mut self, pieces: usize, ctx: &mut Context<Self>) {
            let until = Instant::now() + Duration::from_micros(300);
            while Instant::now() < until {
                spin_loop();
            }
            match pieces {
                0 => self.hold(),
                _ => ctx.me().work(pieces - 1).tell().unwrap(),
            }
        }
    }

    impl Slow {
        fn hold(&self) {
            self.0.store(true, Ordering::Relaxed);
            while !self.1.is_set() {
                spin_loop();
            }
        }
    }

    let almost = Duration::from_millis(900);
    let system = builder(1).soft_quantum(almost).hard_quantum(almost).build().unwrap();
    let counter = system.spawn(Counter::default).unwrap();
    let (holds, release) = (Arc::new(AtomicBool::new(false)), Release::default());
    let state = (holds.clone(), release.clone());
    let slow = system.spawn(move || Slow(state.0.clone(), Release(state.1.0.clone()))).unwrap();
    slow.work(50).tell().unwrap();
    eventually("it holds the worker", || holds.load(Ordering::Relaxed));
    counter.count().tell().unwrap();
    assert_eq!(counter.counted().wait().unwrap(), 1);
    let now = system.snapshot();
    assert_eq!((now.preemptions.replaced, now.threads), (0, 2), "{now}");
    release.set();
    shows(&system, "the courier is not kept", |now| now.threads - now.spare_threads == 1);
    assert!(system.shutdown().is_clean());
}
