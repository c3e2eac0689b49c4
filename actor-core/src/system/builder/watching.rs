//! Settings of what is looked for that nobody would notice otherwise: asks, messages and actors that wait in vain.

use std::time::Duration;

use crate::leaks::overdue::Limit;
use crate::leaks::{Growth, Leaks};
use crate::remedy::Remedy;
use crate::system::builder::Builder;

impl Builder {
    /// Whether asks are refused that could never be answered, because whom they ask waits for who asks, perhaps through
    /// others: with [`AskError::Deadlock`](crate::AskError::Deadlock) at once, and an
    /// [event](crate::observe::Event::Deadlock) with the whole circle. Unless said, they are where `debug_assertions` are
    /// on, and so in tests, and not in release builds, since it costs each ask about 100 ns.
    ///
    /// A handler is taken to wait for each ask that it awaits, but for those [with a limit](crate::Call::within), which
    /// end by themselves. So give a limit to an ask that a handler awaits together with something else that may come
    /// first, and to one that is kept when its handler has returned.
    pub fn deadlocks(mut self, refused: bool) -> Self {
        self.watched.deadlocks = refused;
        self
    }

    /// Reports asks that wait for longer than `limit` (at least a millisecond), those of plain threads too, once each: with
    /// an [event](crate::observe::Event::AskOverdue), and in the snapshot's count. They go on waiting. Not done unless
    /// said; it costs each ask about 100 ns, and a thread, which looks four times within the limit.
    pub fn overdue_asks(mut self, limit: Duration) -> Self {
        self.watched.limit = Some(limit.max(Duration::from_millis(1)));
        self
    }

    /// Looks for messages that wait at the head of a mailbox for longer than `limit` (at least 10 ms), while the message
    /// before them is in work or the actor is not run: behind a handler that does not return, or awaits what does not come.
    /// Each is an [event](crate::observe::Event::MessageOverdue) with the actor's path, the place where it was spawned and
    /// how long the message has waited, once; and `remedy` says what becomes of the actor. Not done unless said.
    ///
    /// * With [`Remedy::Report`] that is all.
    /// * With [`Remedy::Stop`] it is killed, and does not come back whatever its restart type: a stop would wait behind the
    ///   message. What is queued becomes dead letters.
    /// * With [`Remedy::Restart`] its incarnation is killed. Whether it comes back is said by its restart type; if it does, it
    ///   goes on with the message that has waited.
    ///
    /// A kill ends an async handler where it awaits. One that does not return cannot be ended: if the actor has a
    /// [limit for handlers](crate::Spawn::stall), however long, it is condemned 10 ms after the kill; if not, the kill waits
    /// until it returns.
    ///
    /// An actor that takes one message after the other is never found, however long its queue is; nor are supervisors. What
    /// waits may also be a stop, or a [`Down`](crate::Down). It is found when an eighth to a quarter more than the limit has
    /// passed; times in which the process stood still do not count. Each tell and each message costs nothing: a thread looks
    /// at all actors eight times within the limit, and takes 2% of a processor for it at most. So where there are a million
    /// actors, it is found seconds later.
    ///
    /// The semantics are of this project's own. Erlang's `process_info(Pid, message_queue_len)` is what is used there, by
    /// those who look.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use actor_core::{Remedy, System};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let system = System::builder().overdue_messages(Duration::from_secs(10), Remedy::Report).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn overdue_messages(mut self, limit: Duration, remedy: Remedy) -> Self {
        self.audits.overdue = Some(Limit::new(limit, remedy));
        self
    }

    /// Looks for actors that are leaked: that nobody can get at any more, alone or in circles. Not done unless said, and
    /// then it costs nothing. With it, a thread scans the actors now and then.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use actor_core::{Leaks, Remedy, System};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let system = System::builder().leaks(Leaks::new(Remedy::Stop).every(Duration::from_secs(60))).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn leaks(mut self, leaks: Leaks) -> Self {
        self.audits.leaks = Some(leaks);
        self
    }

    /// Reports kinds of actors of which there are ever more: with an [event](crate::observe::Event::Growing) that has the
    /// place where they are spawned and how many lived at the end of each window. Not done unless said, and then it
    /// costs nothing. With it, a thread adds up what is counted anyway, once a window.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use actor_core::{Growth, System};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let system = System::builder().growth(Growth::new().window(Duration::from_secs(60)).windows(10).by(1000)).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn growth(mut self, growth: Growth) -> Self {
        self.audits.growth = Some(growth);
        self
    }
}
