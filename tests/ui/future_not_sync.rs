use std::cell::Cell;

use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account {
    cents: Cell<i64>,
}

#[messages]
impl Account {
    #[message]
    async fn settle(&self) {
        std::future::ready(()).await;
        self.cents.set(0);
    }
}

fn main() {}
