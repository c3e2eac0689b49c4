use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[started]
    fn open(&mut self) {}

    #[started]
    fn reopen(&mut self) {}
}

fn main() {}
