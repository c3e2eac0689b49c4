//! Settings of what is looked for that nobody would notice otherwise: asks and actors that wait in vain.

use std::time::Duration;

use crate::leaks::{Growth, Leaks};
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
