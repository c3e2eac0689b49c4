//! A model of a thread that watches workers, which falls asleep, against a worker that wakes up.
//!
//! What was weakened, and what loom said: no fence in `limit` or before `worker_woke`: a deadlock, since the thread sleeps
//! without a limit and nobody wakes it.

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::scheduler::sleep::Sleep;
use crate::sync::model::check;

#[test]
fn it_does_not_sleep_on_when_a_worker_has_woken_up() {
    check(3, || {
        let both = Arc::new((Doze::default(), Sleep::default()));
        both.1.start_search();
        both.1.fall_asleep(0);
        let worker = {
            let both = both.clone();
            thread::spawn(move || {
                both.1.wake_up(0);
                // As in `Scheduler::worker_woke`.
                fence(Ordering::SeqCst);
                both.0.worker_woke();
            })
        };
        if both.0.limit(Duration::ZERO, || both.1.idle() == 1).is_none() {
            both.0.token.wait(None);
        }
        worker.join().unwrap();
    });
}
