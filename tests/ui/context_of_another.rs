use actor_core::{Actor, Context, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    fn deposit(&mut self, cents: i64, ctx: &mut Context<Ledger>) {
        let _ = (cents, ctx);
    }
}

#[derive(Actor)]
struct Ledger;

#[messages]
impl Ledger {
}

fn main() {}
