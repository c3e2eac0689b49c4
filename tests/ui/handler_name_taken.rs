use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    fn ref_(&self) {}

    #[message]
    fn message(&self) {}

    #[message]
    fn __(&self) {}
}

fn main() {}
