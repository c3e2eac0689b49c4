//! How fast a simulation of a service is: an hour of the chat service with 500 people in 10 rooms, each of whom says a line a
//! minute, by sockets that are simulated. What it takes is the time of the machine; the hour is the simulation's.
//!
//! `cargo run --release -p chat --example hour`
use std::time::{Duration, Instant};

use actor_core::sim::{Sim, Tape};
use actor_net::sim::{Network, Remote};
use chat::{Options, Service};

const PEOPLE: usize = 500;
const ROOMS: usize = 10;
const MINUTE: usize = 60;
const SECOND: Duration = Duration::from_secs(1);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (what, tape) in
        [("first come, first served", Tape::default()), ("with a tape", Tape::random(1, 10_000_000))]
    {
        let (begun, sim) = (Instant::now(), Sim::new(tape));
        let service = Service::start(&sim, Options::default())?;
        let network = Network::of(&sim);
        let mut people: Vec<Remote> = (0..PEOPLE).map(|_| network.connect(service.local_addr())).collect();
        for (number, person) in people.iter().enumerate() {
            person.send(format!("/nick p{number}\n/join r{}\n", number % ROOMS));
        }
        sim.advance(SECOND)?;
        people.iter_mut().for_each(|person| drop(person.received()));
        let mut seen = 0;
        for second in 0..60 * MINUTE {
            for (number, person) in
                people.iter_mut().enumerate().filter(|(n, _)| n % MINUTE == second % MINUTE)
            {
                person.send(format!("it is second {second}, says {number}\n"));
            }
            sim.advance(SECOND)?;
            seen += people.iter_mut().map(|person| lines(&person.received())).sum::<usize>();
        }
        assert_eq!(seen, PEOPLE * 60 * PEOPLE / ROOMS, "each line is seen by all in its room");
        let (took, trace) = (begun.elapsed(), sim.trace());
        println!(
            "{what}: an hour of {PEOPLE} people in {:.2} s; {} steps, {} messages, {seen} lines seen",
            took.as_secs_f64(),
            trace.steps,
            trace.handled
        );
    }
    Ok(())
}

fn lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}
