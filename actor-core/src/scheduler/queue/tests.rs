use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::*;

/// A number that knows how many of its kind there are.
pub(crate) struct Counted {
    number: u32,
    _alive: Arc<()>,
}

impl Thin for Box<Counted> {
    fn into_raw(self) -> *mut () {
        Box::into_raw(self).cast()
    }

    unsafe fn from_raw(raw: *mut ()) -> Self {
        // SAFETY: it is what `into_raw` made.
        unsafe { Box::from_raw(raw.cast()) }
    }
}

#[derive(Default)]
struct Numbers {
    next: u32,
    alive: Arc<()>,
}

impl Numbers {
    fn next(&mut self) -> Box<Counted> {
        self.next += 1;
        Box::new(Counted { number: self.next, _alive: self.alive.clone() })
    }

    fn alive(&self) -> usize {
        Arc::strong_count(&self.alive) - 1
    }
}

fn number(value: Option<Box<Counted>>) -> Option<u32> {
    value.map(|value| value.number)
}

/// What is done to two queues and the global one.
#[derive(Clone, Copy, Debug)]
enum Step {
    Push { to: usize, times: usize },
    Pop { from: usize, times: usize },
    Steal { thief: usize },
    PushGlobal { times: usize },
    TakeGlobal { to: usize, sharers: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = 0..2usize;
    let step = prop_oneof![
        4 => (which.clone(), 1..200usize).prop_map(|(to, times)| Step::Push { to, times }),
        3 => (which.clone(), 1..200usize).prop_map(|(from, times)| Step::Pop { from, times }),
        2 => which.clone().prop_map(|thief| Step::Steal { thief }),
        1 => (1..300usize).prop_map(|times| Step::PushGlobal { times }),
        2 => (which, 0..4usize).prop_map(|(to, sharers)| Step::TakeGlobal { to, sharers }),
    ];
    prop::collection::vec(step, 1..60)
}

/// The same as the queues, in the plainest way.
#[derive(Default)]
struct Model {
    queues: [VecDeque<u32>; 2],
    global: VecDeque<u32>,
}

impl Model {
    fn push(&mut self, to: usize, number: u32) {
        let queue = &mut self.queues[to];
        if queue.len() == LENGTH {
            self.global.extend(queue.drain(..LENGTH / 2));
            self.global.push_back(number);
        } else {
            queue.push_back(number);
        }
    }

    fn steal(&mut self, thief: usize) -> Option<u32> {
        let half = self.queues[1 - thief].len().div_ceil(2);
        let first = self.queues[1 - thief].pop_front();
        let others = half.saturating_sub(1).min(LENGTH - self.queues[thief].len());
        let others: Vec<_> = self.queues[1 - thief].drain(..others).collect();
        self.queues[thief].extend(others);
        first
    }

    fn take(&mut self, to: usize, sharers: usize) -> Option<u32> {
        let share = (self.global.len() / sharers.max(1)).min(LENGTH / 2);
        let first = self.global.pop_front();
        let others = share.saturating_sub(1).min(LENGTH - self.queues[to].len());
        let others: Vec<_> = self.global.drain(..others).collect();
        self.queues[to].extend(others);
        first
    }
}

proptest! {
    #[test]
    fn the_queues_do_what_plain_ones_would(start in any::<usize>(), near_the_wrap: bool, steps in steps()) {
        let start = if near_the_wrap { usize::MAX - start % LENGTH } else { start };
        let queues = [start, start.wrapping_add(77)].map(Queue::starting_at);
        let stealers = queues.each_ref().map(Queue::stealer);
        let (global, mut model, mut numbers) = (Global::new(), Model::default(), Numbers::default());
        for step in steps {
            match step {
                Step::Push { to, times } => for _ in 0..times {
                    queues[to].push(numbers.next(), &global);
                    model.push(to, numbers.next);
                },
                Step::Pop { from, times } => for _ in 0..times {
                    prop_assert_eq!(number(queues[from].pop()), model.queues[from].pop_front());
                },
                Step::Steal { thief } => {
                    let stolen = stealers[1 - thief].steal(&queues[thief]);
                    prop_assert_eq!(number(stolen), model.steal(thief));
                }
                Step::PushGlobal { times } => for _ in 0..times {
                    global.push(numbers.next());
                    model.global.push_back(numbers.next);
                },
                Step::TakeGlobal { to, sharers } => {
                    prop_assert_eq!(number(global.take(sharers, usize::MAX, &queues[to])), model.take(to, sharers));
                }
            }
            for (queue, model) in stealers.iter().zip(&model.queues) {
                prop_assert_eq!(queue.is_empty(), model.is_empty());
            }
            prop_assert_eq!(global.is_empty(), model.global.is_empty());
        }
        let left = model.queues.iter().map(VecDeque::len).sum::<usize>() + model.global.len();
        prop_assert_eq!(numbers.alive(), left);
        drop((queues, global));
        prop_assert_eq!(numbers.alive(), 0, "a queue that is dropped drops what is in it");
    }
}

/// All that was taken out by one thread, in its order.
type Taken = Vec<u32>;

#[test]
fn everything_is_taken_once_by_somebody_in_the_order_of_its_queue() {
    const PUSHES: u32 = 300_000;
    let (queue, global, done) =
        (Queue::starting_at(usize::MAX - 1000), Global::new(), AtomicBool::new(false));
    let stealer = queue.stealer();
    let mut numbers = Numbers::default();
    let mut taken: Vec<Taken> = std::thread::scope(|scope| {
        let thieves = [(); 3].map(|()| {
            let (stealer, global, done) = (queue.stealer(), &global, &done);
            scope.spawn(move || {
                let (own, mut taken) = (Queue::new(), Taken::new());
                while !done.load(Ordering::Acquire) || !stealer.is_empty() || !global.is_empty() {
                    taken.extend(number(stealer.steal(&own)));
                    taken.extend(std::iter::from_fn(|| number(own.pop())));
                    taken.extend(number(global.take(3, usize::MAX, &own)));
                    taken.extend(std::iter::from_fn(|| number(own.pop())));
                }
                taken
            })
        });
        let mut taken = Taken::new();
        for turn in 0..PUSHES {
            queue.push(numbers.next(), &global);
            if turn % 3 == 0 {
                taken.extend(number(queue.pop()));
            }
        }
        taken.extend(std::iter::from_fn(|| number(queue.pop())));
        assert!(stealer.is_empty());
        done.store(true, Ordering::Release);
        thieves.map(|thief| thief.join().unwrap()).into_iter().chain([taken]).collect()
    });
    // What the owner pops comes in the order in which he pushed it.
    assert!(taken[3].is_sorted());
    let mut all: Vec<_> = taken.drain(..).flatten().collect();
    all.sort_unstable();
    assert_eq!(all, (1..=PUSHES).collect::<Vec<_>>());
    assert_eq!(numbers.alive(), 0);
}
