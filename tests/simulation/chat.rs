//! The chat service in simulations, as it is: people come and go, talk, are cut off and read slowly, and rooms crash.
//!
//! What must be so whatever happens:
//!
//! 1. In a room each member sees a sender's lines in the order in which they were sent,
//! 2. and none of them twice: not in the history and then again, and not after a crash of the room.
//! 3. What is seen was said, byte for byte, however it was cut on the way.
//! 4. Nobody sees a line of a room that she is not in: not before she has entered it, and not after she has left it.
//! 5. Who does not read is disconnected when too much waits for her,
//! 6. and stalls nobody meanwhile.
//! 7. Whoever says a line sees it in the room, or is told that it was not said: because the room has crashed, or is not hers.
//! 8. When nothing goes wrong any more, everybody who is still connected can enter a room and talk there, and all in it hear that.
//! 9. When all have gone, whether they said so, were reset or have vanished, no connection is left, no session, no name,
//! 10. no membership and no room, and no byte that waits for anybody.

use std::collections::BTreeMap;
use std::time::Duration;

use actor_core::sim::{Builder, Fault, Sim, Tape, outside};
use actor_core::{ActorId, SystemHandle};
use actor_net::Budget;
use actor_net::sim::{Faults, Network, Remote};
use chat::command::Name;
use chat::{Options, Service};

const SECOND: Duration = Duration::from_secs(1);
const ROOMS: [&str; 2] = ["red", "blue"];

/// Somebody who chats.
struct Person {
    nick: String,
    remote: Remote,
    /// Where she is when all that she has sent is obeyed.
    room: Option<&'static str>,
    said: u32,
    /// What she has seen.
    seen: Seen,
}

/// What somebody has seen, and whether it may be so.
#[derive(Default)]
struct Seen {
    room: Option<String>,
    /// The last line of each sender since the room was entered.
    last: BTreeMap<String, u32>,
    lines: Vec<String>,
}

impl Seen {
    /// Looks at a line, of which `said` knows how many each has said.
    fn line(&mut self, own: &str, line: String, said: &BTreeMap<String, u32>) {
        if let Some(rest) = line.strip_prefix("* you are in ") {
            self.room = rest.split_once(" with ").map(|(room, _)| room.to_owned());
            self.last.clear();
        } else if [" has left", " has gone to another room"].iter().any(|how| line == format!("* {own}{how}"))
        {
            self.room = None;
        } else if let Some((sender, text)) = line.strip_prefix('<').and_then(|line| line.split_once("> ")) {
            let told = || format!("{own} sees {line:?}, after {:#?}", self.lines);
            let parts: Vec<_> = text.split(' ').collect();
            let [room, number, "filler"] = parts[..] else { panic!("not as it was said: {}", told()) };
            assert_eq!(self.room.as_deref(), Some(room), "not in this room: {}", told());
            let number: u32 = number.parse().unwrap_or_else(|_| panic!("not as it was said: {}", told()));
            assert!(said.get(sender).is_some_and(|said| number < *said), "nobody has said this: {}", told());
            let last = self.last.get(sender);
            assert!(last.is_none_or(|last| *last < number), "out of order, or twice: {}", told());
            self.last.insert(sender.to_owned(), number);
        }
        self.lines.push(line);
    }
}

impl Person {
    fn is_there(&self) -> bool {
        self.remote.ended().is_none()
    }

    fn command(&self, command: &str) {
        self.remote.send(format!("{command}\n"));
    }

    fn join(&mut self, room: &'static str) {
        self.command(&format!("/join {room}"));
        self.room = Some(room);
    }

    fn say(&mut self) {
        if let Some(room) = self.room {
            self.command(&format!("{room} {} filler", self.said));
            self.said += 1;
        }
    }
}

/// The service and those who chat.
struct World<'a> {
    sim: &'a Sim,
    network: Network,
    budget: Budget,
    service: Service,
    people: Vec<Person>,
    /// How much each has said, those who have gone too.
    said: BTreeMap<String, u32>,
    comers: u32,
    /// How many actors there are while nobody is.
    actors: usize,
}

