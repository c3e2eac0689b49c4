//! The service as a process: its arguments, its log, its end, and what it costs when nothing
//! happens.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::binary::{binary, log_of};
use crate::certificates::Files;
use crate::chat_hostile;
use crate::chat_support::{Client, PATIENCE, eventually};
use crate::chat_web;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("chat"));
    command.args(arguments).env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
    command
}

/// The service as a process. Killed when the test is over.
struct Process {
    child: Child,
    greeting: Vec<String>,
    addr: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Process {
    fn start(arguments: &[&str]) -> Process {
        let mut command = command(&["--listen", "127.0.0.1:0", "--web", "127.0.0.1:0"]);
        let mut child = command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let log = log_of(&mut child);
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let greeting: Vec<_> = stdout.lines().take(3).map(|line| line.expect("text")).collect();
        let addr = greeting.first().and_then(|line| line.strip_prefix("chat serves at ")?.split(". ").next());
        let addr = addr.and_then(|addr| addr.parse().ok());
        let addr = addr.unwrap_or_else(|| panic!("no address in {greeting:?}"));
        Process { child, greeting, addr, log }
    }

    /// Waits until the log has a line with all of these in it.
    #[track_caller]
    fn logs(&self, all: &[&str]) {
        let found = |log: &str| log.lines().any(|line| all.iter().all(|part| line.contains(part)));
        let end = Instant::now() + PATIENCE;
        while !found(&self.log.lock().expect("no panic")) {
            assert!(Instant::now() < end, "no {all:?} in the log:\n{}", self.log.lock().expect("no panic"));
            std::thread::yield_now();
        }
    }

    fn interrupt(&self) {
        self.signal("-INT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill runs").success());
    }

    fn ends(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the process ends", || {
            status = self.child.try_wait().expect("our child");
            status.is_some()
        });
        status.expect("it has ended")
    }

    /// How long its threads have run on a processor so far.
    fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it runs");
        let nanos = tasks.map(|task| -> u64 {
            let path = task.expect("a thread").path().join("schedstat");
            let stat = std::fs::read_to_string(path).expect("a thread that lives");
            stat.split(' ').next().expect("a number").parse().expect("a number")
        });
        Duration::from_nanos(nanos.sum())
    }

    /// How much memory it has, in KiB.
    fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails if it has ended, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn enter_all(addr: SocketAddr, people: usize) -> Vec<Client> {
    (0..people).map(|i| Client::enter(addr, &format!("n{i}"), &format!("r{}", i % 10))).collect()
}

