//! What simulations have found, and what became of it.

use std::panic::resume_unwind;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::sim::{self, Sim};
use actor_core::{ChildSpec, Restart, Strategy};

const MS: Duration = Duration::from_millis(1);

/// Fails, now or later.
#[derive(Actor)]
struct Child;

#[messages]
impl Child {
    #[message]
    async fn fail_after(&mut self, time: Duration, ctx: &mut Context<Self>) {
        ctx.system().sleep(time).await;
        resume_unwind(Box::new("on purpose"));
    }
}

/// One is asked to stop while its handler is in work, and a sibling's failure has all of them restarted; then that handler
/// fails before the stop has had its turn. It was restarted without the stop, with a mailbox that takes nothing more, and
/// had one turn after the other without end.
fn stopped_and_restarted(sim: &Sim) {
    let [first, second] =
        ["first", "second"].map(|id| ChildSpec::new(id, || Child).name(id).restart(Restart::Transient));
    let tree = sim.supervisor().strategy(Strategy::OneForAll).child(first).child(second);
    let _tree = tree.start().wait().unwrap();
    let [first, second] = ["first", "second"].map(|name| sim.lookup::<Child>(name).unwrap());
    second.fail_after(2 * MS).tell().unwrap();
    sim.settle(100).unwrap();
    second.stop();
    first.fail_after(MS).tell().unwrap();
    sim.advance(Duration::from_secs(1)).expect("it settles");
    assert!(second.monitor().wait_within(Duration::ZERO).is_some(), "it was asked to stop, and does");
    assert!(sim.lookup::<Child>("first").is_ok());
}

#[test]
fn a_stop_outlives_the_restart_of_the_group() {
    Sim::builder().steps(10_000).cases(50, stopped_and_restarted);
    sim::run([], stopped_and_restarted);
}
