//! Peers that read slowly or not at all.

use actor_net::{Bytes, CloseReason, Options, Pressure, WhenSlow};

use crate::setup::{Event, Setup, eventually};

const CAP: usize = 256 << 10;
const CHUNK: usize = 16 << 10;

fn setup() -> Setup {
    let options = Options::new().watermarks(CHUNK, 4 * CHUNK).cap(CAP);
    Setup { options, ..Setup::default() }
}

#[test]
fn a_consumer_that_never_reads_is_cut_off_and_the_others_are_served() {
    let served = setup().serve();
    let (mut slow, session) = served.connect_with_ref();
    let mut other = served.connect();
    let chunk = Bytes::from(vec![b'x'; CHUNK]);
    let mut written = 0;
    // The kernel takes some megabytes first.
    while let Ok(pressure) = session.write(chunk.clone()).wait() {
        if pressure == Pressure::Closed {
            break;
        }
        written += CHUNK;
        assert!(written < 100 << 20, "the cap does not hold");
        if let Ok(queued) = session.queued().wait() {
            assert!(queued <= CAP, "{queued} bytes are queued");
        }
        assert_eq!(other.ask("hello"), "hello");
    }
    match served.events.closed() {
        CloseReason::SlowConsumer { queued, cap } => {
            assert_eq!(cap, CAP);
            assert!(queued <= CAP && queued > CAP - 2 * CHUNK);
        }
        why => panic!("closed for another reason: {why}"),
    }
    slow.is_over();
    assert_eq!(other.ask("still served"), "still served");
}

#[test]
fn the_watermarks_are_told() {
    let served = setup().serve();
    let (mut client, session) = served.connect_with_ref();
    let chunk = Bytes::from(vec![b'x'; CHUNK]);
    let mut written = 0;
    loop {
        written += CHUNK;
        match session.write(chunk.clone()).wait().unwrap() {
            Pressure::Low => {}
            Pressure::High => break,
            pressure => panic!("High comes before {pressure:?}"),
        }
    }
    let stream = client.stream().try_clone().unwrap();
    let reading = std::thread::spawn(move || {
        let mut left = written;
        let mut buf = vec![0; 1 << 16];
        while left > 0 {
            left -= std::io::Read::read(&mut &stream, &mut buf).unwrap();
        }
    });
    served.events.until(|event| matches!(event, Event::Writable).then_some(()));
    reading.join().unwrap();
    assert_eq!(client.ask("hello"), "hello");
}

#[test]
fn a_burst_within_a_turn_does_not_make_a_consumer_slow() {
    let served = setup().serve();
    let (mut client, session) = served.connect_with_ref();
    // More than the cap in one go, but no more than a socket takes.
    let line = Bytes::from([vec![b'x'; 1023], vec![b'\n']].concat());
    for _ in 0..CAP / 1024 + 64 {
        session.deliver(line.clone()).tell().unwrap();
    }
    for _ in 0..CAP / 1024 + 64 {
        assert_eq!(client.line().map(|line| line.len()), Some(1023));
    }
}

#[test]
fn who_is_stalled_waits_and_the_mailbox_of_its_actor_does_not() {
    const ASKED: usize = 2000;
    const TOLD: usize = 100;
    let options = setup().options.when_slow(WhenSlow::Stall).send_buffer(16 << 10);
    let served = Setup { options, ..Setup::default() }.serve();
    let (mut slow, session) = served.connect_with_ref();
    // More than the kernel takes; not answered before it reads.
    slow.send(format!("big {CHUNK}\n").repeat(ASKED));
    eventually("it is stalled", || session.queued().wait().is_ok_and(|queued| queued >= 4 * CHUNK));
    // What others say is dealt with all the same, and is not dropped, as long as there is room.
    for _ in 0..TOLD {
        assert!(matches!(session.write(Bytes::from_static(b"other\n")).wait(), Ok(Pressure::High)));
    }
    assert_eq!(served.connect().ask("hello"), "hello");
    let mut all = vec![0; ASKED * CHUNK + TOLD * b"other\n".len()];
    slow.read_exact(&mut all);
    let told = all.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!((told, slow.ask("still here").as_str()), (TOLD, "still here"));
    assert_eq!(served.server.ends().lagged, 0);
}
