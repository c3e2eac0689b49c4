//! Trees as structs: `#[derive(Supervisor)]`, from the fields to a tree that runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{Backoff, ChildSpec, ChildState, StartError, Strategy, SupervisorBuilder, Tree};

use crate::otp_support::{Script, Worker, WorkerRef, counts, is_back, state, states};
use crate::support::{LIMIT, eventually, system};

#[derive(Supervisor)]
#[supervisor(strategy = "rest_for_one", intensity = "1000 in 1h")]
struct Bank {
    #[child(permanent, name = "the audit", shutdown = "1s", start = "1s")]
    audit: Child<Worker>,
    #[child(transient, dynamic, max = 2)]
    accounts: Children<Worker>,
    branch: Subtree<Branch<Worker>>,
}

#[derive(Supervisor)]
#[supervisor(strategy = "one_for_all", intensity = "0 in 1s", auto_shutdown = "any_significant")]
struct Branch<A: actor_core::Messages> {
    #[child(transient, significant)]
    r#type: Child<A>,
    #[child(temporary, shutdown = "kill")]
    clerk: Child<A>,
}

fn bank(script: &Script) -> Bank {
    Bank {
        audit: script.child("audit"),
        accounts: Children::new(),
        branch: Subtree::new(Branch { r#type: script.child("type"), clerk: script.child("clerk") }),
    }
}

/// Its children are of a type that no other test has.
#[derive(Supervisor)]
struct Post {
    clerk: Child<Clerk>,
    #[child(dynamic)]
    couriers: Children<Clerk>,
    counter: Subtree<Counter>,
}

#[derive(Supervisor)]
struct Counter {
    clerk: Child<Clerk>,
}

#[derive(Actor, Default)]
struct Clerk;

#[messages]
impl Clerk {}

fn account(bank: &Bank, script: &Script) -> Result<WorkerRef, SpawnError> {
    let script = script.clone();
    bank.accounts.actor(move || Worker { name: "account", script: script.clone() }).start().wait()
}

#[test]
fn children_count_as_spawned_where_they_were_written_down() {
    let system = system(1);
    let first = line!() + 2;
    let post = Post {
        clerk: Child::default(),
        couriers: Children::default(),
        counter: Subtree::new(Counter { clerk: Child::new(Clerk::default) }),
    };
    let spec = |builder: SupervisorBuilder| builder.child(ChildSpec::new("clerk", Clerk::default));
    let supervisor = system.supervisor().tree(&post).start().wait().unwrap();
    supervisor.start_child(ChildSpec::supervisor("branch", spec)).wait().unwrap();

    let snapshot = system.snapshot();
    let sites = |name: &str| {
        let groups = snapshot.actors.iter().filter(|group| group.name == name && group.alive > 0);
        let mut lines: Vec<_> = groups.filter(|group| group.site.file() == file!()).collect();
        lines.sort_by_key(|group| group.site.line());
        lines.into_iter().map(|group| group.site.line() - first).collect::<Vec<_>>()
    };
    assert_eq!(sites("Clerk"), [0, 2, 4], "in fields, and in a spec");
    assert_eq!(sites("Supervisor"), [1, 2, 5, 6], "couriers, the counter, the post, the branch");
    let elsewhere = snapshot.actors.iter().any(|group| group.site.file().contains("supervisor"));
    assert!(!elsewhere, "{snapshot}");
}

#[test]
fn the_fields_are_the_children_in_their_order() {
    let system = system(2);
    let script = Script::default();
    let bank = bank(&script);
    assert!(bank.audit.get().is_none() && bank.accounts.supervisor().is_none());
    assert!(matches!(account(&bank, &script), Err(SpawnError::Closed)));
    let supervisor = system.supervisor().name("bank").tree(&bank).start().wait().unwrap();
    assert_eq!(script.entries(), ["audit starts", "type starts", "clerk starts"]);
    let running = ["audit", "accounts", "branch"].map(|id| (id.to_owned(), ChildState::Running));
    assert_eq!(states(&supervisor), running);
    assert_eq!(counts(&supervisor), [3, 3, 2, 1]);
    assert_eq!(bank.branch.r#type.get().unwrap().path().to_string(), "/bank/branch/type");
    assert_eq!(system.lookup::<Worker>("the audit").unwrap(), bank.audit.get().unwrap());
    assert!(system.lookup::<Worker>("type").is_err(), "an id is no name");
    supervisor.stop();
    assert!(supervisor.monitor().wait_within(LIMIT).is_some());
    assert_eq!(script.entries()[3..], ["type: shutdown", "audit: shutdown"], "the clerk is not asked");
}

#[test]
fn children_are_many_with_a_limit_and_go_with_their_slot() {
    let system = system(2);
    let script = Script::default();
    let bank = bank(&script);
    let _supervisor = system.supervisor().tree(&bank).start().wait().unwrap();
    let first = account(&bank, &script).unwrap();
    account(&bank, &script).unwrap();
    assert!(matches!(account(&bank, &script), Err(SpawnError::TooManyChildren { max: 2 })));
    first.crash().tell().unwrap();
    is_back(&first, 2);
    // Transient, so an ordinary end makes room.
    first.stop();
    assert!(first.monitor().wait_within(LIMIT).is_some());
    let third = account(&bank, &script).unwrap();
    // What is behind the one that fails is restarted, and that is all of the slot's children.
    let audit = bank.audit.get().unwrap();
    audit.crash().tell().unwrap();
    assert!(third.monitor().wait_within(LIMIT).is_some());
    is_back(&audit, 2);
    eventually("there are others", || account(&bank, &script).is_ok());
}

/// What the settings of the fields do, where the tree shows it.
#[test]
fn a_subtree_shuts_down_with_its_significant_child_and_is_restarted_as_permanent() {
    let system = system(2);
    let script = Script::default();
    let bank = bank(&script);
    let supervisor = system.supervisor().tree(&bank).start().wait().unwrap();
    let (worker, clerk) = (bank.branch.r#type.get().unwrap(), bank.branch.clerk.get().unwrap());
    worker.exit(StopReason::Normal).tell().unwrap();
    assert!(clerk.monitor().wait_within(LIMIT).is_some());
    eventually("it is back", || bank.branch.r#type.get().is_some_and(|new| new != worker));
    eventually("all run", || counts(&supervisor)[1] == 3);
}

/// Who waits for a first start is told when it comes to nothing, whatever the restart type: a supervisor that starts its
/// children waits for each, and takes no news of them before it has started.
#[test]
fn a_child_that_is_killed_in_its_first_start_has_not_started() {
    let system = system(2);
    let script = Script::default();
    script.hanging.store(true, Ordering::SeqCst);
    let child = script.child("a");
    let tree = system.supervisor().child(child.spec("a").start_within(2 * LIMIT));
    let tree = thread::spawn(move || tree.start().wait());
    eventually("it is being started", || child.get().is_some());
    child.get().unwrap().kill();
    let Err(SpawnError::Failed(StopReason::StartFailed(why))) = tree.join().unwrap() else {
        panic!("a supervisor started although its child was killed")
    };
    assert!(matches!(why.downcast_ref::<StartError>().unwrap().cause, StopReason::Killed), "{why}");

    let worker = Worker { name: "b", script: script.clone() };
    let worker = system.actor(move || Worker { name: worker.name, script: worker.script.clone() }).name("b");
    let start = thread::spawn(move || worker.restart(Restart::Permanent).start().wait());
    eventually("it is being started", || system.lookup::<Worker>("b").is_ok());
    system.lookup::<Worker>("b").unwrap().kill();
    assert!(matches!(start.join().unwrap(), Err(SpawnError::Failed(StopReason::Killed))));
    assert!(system.lookup::<Worker>("b").is_err(), "it is not restarted");
}

/// A tree by hand is the same.
#[test]
fn a_tree_is_what_the_builder_makes() {
    let system = system(2);
    let script = Script::default();
    struct ByHand(Child<Worker>);
    impl Tree for ByHand {
        fn build(&self, builder: actor_core::SupervisorBuilder) -> actor_core::SupervisorBuilder {
            builder.strategy(Strategy::OneForAll).child(self.0.spec("only"))
        }
    }
    let tree = ByHand(script.child("only"));
    let supervisor = system.supervisor().tree(&tree).start().wait().unwrap();
    assert_eq!(state(&supervisor, "only"), Some(ChildState::Running));
    let children = supervisor.which_children().wait().unwrap();
    assert_eq!(children[0].actor::<Worker>(), tree.0.get());
    assert_eq!(children[0].path(), Some(tree.0.get().unwrap().path().to_string()));
    assert_eq!(children[0].actor_id(), Some(tree.0.get().unwrap().id()));
    assert!(children[0].actor::<Supervisor>().is_none() && !children[0].is_supervisor);
}

// ---- backoff -------------------------------------------------------------------------------------------

/// Pekko's SupervisionSpec: a child that has been well for long enough begins with the first delay again.
#[test]
fn reset_exponential_backoff_count_after_reset_timeout() {
    let system = system(2);
    let script = Script::default();
    let child = script.child("a");
    let backoff = Backoff::new(Duration::from_millis(20), LIMIT).reset_after(Duration::from_millis(60));
    let spec = child.spec("a").backoff(backoff);
    system.supervisor().intensity(100, LIMIT).child(spec).start().wait().unwrap();
    let worker = child.get().unwrap();
    let crash = |incarnation| {
        let start = std::time::Instant::now();
        // That it is delayed shows for 20 ms only at first, in which a thread that looks may have no processor.
        worker.crash().tell().unwrap();
        is_back(&worker, incarnation);
        start.elapsed()
    };
    crash(2);
    crash(3);
    let third = crash(4);
    assert!(third >= Duration::from_millis(80), "{third:?}");
    // Time is what is tested.
    std::thread::sleep(Duration::from_millis(80));
    let after = crash(5);
    assert!(after >= Duration::from_millis(20) && after < third, "{after:?} after {third:?}");
}

/// While it is delayed it can be terminated, and started again at once.
#[test]
fn a_delay_shows_and_can_be_called_off() {
    let system = system(2);
    let script = Script::default();
    let child = script.child("a");
    let supervisor =
        system.supervisor().child(child.spec("a").backoff(LIMIT..2 * LIMIT)).start().wait().unwrap();
    let worker = child.get().unwrap();
    worker.crash().tell().unwrap();
    eventually("it is delayed", || state(&supervisor, "a") == Some(ChildState::Delayed));
    assert_eq!(counts(&supervisor), [1, 0, 0, 1]);
    assert!(worker.is_alive() && worker.ping().tell().is_ok(), "it takes messages");
    supervisor.terminate_child("a").within(LIMIT).wait().unwrap();
    assert!(!worker.is_alive());
    supervisor.restart_child("a").within(LIMIT).wait().unwrap();
    supervisor.stop();
    assert!(supervisor.monitor().wait_within(LIMIT).is_some());
}

#[test]
fn children_without_a_slot_have_the_supervisors_backoff() {
    let system = system(2);
    let script = Script::default();
    let pool = system.supervisor().dynamic().backoff(LIMIT..LIMIT).spawn().unwrap();
    let inside = script.clone();
    let worker = pool.actor(move || Worker { name: "w", script: inside.clone() }).start().wait().unwrap();
    worker.crash().tell().unwrap();
    let delayed = || pool.which_children().wait().unwrap().iter().all(|w| w.state == ChildState::Delayed);
    eventually("it is delayed", delayed);
    pool.stop();
    assert!(worker.monitor().wait_within(LIMIT).is_some(), "a delay holds up no end");
}

/// Pekko's SupervisionSpec: what a first setup has started is stopped when it fails, at each try.
#[test]
fn stop_children_when_restart_with_limit_from_exception_in_first_setup() {
    let system = system(2);
    let (good, bad) = (Script::default(), Script::default());
    bad.fail(2);
    let parts = (good.child("a"), bad.child("b"));
    let inner =
        ChildSpec::supervisor("inner", move |inner| inner.child(parts.0.spec("a")).child(parts.1.spec("b")));
    // The first start of all is who starts it's business.
    let failed = system.supervisor().child(inner.clone()).start().wait();
    assert!(matches!(failed, Err(SpawnError::Failed(StopReason::StartFailed(_)))), "{failed:?}");
    assert_eq!(good.entries(), ["a starts", "a: shutdown"]);
    // In a restart it is tried again, within the intensity.
    bad.fail(0);
    let outer = system.supervisor().intensity(3, LIMIT).child(inner).start().wait().unwrap();
    bad.fail(2);
    outer.which_children().wait().unwrap()[0].actor::<Supervisor>().unwrap().kill();
    eventually("it is back", || good.log.len() == 8 && counts(&outer)[1] == 1);
    let tries = good.entries();
    assert_eq!(tries.iter().filter(|entry| *entry == "a starts").count(), 5, "{tries:?}");
}

#[test]
fn a_child_can_be_found_by_those_that_are_started_after_it() {
    #[derive(Actor)]
    struct Client {
        server: WorkerRef,
    }
    #[messages]
    impl Client {
        #[message]
        async fn try_it(&self) -> bool {
            self.server.ping().await.is_ok()
        }
    }
    let system = system(2);
    let (server, started) = (Script::default().child("server"), Arc::new(AtomicU32::new(0)));
    let (found, count) = (server.clone(), started.clone());
    let client = Child::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
        Client { server: found.get().expect("it was started before") }
    });
    let supervisor = system.supervisor().child(server.spec("server")).child(client.spec("client"));
    supervisor.start().wait().unwrap();
    assert!(client.get().unwrap().try_it().wait().unwrap());
    assert_eq!(started.load(Ordering::SeqCst), 1);
}
