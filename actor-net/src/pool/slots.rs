//! The connections of a pool: which there are, which takes the next request, and which is out for a while. Pure: a
//! function of what has happened.

/// Which of several connections that have room gets the next request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Choice {
    /// The one with the fewest requests under way; of several the first, so that those that are not needed fall
    /// silent.
    #[default]
    LeastLoaded,
    /// One after the other.
    RoundRobin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is none, and nothing is wrong with that.
    Empty,
    /// It is being made.
    Coming,
    /// It takes requests.
    Up,
    /// It takes no more, and will end.
    Retired,
    /// It has failed, and is tried again later.
    Out,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    state: State,
    /// Requests under way.
    load: usize,
    /// How often it has failed since it last answered.
    failures: u32,
    /// Tells what concerns the connection of now from what concerns an earlier one.
    life: u64,
}

/// What is to be done after the end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Nothing,
    /// Try again after a delay that suits so many failures before.
    Retry {
        failures: u32,
        life: u64,
    },
}

#[derive(Debug)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    in_flight: usize,
    choice: Choice,
    /// Where the next round begins.
    next: usize,
    /// The last attempt to connect has failed.
    unreachable: bool,
    /// The number of the last life.
    lives: u64,
}

impl Slots {
    /// `lives` is the number before that of the first life.
    pub(super) fn new(connections: usize, in_flight: usize, choice: Choice, lives: u64) -> Slots {
        let slot = Slot { state: State::Empty, load: 0, failures: 0, life: lives };
        Slots { slots: vec![slot; connections], in_flight, choice, next: 0, unreachable: false, lives }
    }

    fn count(&self, state: State) -> usize {
        self.slots.iter().filter(|slot| slot.state == state).count()
    }

    pub(super) fn up(&self) -> usize {
        self.count(State::Up)
    }

    pub(super) fn out(&self) -> usize {
        self.count(State::Out)
    }

    pub(super) fn load(&self) -> usize {
        self.slots.iter().map(|slot| slot.load).sum()
    }

    /// For how many requests connections are being made.
    pub(super) fn coming(&self) -> usize {
        let coming = self.slots.iter().filter(|slot| slot.state == State::Coming && slot.failures == 0);
        coming.count() * self.in_flight
    }

    /// Whether the backend cannot be reached: nothing is up, and the last attempt to connect has failed.
    pub(super) fn is_down(&self) -> bool {
        self.unreachable && self.up() == 0
    }

    pub(super) fn life(&self, slot: usize) -> u64 {
        self.slots[slot].life
    }

    /// Whether this is about the connection that is in the slot now.
    pub(super) fn is(&self, slot: usize, life: u64) -> bool {
        self.slots.get(slot).is_some_and(|slot| slot.life == life)
    }

    /// A slot to make one more connection in, if there is one and the backend is not down.
    pub(super) fn begin(&mut self) -> Option<usize> {
        if self.is_down() {
            return None;
        }
        let slot = self.slots.iter().position(|slot| slot.state == State::Empty)?;
        self.come(slot);
        Some(slot)
    }

    fn come(&mut self, slot: usize) {
        self.lives += 1;
        let slot = &mut self.slots[slot];
        (slot.state, slot.load, slot.life) = (State::Coming, 0, self.lives);
    }

    /// The delay of a connection that has failed is over: whether to try it again.
    pub(super) fn retry(&mut self, slot: usize, life: u64) -> bool {
        let again = self.is(slot, life) && self.slots[slot].state == State::Out;
        if again {
            self.come(slot);
        }
        again
    }

    pub(super) fn opened(&mut self, slot: usize) {
        self.slots[slot].state = State::Up;
        self.unreachable = false;
    }

    /// The connection for the next request, which is under way there from now on.
    pub(super) fn choose(&mut self) -> Option<usize> {
        let n = self.slots.len();
        let has_room = |slot: &Slot| slot.state == State::Up && slot.load < self.in_flight;
        let chosen = match self.choice {
            Choice::LeastLoaded => {
                (0..n).filter(|&at| has_room(&self.slots[at])).min_by_key(|&at| self.slots[at].load)?
            }
            Choice::RoundRobin => {
                (0..n).map(|step| (self.next + step) % n).find(|&at| has_room(&self.slots[at]))?
            }
        };
        self.next = (chosen + 1) % n;
        self.slots[chosen].load += 1;
        Some(chosen)
    }

    /// A request was answered: the connection is healthy.
    pub(super) fn done(&mut self, slot: usize) {
        let slot = &mut self.slots[slot];
        slot.load = slot.load.saturating_sub(1);
        slot.failures = 0;
    }

    /// The connection takes no more requests.
    pub(super) fn retire(&mut self, slot: usize) {
        self.done(slot);
        self.slots[slot].state = State::Retired;
    }

    /// The connection has ended. `idle_end` says that it did as one does that is not needed any more: backends
    /// close those on which nothing has come for a while.
    pub(super) fn ended(&mut self, slot: usize, idle_end: bool) -> Then {
        self.lives += 1;
        let life = self.lives;
        let slot = &mut self.slots[slot];
        self.unreachable |= slot.state == State::Coming;
        let expected =
            slot.state == State::Retired || (idle_end && slot.state == State::Up && slot.load == 0);
        (slot.load, slot.life) = (0, life);
        if expected && slot.failures == 0 {
            slot.state = State::Empty;
            return Then::Nothing;
        }
        slot.state = State::Out;
        let failures = slot.failures;
        slot.failures += 1;
        Then::Retry { failures, life }
    }
}

#[cfg(test)]
mod tests;
