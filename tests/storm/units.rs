//! Those that the storm blows at, and who looks at what becomes of them.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use actor_core::MonitorId;
use actor_core::prelude::*;

use crate::account::{Asking, Parcel, Storm, add};
use crate::support::{Gate, ON_PURPOSE};
use crate::tree::STALL;

#[derive(Actor)]
pub(crate) struct Unit {
    storm: Arc<Storm>,
}

impl Unit {
    pub(crate) fn new(storm: &Arc<Storm>) -> Self {
        add(&storm.tally.states);
        Unit { storm: storm.clone() }
    }

    fn called(&self) {
        add(&self.storm.tally.called);
    }

    fn hold(&self, gate: &Gate) {
        if !self.storm.over.load(Ordering::Relaxed) {
            gate.pass();
        }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        add(&self.storm.tally.states_dropped);
    }
}

#[messages]
impl Unit {
    #[started]
    async fn begin(&mut self) -> Result<(), String> {
        if !self.storm.blows.load(Ordering::Relaxed) {
            return Ok(());
        }
        let roll = self.storm.below(400);
        if roll < 5 {
            add(&self.storm.tally.failed_starts);
        }
        match roll {
            0..2 => Err(ON_PURPOSE.to_owned()),
            2..4 => panic!("{ON_PURPOSE}"),
            4 => {
                thread::sleep(STALL);
                Err(ON_PURPOSE.to_owned())
            }
            _ => Ok(()),
        }
    }

    #[message]
    pub(crate) fn work(&mut self, _parcel: Parcel) {
        self.called();
    }

    /// Tells another, and has it tell on.
    #[message]
    pub(crate) fn pass(&mut self, parcel: Parcel, to: UnitRef, times: u32, ctx: &mut Context<Self>) {
        self.called();
        if times > 0 {
            self.storm.told(to.pass(parcel.0.parcel(), ctx.me(), times - 1).tell());
        }
    }

    #[message]
    pub(crate) fn double(&mut self, _parcel: Parcel, value: u64) -> u64 {
        self.called();
        2 * value
    }

    /// Asks another; with a limit, if that may wait for this one.
    #[message]
    pub(crate) async fn consult(&mut self, _parcel: Parcel, to: UnitRef, ctx: &mut Context<Self>) {
        self.called();
        let asking = Asking::begin(&self.storm.tally);
        let ask = to.double(self.storm.parcel(), 21);
        let ask = if to.id() > ctx.id() { ask } else { ask.within(STALL) };
        asking.end(42, ask.await);
    }

    #[message]
    pub(crate) fn crash(&mut self, _parcel: Parcel) {
        self.called();
        panic!("{ON_PURPOSE}")
    }

    #[message]
    pub(crate) fn fail(&mut self, _parcel: Parcel, ctx: &mut Context<Self>) {
        self.called();
        ctx.fail(ON_PURPOSE);
    }

    #[message]
    pub(crate) fn spin(&mut self, _parcel: Parcel, gate: Gate) {
        self.called();
        self.hold(&gate);
    }

    #[message(blocking)]
    pub(crate) fn block(&mut self, _parcel: Parcel, gate: Gate) {
        self.called();
        self.hold(&gate);
    }

    /// Is never woken. For actors with a limit.
    #[message]
    pub(crate) async fn sleep(&mut self, _parcel: Parcel) {
        self.called();
        if !self.storm.over.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    }
}

/// Monitors the units, and looks at the account of each when it has ended.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
pub(crate) struct Warden {
    storm: Arc<Storm>,
    watched: HashMap<MonitorId, UnitRef>,
}

impl Warden {
    pub(crate) fn new(storm: &Arc<Storm>) -> Self {
        Warden { storm: storm.clone(), watched: HashMap::new() }
    }
}

#[messages]
impl Warden {
    #[message]
    pub(crate) fn watch(&mut self, unit: UnitRef, ctx: &mut Context<Self>) {
        add(&self.storm.tally.watched);
        self.watched.insert(ctx.monitor(&unit), unit);
    }

    #[down]
    fn gone(&mut self, down: Down) {
        let tally = &self.storm.tally;
        add(&tally.downs);
        let Some(unit) = self.watched.remove(&down.monitor) else { return add(&tally.wrong) };
        let now = unit.mailbox();
        if unit.is_alive() || now.queued != 0 || now.accepted != now.handled + now.dead {
            eprintln!("{}: {now:?}", down.path);
            add(&tally.wrong);
        }
        tally.in_accounts.fetch_add(now.accepted, Ordering::Relaxed);
        tally.handled.fetch_add(now.handled, Ordering::Relaxed);
        tally.dead.fetch_add(now.dead, Ordering::Relaxed);
    }
}
