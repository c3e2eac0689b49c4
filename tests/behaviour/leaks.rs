//! Actors that nobody can get at any more are found, alone and in circles; those that somebody can are not touched.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actor_core::observe::Event;
use actor_core::prelude::*;
use actor_core::{Growth, Leaks, Remedy, Slow, TimerId, Trace, WeakRef};
use proptest::prelude::*;

use crate::support::{Gate, LIMIT, builder, eventually};

/// An actor with refs in fields of several kinds.
#[derive(Actor, Default)]
struct Node {
    next: Vec<NodeRef>,
    seats: HashMap<u32, Seat>,
    told: Option<Recipient<NodeClear>>,
    /// What is shared is not traced.
    shared: Option<Arc<Mutex<NodeRef>>>,
    gate: Gate,
    timer: Option<TimerId>,
}

#[derive(Trace)]
struct Seat {
    of: NodeRef,
}

#[messages]
impl Node {
    #[message]
    fn add(&mut self, next: NodeRef) {
        self.next.push(next);
    }

    #[message]
    fn seat(&mut self, of: NodeRef) {
        self.seats.insert(self.seats.len() as u32, Seat { of });
    }

    #[message]
    fn tell_to(&mut self, to: Recipient<NodeClear>) {
        self.told = Some(to);
    }

    #[message]
    fn share(&mut self, other: NodeRef) {
        self.shared = Some(Arc::new(Mutex::new(other)));
    }

    #[message(derive(Clone))]
    fn clear(&mut self) {
        self.next.clear();
    }

    #[message]
    fn refs(&self) -> Vec<NodeRef> {
        self.next.clone()
    }

    #[message]
    fn take(&mut self, _other: NodeRef) {}

    #[message]
    fn missed(&mut self, number: u64) {
        assert_eq!(number, 0, "nothing is missed here");
    }

    #[message]
    fn block(&self) {
        self.gate.pass();
    }

    /// Waits for another that does not answer.
    #[message]
    async fn wait_for(&mut self, other: NodeRef) {
        let _ = other.block().await;
    }

    #[message]
    fn alarm(&mut self, ctx: &mut Context<Self>) {
        self.timer = Some(ctx.after(LIMIT, NodeClear {}));
    }

    #[message]
    fn watch(&mut self, other: NodeRef, ctx: &mut Context<Self>) {
        ctx.monitor(&other);
    }

    #[message]
    fn tie(&mut self, other: NodeRef, ctx: &mut Context<Self>) {
        ctx.link(&other);
    }

    #[down]
    fn ended(&mut self, _down: Down) {}
}

fn watching(on_leak: Remedy) -> System {
    builder(2).leaks(Leaks::new(on_leak).every(Duration::from_millis(1)).share(100)).build().unwrap()
}

fn node(system: &System) -> NodeRef {
    system.spawn(Node::default).unwrap()
}

fn add(to: &NodeRef, next: &NodeRef) {
    to.add(next.clone()).wait().unwrap();
}

/// Waits until two scans have begun and ended.
fn two_scans(system: &System) {
    let scans = || system.snapshot().leaks.scans;
    let now = scans();
    eventually("two more scans have ended", || scans() >= now + 3);
}

fn alive(system: &System, name: &str) -> u64 {
    system.snapshot().actors.iter().filter(|group| group.name == name).map(|group| group.alive).sum()
}

#[track_caller]
fn all_but(system: &System, left: u64) {
    eventually("the leaked have been stopped", || alive(system, "Node") <= left);
    two_scans(system);
    assert_eq!(alive(system, "Node"), left);
}

/// What is done about an actor's refs is done in parts.
#[test]
fn an_actor_with_a_thousand_refs_is_found_with_all_of_them() {
    let system = watching(Remedy::Stop);
    for is_live in [true, false] {
        let hub = node(&system);
        for _ in 0..1000 {
            let other = node(&system);
            add(&hub, &other);
            add(&other, &hub);
        }
        if is_live {
            two_scans(&system);
            assert_eq!(alive(&system, "Node"), 1001);
            hub.clear().wait().unwrap();
            drop(hub);
            all_but(&system, 0);
        }
    }
    all_but(&system, 0);
    assert_eq!(system.snapshot().leaks.found, 2002);
}

#[test]
fn circles_of_all_lengths_are_stopped_and_others_are_not() {
    let system = watching(Remedy::Stop);
    let live: Vec<_> = (0..100).map(|_| node(&system)).collect();
    live.windows(2).for_each(|pair| add(&pair[0], &pair[1]));
    for length in 1..=50 {
        let circle: Vec<_> = (0..length).map(|_| node(&system)).collect();
        for at in 0..length {
            add(&circle[at], &circle[(at + 1) % length]);
        }
        // That they know of those that live makes no difference.
        add(&circle[0], &live[length]);
    }
    all_but(&system, 100);
    assert_eq!(system.snapshot().leaks.found, (1..=50).sum::<u64>());
    assert!(live.iter().all(|node| node.clear().within(LIMIT).wait().is_ok()));
    assert_eq!(system.dead_letters().count(), 0);
}

