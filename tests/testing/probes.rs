//! Probes: what actors send comes to the test, and what does not come is told as a story.

use std::thread;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::testing::Probe;

use crate::support::{Gate, LIMIT, failure_of, system};

#[derive(Actor)]
struct Printer;

#[messages]
impl Printer {
    #[message(derive(Debug, PartialEq))]
    fn print(&mut self, text: &'static str) -> Result<usize, String> {
        Ok(text.len())
    }
}

fn print(text: &'static str) -> PrinterPrint {
    PrinterPrint { text }
}

/// What the panic of `test` says, without the times.
#[track_caller]
fn story(test: impl FnOnce()) -> String {
    let without_time = |line: &str| match line.split_once(" ms  ") {
        Some((_, what)) => what.to_owned(),
        None => line.to_owned(),
    };
    failure_of(test).lines().map(without_time).collect::<Vec<_>>().join("\n")
}

#[test]
fn messages_come_in_the_order_sent() {
    let system = system(2);
    let probe = Probe::new(&system);
    for text in ["a", "b", "c"] {
        probe.recipient().tell(print(text)).unwrap();
    }
    probe.expect(print("a"));
    probe.expect_matching(|message| message.text == "b");
    assert_eq!(probe.next().into_message(), print("c"));
    probe.expect_none();
}

#[test]
fn what_is_not_there_yet_is_waited_for() {
    let system = system(2);
    let probe = Probe::new(&system).within(LIMIT);
    let (recipient, gate) = (probe.recipient(), Gate::default());
    let passing = gate.clone();
    let sender = thread::spawn(move || {
        passing.pass();
        recipient.tell(print("late")).unwrap();
    });
    gate.somebody_waits();
    probe.expect_none();
    gate.open();
    probe.expect(print("late"));
    sender.join().unwrap();
}

#[test]
fn an_ask_can_be_answered_failed_or_lost() {
    let system = system(2);
    let probe = Probe::new(&system);
    let recipient = probe.recipient();
    let asker = thread::spawn(move || {
        let ask = |text| recipient.call(print(text)).within(LIMIT).wait();
        assert_eq!(ask("a").unwrap(), 7);
        assert!(matches!(ask("b"), Err(AskError::Failed(why)) if why == "no paper"));
        assert!(matches!(ask("c"), Err(AskError::Lost)));
    });
    let first = probe.expect(print("a"));
    assert!(first.is_asked());
    assert_eq!(first.text, "a");
    first.reply(7);
    probe.expect(print("b")).fail("no paper".to_owned());
    drop(probe.expect(print("c")));
    asker.join().unwrap();

    probe.recipient().tell(print("told")).unwrap();
    assert!(!probe.next().is_asked());
}

#[test]
fn asks_can_be_answered_by_themselves() {
    let system = system(2);
    let probe = Probe::<PrinterPrint>::new(&system);
    probe.reply_with(|message| match message.text {
        "" => Err("empty".to_owned()),
        text => Ok(10 * text.len()),
    });
    let ask = |text| probe.recipient().call(print(text)).within(LIMIT).wait();
    assert_eq!(ask("abc").unwrap(), 30);
    assert_eq!(ask("a").unwrap(), 10);
    assert!(matches!(ask(""), Err(AskError::Failed(why)) if why == "empty"));
    probe.expect_none();
    probe.recipient().tell(print("told")).unwrap();
    probe.expect(print("told"));
    probe.reply_with(|_| Ok(1));
    assert_eq!(ask("abc").unwrap(), 1);
}

#[test]
fn a_message_that_does_not_come_is_a_failure_with_the_story() {
    let system = system(2);
    let probe = Probe::new(&system);
    let nothing = story(|| drop(probe.expect_within(Duration::from_millis(1), print("a"))));
    assert_eq!(
        nothing,
        "expected PrinterPrint { text: \"a\" } within 1ms, but none came\n    nothing has come to the probe"
    );
    probe.recipient().tell(print("a")).unwrap();
    probe.expect(print("a"));
    let line = line!() - 1;
    let again = story(|| drop(probe.next_within(Duration::from_millis(1))));
    assert_eq!(
        again,
        format!(
            "expected a message within 1ms, but none came\n\
             told  PrinterPrint {{ text: \"a\" }}; taken at {}:{line}",
            file!()
        )
    );
}

#[test]
fn another_message_is_a_failure_and_is_still_there() {
    let system = system(2);
    let probe = Probe::new(&system);
    for text in ["a", "b"] {
        probe.recipient().tell(print(text)).unwrap();
    }
    let other = story(|| drop(probe.expect(print("b"))));
    let all = "told  PrinterPrint { text: \"a\" }; next\ntold  PrinterPrint { text: \"b\" }";
    // The second may not have come when the first is looked at.
    assert!(other.starts_with("expected PrinterPrint { text: \"b\" }, but `print` was next\n"), "{other}");
    let any = story(|| probe.expect_none());
    assert_eq!(any, format!("expected no message\n{all}"));
    let any = story(|| probe.expect_none_within(LIMIT));
    assert_eq!(any, format!("expected no message for {LIMIT:?}\n{all}"));
    let unmatched = story(|| drop(probe.expect_matching(|message| message.text.is_empty())));
    assert_eq!(unmatched, format!("expected a message that matches, but `print` was next\n{all}"));
    probe.expect(print("a"));
    probe.expect(print("b"));
    probe.expect_none_within(Duration::from_millis(1));
}

#[test]
fn the_end_of_an_actor_is_expected() {
    let system = system(2);
    let probe = Probe::<PrinterPrint>::new(&system).within(Duration::from_millis(1));
    let printer = system.spawn(|| Printer).unwrap();
    let lives = story(|| drop(probe.expect_down(&printer)));
    assert!(lives.starts_with(&format!("expected {} to end within 1ms\n", printer.path())), "{lives}");
    printer.stop();
    let probe = probe.within(LIMIT);
    assert!(probe.expect_down(&printer).reason.is_normal());
    assert!(probe.expect_down(&printer).reason.is_normal(), "it has ended already");
    probe.recipient().tell(print("a")).unwrap();
    let after = story(|| probe.expect_none());
    let down = format!("down  {}: normal", printer.path());
    assert_eq!(
        after,
        format!("expected no message\n{down}\n{down}\ntold  PrinterPrint {{ text: \"a\" }}; next")
    );
}

#[test]
fn a_probe_ends_when_it_is_dropped_and_cannot_begin_after_the_system() {
    let system = system(2);
    let probe = Probe::new(&system);
    let recipient = probe.recipient();
    let shown = format!("{probe:?}");
    assert!(shown.starts_with("Probe") && shown.contains("/"), "{shown}");
    drop(probe);
    assert!(matches!(recipient.tell(print("a")), Err(TellError::Closed(_))));
    system.shutdown();
    assert!(story(|| drop(Probe::<PrinterPrint>::new(&system))).starts_with("there can be no probe: "));
}
