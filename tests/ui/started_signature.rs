use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[started]
    fn open(&mut self, owner: String) -> bool {
        owner.is_empty()
    }
}

fn main() {}
