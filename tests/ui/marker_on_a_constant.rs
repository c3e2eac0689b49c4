use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    const LIMIT: i64 = 100;
}

fn main() {}