#[test]
fn it_says_how_to_connect() {
    let process = Process::start(&[]);
    let port = process.addr.port();
    let site = process.greeting.last().and_then(|line| line.strip_prefix("Or with a browser: "));
    let site = site.unwrap_or_else(|| panic!("no page in {:?}", process.greeting));
    let web = site.strip_prefix("http://").and_then(|site| site.strip_suffix('/'));
    let web: SocketAddr = web.and_then(|web| web.parse().ok()).expect("the address of the page");
    assert!(chat_web::get(web, "/").starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(
        process.greeting[..2],
        [
            format!("chat serves at 127.0.0.1:{port}. To connect: nc 127.0.0.1 {port}"),
            "Then take a name with /nick NAME and enter a room with /join ROOM. Ctrl-C ends the service."
                .to_owned(),
        ]
    );
    let alice = Client::enter(process.addr, "alice", "lobby");
    process.logs(&[" INFO ", "connected", "peer="]);
    process.logs(&[" INFO ", "room created", "room=lobby"]);
    alice.send("/quit\n");
    process.logs(&[" INFO ", "disconnected", "nick=alice", "reason=\"quit\""]);
}

#[test]
fn what_is_wrong_with_the_arguments_is_said() {
    let process = Process::start(&[]);
    let taken = process.addr.to_string();
    let table: [(&[&str], i32, &str); 6] = [
        (&["--listen", &taken], 1, "cannot listen at"),
        (&["--listen", "nowhere"], 1, "cannot listen at nowhere"),
        (&["--listen", "127.0.0.1:0", "--web", &taken], 1, "--web takes another"),
        (
            &["--listen", "127.0.0.1:0", "--web", "127.0.0.1:0", "--web-tls", "no", "key"],
            1,
            "in no key: no: ",
        ),
        (&["--max-line", "1"], 2, "'--max-line <BYTES>'"),
        (&["--log", "=,="], 2, "'--log <FILTER>'"),
    ];
    for (arguments, code, text) in table {
        let output = command(arguments).output().expect("the binary runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(text) && !error.contains("panicked"), "{arguments:?}: {error}");
    }
}

#[test]
fn an_idle_service_costs_nothing() {
    const WINDOW: Duration = Duration::from_secs(5);
    let process = Process::start(&[]);
    let clients = enter_all(process.addr, 200);
    // It is idle when nothing has happened for a while.
    let mut before = process.cpu();
    eventually("it comes to rest", || {
        std::thread::sleep(Duration::from_millis(100));
        let last = std::mem::replace(&mut before, process.cpu());
        before == last
    });
    std::thread::sleep(WINDOW);
    let used = process.cpu() - before;
    assert!(used < Duration::from_millis(10), "{used:?} of CPU time in {WINDOW:?}");
    drop(clients);
}

#[test]
fn an_interrupt_is_told_to_all_and_ends_it_in_time() {
    let mut process = Process::start(&[]);
    let mut clients = enter_all(process.addr, 200);
    let begun = Instant::now();
    process.interrupt();
    for client in &mut clients {
        assert_eq!(client.rest().last().map(String::as_str), Some("* the server is shutting down; goodbye"));
    }
    drop(clients);
    let status = process.ends();
    assert_eq!(status.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(10), "it took {:?}", begun.elapsed());
    process.logs(&["SIGINT"]);
    process.logs(&["ended", "200 connections closed in"]);
}

#[test]
fn a_second_interrupt_ends_it_at_once() {
    let mut process = Process::start(&[]);
    // Waits in vain for this one to close its side as well, if for a second only.
    let _client = Client::enter(process.addr, "alice", "lobby");
    process.interrupt();
    process.logs(&["SIGINT"]);
    process.interrupt();
    assert_eq!(process.ends().code(), Some(130));
}

#[test]
fn a_hangup_has_it_read_its_certificates_again() {
    let files = Files::new("hangup");
    let [cert, key] = files.paths();
    let process = Process::start(&["--web-tls", &cert, &key]);
    let greeting = process.greeting.last().expect("lines");
    assert!(greeting.starts_with("Or with a browser: https://127.0.0.1:"), "{greeting}");
    process.signal("-HUP");
    process.logs(&[" INFO ", "the certificates were read again"]);
    files.spoil();
    process.signal("-HUP");
    process.logs(&[" ERROR ", &cert, "the old certificate stays in use"]);
    drop(Client::enter(process.addr, "alice", "lobby"));
}

#[test]
fn the_log_says_who_is_too_slow() {
    let process = Process::start(&["--write-cap", "65536", "--max-line", "65536"]);
    let mut slow = Client::enter(process.addr, "slow", "lobby");
    let mut talker = Client::enter(process.addr, "talker", "lobby");
    let line = format!("{}\n", "x".repeat(60_000));
    let stream = talker.stream().try_clone().expect("a second handle");
    let talking = std::thread::spawn(move || {
        let talked = || std::io::Write::write_all(&mut &stream, line.as_bytes());
        while talked().is_ok() {}
    });
    talker.expect("* slow was disconnected");
    process.logs(&[" INFO ", "disconnected", "nick=slow", "slow consumer", "the cap is 65536"]);
    slow.over();
    drop(process);
    let _ = talker.stream().shutdown(std::net::Shutdown::Both);
    talking.join().expect("no panic");
}

#[test]
fn hostile_peers_leave_no_memory_behind() {
    let limit = format!("{}ms", chat_hostile::LOGIN.as_millis());
    let process = Process::start(&["--login-timeout", &limit, "--log", "warn"]);
    chat_hostile::all_that_is_bad(process.addr);
    let before = process.memory();
    for _ in 0..3 {
        chat_hostile::all_that_is_bad(process.addr);
    }
    let grown = process.memory().saturating_sub(before);
    assert!(grown < 4 << 10, "{grown} KiB more than {before} KiB");
}

#[test]
fn help_lists_all_there_is() {
    let output = command(&["--help"]).output().expect("the binary runs");
    let mut help = String::new();
    (&output.stdout[..]).read_to_string(&mut help).expect("text");
    for name in [
        "listen",
        "web",
        "tls",
        "web-tls",
        "max-connections",
        "max-line",
        "history",
        "workers",
        "login-timeout",
        "idle-timeout",
        "log",
    ] {
        assert!(help.contains(&format!("--{name} <")), "--{name} is not in:\n{help}");
    }
}
