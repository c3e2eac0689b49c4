use actor_core::{Actor, Child, Children, Supervisor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {}

#[derive(Supervisor)]
#[supervisor(stratgy = "one_for_all", intensity = "5 per 10s", strategy = "one_for_al")]
struct Bank {
    #[child(permanent, significant)]
    audit: Child<Account>,
    #[child(transient, temporary, significant = true)]
    vault: Child<Account>,
    #[child(temporary, backoff = "50ms..5s", shutdown = "5")]
    clock: Child<Account>,
    #[child(backoff = "5s..50ms", dynamic, max = 10)]
    desk: Child<Account>,
    #[child(transient, dynamic, significant, start = "1s", max = 0)]
    accounts: Children<Account>,
}

fn main() {}