impl<'a> World<'a> {
    fn new(sim: &'a Sim) -> World<'a> {
        let (network, budget) = (Network::of(sim), Budget::new(1 << 20));
        network.set_budget(&budget);
        network.set_buffers(500);
        let options = Options { write_cap: 16_384, ..Options::default() };
        let service = Service::start(sim, options).unwrap();
        sim.settle(1_000).unwrap();
        let (people, said, actors) = (Vec::new(), BTreeMap::new(), alive(sim));
        World { sim, network, budget, service, people, said, comers: 0, actors }
    }

    fn come(&mut self) {
        let nick = format!("p{}", self.comers);
        self.comers += 1;
        let remote = self.network.connect(self.service.local_addr());
        remote.send(format!("/nick {nick}\n"));
        let mut person = Person { nick, remote, room: None, said: 0, seen: Seen::default() };
        person.join(ROOMS[outside::chance(ROOMS.len())]);
        self.people.push(person);
    }

    /// Somebody leaves, in one way or another.
    fn go(&mut self, who: usize) {
        let person = self.people.swap_remove(who);
        match outside::chance(4) {
            0 => person.command("/quit"),
            1 => person.remote.half_close(),
            2 => person.remote.reset(),
            _ => person.remote.cut_off(),
        }
    }

    /// The next turn of a room fails.
    fn crash(&self, room: &str) {
        if let Some(room) = self.room(room) {
            self.sim.fault(room, Fault::Panic);
        }
    }

    fn room(&self, name: &str) -> Option<ActorId> {
        self.sim.lookup::<chat::room::Room>(&format!("#{name}")).ok().map(|room| room.id())
    }

    /// Something happens, of the tape's choice.
    fn act(&mut self) {
        let (what, who) = (outside::chance(16), outside::chance(self.people.len().max(1)));
        let Some(person) = self.people.get_mut(who) else { return self.come() };
        match what {
            0..5 => person.say(),
            5 => (0..20).for_each(|_| person.say()),
            6 => person.join(ROOMS[outside::chance(ROOMS.len())]),
            7 => {
                person.command("/leave");
                person.room = None;
            }
            8 => person.remote.cut_off(),
            9 => person.remote.heal(),
            10 => person.remote.stop_reading(),
            11 => person.remote.read_on(),
            12 => self.go(who),
            13 => self.crash(ROOMS[outside::chance(ROOMS.len())]),
            14 => drop(self.sim.advance(SECOND * outside::chance(20) as u32).unwrap()),
            _ => self.come(),
        }
        // Less than it takes, so that much happens at once.
        for _ in 0..outside::chance(40) {
            self.sim.step();
        }
        self.look();
    }

    /// Looks at what everybody sees.
    fn look(&mut self) {
        for person in &self.people {
            self.said.insert(person.nick.clone(), person.said);
        }
        for Person { nick, remote, seen, .. } in &mut self.people {
            remote.lines().into_iter().for_each(|line| seen.line(nick, line, &self.said));
        }
    }

    /// Nothing goes wrong any more: who is there can talk.
    fn all_talk(&mut self) {
        self.sim.calm();
        self.network.calm();
        self.people.iter().for_each(|person| person.remote.read_on());
        self.sim.advance(40 * SECOND).unwrap();
        self.look();
        self.people.retain(Person::is_there);
        for person in &mut self.people {
            person.join(ROOMS[0]);
            person.say();
        }
        self.sim.advance(SECOND).unwrap();
        self.people.iter_mut().for_each(Person::say);
        self.sim.advance(SECOND).unwrap();
        self.look();
        for hears in &self.people {
            for says in &self.people {
                let last = hears.seen.last.get(&says.nick);
                let (nick, lines) = (&says.nick, &hears.seen.lines);
                assert_eq!(last, Some(&(says.said - 1)), "{} does not hear {nick}: {lines:#?}", hears.nick);
            }
        }
    }

    /// Each line that somebody still here has said was said in a room, or she was told that it was not.
    fn nothing_is_passed_over(&self) {
        for Person { nick, said, seen, .. } in &self.people {
            let is_in = |what: &str| seen.lines.iter().any(|line| line.contains(what));
            let own = |number, room| format!("<{nick}> {room} {number} filler");
            let refused = |number, room| format!("so this was not said: {room} {number} filler");
            let known =
                |number| ROOMS.iter().any(|room| is_in(&own(number, room)) || is_in(&refused(number, room)));
            let unknown: Vec<u32> = (0..*said).filter(|number| !known(*number)).collect();
            let nowhere = seen.lines.iter().filter(|line| line.starts_with("! you are in no room")).count();
            assert!(
                unknown.len() <= nowhere,
                "{nick} has said {unknown:?}, and hears nothing: {:#?}",
                seen.lines
            );
        }
    }

    /// All go, and nothing is left of them.
    fn all_go(&mut self) {
        while !self.people.is_empty() {
            self.go(0);
        }
        // Until the keep-alive has noticed, and the rooms are closed that were kept for them.
        self.sim.advance(700 * SECOND).unwrap();
        for nick in self.said.keys() {
            let found = self.service.hall().find(Name::new(nick).unwrap()).wait().unwrap();
            assert!(found.is_none(), "{nick} has gone, and the name is taken");
        }
        assert!(ROOMS.iter().all(|room| self.room(room).is_none()), "a room is there, and nobody in it");
        assert_eq!((self.service.connections(), self.network.connections()), (0, 0));
        assert_eq!((alive(self.sim), self.budget.used()), (self.actors, 0));
    }
}

fn alive(system: &SystemHandle) -> usize {
    system.snapshot().actors_alive() as usize
}

/// A simulation in which rooms may fail as often as they do.
fn simulation() -> Builder {
    Sim::builder().system(|system| system.intensity(1_000, SECOND))
}

fn evening(sim: &Sim) {
    let mut world = World::new(sim);
    world
        .network
        .set_faults(Faults::new().delayed(50, SECOND).lost(20).cuts(100).short_writes(100).resets(2));
    (0..3).for_each(|_| world.come());
    (0..60).for_each(|_| world.act());
    world.all_talk();
    world.nothing_is_passed_over();
    world.all_go();
}

#[test]
fn an_evening_in_the_chat_goes_well_whatever_goes_wrong() {
    let cases = std::env::var("EVENINGS").ok().and_then(|cases| cases.parse().ok()).unwrap_or(100);
    simulation().cases(cases, evening);
}

#[test]
fn the_same_tape_makes_the_same_evening() {
    for seed in 0..20 {
        let [first, second] = [(); 2].map(|()| {
            let sim = simulation().build(Tape::random(seed, 4_000));
            evening(&sim);
            sim.trace()
        });
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn who_does_not_read_is_disconnected_and_stalls_nobody() {
    simulation().cases(20, |sim| {
        let mut world = World::new(sim);
        (0..3).for_each(|_| world.come());
        world.people.iter_mut().for_each(|person| person.join("red"));
        sim.advance(SECOND).unwrap();
        world.people[0].remote.stop_reading();
        for _ in 0..1_000 {
            world.people[1].say();
            world.sim.settle(10_000).unwrap();
            world.look();
            assert_eq!(world.people[2].seen.last["p1"] + 1, world.people[1].said, "at once");
        }
        world.people[0].remote.read_on();
        sim.settle(10_000).unwrap();
        world.look();
        assert!(!world.people[0].is_there());
        assert!(world.people[0].seen.last["p1"] < 900, "most of it she has not seen");
        assert!(world.people[1].seen.lines.contains(&"* p0 was disconnected".to_owned()));
        world.all_talk();
        world.all_go();
    });
}
