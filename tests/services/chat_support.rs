//! What the tests of the chat service share: a client that waits for the lines it expects, and
//! servers on free ports.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use chat::{Options, Server};

/// How long a test waits for something before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a server of a test has, unless the test is about it.
pub(crate) fn options() -> Options {
    let free = || "127.0.0.1:0".to_owned();
    Options { listen: free(), web: free(), ..Options::default() }
}

pub(crate) fn start(options: Options) -> Server {
    Server::start(options).expect("a free port")
}

/// Somebody at the other end of a connection.
pub(crate) struct Client {
    read: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(addr: SocketAddr) -> Client {
        let stream = TcpStream::connect(addr).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Client { read: BufReader::new(stream) }
    }

    /// Connects and is past the welcome.
    pub(crate) fn welcomed(addr: SocketAddr) -> Client {
        let mut client = Client::connect(addr);
        client.expect("* /help lists all there is.");
        client
    }

    /// Connects, takes a name and enters a room.
    pub(crate) fn enter(addr: SocketAddr, nick: &str, room: &str) -> Client {
        let mut client = Client::welcomed(addr);
        client.send(&format!("/nick {nick}\n/join {room}\n"));
        client.until(|line| line.starts_with(&format!("* you are in {room} ")));
        client
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.read.get_ref()
    }

    pub(crate) fn send(&self, text: &str) {
        self.stream().write_all(text.as_bytes()).expect("the server reads");
    }

    /// The next line, without its end; `None` when the server has closed.
    pub(crate) fn line(&mut self) -> Option<String> {
        self.read_line().expect("a line or an end")
    }

    fn read_line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let n = self.read.read_line(&mut line)?;
        Ok((n > 0).then(|| line.trim_end_matches('\n').to_owned()))
    }

    /// Waits for the first line that is as wanted, and gives it; those before it are passed over.
    #[track_caller]
    pub(crate) fn until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let mut passed = Vec::new();
        loop {
            let line = match self.read_line() {
                Ok(Some(line)) => line,
                Ok(None) => panic!("closed after {passed:#?}"),
                Err(error) => panic!("{error} after {passed:#?}"),
            };
            if wanted(&line) {
                return line;
            }
            passed.push(line);
        }
    }

    /// Waits for this very line.
    #[track_caller]
    pub(crate) fn expect(&mut self, line: &str) {
        self.until(|found| found == line);
    }

    /// Sends a line and gives the next one that comes.
    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.send(&format!("{line}\n"));
        self.line().expect("an answer")
    }

    /// All lines until the server closes.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.line()).collect()
    }

    /// Reads until the connection is over, in whatever way, and gives what came.
    pub(crate) fn over(&mut self) -> String {
        let mut all = Vec::new();
        let mut buf = [0; 4096];
        loop {
            match self.read.read(&mut buf) {
                Ok(0) => break,
                Ok(n) => all.extend_from_slice(&buf[..n]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => panic!("the connection does not end: {error}"),
            }
        }
        String::from_utf8(all).expect("text")
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        std::thread::yield_now();
    }
}
