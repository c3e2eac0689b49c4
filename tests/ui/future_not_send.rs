use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    async fn settle(&mut self, cents: i64) {
        let shared = std::rc::Rc::new(cents);
        std::future::ready(()).await;
        let _ = shared;
    }
}

fn main() {}
