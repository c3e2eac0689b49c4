use actor_core::{Actor, Context, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    fn deposit(&mut self, ctx: Context<Self>, cents: i64) {
        let _ = (cents, ctx);
    }
}

fn main() {}
