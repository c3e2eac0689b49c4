//! What is written to a connection, and what becomes of it where the peer reads too slowly.

use actor_core::port::{Ready, say};
use bytes::Bytes;
use tracing::Level;

use super::{Progress, Queue, Reading, Shared, State, Status};
use crate::codec::Codec;
use crate::connection::Pressure;
use crate::connection::evicting::Load;
use crate::connection::reason::CloseReason;
use crate::options::{Options, WhenSlow};
use crate::room::{Batch, Cast};

impl Shared {
    /// Queues a write. Over the cap it first offers the socket what is there, since a burst within
    /// one turn does not make a consumer slow; only what the socket refuses counts.
    pub(in crate::connection) fn write(&self, write: Bytes, key: Option<u64>) -> Pressure {
        let written = self.lock().write(write, key, self.options());
        written.unwrap_or_else(|why| {
            self.end(why);
            Pressure::Closed
        })
    }

    /// Queues what the codec has to say by itself.
    pub(in crate::connection) fn write_replies(&self, codec: &mut impl Codec) {
        if let Some(replies) = codec.replies() {
            self.write(replies, None);
        }
    }

    /// Writes what a room says and sends it, on any thread. The actor has a turn only if it must hear of
    /// something, or its port look after what the socket has refused.
    pub(crate) fn cast(&self, batch: &Batch) {
        let (over, readiness) = {
            let mut state = self.lock();
            let waited = !state.queue.is_empty();
            let mut over = state.write_batch(batch, self.options()).err();
            let spent = state.flush() == Progress::Spent;
            over = over.or_else(|| state.settle(self.options()));
            let begins_to_wait = !waited && !state.queue.is_empty();
            let wake = over.is_some() || spent || begins_to_wait || state.needs_turn(self.options());
            (over, state.readiness.clone().filter(|_| wake))
        };
        if let Some(why) = self.relieve(over) {
            self.end(why);
        }
        if let Some(readiness) = readiness {
            readiness.set(Ready::WAKE);
        }
    }

    /// Sends what the socket takes. Without anything queued this costs a look.
    pub(in crate::connection) fn flush(&self) -> Progress {
        let (progress, over) = {
            let mut state = self.lock();
            let progress = match state.status {
                Status::Broken(_) if state.queue.is_empty() => Progress::Broken,
                _ if state.queue.is_empty() && state.tls.is_none() => Progress::Empty,
                _ => state.flush(),
            };
            (progress, state.settle(self.options()))
        };
        match self.relieve(over) {
            Some(why) => {
                self.end(why);
                Progress::Broken
            }
            None => progress,
        }
    }

    /// If it has no share left in the budget: has others go that are in the way, if the policy says so.
    fn relieve(&self, mut over: Option<CloseReason>) -> Option<CloseReason> {
        while let Some(CloseReason::OverBudget { .. }) = over
            && self.common.evict(Load::Bytes)
        {
            over = self.lock().settle(self.options());
        }
        over
    }

    /// How many writes were dropped, if there is room again to tell the peer so; says it once.
    pub(in crate::connection) fn take_lagged(&self) -> u64 {
        let mut state = self.lock();
        let told = state.can_tell_lagged(self.options()) || state.is_closed();
        let missed = if told { std::mem::take(&mut state.lagged) } else { 0 };
        drop(state);
        let missed = u64::from(missed);
        if missed > 0 {
            say(Level::INFO, || {
                let peer = self.peer().clone();
                move || tracing::info!(%peer, missed, "a slow consumer has missed writes")
            });
            self.common.count_lagged(missed);
        }
        missed
    }

    /// Whether the queue has fallen to the low watermark since it was at the high one; says so once.
    pub(in crate::connection) fn eased(&self) -> bool {
        let mut state = self.lock();
        !state.is_closed() && state.queue.eased(self.options())
    }

    /// Whether the port has something to tell the actor that only a turn of its own can.
    pub(in crate::connection) fn needs_turn(&self) -> bool {
        self.lock().needs_turn(self.options())
    }
}

impl State {
    /// Queues a write, or says why the connection is to end.
    fn write(
        &mut self,
        mut write: Bytes,
        key: Option<u64>,
        options: &Options,
    ) -> Result<Pressure, CloseReason> {
        if self.is_closed() || self.evicted == Some(Load::Bytes) {
            return Ok(Pressure::Closed);
        }
        let key = key.filter(|_| options.when_slow == WhenSlow::Coalesce);
        if key.is_some() && self.queue.bytes() >= options.high {
            // What has only gathered here makes nobody slow.
            self.flush();
            if self.is_closed() {
                return Ok(Pressure::Closed);
            }
        }
        if let Some(key) = key
            && self.queue.bytes() >= options.high
        {
            match self.queue.replace(key, write) {
                Ok(()) => {
                    self.lagged = self.lagged.saturating_add(1);
                    let fits = self.queue.cost() <= options.cap;
                    return if fits { Ok(Pressure::High) } else { Err(self.too_slow(options)) };
                }
                Err(back) => write = back,
            }
        }
        if self.queue.is_over(&write, options) {
            self.flush();
            if self.is_closed() {
                return Ok(Pressure::Closed);
            }
            if self.queue.is_over(&write, options) {
                if self.queue.is_empty() {
                    return self.write_large(write, options);
                }
                if !self.make_room(&write, options)? {
                    self.lagged = self.lagged.saturating_add(1);
                    return Ok(Pressure::Dropped);
                }
            }
        }
        let high = match key {
            Some(key) => self.queue.push_keyed(key, write, options),
            None => self.queue.push(write, options),
        };
        Ok(if high { Pressure::High } else { Pressure::Low })
    }

