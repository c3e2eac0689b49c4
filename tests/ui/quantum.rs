use actor_core::{Actor, messages};

#[derive(Actor)]
#[actor(soft_quantum = 2)]
struct Bare;

#[derive(Actor)]
#[actor(soft_quantum = "2")]
struct WithoutUnit;

#[derive(Actor)]
#[actor(hard_quantum = "50msec")]
struct OtherUnit;

#[derive(Actor)]
#[actor(hard_quantum = "soon")]
struct Word;

#[derive(Actor)]
#[actor(soft_quantum = "0ms")]
struct Zero;

#[derive(Actor)]
#[actor(soft_quantum = "500us")]
struct TooShort;

#[derive(Actor)]
#[actor(hard_quantum = "5ms", soft_quantum = "20ms")]
struct Contradiction;

#[derive(Actor)]
#[actor(soft_quantum, hard_quantum = Duration::from_millis(50))]
struct Other;

#[derive(Actor)]
#[actor(soft_quantm = "2ms")]
struct Misspelt;

#[messages]
impl Bare {}
#[messages]
impl WithoutUnit {}
#[messages]
impl OtherUnit {}
#[messages]
impl Word {}
#[messages]
impl Zero {}
#[messages]
impl TooShort {}
#[messages]
impl Contradiction {}
#[messages]
impl Other {}
#[messages]
impl Misspelt {}

fn main() {}
