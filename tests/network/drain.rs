//! A server that drains: nobody new comes in, what is in flight is finished, peers are told, and all that within a limit.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actor_core::System;
use actor_core::prelude::*;
use actor_net::http::{self, Answer, Request, Response};
use actor_net::{Conn, Connection, Drained, Listener, Server};

use crate::setup::{Client, PATIENCE, Setup, eventually};

/// Answers requests: at once, or `/later`, when it is let.
#[derive(Actor)]
struct Site {
    conn: Conn,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    handled: AtomicUsize,
    go_on: AtomicBool,
}

#[messages]
impl Site {
    #[message]
    async fn later(&mut self, answer: Answer, ctx: &mut Context<Self>) {
        while !self.state.go_on.load(Ordering::Relaxed) {
            ctx.system().sleep(Duration::from_millis(1)).await;
        }
        answer.send(Response::new(200).body("later"), &mut self.conn);
        self.conn.resume();
    }
}

impl Connection for Site {
    type Codec = http::Server;

    fn codec(&self) -> http::Server {
        http::Server::new(1024)
    }

    fn frame(&mut self, request: Request<'_>, ctx: &mut Context<Self>) {
        self.state.handled.fetch_add(1, Ordering::Relaxed);
        if request.path() == "/later" {
            self.conn.pause();
            ctx.me().later(request.answer()).tell().expect("room for a message");
        } else {
            request.answer().send(Response::new(200).body("here"), &mut self.conn);
        }
    }
}

fn serve() -> (System, Server, Arc<State>) {
    let system = actor_net::builder().workers(2).build().expect("a system");
    let state = Arc::<State>::default();
    let inside = state.clone();
    let listener = Listener::bind("127.0.0.1:0").expect("a port");
    let make = move |conn| Site { conn, state: inside.clone() };
    let server = listener.spawn(&system, make).expect("a server");
    (system, server, state)
}

fn draining(server: &Server, limit: Duration) -> JoinHandle<Drained> {
    let server = server.clone();
    std::thread::spawn(move || server.drain(limit))
}

/// Nobody new can connect any more.
#[track_caller]
fn is_closed(addr: SocketAddr) {
    eventually("nobody can connect", || TcpStream::connect(addr).is_err());
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LATER: &str = "GET /later HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_request_in_work_is_answered_and_says_that_it_is_the_last() {
    let (_system, server, state) = serve();
    let mut client = Client::connect(server.local_addr());
    client.send(LATER);
    eventually("it is in work", || state.handled.load(Ordering::Relaxed) == 1);
    let drain = draining(&server, PATIENCE);
    is_closed(server.local_addr());
    assert!(!drain.is_finished(), "it does not wait for what is in work");
    state.go_on.store(true, Ordering::Relaxed);
    let answer = client.rest();
    assert!(answer.contains("Connection: close\r\n") && answer.ends_with("\r\n\r\nlater"), "{answer}");
    assert_eq!(drain.join().unwrap().late, 0);
}

#[test]
fn a_request_that_has_begun_may_end() {
    let (_system, server, _) = serve();
    let mut client = Client::connect(server.local_addr());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nha");
    eventually("it is there", || server.connections() == 1);
    let mut idle = Client::connect(server.local_addr());
    eventually("both are", || server.connections() == 2);
    let drain = draining(&server, PATIENCE);
    is_closed(server.local_addr());
    client.send("lf");
    let answer = client.rest();
    assert!(answer.contains("Connection: close\r\n") && answer.ends_with("\r\n\r\nhere"), "{answer}");
    assert_eq!(idle.rest(), "");
    assert_eq!(drain.join().unwrap().late, 0);
}