    /// Queues what a room says. To who has read all, it is offered in one piece; of what is left of that,
    /// each cast is a write of its own again, for the policy to drop.
    fn write_batch(&mut self, batch: &Batch, options: &Options) -> Result<(), CloseReason> {
        let fits = |all: &&Bytes| all.len() < options.high && !self.queue.is_over(all, options);
        let all = batch.merged().filter(|_| self.writable && self.queue.is_empty() && !self.is_closed());
        let Some(all) = all.filter(fits) else {
            return self.write_all(batch.casts(), options);
        };
        self.queue.push(all.clone(), options);
        if matches!(self.flush(), Progress::Empty | Progress::Broken) {
            return Ok(());
        }
        let mut rest = self.queue.take_only();
        let (mut whole, mut first) = (0, batch.casts().len());
        while let Some(before) = first.checked_sub(1)
            && whole + batch.casts()[before].bytes.len() <= rest.len()
        {
            whole += batch.casts()[before].bytes.len();
            first = before;
        }
        self.queue.push_begun(rest.split_to(rest.len() - whole), options);
        self.write_all(&batch.casts()[first..], options)
    }

    fn write_all(&mut self, casts: &[Cast], options: &Options) -> Result<(), CloseReason> {
        casts.iter().try_for_each(|cast| self.write(cast.bytes.clone(), cast.key, options).map(drop))
    }

    /// One write may be larger than the cap; what counts is what the socket leaves of it.
    fn write_large(&mut self, write: Bytes, options: &Options) -> Result<Pressure, CloseReason> {
        self.queue.push(write, options);
        while self.flush() == Progress::Spent {}
        if self.is_closed() {
            return Ok(Pressure::Closed);
        }
        match self.queue.bytes() {
            queued if queued > options.cap => Err(self.too_slow(options)),
            queued if queued >= options.high => Ok(Pressure::High),
            _ => Ok(Pressure::Low),
        }
    }

    fn too_slow(&self, options: &Options) -> CloseReason {
        CloseReason::SlowConsumer { queued: self.queue.bytes(), cap: options.cap }
    }

    /// Makes room within the cap; false if it is the new write that is to be dropped.
    fn make_room(&mut self, write: &Bytes, options: &Options) -> Result<bool, CloseReason> {
        match options.when_slow {
            WhenSlow::Disconnect | WhenSlow::Coalesce => Err(self.too_slow(options)),
            WhenSlow::DropNew | WhenSlow::Stall => Ok(false),
            WhenSlow::DropOld => {
                while self.queue.is_over(write, options) {
                    if !self.queue.drop_oldest() {
                        return Ok(false);
                    }
                    self.lagged = self.lagged.saturating_add(1);
                }
                Ok(true)
            }
        }
    }

    /// Has the budget know what waits. Says why the connection is to end, if it has no share in it.
    pub(super) fn settle(&mut self, options: &Options) -> Option<CloseReason> {
        let cost = self.queue.cost();
        if cost == self.charged {
            return None;
        }
        let budget = self.socket.as_ref()?.budget()?;
        if cost < self.charged {
            budget.give_back(self.charged - cost);
            self.charged = cost;
            return None;
        }
        self.charged += budget.take(cost - self.charged);
        if self.charged == cost {
            return None;
        }
        let drop = match options.when_slow {
            WhenSlow::Disconnect | WhenSlow::Coalesce => {
                return Some(CloseReason::OverBudget { queued: self.queue.bytes(), budget: budget.limit() });
            }
            WhenSlow::DropNew | WhenSlow::Stall => Queue::drop_newest,
            WhenSlow::DropOld => Queue::drop_oldest,
        };
        while self.queue.cost() > self.charged && drop(&mut self.queue) {
            self.lagged = self.lagged.saturating_add(1);
        }
        // Less than it has now, or a write that is on its way already.
        let less = self.charged.saturating_sub(self.queue.cost());
        budget.give_back(less);
        self.charged -= less;
        None
    }

    /// Whether the peer is not read from because it does not read.
    pub(super) fn stalls(&self, options: &Options) -> bool {
        options.when_slow == WhenSlow::Stall && self.queue.is_pressed()
    }

    /// Whether writes were dropped, and what the actor says of it would not be.
    fn can_tell_lagged(&self, options: &Options) -> bool {
        self.lagged > 0 && self.queue.bytes() <= options.low && self.queue.cost() <= options.cap / 2
    }

    fn needs_turn(&self, options: &Options) -> bool {
        self.is_closed()
            || self.queue.has_eased(options)
            || self.can_tell_lagged(options)
            || self.reading == Reading::Resumed
    }
}
