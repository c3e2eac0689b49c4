use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    #[started]
    fn open(&mut self) {}

    #[message]
    #[message]
    fn close(&mut self) {}
}

fn main() {}