#[test]
fn all_of_what_was_sent_at_once_is_answered() {
    let (_system, server, state) = serve();
    let mut client = Client::connect(server.local_addr());
    client.send([LATER, GET, GET].concat());
    eventually("the first is in work", || state.handled.load(Ordering::Relaxed) == 1);
    let drain = draining(&server, PATIENCE);
    is_closed(server.local_addr());
    state.go_on.store(true, Ordering::Relaxed);
    let answers = client.rest();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
    assert_eq!(answers.matches("Connection: close").count(), 1, "{answers}");
    assert_eq!(drain.join().unwrap().late, 0);
}

#[test]
fn what_is_not_finished_in_time_is_cut_off() {
    let (_system, server, state) = serve();
    let mut client = Client::connect(server.local_addr());
    client.send(LATER);
    eventually("it is in work", || state.handled.load(Ordering::Relaxed) == 1);
    let start = Instant::now();
    assert_eq!(server.drain(Duration::from_millis(200)), Drained { open: 1, late: 1 });
    assert!(start.elapsed() < PATIENCE);
    client.is_over();
}

#[test]
fn lines_that_have_come_are_answered_before_the_goodbye() {
    let served = Setup { goodbye: "goodbye\n", ..Setup::default() }.serve();
    let (mut client, mut half) = (served.connect(), served.connect());
    assert_eq!(client.ask("hello"), "hello");
    half.send("begun");
    eventually("both are there", || served.server.connections() == 2);
    let drain = draining(&served.server, PATIENCE);
    is_closed(served.server.local_addr());
    half.send(" and ended\n");
    assert_eq!(half.rest(), "begun and ended\ngoodbye\n");
    assert_eq!(client.rest(), "goodbye\n");
    assert_eq!(drain.join().unwrap().late, 0);
    assert!(served.server.ends().shutdown >= 2);
}

// ---- under load --------------------------------------------------------------------------------------------

/// What became of one request.
enum Outcome {
    Answered {
        last: bool,
    },
    /// The server has closed before it had the request, or could not be reached.
    Refused,
}

/// Sends a request and reads the whole response.
fn request(stream: &mut TcpStream) -> Outcome {
    let mut answer = Vec::new();
    if stream.write_all(GET.as_bytes()).is_err() {
        return Outcome::Refused;
    }
    let mut some = [0; 1024];
    loop {
        match stream.read(&mut some) {
            Ok(0) if answer.is_empty() => return Outcome::Refused,
            Ok(0) => panic!("half an answer: {:?}", String::from_utf8_lossy(&answer)),
            Ok(n) => answer.extend(&some[..n]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset && answer.is_empty() => {
                return Outcome::Refused;
            }
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&answer)),
        }
        if answer.ends_with(b"\r\n\r\nhere") {
            let last = String::from_utf8_lossy(&answer).contains("Connection: close");
            return Outcome::Answered { last };
        }
    }
}

#[test]
fn no_request_that_was_taken_is_lost_under_load() {
    const CLIENTS: usize = 16;
    let (_system, server, state) = serve();
    let (addr, answered) = (server.local_addr(), Arc::<AtomicUsize>::default());
    let clients: Vec<JoinHandle<()>> = (0..CLIENTS)
        .map(|n| {
            let answered = answered.clone();
            std::thread::spawn(move || {
                while let Ok(mut stream) = TcpStream::connect(addr) {
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    // Some keep their connections, some make a new one for every few requests.
                    for _ in 0..if n % 2 == 0 { usize::MAX } else { 5 } {
                        match request(&mut stream) {
                            Outcome::Answered { last } => {
                                answered.fetch_add(1, Ordering::Relaxed);
                                if last {
                                    break;
                                }
                            }
                            Outcome::Refused => break,
                        }
                    }
                }
            })
        })
        .collect();
    eventually("they are at it", || answered.load(Ordering::Relaxed) > 50 * CLIENTS);
    let drained = server.drain(PATIENCE);
    for client in clients {
        client.join().expect("no answer is cut off");
    }
    assert_eq!(drained.late, 0);
    assert_eq!(answered.load(Ordering::Relaxed), state.handled.load(Ordering::Relaxed));
}
