use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    fn show<T: ToString>(&self, value: T) -> String {
        value.to_string()
    }

    #[message]
    fn borrow<'a>(&'a mut self, name: String) {
        let _ = name;
    }

    #[message]
    fn bounded(&self)
    where
        Self: Sized,
    {
    }
}

fn main() {}
