use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[down]
    fn gone(&mut self) {}
}

fn main() {}
