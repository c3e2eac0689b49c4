//! Unix sockets: the same connections, by way of a path.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use actor_net::{Client, CloseReason, Limit, Limits, Listener, ListenerEvent, Peer, Server};

use crate::setup::{Events, PATIENCE, Setup, eventually};

/// A path in a directory of its own, which goes with it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let dir = std::env::temp_dir().join(format!("actor-net-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir(&dir).unwrap();
        Place(dir.join("socket"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
    }
}

fn serve(system: &actor_core::System, path: &Path, limits: Limits) -> (Server<PathBuf>, Events) {
    let (make, events) = Setup::default().sessions();
    let server = Listener::bind_unix(path).unwrap().limits(limits).spawn(system, make).unwrap();
    (server, events)
}

fn ask(client: &UnixStream, line: &str) -> String {
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    (&*client).write_all(format!("{line}\n").as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(client).read_line(&mut answer).unwrap();
    answer.trim_end().to_owned()
}

#[test]
fn a_server_at_a_path_is_one_as_any_other() {
    let (place, system) = (Place::new("server"), actor_net::builder().workers(2).build().unwrap());
    let (server, events) = serve(&system, &place.0, Limits::new().connections(2).per_address(1));
    assert_eq!(server.local_addr(), place.0);
    let refusals = server.events().subscribe(9);
    let clients = [UnixStream::connect(&place.0).unwrap(), UnixStream::connect(&place.0).unwrap()];
    assert_eq!(clients.each_ref().map(|client| ask(client, "hello")), ["hello", "hello"]);
    let mut third = UnixStream::connect(&place.0).unwrap();
    assert_eq!(third.read(&mut [0]).unwrap(), 0);
    match refusals.recv_timeout(PATIENCE).unwrap() {
        ListenerEvent::Refused { peer: Peer::Unix(None), limit: Limit::Connections } => {}
        other => panic!("{other}"),
    }
    let [first, second] = clients;
    (&first).write_all(b"big 300000\n").unwrap();
    (&first).read_exact(&mut vec![0; 300_000]).unwrap();
    drop(first);
    eventually("one is gone", || server.connections() == 1);
    drop(second);
    assert_eq!(events.closed(), CloseReason::Eof);
    assert_eq!(server.drain(PATIENCE).late, 0);
    eventually("its path is gone", || !place.0.exists());
}

#[test]
fn a_client_connects_to_a_path() {
    let (place, system) = (Place::new("client"), actor_net::builder().workers(2).build().unwrap());
    let listener = UnixListener::bind(&place.0).unwrap();
    let (make, events) = Setup::default().sessions();
    let session = Client::connect(Peer::path(&place.0)).spawn(&system, make).unwrap();
    session.deliver("early\n".into()).tell().unwrap();
    let (stream, _) = listener.accept().unwrap();
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).unwrap();
    assert_eq!(line, "early\n");
    assert_eq!(ask(&stream, "hello"), "hello");
    drop(stream);
    assert!(matches!(events.closed(), CloseReason::Eof | CloseReason::Reset));
    drop(listener);
    let (make, events) = Setup::default().sessions();
    Client::connect(Peer::path(&place.0)).spawn(&system, make).unwrap();
    match events.closed() {
        CloseReason::ConnectFailed { kind, .. } => assert_eq!(kind, ErrorKind::ConnectionRefused),
        why => panic!("closed for another reason: {why}"),
    }
}

#[test]
fn only_what_nobody_uses_is_taken_away_from_a_path() {
    let (place, system) = (Place::new("stale"), actor_net::builder().workers(1).build().unwrap());
    // A listener that is gone leaves its path behind.
    drop(UnixListener::bind(&place.0).unwrap());
    let (server, _events) = serve(&system, &place.0, Limits::new());
    assert_eq!(ask(&UnixStream::connect(&place.0).unwrap(), "hello"), "hello");
    assert_eq!(Listener::bind_unix(&place.0).unwrap_err().kind(), ErrorKind::AddrInUse);
    assert_eq!(ask(&UnixStream::connect(&place.0).unwrap(), "still there"), "still there");
    server.drain(PATIENCE);
    eventually("its path is gone", || !place.0.exists());
    std::fs::write(&place.0, "somebody's").unwrap();
    assert_eq!(Listener::bind_unix(&place.0).unwrap_err().kind(), ErrorKind::AddrInUse);
    assert_eq!(std::fs::read_to_string(&place.0).unwrap(), "somebody's");
}
