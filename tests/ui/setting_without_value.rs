use actor_core::{Actor, messages};

#[derive(Actor)]
#[actor(mailbox, overflow: "wait")]
struct Account;

#[messages]
impl Account {}

#[derive(Actor)]
#[actor]
struct Ledger;

#[messages]
impl Ledger {}

fn main() {}
