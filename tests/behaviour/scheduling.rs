//! Scheduling: work reaches all workers, nobody is starved, and idle workers sleep.

use std::collections::HashSet;
use std::sync::{Arc, Barrier, Mutex};
use std::thread::ThreadId;

use actor_core::prelude::*;

use crate::support::{Log, eventually, patient, system};

#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Parent {
    meet: Arc<Barrier>,
    threads: Arc<Mutex<HashSet<ThreadId>>>,
}

#[messages]
impl Parent {
    /// Makes work on one worker that only ends if others take part of it.
    #[message]
    fn breed(&mut self, children: usize, ctx: &mut Context<Self>) {
        for _ in 0..children {
            let (meet, threads) = (self.meet.clone(), self.threads.clone());
            let child = ctx.spawn(move || Parent { meet: meet.clone(), threads: threads.clone() }).unwrap();
            child.meet().tell().unwrap();
        }
    }

    #[message]
    fn meet(&mut self) {
        self.threads.lock().unwrap().insert(std::thread::current().id());
        self.meet.wait();
    }
}

#[test]
fn work_made_on_one_worker_is_stolen_by_the_others() {
    let system = patient(4).build().unwrap();
    let (meet, threads) = (Arc::new(Barrier::new(4)), Arc::<Mutex<HashSet<ThreadId>>>::default());
    let inside = (meet, threads.clone());
    let parent = system.spawn(move || Parent { meet: inside.0.clone(), threads: inside.1.clone() }).unwrap();
    // Four at a time must be on four workers, or the barrier never opens.
    parent.breed(40).wait().unwrap();
    eventually("all four have taken part", || threads.lock().unwrap().len() == 4);
}

#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Chatterbox {
    peer: Option<ChatterboxRef>,
    seen: Log<()>,
}

#[messages]
impl Chatterbox {
    #[message]
    fn befriend(&mut self, peer: ChatterboxRef) {
        self.peer = Some(peer);
    }

    /// Never ends: there is always one more message.
    #[message]
    fn chatter(&mut self) {
        if let Some(peer) = &self.peer {
            let _ = peer.chatter().tell();
        }
    }

    #[message]
    fn say(&mut self) {
        self.seen.push(());
    }
}

#[test]
fn actors_that_keep_each_other_busy_starve_nobody() {
    let system = system(1);
    let seen = Log::default();
    let spawn = || {
        let seen = seen.clone();
        system.spawn(move || Chatterbox { peer: None, seen: seen.clone() }).unwrap()
    };
    let (a, b) = (spawn(), spawn());
    a.befriend(b.clone()).tell().unwrap();
    b.befriend(a.clone()).tell().unwrap();
    for _ in 0..100 {
        a.chatter().tell().unwrap();
    }
    // From outside, to another actor and to a chattering one; and a timer.
    let other = spawn();
    other.say().wait().unwrap();
    a.say().wait().unwrap();
    pollster::block_on(system.sleep(std::time::Duration::from_millis(1)));
    assert_eq!(seen.len(), 2);
    a.kill();
    b.kill();
}

#[test]
fn ten_thousand_actors_each_answer() {
    let system = system(2);
    let seen = Log::default();
    let actors: Vec<_> = (0..10_000)
        .map(|_| {
            let seen = seen.clone();
            system.spawn(move || Chatterbox { peer: None, seen: seen.clone() }).unwrap()
        })
        .collect();
    for actor in &actors {
        actor.say().tell().unwrap();
    }
    eventually("all have said it", || seen.len() == 10_000);
}

#[cfg(target_os = "linux")]
#[test]
fn idle_workers_use_no_cpu() {
    // A name of its own, because other tests run in the same process.
    let system = System::builder().workers(3).name("idlers").build().unwrap();
    let actor = system.spawn(|| Chatterbox { peer: None, seen: Log::default() }).unwrap();
    actor.say().wait().unwrap();
    // A thread gives itself its name.
    eventually("all workers run, and the thread that watches them", || threads_named("idlers").len() == 4);
    let workers = threads_named("idlers");
    // An ask has just ended; its worker goes to sleep in its own time.
    let mut last = cpu_of(&workers);
    eventually("a second passes with next to no CPU used", || {
        std::thread::sleep(std::time::Duration::from_secs(1));
        let now = cpu_of(&workers);
        let used = now - std::mem::replace(&mut last, now);
        used < 100_000
    });
}

#[cfg(target_os = "linux")]
fn threads_named(name: &str) -> Vec<u32> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let ids = tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok());
    let is_named = |id: &u32| {
        let thread = std::fs::read_to_string(format!("/proc/self/task/{id}/comm")).unwrap_or_default();
        thread.starts_with(name)
    };
    ids.filter(is_named).collect()
}

/// Nanoseconds on a CPU, of all these threads together.
#[cfg(target_os = "linux")]
fn cpu_of(threads: &[u32]) -> u64 {
    let of = |id: &u32| {
        let text = std::fs::read_to_string(format!("/proc/self/task/{id}/schedstat")).unwrap();
        text.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    threads.iter().map(of).sum()
}
