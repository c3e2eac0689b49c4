use actor_core::{Actor, Context, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    fn deposit(&mut self, ctx: &mut Context<Self>, cents: i64, again: &mut Context<Account>) {
        let _ = (cents, ctx, again);
    }
}

fn main() {}
