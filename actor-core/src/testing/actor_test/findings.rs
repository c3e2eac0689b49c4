//! What went wrong in a test's system, and how that is told.

use std::fmt;

use super::Allowed;
use crate::asks::{Circle, WaitingAsk};
use crate::cell::ActorId;
use crate::dead_letter::{DeadLetter, DeadLetterReason};
use crate::observe::Event;
use crate::reason::StopReason;
use crate::system::Report;

/// What was seen of a system from its beginning to its end.
pub(super) struct Seen {
    pub(super) unanswered: Vec<WaitingAsk>,
    pub(super) report: Report,
    pub(super) letters: Vec<DeadLetter>,
    pub(super) events: Vec<Event>,
    /// How many more letters and events there were.
    pub(super) missed: u64,
}

/// What of it went wrong and was not allowed, a line each.
#[derive(Default)]
pub(super) struct Findings(Vec<String>);

impl Seen {
    pub(super) fn findings(&self, allowed: &Allowed) -> Findings {
        let mut findings = Findings::default();
        for event in &self.events {
            findings.event(event, allowed);
        }
        for letter in self.letters.iter().filter(|letter| !self.is_allowed(letter, allowed)) {
            let DeadLetter { path, message, reason, .. } = letter;
            findings.add(
                format_args!("dead letter: {message} to {path}: {reason}"),
                format_args!("dead_letters = [{message:?}]"),
            );
        }
        for ask in self.unanswered.iter().filter(|ask| !allowed.unanswered.contains(&ask.message)) {
            findings.add(
                format_args!("unanswered: {ask}, since {:.1?}", ask.waited),
                format_args!("unanswered = [{:?}]", ask.message),
            );
        }
        findings.end(&self.report);
        if self.missed > 0 {
            findings.0.push(format!("and {} events and dead letters that nobody has kept", self.missed));
        }
        findings
    }

    /// The message of a failure that may be is part of that.
    fn is_allowed(&self, letter: &DeadLetter, allowed: &Allowed) -> bool {
        let failed_where_allowed = || {
            matches!(letter.reason, DeadLetterReason::HandlerFailed(_))
                && self.events.iter().any(|event| match failure(event) {
                    Some((actor, name, _)) => actor == letter.actor && allowed.failures.contains(&name),
                    None => false,
                })
        };
        allowed.dead_letters.contains(&letter.message) || failed_where_allowed()
    }
}

/// Who has failed, and how.
fn failure(event: &Event) -> Option<(ActorId, &'static str, &dyn fmt::Display)> {
    match event {
        Event::Failed(failed) => match failed.reason {
            // Somebody has killed it, or it is told of the other.
            StopReason::Killed | StopReason::Linked { .. } => None,
            // There is an event of its own.
            StopReason::Stalled { .. } | StopReason::Silent { .. } => None,
            _ => Some((failed.actor, failed.name, failed)),
        },
        Event::Stalled(stall) => Some((stall.actor, stall.name, stall)),
        _ => None,
    }
}

impl Findings {
    fn add(&mut self, what: fmt::Arguments<'_>, allows: fmt::Arguments<'_>) {
        self.0.push(format!("{what} (if that is meant to be: `{allows}`)"));
    }

    fn event(&mut self, event: &Event, allowed: &Allowed) {
        if let Some((_, name, what)) = failure(event) {
            if !allowed.failures.contains(&name) {
                let stalled = if matches!(event, Event::Stalled(_)) { "stalled: " } else { "failure: " };
                self.add(format_args!("{stalled}{what}"), format_args!("failures = [{name:?}]"));
            }
            return;
        }
        match event {
            Event::Leaked(leak) if !allowed.leaks.contains(&leak.name) => {
                self.add(format_args!("leaked: {leak}"), format_args!("leaks = [{:?}]", leak.name));
            }
            Event::Deadlock(circle) => {
                let Some(first) = circle.first() else { return };
                if !allowed.unanswered.contains(&first.message) {
                    self.add(
                        format_args!("deadlock: {}", Circle(circle)),
                        format_args!("unanswered = [{:?}]", first.message),
                    );
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, report: &Report) {
        if !report.reason.is_normal() {
            self.0.push(format!("the system has ended by itself: {}", report.reason));
        }
        for late in &report.late {
            let how = if late.ended_by_kill { "and was killed" } else { "and its handler has not returned" };
            self.0.push(format!("late: {} did not end in time, {how}", late.path));
        }
        self.0.extend(report.stuck.iter().map(|turn| format!("stuck: {turn}")));
        if report.stuck_workers > report.stuck.len() {
            let others = report.stuck_workers - report.stuck.len();
            self.0.push(format!("stuck: {others} threads have not come back"));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For a test that has failed already.
    pub(super) fn print(&self) {
        if !self.is_empty() {
            eprintln!("besides, {self}");
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not all went well in the test's system:")?;
        self.0.iter().try_for_each(|finding| write!(f, "\n  {finding}"))
    }
}
