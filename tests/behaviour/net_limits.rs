//! Limits: how many connections there may be, and running out of descriptors.

use std::net::SocketAddr;

use crate::net_support::{Client, Setup, eventually};

#[test]
fn connections_over_the_maximum_are_closed_at_once() {
    let served = Setup {
        max: 2,
        ..Setup::default()
    }
    .serve();
    let mut first = served.connect();
    let mut second = served.connect();
    assert_eq!(first.ask("hello"), "hello");
    assert_eq!(second.ask("hello"), "hello");
    let mut third = served.connect();
    third.is_over();
    assert_eq!(served.server.refused(), 1);
    assert_eq!(served.server.connections(), 2);
    drop(first);
    eventually("there is a place again", || served.server.connections() == 1);
    assert_eq!(served.connect().ask("hello"), "hello");
    assert_eq!(second.ask("still served"), "still served");
}

#[test]
fn a_system_without_sockets_is_refused_with_advice() {
    let system = actor_core::System::builder().workers(1).build().unwrap();
    let (make, _events) = Setup::default().sessions();
    let error = actor_net::Listener::bind("127.0.0.1:0")
        .unwrap()
        .spawn(&system, make)
        .unwrap_err();
    assert!(error.to_string().contains("actor_net::builder()"), "{error}");
}

#[test]
fn an_address_in_use_is_an_error_at_once() {
    let first = actor_net::Listener::bind("127.0.0.1:0").unwrap();
    let error = actor_net::Listener::bind(first.local_addr()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

/// Runs the server of the next test in a process of its own, whose descriptors are few. Serves
/// until its input ends.
#[cfg(unix)]
#[test]
#[ignore = "run by out_of_descriptors_is_survived"]
fn server_with_few_descriptors() {
    let served = Setup::default().serve();
    println!("\naddr {}", served.server.local_addr());
    let _ = std::io::read_to_string(std::io::stdin());
}

#[cfg(unix)]
#[test]
fn out_of_descriptors_is_survived() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};

    let mut server = Command::new("sh")
        .args(["-c", "ulimit -n 48; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "net_limits::server_with_few_descriptors",
            "--ignored",
            "--nocapture",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Kept open: the test harness over there writes into it at the end.
    let mut out = BufReader::new(server.stdout.take().unwrap());
    let addr: SocketAddr = out
        .by_ref()
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("addr ")?.parse().ok())
        .expect("the address");
    // More than it has descriptors for: the last ones wait in the kernel.
    let mut clients: Vec<Client> = (0..80).map(|_| Client::connect(addr)).collect();
    assert_eq!(clients[0].ask("served"), "served");
    let mut last = clients.pop().unwrap();
    last.send("waits\n");
    drop(clients);
    assert_eq!(last.line().as_deref(), Some("waits"));
    assert_eq!(Client::connect(addr).ask("hello"), "hello");
    drop(server.stdin.take());
    assert!(server.wait().unwrap().success());
}
