use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    fn close(self) {}

    #[stopped]
    fn stopped(self) {}
}

fn main() {}
