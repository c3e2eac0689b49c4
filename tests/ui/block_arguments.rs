use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages(mailbox = 16)]
impl Account {}

fn main() {}
