//! What people do in a chat, and what they are told when they do it wrong.

use std::net::Shutdown;
use std::time::Duration;

use chat::Options;

use crate::chat_support::{Client, eventually, options, start};

#[test]
fn two_people_talk() {
    let server = start(options());
    let mut alice = Client::enter(server.local_addr(), "alice", "lobby");
    alice.send("is anybody here?\n");
    alice.expect("<alice> is anybody here?");

    let mut bob = Client::welcomed(server.local_addr());
    assert_eq!(bob.ask("/nick bob"), "* you are now called bob");
    assert_eq!(bob.ask("/join lobby"), "* you are in lobby with alice");
    assert_eq!(bob.line().as_deref(), Some("<alice> is anybody here?"), "the history");
    assert_eq!(alice.line().as_deref(), Some("* bob has joined"));

    assert_eq!(bob.ask("hello, alice"), "<bob> hello, alice");
    assert_eq!(alice.line().as_deref(), Some("<bob> hello, alice"));
    assert_eq!(bob.ask("/who"), "* in lobby: alice, bob");
    assert_eq!(bob.ask("/msg ALICE between us"), "(you to ALICE) between us");
    assert_eq!(alice.line().as_deref(), Some("(bob to you) between us"));
    assert_eq!(bob.ask("//dev/null is a file"), "<bob> /dev/null is a file");
    assert_eq!(alice.line().as_deref(), Some("<bob> /dev/null is a file"));

    bob.send("/nick robert\n");
    for client in [&mut alice, &mut bob] {
        client.expect("* bob is now called robert");
    }
    bob.send("/leave\n");
    for client in [&mut alice, &mut bob] {
        client.expect("* robert has left");
    }
    assert_eq!(bob.ask("/who"), "! you are in no room; /join ROOM enters one");
    assert_eq!(alice.ask("/who"), "* in lobby: alice");
}

#[test]
fn whoever_goes_is_missed() {
    let server = start(options());
    let addr = server.local_addr();
    let mut alice = Client::enter(addr, "alice", "lobby");

    let mut bob = Client::enter(addr, "bob", "lobby");
    bob.send("bye\n/quit\nnobody hears this\n");
    assert_eq!(bob.rest(), ["<bob> bye", "* bob quit", "* goodbye"]);
    alice.expect("<bob> bye");
    alice.expect("* bob quit");

    // The end of what one sends is a way to quit, too.
    let mut carol = Client::enter(addr, "carol", "lobby");
    carol.send("so long");
    carol.send("\n");
    carol.stream().shutdown(Shutdown::Write).expect("open");
    assert_eq!(carol.rest(), ["<bob> bye", "<carol> so long", "* carol hung up", "* goodbye"]);
    alice.expect("<carol> so long");
    alice.expect("* carol hung up");

    // What was sent before a connection breaks is still said, and in this order.
    let dave = Client::enter(addr, "dave", "lobby");
    dave.send("one\ntwo\n");
    alice.expect("<dave> two");
    alice.send("an answer that dave does not read\n");
    alice.expect("<alice> an answer that dave does not read");
    eventually("something to read for dave", || dave.stream().peek(&mut [0]).is_ok_and(|n| n > 0));
    // Closing a socket with unread bytes resets the connection.
    drop(dave);
    alice.expect("* dave was disconnected");

    let mut erin = Client::enter(addr, "erin", "lobby");
    erin.send("/join other\n");
    alice.expect("* erin has gone to another room");
    erin.expect("* you are in other with nobody else");

    // Their names are free again, or will be when they are really gone.
    for nick in ["bob", "carol", "dave"] {
        eventually("the name is free", || !erin.ask(&format!("/nick {nick}")).starts_with('!'));
        erin.until(|line| line.ends_with(&format!(" is now called {nick}")));
    }
}

