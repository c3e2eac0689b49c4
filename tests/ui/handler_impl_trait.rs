use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    fn show(&self, value: impl ToString) -> impl Iterator<Item = char> {
        value.to_string().chars().collect::<Vec<_>>().into_iter()
    }

    #[message]
    fn later(&self) -> impl Future<Output = u8> {
        async { 1 }
    }
}

fn main() {}
