//! Models of watchers against the end of the actor.
//!
//! What was weakened, and what loom said:
//!
//! * `watch` marks the actor before it enters the list, or does not look at the list once the actor has ended;
//!   `end_watches` takes the list before it marks the end: a watcher is told nothing;
//! * `end_watches` marks the end before the reason is there: a watcher that is too late finds none;
//! * `watch` tells its watcher whether or not it is still in the list: it is told twice;
//! * `mark_watched` without its acquire, `mark_done` without its release: what the actor did is read while it is written.

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::actor::Settings;
use crate::monitor::Watcher;
use crate::reason::Failure;
use crate::sync::model::{Guarded, Parcel, check};

type Actor = Mailbox<Parcel>;

/// Who was told, and whether why is what it was.
type Told = Vec<(MonitorId, bool)>;

/// A reason that the control word cannot say.
fn reason() -> StopReason {
    StopReason::Panicked(Failure::new("why"))
}

fn is_the_reason(why: &StopReason) -> bool {
    matches!(why, StopReason::Panicked(failure) if failure.to_string() == "why")
}

fn watched() -> Arc<Actor> {
    Arc::new(Mailbox::new(Settings::DEFAULT.mailbox(Settings::UNBOUNDED)))
}

fn watch(mailbox: &Actor, monitor: MonitorId) -> Told {
    let missed = mailbox.watch(monitor, Watcher::Slot(std::sync::Arc::default()));
    missed.map(|(_watcher, why)| (monitor, is_the_reason(&why))).into_iter().collect()
}

fn end(mailbox: &Actor) -> Told {
    mailbox.end_watches(&reason()).into_iter().flatten().map(|(monitor, _watcher)| (monitor, true)).collect()
}

#[test]
fn each_watcher_is_told_once() {
    check(3, || {
        let mailbox = watched();
        let monitors = [MonitorId::new(), MonitorId::new()];
        let watchers = monitors.map(|monitor| {
            let mailbox = mailbox.clone();
            thread::spawn(move || watch(&mailbox, monitor))
        });
        let mut told = end(&mailbox);
        told.extend(watchers.into_iter().flat_map(|watcher| watcher.join().unwrap()));
        told.sort_by_key(|(monitor, _)| *monitor);
        assert_eq!(told, monitors.map(|monitor| (monitor, true)));
        assert!(mailbox.rare().watchers.lock().list.is_empty(), "a watcher is left");
    });
}

#[test]
fn who_comes_too_late_sees_what_the_actor_did() {
    check(3, || {
        let (mailbox, did) = (watched(), Arc::new(Guarded::new(0)));
        let watcher = {
            let (mailbox, did) = (mailbox.clone(), did.clone());
            thread::spawn(move || {
                let too_late = !watch(&mailbox, MonitorId::new()).is_empty();
                assert!(!too_late || did.with(|did| *did) == 1);
            })
        };
        did.with(|did| *did = 1);
        // A reason that the control word says, so there is no lock on the way.
        mailbox.end_watches(&StopReason::Normal);
        watcher.join().unwrap();
    });
}

#[test]
fn a_watcher_that_goes_is_told_at_most_once_and_not_in_the_place_of_another() {
    check(3, || {
        let mailbox = watched();
        let [goes, stays] = [MonitorId::new(), MonitorId::new()];
        assert_eq!(watch(&mailbox, stays), []);
        let going = {
            let mailbox = mailbox.clone();
            thread::spawn(move || {
                let told = watch(&mailbox, goes);
                (told, mailbox.unwatch(goes).is_some())
            })
        };
        let mut told = end(&mailbox);
        let (told_late, gone) = going.join().unwrap();
        told.extend(told_late);
        assert_eq!(told.iter().filter(|(monitor, _)| *monitor == stays).count(), 1);
        // It was told or taken out, and not both.
        let times = told.iter().filter(|(monitor, _)| *monitor == goes).count();
        assert_eq!(times + usize::from(gone), 1);
        assert!(mailbox.rare().watchers.lock().list.is_empty(), "a watcher is left");
    });
}