#[test]
fn one_that_nobody_refers_to_is_leaked() {
    let system = watching(Remedy::Stop);
    drop(node(&system));
    all_but(&system, 0);
}

#[test]
fn one_whose_handlers_have_a_limit_is_leaked_as_others_are() {
    let system = watching(Remedy::Stop);
    let limited = system.actor(Node::default).stall(LIMIT).spawn().unwrap();
    let other = node(&system);
    add(&limited, &other);
    add(&other, &limited);
    two_scans(&system);
    assert_eq!(alive(&system, "Node"), 2, "there are refs");
    drop((limited, other));
    all_but(&system, 0);
}

#[test]
fn a_chain_is_reached_from_its_beginning() {
    let system = watching(Remedy::Stop);
    let chain: Vec<_> = (0..20).map(|_| node(&system)).collect();
    chain.windows(2).for_each(|pair| add(&pair[0], &pair[1]));
    add(&chain[19], &chain[0]);
    let first = chain.into_iter().next().unwrap();
    two_scans(&system);
    assert_eq!(alive(&system, "Node"), 20);
    drop(first);
    all_but(&system, 0);
}

#[test]
fn refs_are_seen_in_types_that_derive_the_trace_and_in_recipients() {
    let system = watching(Remedy::Stop);
    let (one, other, last) = (node(&system), node(&system), node(&system));
    one.seat(other.clone()).wait().unwrap();
    // Two clones of one recipient.
    let recipient = last.recipient::<NodeClear>();
    one.tell_to(recipient.clone()).wait().unwrap();
    other.tell_to(recipient).wait().unwrap();
    add(&last, &one);
    add(&last, &last);
    drop((one, other));
    two_scans(&system);
    assert_eq!(alive(&system, "Node"), 3);
    drop(last);
    all_but(&system, 0);
}

/// What keeps an actor: each is set up, looked at, and then taken away, after which the actor is found.
#[test]
fn what_can_be_got_at_is_live() {
    let system = watching(Remedy::Stop);
    let gate = Gate::default();
    let inside = gate.clone();
    let held_up = system.spawn(move || Node { gate: inside.clone(), ..Node::default() }).unwrap();
    held_up.block().tell().unwrap();
    gate.somebody_waits();

    // In a message that waits.
    held_up.take(node(&system)).tell().unwrap();
    // With a handler that is pending.
    node(&system).wait_for(held_up.clone()).tell().unwrap();
    // In a handler that is pending: the argument.
    let argument = node(&system);
    let group = system.group::<NodeClear>("all").unwrap();
    // In a field that is not traced.
    let sharing = node(&system);
    sharing.share(node(&system)).wait().unwrap();
    // With a timer; monitoring; monitored; linked; in a group; with a name; with a weak ref.
    node(&system).alarm().wait().unwrap();
    node(&system).watch(argument.clone()).wait().unwrap();
    sharing.watch(node(&system)).wait().unwrap();
    sharing.tie(node(&system)).wait().unwrap();
    group.join(&node(&system), Slow::Skip, |number| NodeMissed { number });
    system.actor(Node::default).name("named").spawn().unwrap();
    let weak: WeakRef<Node> = node(&system).downgrade();
    // In a factory.
    let captured = node(&system);
    let of_factory = system
        .spawn(move || {
            let _ = &captured;
            Node::default()
        })
        .unwrap();
    // On a thread.
    let (sender, thread) = std::sync::mpsc::channel::<NodeRef>();
    sender.send(node(&system)).unwrap();

    let expected = 16;
    assert_eq!(alive(&system, "Node"), expected);
    two_scans(&system);
    assert_eq!((alive(&system, "Node"), system.snapshot().leaks.found), (expected, 0));
    assert_eq!(group.publish(NodeClear {}).delivered, 1);
    assert!(weak.upgrade().is_some() && system.lookup::<Node>("named").is_ok());
    assert!([&argument, &sharing, &of_factory].iter().all(|node| node.clear().within(LIMIT).wait().is_ok()));
    drop((thread, sender));
    gate.open();
    drop((argument, sharing, of_factory, held_up));
    // Those go that were kept by a message, a handler, a factory or a thread. The others can still be got at: by a timer,
    // a name, a weak ref, a group; and seven by monitors and links, of which they are at one end, or have a ref there.
    all_but(&system, 10);
}

