use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {}

trait Bank {
    fn deposit(&mut self, cents: i64);
}

#[messages]
impl Bank for Account {
    #[message]
    fn deposit(&mut self, cents: i64) {
        let _ = cents;
    }
}

fn main() {}
