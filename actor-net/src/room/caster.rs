//! The actor that tells the members of a lane what is said.

use std::collections::BTreeMap;
use std::sync::Arc;

use actor_core::prelude::*;

use super::{Cast, Entry, Lane};
use crate::connection::Shared;

/// How many members are told between two looks whether others should run.
const STRIDE: usize = 16;

#[derive(Actor)]
pub(super) struct Caster {
    lane: Arc<Lane>,
    members: BTreeMap<u64, Arc<Shared>>,
}

#[messages]
impl Caster {
    /// Passes on what is in the log, until nothing is left.
    #[message]
    pub(super) async fn go(&mut self, ctx: &mut Context<Self>) {
        let mut casts = Vec::new();
        loop {
            let entries = self.lane.take();
            if entries.is_empty() {
                return;
            }
            for entry in entries {
                match entry {
                    Entry::Cast(cast) => casts.push(cast),
                    Entry::Join(key, member) => {
                        self.tell(&mut casts, ctx).await;
                        self.members.insert(key, member);
                    }
                    Entry::Leave(key) => {
                        self.tell(&mut casts, ctx).await;
                        self.members.remove(&key);
                    }
                }
            }
            self.tell(&mut casts, ctx).await;
        }
    }
}

impl Caster {
    pub(super) fn new(lane: Arc<Lane>) -> Caster {
        Caster { lane, members: BTreeMap::new() }
    }

    /// Tells all members what has gathered.
    async fn tell(&mut self, casts: &mut Vec<Cast>, ctx: &mut Context<Self>) {
        if casts.is_empty() {
            return;
        }
        for (n, member) in self.members.values().enumerate() {
            member.cast(casts);
            if n % STRIDE == STRIDE - 1 {
                ctx.checkpoint().await;
            }
        }
        self.lane.passed_on(casts.iter().map(Cast::cost).sum());
        casts.clear();
    }
}
