//! Three programs of the Savina suite (Imam and Sarkar, AGERE 2014): `big`, `bank`, `chameneos`.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actor_core::SystemHandle;
use actor_core::prelude::*;

use crate::signal::{Done, finish, sure};
use crate::work::Random;

/// How many actors `big` has.
pub(crate) const BIG_ACTORS: u64 = 120;

/// How many accounts the bank has.
const ACCOUNTS: u64 = 1000;

/// Only the first so many accounts are paid from.
const SOURCES: u64 = 800;

/// How many transfers are under way at a time.
const UNDER_WAY: u64 = 1000;

/// How many creatures go to the mall.
const CREATURES: u64 = 100;

// ---- big -----------------------------------------------------------------------------------------

/// One of those who ping each other.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Big {
    me: usize,
    all: Arc<[BigRef]>,
    random: Random,
    left: u64,
    done: Done,
}

#[messages]
impl Big {
    /// Says who takes part.
    #[message]
    fn meet(&mut self, all: Arc<[BigRef]>) {
        self.all = all;
    }

    /// Somebody wants an answer.
    #[message]
    fn ping(&mut self, from: usize) {
        sure(self.all[from].pong().tell());
    }

    /// The answer to this actor's last ping; the first one has none before it.
    #[message]
    fn pong(&mut self) {
        if self.left == 0 {
            return self.done.fire();
        }
        self.left -= 1;
        let to = self.random.below(BIG_ACTORS) as usize;
        sure(self.all[to].ping(self.me).tell());
    }
}

/// Each of 120 actors pings random ones, one ping at a time, `n` together.
pub(crate) fn big(system: &SystemHandle, n: u64) -> Result<Duration, Box<dyn Error>> {
    let (done, finish) = finish();
    let one = |me| {
        let (done, left) = (done.clone(), n / BIG_ACTORS);
        let random = Random::new(me);
        system.spawn(move || Big {
            me: me as usize,
            all: Arc::default(),
            random: random.clone(),
            left,
            done: done.clone(),
        })
    };
    let all: Arc<[BigRef]> = (0..BIG_ACTORS).map(one).collect::<Result<_, _>>()?;
    for one in &*all {
        one.meet(all.clone()).wait()?;
    }
    let begin = Instant::now();
    for one in &*all {
        one.pong().tell()?;
    }
    Ok(finish.all(BIG_ACTORS)?.0 - begin)
}

// ---- bank ----------------------------------------------------------------------------------------

/// Holds money.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Account {
    cents: i64,
    all: Arc<[AccountRef]>,
    teller: TellerRef,
}

#[messages]
impl Account {
    /// Says which accounts there are.
    #[message]
    fn meet(&mut self, all: Arc<[AccountRef]>) {
        self.all = all;
    }

    /// Takes money off and has another account add it; nothing else is done before that is sure.
    #[message]
    async fn transfer(&mut self, cents: i64, to: usize) {
        self.cents -= cents;
        sure(self.all[to].deposit(cents).await);
        sure(self.teller.transferred(cents).tell());
    }

    /// Adds money, and says how much there is.
    #[message]
    fn deposit(&mut self, cents: i64) -> i64 {
        self.cents += cents;
        self.cents
    }
}

/// Orders the transfers.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Teller {
    all: Arc<[AccountRef]>,
    random: Random,
    to_order: u64,
    to_come: u64,
    done: Done,
}

impl Teller {
    /// Orders one more. The target has a higher number than the source, so that no two accounts
    /// ever wait for each other.
    fn order(&mut self) {
        if self.to_order > 0 {
            self.to_order -= 1;
            let from = self.random.below(SOURCES);
            let to = from + 1 + self.random.below(ACCOUNTS - from - 1);
            sure(self.all[from as usize].transfer(1, to as usize).tell());
        }
    }
}

#[messages]
impl Teller {
    /// Says which accounts there are.
    #[message]
    fn meet(&mut self, all: Arc<[AccountRef]>) {
        self.all = all;
    }

    /// Orders the first transfers.
    #[message]
    fn begin(&mut self) {
        for _ in 0..UNDER_WAY {
            self.order();
        }
    }

    /// A transfer is done.
    #[message]
    fn transferred(&mut self, _cents: i64) {
        self.to_come -= 1;
        match self.to_come {
            0 => self.done.fire(),
            _ => self.order(),
        }
    }
}

