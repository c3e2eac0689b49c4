//! What a file that defines or uses actors needs: `use actor_core::prelude::*`.

pub use crate::{
    Actor, ActorRef, AskError, Child, Children, Context, Down, Failure, Recipient, Reply, Restart, SendError,
    SpawnError, StopReason, Subtree, Supervisor, System, SystemHandle, TellError, down, message, messages,
    started, stopped,
};
