use actor_core::{Actor, messages};

#[derive(Actor)]
#[actor(on_silence = "report")]
struct NoLimit;

#[derive(Actor)]
#[actor(silence = "30s", on_silence = "ignore")]
struct NoRemedy;

#[derive(Actor)]
#[actor(silence = "1ms", on_silence = "stop")]
struct TooShort;

#[derive(Actor)]
#[actor(silence = 30)]
struct WithoutUnit;

#[derive(Actor)]
#[actor(silence = "30s", on_silence)]
struct NoValue;

#[messages]
impl NoLimit {}
#[messages]
impl NoRemedy {}
#[messages]
impl TooShort {}
#[messages]
impl WithoutUnit {}
#[messages]
impl NoValue {}

fn main() {}
