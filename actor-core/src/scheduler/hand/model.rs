//! A model of a thread that notes whose turns it runs, against one that looks.
//!
//! What was weakened, and what loom said:
//!
//! * no fence in `note`, or none at the end of `subject`: the message of the next turn is told of this one;
//! * `subject` without the acquire of the turn, `Claim::leave` without its release: the actor of the turn before is.

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::sync::model::check;

static MESSAGES: [&str; 2] = ["first", "second"];

#[test]
fn whose_turn_it_is_is_told_of_that_turn_or_not_at_all() {
    for number in 0..MESSAGES.len() {
        check(4, move || {
            let doing = Arc::new(Doing::new());
            let thread = {
                let doing = doing.clone();
                thread::spawn(move || {
                    for (number, message) in MESSAGES.iter().enumerate() {
                        // As in `begin`.
                        doing.note(ActorId(number as u64), ptr::null());
                        doing.claim.leave();
                        doing.set_message(message);
                        doing.claim.end_without_a_fence();
                    }
                })
            };
            let sysmon = thread::spawn(move || {
                if let Some(subject) = doing.subject(2 * number as u64 + 1) {
                    assert_eq!(subject.actor.0, number as u64, "another's turn");
                    let its = |message| message == MESSAGES[number];
                    assert!(subject.message.is_none_or(its), "another's message");
                }
            });
            thread.join().unwrap();
            sysmon.join().unwrap();
        });
    }
}