#[test]
fn what_is_wrong_is_explained() {
    let server = start(options());
    let mut client = Client::welcomed(server.local_addr());
    let _bob = Client::enter(server.local_addr(), "Bob", "lobby");
    let name_rule = "! a name is 1 to 20 of the letters a-z, digits, - and _";
    let no_room = "! you are in no room; /join ROOM enters one";
    let no_name = "! take a name first, with /nick NAME";
    let table = [
        ("hello", no_room),
        ("/join lobby", no_name),
        ("/msg bob hi", no_name),
        ("/nick", "! usage: /nick NAME"),
        ("/nick Jean Luc", "! usage: /nick NAME"),
        ("/nick Jean:Luc", name_rule),
        ("/nick abcdefghijklmnopqrstu", name_rule),
        ("/nick BOB", "! somebody else is called BOB; choose another name"),
        ("/nick jean", "* you are now called jean"),
        ("hello", no_room),
        ("/leave", no_room),
        ("/who", no_room),
        ("/who knows", "! usage: /who"),
        ("/join #lobby", name_rule),
        ("/msg nemo hi", "! nobody is called nemo"),
        ("/msg bob", "! usage: /msg NAME TEXT"),
        ("/dance", "! there is no command /dance; /help lists those there are"),
        ("a\u{1b}[2J", "! character 2 of the line is a control character; the line was not sent"),
        ("/nick Jean", "* you are now called Jean"),
        ("/join lobby", "* you are in lobby with Bob"),
        ("/join Lobby", "! you are in Lobby already"),
    ];
    for (line, answer) in table {
        assert_eq!(client.ask(line), answer, "to {line:?}");
    }
    client.send("\n   \n/help\n");
    for line in chat::command::HELP.lines() {
        assert_eq!(client.line().as_deref(), Some(line));
    }
}

#[test]
fn answers_come_in_order_even_if_one_does_not_wait_for_them() {
    let server = start(options());
    let mut client = Client::welcomed(server.local_addr());
    client.send("/nick al\n/join a\none\n/who\n/join b\ntwo\n/leave\n/dance\n/quit\n");
    let expected = [
        "* you are now called al",
        "* you are in a with nobody else",
        "<al> one",
        "* in a: al",
        "* al has gone to another room",
        "* you are in b with nobody else",
        "<al> two",
        "* al has left",
        "! there is no command /dance; /help lists those there are",
        "* goodbye",
    ];
    assert_eq!(client.rest(), expected);
}

#[test]
fn a_newcomer_sees_the_last_lines_and_no_more() {
    let server = start(Options { history: 3, ..options() });
    let mut alice = Client::enter(server.local_addr(), "alice", "lobby");
    alice.send("1\n2\n3\n4\n5\n");
    alice.expect("<alice> 5");
    let mut bob = Client::enter(server.local_addr(), "bob", "lobby");
    bob.send("6\n");
    for line in ["<alice> 3", "<alice> 4", "<alice> 5", "<bob> 6"] {
        assert_eq!(bob.line().as_deref(), Some(line));
    }
}

#[test]
fn a_room_is_closed_when_it_was_empty_for_a_while() {
    let server = start(Options { keep_room: Duration::from_millis(1), ..options() });
    let mut alice = Client::enter(server.local_addr(), "alice", "lobby");
    // Coming and going, one meets the room in every state between open and closed.
    for turn in 0..200 {
        alice.send(&format!("{turn}\n/leave\n"));
        alice.expect("* alice has left");
        if turn % 2 == 0 {
            let name = chat::command::Name::new("lobby").expect("a name");
            let room = server.hall().room(name).wait().expect("a room");
            eventually("the room is closed", || !room.is_alive());
        }
        alice.send("/join lobby\n");
        let line = alice.line().expect("an answer");
        assert_eq!(line, "* you are in lobby with nobody else", "in turn {turn}");
    }
}

#[test]
fn who_says_nothing_is_sent_away() {
    let limit = Duration::from_millis(100);
    let options = Options { login_timeout: limit, idle_timeout: Some(3 * limit), ..options() };
    let server = start(options);
    let mut nobody = Client::welcomed(server.local_addr());
    assert_eq!(nobody.rest(), ["! you have not taken a name within 100ms", "* goodbye"]);
    let mut alice = Client::enter(server.local_addr(), "alice", "lobby");
    assert_eq!(alice.rest(), ["! you have said nothing for 300ms", "* goodbye"]);
    eventually("all are gone", || server.connections() == 0);
}

#[test]
fn the_end_is_told_to_all() {
    let server = start(options());
    let mut alice = Client::enter(server.local_addr(), "alice", "lobby");
    let mut nobody = Client::welcomed(server.local_addr());
    let ends = std::thread::spawn(move || server.shutdown());
    assert_eq!(alice.rest(), ["* the server is shutting down; goodbye"]);
    assert_eq!(nobody.rest(), ["* the server is shutting down; goodbye"]);
    drop((alice, nobody));
    let report = ends.join().expect("no panic");
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections, 2);
}