/// `n` transfers among a thousand accounts, a thousand at a time.
pub(crate) fn bank(system: &SystemHandle, n: u64) -> Result<Duration, Box<dyn Error>> {
    let (done, finish) = finish();
    let teller = system.spawn(move || Teller {
        all: Arc::default(),
        random: Random::new(1),
        to_order: n,
        to_come: n,
        done: done.clone(),
    })?;
    let account = |_| {
        let teller = teller.clone();
        system.spawn(move || Account { cents: 1_000_000, all: Arc::default(), teller: teller.clone() })
    };
    let all: Arc<[AccountRef]> = (0..ACCOUNTS).map(account).collect::<Result<_, _>>()?;
    for account in &*all {
        account.meet(all.clone()).wait()?;
    }
    teller.meet(all).wait()?;
    let begin = Instant::now();
    teller.begin().tell()?;
    Ok(finish.one()?.0 - begin)
}

// ---- chameneos -----------------------------------------------------------------------------------

/// What a creature looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colour {
    Blue,
    Red,
    Yellow,
}

impl Colour {
    const ALL: [Colour; 3] = [Colour::Blue, Colour::Red, Colour::Yellow];

    /// What both are after they have met: the same if they are alike, or else the third one.
    fn complement(self, other: Colour) -> Colour {
        if self == other { self } else { Colour::ALL[3 - self as usize - other as usize] }
    }
}

/// Where creatures meet.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Mall {
    left: u64,
    waiting: Option<CreatureRef>,
}

#[messages]
impl Mall {
    /// A creature wants to meet another one.
    #[message]
    fn visit(&mut self, colour: Colour, who: CreatureRef) {
        if self.left == 0 {
            sure(who.leave().tell());
        } else if let Some(first) = self.waiting.take() {
            self.left -= 1;
            sure(first.meet(colour, who).tell());
        } else {
            self.waiting = Some(who);
        }
    }
}

/// Goes to the mall again and again.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Creature {
    colour: Colour,
    meetings: u64,
    mall: MallRef,
    done: Done,
}

impl Creature {
    fn visit(&self, ctx: &Context<Self>) {
        sure(self.mall.visit(self.colour, ctx.me()).tell());
    }
}

#[messages]
impl Creature {
    /// Goes to the mall for the first time.
    #[message]
    fn begin(&mut self, ctx: &mut Context<Self>) {
        self.visit(ctx);
    }

    /// Meets another one, and tells it what has become of both.
    #[message]
    fn meet(&mut self, other: Colour, who: CreatureRef, ctx: &mut Context<Self>) {
        self.colour = self.colour.complement(other);
        self.meetings += 1;
        sure(who.change(self.colour).tell());
        self.visit(ctx);
    }

    /// Has met another one, and changes colour.
    #[message]
    fn change(&mut self, colour: Colour, ctx: &mut Context<Self>) {
        self.colour = colour;
        self.meetings += 1;
        self.visit(ctx);
    }

    /// The mall is closed.
    #[message]
    fn leave(&mut self, ctx: &mut Context<Self>) {
        self.done.value(self.meetings);
        ctx.stop();
    }
}

/// `n` meetings among a hundred creatures.
pub(crate) fn chameneos(system: &SystemHandle, n: u64) -> Result<Duration, Box<dyn Error>> {
    let (done, finish) = finish();
    let mall = system.actor(move || Mall { left: n, waiting: None }).start().wait()?;
    let creature = |number: u64| {
        let (mall, done) = (mall.clone(), done.clone());
        let colour = Colour::ALL[number as usize % 3];
        let make = move || Creature { colour, meetings: 0, mall: mall.clone(), done: done.clone() };
        system.actor(make).start().wait()
    };
    let creatures: Vec<CreatureRef> = (0..CREATURES).map(creature).collect::<Result<_, _>>()?;
    let begin = Instant::now();
    for creature in &creatures {
        creature.begin().tell()?;
    }
    let (end, met) = finish.all(CREATURES)?;
    if met != 2 * n {
        return Err(format!("the creatures have met {met} times, not {}", 2 * n).into());
    }
    Ok(end - begin)
}

#[cfg(test)]
mod tests {
    use super::Colour::{Blue, Red, Yellow};

    #[test]
    fn two_colours_make_the_third() {
        assert_eq!(
            [Blue.complement(Red), Red.complement(Yellow), Blue.complement(Yellow)],
            [Yellow, Blue, Red]
        );
        assert_eq!([Blue.complement(Blue), Yellow.complement(Yellow)], [Blue, Yellow]);
    }
}
