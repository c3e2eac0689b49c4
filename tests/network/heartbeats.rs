//! Heartbeats: who says nothing is asked whether it is still there, and cut off if it does not answer; the others are not.

use std::time::Duration;

use actor_net::{CloseReason, Deadline, Options};

use crate::deadlines::{close_code, site, upgraded};
use crate::setup::{Setup, eventually};

/// Time to answer for who does, even on a busy machine.
const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(50);

#[test]
fn who_does_not_answer_is_cut_off() {
    let options = Options::new().heartbeat_says(b"PING\n").heartbeat(SHORT, SHORT);
    let served = Setup { options, ..Setup::default() }.serve();
    let mut client = served.connect();
    assert_eq!(client.ask("hello"), "hello");
    assert_eq!(client.rest(), "PING\n");
    assert_eq!(served.events.closed(), CloseReason::Expired(Deadline::Heartbeat));
    assert_eq!(served.server.ends().heartbeat, 1);
    eventually("nothing of it is left", || served.server.connections() == 0);
}

#[test]
fn who_answers_is_asked_again_and_stays() {
    let options = Options::new().heartbeat(SHORT, LONG).heartbeat_says(b"PING\n");
    let served = Setup { options, ..Setup::default() }.serve();
    let mut client = served.connect();
    for _ in 0..4 {
        assert_eq!(client.line().as_deref(), Some("PING"));
        // The session sends it back.
        assert_eq!(client.ask("PONG"), "PONG");
    }
    assert_eq!(served.server.ends().heartbeat, 0);
}

#[test]
fn who_has_something_to_say_is_not_asked() {
    let options = Options::new().heartbeat(4 * SHORT, SHORT).heartbeat_says(b"PING\n");
    let served = Setup { options, ..Setup::default() }.serve();
    let mut client = served.connect();
    // Far more often than it could be asked, but where the test itself is held up.
    let (mut asked, mut beats) = (0, 0);
    while beats < 200 {
        match client.ask("still here").as_str() {
            "still here" => beats += 1,
            "PING" => asked += 1,
            other => panic!("the session has said {other:?}"),
        }
        // Not to wait for something: this is how often it talks.
        std::thread::sleep(SHORT / 10);
    }
    assert!(asked <= 2, "asked {asked} times although it talked all the time");
}

#[test]
fn nobody_is_cut_off_for_what_was_not_asked() {
    let options = Options::new().heartbeat(SHORT / 10, SHORT / 10);
    let served = Setup { options, ..Setup::default() }.serve();
    let mut client = served.connect();
    assert_eq!(client.ask("hello"), "hello");
    std::thread::sleep(10 * SHORT);
    assert_eq!(client.ask("still here"), "still here");
}

#[test]
fn a_websocket_is_sent_pings() {
    let (_system, server) = site(Options::new().heartbeat(SHORT, LONG));
    let mut client = upgraded(&server);
    for _ in 0..3 {
        let mut ping = [0; 2];
        client.read_exact(&mut ping);
        assert_eq!(ping, [0x89, 0]);
        client.send([0x8A, 0x80, 0, 0, 0, 0]);
    }
    assert_eq!(server.ends().heartbeat, 0);
}

#[test]
fn a_websocket_that_does_not_answer_is_closed_with_a_code() {
    let (_system, server) = site(Options::new().heartbeat(SHORT, SHORT));
    let mut client = upgraded(&server);
    let mut ping = [0; 2];
    client.read_exact(&mut ping);
    assert_eq!((ping, close_code(&mut client)), ([0x89, 0], 1001));
    eventually("it is counted", || server.ends().heartbeat == 1);
}
