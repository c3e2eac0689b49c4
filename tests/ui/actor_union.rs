use actor_core::{Actor, messages};

#[derive(Actor)]
union Account {
    cents: i64,
    euros: f64,
}

#[messages]
impl Account {}

fn main() {}