#[test]
fn a_leak_is_reported_once_with_its_spawn_site() {
    let system = watching(Remedy::Report);
    let events = system.events().subscribe(64);
    let line = line!() + 1;
    let spawn = || system.spawn(Node::default).unwrap();
    let (one, other) = (spawn(), spawn());
    add(&one, &other);
    add(&other, &one);
    let ids = BTreeSet::from([one.id(), other.id()]);
    drop((one, other));
    let leaked = || loop {
        if let Event::Leaked(leak) = events.recv_timeout(LIMIT).expect("an event") {
            break leak;
        }
    };
    let leaks = [leaked(), leaked()];
    assert_eq!(leaks.iter().map(|leak| leak.actor).collect::<BTreeSet<_>>(), ids);
    for leak in leaks {
        assert_eq!((leak.name, leak.site.file(), leak.site.line()), ("Node", file!(), line));
        assert_eq!((leak.group, leak.done), (2, Remedy::Report));
    }
    two_scans(&system);
    assert_eq!((system.snapshot().leaks.found, alive(&system, "Node")), (2, 2));
}

/// Tells where it is when it starts; the first incarnation does not.
#[derive(Actor)]
struct Returning {
    list: Arc<Mutex<Vec<ReturningRef>>>,
}

#[messages]
impl Returning {
    #[started]
    fn started(&mut self, ctx: &mut Context<Self>) {
        if ctx.incarnation() > 1 {
            self.list.lock().unwrap().push(ctx.me());
        }
    }
}

#[test]
fn one_that_is_restarted_can_make_itself_known() {
    let system = watching(Remedy::Restart);
    let list = Arc::<Mutex<Vec<ReturningRef>>>::default();
    let inside = list.clone();
    system.spawn(move || Returning { list: inside.clone() }).unwrap();
    eventually("it is known", || !list.lock().unwrap().is_empty());
    two_scans(&system);
    assert_eq!((system.snapshot().leaks.found, alive(&system, "Returning")), (1, 1));
}

#[derive(Actor)]
struct Generic<T: Send + 'static, const N: usize> {
    traced: [Option<GenericRef<T, N>>; N],
    _untraced: Option<T>,
}

#[messages]
impl<T: Send + 'static, const N: usize> Generic<T, N> {
    #[message]
    fn set(&mut self, other: GenericRef<T, N>) {
        self.traced[0] = Some(other);
    }
}

