//! Actors that hear of nobody for longer than their limit are reported, stopped or restarted; others are not touched.

use std::time::{Duration, Instant};

use actor_core::observe::{Event, Silence};
use actor_core::prelude::*;
use actor_core::{ChildSpec, Remedy, StopReason};

use crate::support::{Gate, LIMIT, Log, eventually, system};

const SILENCE: Duration = Duration::from_millis(40);

#[derive(Actor, Default)]
#[actor(silence = "40ms")]
struct Listening {
    stopped: Log<String>,
    gate: Gate,
}

#[messages]
impl Listening {
    #[message]
    fn hear(&mut self) {}

    #[message]
    fn block(&mut self) {
        self.gate.pass();
    }

    /// Waits for another that does not answer.
    #[message]
    async fn wait_for(&mut self, other: ListeningRef) {
        let _ = other.block().await;
    }

    /// Tells itself something all the time.
    #[message]
    fn tick(&mut self, ctx: &mut Context<Self>) {
        ctx.every(Duration::from_millis(5), || ListeningTock {});
    }

    #[message]
    fn tock(&mut self) {}

    #[stopped]
    fn ended(&mut self, why: &StopReason) {
        self.stopped.push(why.to_string());
    }
}

fn silences(events: impl Iterator<Item = Event>) -> impl Iterator<Item = Silence> {
    events.filter_map(|event| match event {
        Event::Silent(silence) => Some(silence),
        _ => None,
    })
}

#[test]
fn who_is_silent_is_stopped_for_good_unless_said() {
    let system = system(2);
    let events = system.events().subscribe(16);
    let (log, begin) = (Log::default(), Instant::now());
    let stopped = log.clone();
    let line = line!() + 1;
    let actor = system.actor(move || Listening { stopped: stopped.clone(), ..Listening::default() });
    let actor = actor.restart(actor_core::Restart::Permanent).spawn().unwrap();
    eventually("it has ended", || !actor.is_alive());
    assert!(begin.elapsed() >= SILENCE);
    assert_eq!(log.entries(), ["shutdown"]);
    let silence = silences(events.try_iter()).next().unwrap();
    assert_eq!((silence.actor, silence.site.line()), (actor.id(), line));
    assert_eq!((silence.limit, silence.done), (SILENCE, Remedy::Stop));
    assert!(silence.to_string().ends_with("for 40ms"), "{silence}");
    assert_eq!(system.snapshot().leaks.silent, 1);
}

#[test]
fn who_is_only_reported_is_so_once_for_each_silence() {
    let system = system(2);
    let events = system.events().subscribe(16);
    let actor = system.actor(Listening::default).on_silence(Remedy::Report).spawn().unwrap();
    let silent = || system.snapshot().leaks.silent;
    eventually("it is reported", || silent() == 1);
    // Others fall silent meanwhile, and it is not said again.
    for _ in 0..3 {
        let other = system.spawn(Listening::default).unwrap();
        eventually("the other has ended", || !other.is_alive());
    }
    assert_eq!(silences(events.try_iter()).filter(|silence| silence.actor == actor.id()).count(), 1);
    actor.hear().wait().unwrap();
    eventually("it is reported again", || silent() == 5);
    assert_eq!(silences(events.try_iter()).filter(|silence| silence.actor == actor.id()).count(), 1);
}

#[test]
fn who_is_to_be_restarted_fails_as_silent() {
    let system = system(2);
    let log = Log::default();
    let stopped = log.clone();
    let child =
        ChildSpec::new("listening", move || Listening { stopped: stopped.clone(), ..Listening::default() })
            .silence(Duration::from_millis(10))
            .on_silence(Remedy::Restart);
    let tree = system.supervisor().intensity(1000, LIMIT).child(child).start().wait().unwrap();
    eventually("it was restarted twice", || log.len() >= 2);
    assert!(log.entries()[0].starts_with("silent: it has heard of nobody for 10ms"), "{:?}", log.entries());
    assert!(tree.is_alive());
}

#[test]
fn who_hears_or_has_something_in_work_is_not_silent() {
    let system = system(2);
    let limit = Duration::from_millis(400);
    let hearing = system.actor(Listening::default).silence(limit).spawn().unwrap();
    let gate = Gate::default();
    let held = gate.clone();
    let working =
        system.actor(move || Listening { gate: held.clone(), ..Listening::default() }).spawn().unwrap();
    let waiting = system.spawn(Listening::default).unwrap();
    let begin = Instant::now();
    waiting.wait_for(working.clone()).tell().unwrap();
    gate.somebody_waits();
    while begin.elapsed() < 3 * limit {
        hearing.hear().wait().unwrap();
    }
    assert_eq!(system.snapshot().leaks.silent, 0);
    gate.open();
    eventually("all are silent", || ![&hearing, &working, &waiting].iter().any(|actor| actor.is_alive()));
}

#[test]
fn an_actors_own_timers_are_not_heard() {
    let system = system(2);
    let actor = system.spawn(Listening::default).unwrap();
    actor.tick().wait().unwrap();
    eventually("it has ended", || !actor.is_alive());
}

/// Nobody would notice that what was said has no effect.
#[test]
fn what_becomes_of_it_is_refused_without_a_limit() {
    #[derive(Actor)]
    struct Unlimited;
    #[messages]
    impl Unlimited {}

    #[derive(Supervisor)]
    struct Of<A: actor_core::Messages> {
        #[child(on_silence = "report")]
        one: Child<A>,
    }

    let system = system(1);
    let refused = system.actor(|| Unlimited).on_silence(Remedy::Stop).spawn();
    assert!(matches!(refused, Err(SpawnError::NoSilence)), "{refused:?}");
    let late = system.actor(|| Unlimited).on_silence(Remedy::Stop).silence(LIMIT);
    assert!(late.spawn().is_ok(), "in any order");
    assert!(system.actor(Listening::default).on_silence(Remedy::Report).spawn().is_ok());
    // The actor's type is a parameter of the tree, so the compiler cannot tell.
    let tree = Of { one: Child::new(|| Unlimited) };
    let refused = system.supervisor().tree(&tree).start().wait();
    assert!(matches!(refused, Err(SpawnError::Tree(_))), "{refused:?}");
    let limited = Of { one: Child::new(Listening::default) };
    assert!(system.supervisor().tree(&limited).start().wait().is_ok());
    let each = Children::<Listening>::new().settings("a").on_silence(Remedy::Report).build();
    assert!(system.supervisor().child(each).start().wait().is_ok());
}

#[derive(Supervisor)]
struct House {
    #[child(temporary, silence = "10ms", on_silence = "report")]
    one: Child<Listening>,
    #[child(temporary, silence = "10ms", on_silence = "report")]
    many: Children<Listening>,
}

#[test]
fn what_a_tree_says_of_its_children_counts_instead_of_their_type() {
    let system = system(2);
    let events = system.events().subscribe(16);
    let house = House { one: Child::new(Listening::default), many: Children::new() };
    let _supervisor = system.supervisor().tree(&house).start().wait().unwrap();
    house.many.spawn(Listening::default).unwrap();
    let mut seen = Vec::new();
    eventually("both are reported", || {
        seen.extend(silences(events.try_iter()));
        seen.len() == 2
    });
    assert!(seen.iter().all(|silence| silence.limit == Duration::from_millis(10)));
    assert!(seen.iter().all(|silence| silence.done == Remedy::Report));
    assert!(house.one.get().is_some_and(|one| one.is_alive()));
}
