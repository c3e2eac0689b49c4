use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    fn close(self: std::sync::Arc<Self>) {}

    #[message]
    fn fine(self: &mut Self) {}
}

fn main() {}
