use actor_core::{Actor, Context, StopReason, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[stopped]
    fn close(&mut self, why: StopReason, ctx: Context<Self>) -> Result<(), String> {
        let _ = (why, ctx);
        Ok(())
    }
}

fn main() {}
