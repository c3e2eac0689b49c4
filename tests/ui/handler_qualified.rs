use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    const fn one(&self) {}

    #[message]
    unsafe fn two(&self) {}

    #[message]
    extern "C" fn three(&self) {}
}

fn main() {}
