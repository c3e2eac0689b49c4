//! A timer that outlives its actor: it was armed for one session of a user, and ends the next.

use std::collections::BTreeMap;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::sim::Sim;
use proptest::prelude::*;

use crate::hunt::Outcome;

const LIMIT: Duration = Duration::from_secs(30);

#[derive(Actor)]
struct Session;

#[messages]
impl Session {}

#[derive(Actor, Default)]
struct Registry<const PLANTED: bool> {
    sessions: BTreeMap<u64, SessionRef>,
}

#[messages]
impl<const PLANTED: bool> Registry<PLANTED> {
    #[message]
    fn log_in(&mut self, user: u64, ctx: &mut Context<Self>) {
        self.log_out(user, ctx);
        if let Ok(session) = ctx.spawn(|| Session) {
            self.sessions.insert(user, session);
        }
        if PLANTED {
            ctx.after(LIMIT, RegistryExpire { user });
        } else {
            ctx.after_keyed(user, LIMIT, RegistryExpire { user });
        }
    }

    #[message]
    fn log_out(&mut self, user: u64, ctx: &mut Context<Self>) {
        if let Some(session) = self.sessions.remove(&user) {
            session.stop();
            ctx.cancel_keyed(user);
        }
    }

    #[message]
    fn expire(&mut self, user: u64) {
        if let Some(session) = self.sessions.remove(&user) {
            session.stop();
        }
    }

    #[message]
    fn is_here(&self, user: u64) -> bool {
        self.sessions.get(&user).is_some_and(|session| session.is_alive())
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    LogIn(u64),
    LogOut(u64),
    Pass(u64),
}

pub(crate) fn programs() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..3_u64).prop_map(Step::LogIn),
        (0..3_u64).prop_map(Step::LogOut),
        (1..25_u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..16)
}

/// A session lives as long as it may, if its user does not end it.
pub(crate) fn run<const PLANTED: bool>(sim: &Sim, program: &[Step]) -> Outcome {
    let registry = sim.spawn(Registry::<PLANTED>::default)?;
    let mut since = BTreeMap::new();
    for step in program {
        match *step {
            Step::LogIn(user) => {
                registry.log_in(user).wait()?;
                since.insert(user, sim.now());
            }
            Step::LogOut(user) => {
                registry.log_out(user).wait()?;
                since.remove(&user);
            }
            Step::Pass(seconds) => drop(sim.advance(Duration::from_secs(seconds))?),
        }
        for (user, since) in &since {
            // Asks take time, a little.
            let lived = sim.now() - *since;
            if lived + Duration::from_secs(1) < LIMIT && !registry.is_here(*user).wait()? {
                return Err(format!("user {user} was logged out after {lived:?}").into());
            }
        }
    }
    Ok(())
}
