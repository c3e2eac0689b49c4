use actor_core::{Actor, messages};

#[derive(Actor)]
#[actor(mailbox = 16, mailbox = 32)]
struct Account;

#[messages]
impl Account {}

fn main() {}
