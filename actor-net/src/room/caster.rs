//! The actor that tells the members of a lane what is said.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use actor_core::prelude::*;

use super::{Batch, Cast, Entry, Lane};
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
            after_others().await;
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
        let batch = Batch::new(std::mem::take(casts));
        for (n, member) in self.members.values().enumerate() {
            member.cast(&batch);
            if n % STRIDE == STRIDE - 1 {
                ctx.checkpoint().await;
            }
        }
        self.lane.passed_on(batch.casts.iter().map(Cast::cost).sum());
    }
}

/// Lets those who are ready say something first: the more is told in one go. If nobody is, this costs nothing.
async fn after_others() {
    let mut waited = false;
    poll_fn(|task| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        task.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