/// Enums and packed types are actors too.
#[derive(Actor)]
enum Either {
    Empty,
    Of(EitherRef, #[allow(dead_code)] std::sync::mpsc::Sender<u8>),
}

#[messages]
impl Either {
    #[message]
    fn set(&mut self, other: EitherRef) {
        *self = Either::Of(other, std::sync::mpsc::channel().0);
    }
}

#[derive(Actor)]
#[repr(C, packed(2))]
struct Packed {
    number: u64,
}

#[messages]
impl Packed {
    #[message]
    fn number(&self) -> u64 {
        self.number
    }
}

#[test]
fn fields_of_any_type_compile_and_those_that_can_be_are_traced() {
    let system = watching(Remedy::Stop);
    let generic = system.spawn(|| Generic::<Vec<u8>, 2> { traced: [None, None], _untraced: None }).unwrap();
    generic.set(generic.clone()).wait().unwrap();
    let either = system.spawn(|| Either::Empty).unwrap();
    either.set(either.clone()).wait().unwrap();
    let packed = system.spawn(|| Packed { number: 7 }).unwrap();
    assert_eq!(packed.number().wait().unwrap(), 7);
    two_scans(&system);
    let all = || ["Generic", "Either", "Packed"].map(|name| alive(&system, name));
    assert_eq!(all(), [1, 1, 1]);
    drop((generic, either, packed));
    eventually("all are stopped", || all() == [0, 0, 0]);
}

#[test]
fn a_system_ends_in_the_midst_of_a_scan() {
    for _ in 0..20 {
        let system = watching(Remedy::Report);
        let nodes: Vec<_> = (0..200).map(|_| node(&system)).collect();
        nodes.windows(2).for_each(|pair| add(&pair[0], &pair[1]));
        drop(nodes);
        assert!(system.shutdown().is_clean());
    }
}

/// Actors that send their refs to one another all the time, while scans go on: none of them is ever leaked.
#[test]
fn refs_on_the_move_keep_their_actors() {
    let system = watching(Remedy::Stop);
    let nodes: Vec<_> = (0..8).map(|_| node(&system)).collect();
    let scans = || system.snapshot().leaks.scans;
    let until = scans() + 200;
    let mut turn = 0;
    // Each is referred to by one field only, which is another one all the time.
    let mut held = nodes.into_iter();
    let root = held.next().unwrap();
    let mut rest: Vec<_> = held.collect();
    while scans() < until {
        turn += 1;
        for node in &rest {
            node.clear().tell().unwrap();
        }
        root.clear().tell().unwrap();
        let by = rest[turn % rest.len()].clone();
        add(&root, &by);
        for node in rest.drain(..) {
            add(&by, &node);
        }
        drop(by);
        // All are in fields now, and reached from the root.
        std::thread::yield_now();
        rest = root.refs().within(LIMIT).wait().unwrap();
        let more = rest[0].refs().within(LIMIT).wait().unwrap();
        rest = more;
        assert_eq!(rest.len(), 7);
    }
    assert_eq!((alive(&system, "Node"), system.snapshot().leaks.found), (8, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    /// Random graphs of actors, of which some are held outside: stopped are those, and only those, that cannot be reached.
    #[test]
    fn stopped_is_what_cannot_be_reached(
        actors in 1..30_usize,
        refs in prop::collection::vec((0..30_usize, 0..30_usize), 0..60),
        outside in prop::collection::btree_set(0..30_usize, 0..4),
    ) {
        let system = watching(Remedy::Stop);
        let nodes: Vec<_> = (0..actors).map(|_| node(&system)).collect();
        let refs: Vec<_> = refs.into_iter().filter(|(from, to)| *from < actors && *to < actors).collect();
        for (from, to) in &refs {
            add(&nodes[*from], &nodes[*to]);
        }
        let mut roots: Vec<_> = outside.iter().copied().filter(|at| *at < actors).collect();
        let kept: Vec<_> = roots.iter().map(|at| nodes[*at].clone()).collect();
        let ends: Vec<_> = nodes.iter().map(|node| node.id()).collect();
        let mut reached = BTreeSet::new();
        while let Some(at) = roots.pop() {
            if reached.insert(at) {
                roots.extend(refs.iter().filter(|(from, _)| *from == at).map(|(_, to)| *to));
            }
        }
        drop(nodes);
        let left = reached.len() as u64;
        eventually("the leaked have been stopped", || alive(&system, "Node") <= left);
        two_scans(&system);
        prop_assert_eq!(alive(&system, "Node"), left);
        // And those that are left are the right ones.
        let mut seen = BTreeSet::new();
        let mut next = kept;
        while let Some(node) = next.pop() {
            if seen.insert(node.id()) {
                next.extend(node.refs().within(LIMIT).wait().unwrap());
            }
        }
        prop_assert_eq!(seen, reached.into_iter().map(|at| ends[at]).collect::<BTreeSet<_>>());
    }
}

/// What an actor with a limit has beside, and that its handlers ran on a leash, keeps nobody from seeing that it is leaked.
#[test]
fn one_that_has_a_limit_for_its_handlers_is_leaked_as_others_are() {
    let system = watching(Remedy::Stop);
    let limited = || system.actor(Node::default).stall(LIMIT).spawn().unwrap();
    let circle = [limited(), node(&system), limited()];
    let live = [limited(), limited()];
    add(&live[0], &live[1]);
    for at in 0..3 {
        add(&circle[at], &circle[(at + 1) % 3]);
    }
    drop(circle);
    all_but(&system, 2);
    assert_eq!(system.snapshot().leaks.found, 3);
    assert!(live.iter().all(|node| node.clear().within(LIMIT).wait().is_ok()));
}

#[test]
fn a_kind_of_which_there_are_ever_more_is_reported_with_its_spawn_site() {
    let growth = Growth::new().window(Duration::from_millis(20)).windows(3).by(30);
    let system = builder(2).growth(growth).build().unwrap();
    let events = system.events().subscribe(64);
    let steady: Vec<_> = (0..100).map(|_| node(&system)).collect();
    let (mut more, line) = (Vec::new(), line!() + 3);
    let mut growing = Vec::new();
    eventually("it is said that there are ever more", || {
        more.extend((0..10).map(|_| system.spawn(Node::default).unwrap()));
        growing.extend(events.try_iter().filter_map(|event| match event {
            Event::Growing(growing) => Some(growing),
            _ => None,
        }));
        !growing.is_empty()
    });
    let growing = &growing[0];
    assert_eq!((growing.name, growing.site.line(), growing.alive.len()), ("Node", line, 4));
    assert!(growing.alive.windows(2).all(|pair| pair[0] < pair[1]), "{growing}");
    assert!(growing.to_string().contains("in 3 windows of 20ms"), "{growing}");
    assert!(system.snapshot().leaks.growing > 0);
    assert_eq!(steady.len(), 100);
}
