//! A model of an actor that is spawned on one worker and ends on another, while somebody looks in.
//!
//! What was weakened, and what loom said: the release in `ended` or `ended_anywhere`, or the acquire in `ended_so_far`, to
//! relaxed: an end is seen without its beginning.
//!
//! The reader is a thread of its own: as the model's first thread it saw none of the others' steps.

use loom::sync::Arc;
use loom::sync::atomic::AtomicBool;
use loom::thread;

use super::*;
use crate::sync::model::check;

fn begins_before_it_ends(count_end: fn(&Census, usize)) {
    check(3, move || {
        let workers = Arc::new([Census::new(), Census::new()]);
        // Making the chunks would order more than counting does.
        workers.iter().for_each(|census| _ = census.of(0));
        let queued = Arc::new(AtomicBool::new(false));
        let spawner = {
            let (workers, queued) = (workers.clone(), queued.clone());
            thread::spawn(move || {
                workers[0].started(0);
                // As a run queue hands a task on: what was done before is seen by who takes it.
                queued.store(true, Ordering::Release);
            })
        };
        let runner = {
            let workers = workers.clone();
            thread::spawn(move || {
                if queued.load(Ordering::Acquire) {
                    count_end(&workers[1], 0);
                }
            })
        };
        let reader = thread::spawn(move || {
            let (started, ended) = Census::sum(workers.iter(), 0);
            assert!(ended <= started, "{ended} ended of {started}");
        });
        spawner.join().unwrap();
        runner.join().unwrap();
        reader.join().unwrap();
    });
}

#[test]
fn no_end_is_seen_without_its_beginning() {
    begins_before_it_ends(Census::ended);
}

#[test]
fn no_end_that_any_thread_may_count_is_seen_without_its_beginning() {
    begins_before_it_ends(Census::ended_anywhere);
}
