use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    fn deposit(cents: i64) {
        let _ = cents;
    }
}

fn main() {}
