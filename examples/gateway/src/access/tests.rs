use std::sync::mpsc::{Receiver as Gate, channel};
use std::sync::{Mutex, PoisonError};

use super::*;

/// How long a test waits for something before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A file in memory, which may be held up.
#[derive(Clone, Default)]
struct Paper {
    written: Arc<Mutex<Vec<u8>>>,
    gate: Option<Arc<Mutex<Gate<()>>>>,
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(gate) = &self.gate {
            // Open for good once the other end is gone.
            let _ = gate.lock().unwrap_or_else(PoisonError::into_inner).recv();
        }
        self.written.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.written.lock().unwrap().clone()).expect("text")
    }
}

fn entry(text: &str) -> Entry {
    Entry::new("127.0.0.1:5000".parse().expect("an address"), "http", text)
}

const OUTCOME: Outcome<'_> = Outcome { status: 200, bytes: 5, pool: Some("api"), backend: None };

#[test]
fn a_line_says_all_there_is_to_say() {
    let backend = "10.0.0.1:80".parse().expect("an address");
    let took = Duration::from_micros(1_234);
    let outcome = Outcome { backend: Some(backend), ..OUTCOME };
    let line = entry("GET /a?b").line(&outcome, took);
    assert_eq!(line, "127.0.0.1:5000 http \"GET /a?b\" 200 5 1.234ms api 10.0.0.1:80");
    let line = entry("GET /").line(&Outcome { pool: None, ..OUTCOME }, took);
    assert_eq!(line, "127.0.0.1:5000 http \"GET /\" 200 5 1.234ms - -");
}

#[test]
fn no_request_can_forge_a_line() {
    let line = entry("x\" 200\n1.2.3.4 \\ \u{7f}").line(&OUTCOME, Duration::ZERO);
    assert_eq!(line, "127.0.0.1:5000 http \"x\\\" 200\\n1.2.3.4 \\\\ \\u{7f}\" 200 5 0.000ms api -");
    let long = entry(&"x".repeat(100_000)).line(&OUTCOME, Duration::ZERO);
    assert!(long.len() < TEXT + 100, "{} bytes", long.len());
}

#[test]
fn lines_are_written_in_their_order_and_all_are_there_after_a_flush() {
    let paper = Paper::default();
    let access = Access::to(paper.clone(), || Err(io::ErrorKind::Unsupported.into())).expect("a thread");
    for n in 0..1000 {
        access.log(&entry(&n.to_string()), &OUTCOME);
    }
    assert!(access.flush(PATIENCE));
    let text = paper.text();
    assert_eq!(text.lines().count(), 1000);
    for (n, line) in text.lines().enumerate() {
        let (time, rest) = line.split_once(' ').expect("a time");
        assert!(time.ends_with('Z') && time.contains('T'), "{time}");
        assert!(rest.starts_with(&format!("127.0.0.1:5000 http \"{n}\" 200 5 ")), "{rest}");
    }
}

#[test]
fn what_there_is_no_room_for_is_lost_and_counted() {
    let (open, gate) = channel();
    let paper = Paper { gate: Some(Arc::new(Mutex::new(gate))), ..Paper::default() };
    let access = Access::to(paper.clone(), || Err(io::ErrorKind::Unsupported.into())).expect("a thread");
    let all = 3 * QUEUE;
    for n in 0..all {
        access.log(&entry(&n.to_string()), &OUTCOME);
    }
    assert!(!access.flush(Duration::from_millis(10)), "it is held up");
    drop(open);
    assert!(access.flush(PATIENCE));
    let text = paper.text();
    let missing = |line: &str| line.strip_prefix("# ")?.split(' ').next()?.parse::<usize>().ok();
    let lost: usize = text.lines().filter_map(missing).sum();
    let written = text.lines().filter(|line| missing(line).is_none()).count();
    assert_eq!(lost + written, all);
    assert!(lost >= all - 2 * QUEUE - 1, "{lost} lost");
}

#[test]
fn a_file_that_was_renamed_is_left_alone() {
    let papers: Arc<Mutex<Vec<Paper>>> = Arc::default();
    let (first, made) = (Paper::default(), papers.clone());
    let access = Access::to(first.clone(), move || {
        let paper = Paper::default();
        made.lock().unwrap().push(paper.clone());
        Ok(paper)
    });
    let access = access.expect("a thread");
    access.log(&entry("before"), &OUTCOME);
    access.reopen();
    access.log(&entry("after"), &OUTCOME);
    assert!(access.flush(PATIENCE));
    let second = papers.lock().unwrap()[0].text();
    assert!(first.text().contains("before") && !first.text().contains("after"));
    assert!(second.contains("after") && !second.contains("before"));
}
