use actor_core::{Actor, Context, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    fn deposit(&mut self, cents: i64, ctx: &Context<Self>) {
        let _ = (cents, ctx);
    }
}

fn main() {}
