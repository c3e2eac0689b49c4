#![allow(missing_docs)]
use actor_core::*;
use std::time::{Duration, Instant};
struct Acc { v: i64 }
#[derive(Clone)]
struct AccRef(ActorRef<Acc>);
impl From<ActorRef<Acc>> for AccRef { fn from(a: ActorRef<Acc>) -> Self { AccRef(a) } }
impl Actor for Acc { type Ref = AccRef; const NAME: &'static str = "Acc"; }
struct Add(i64);
impl Message for Add { type Reply = i64; type Error = std::convert::Infallible; const NAME: &'static str = "add"; }
struct Msg(Add, Reply<i64>);
impl Envelope for Msg { fn name(&self) -> &'static str { "add" } fn undelivered(self) { self.1.undelivered() } }
impl Messages for Acc { type Message = Msg;
  fn handle<'a>(&'a mut self, m: Msg, ctx: &'a mut Context<Self>) -> Step<'a> {
    if m.0.0 == -1 { panic!("minus") }
    if m.0.0 == -2 { return Step::Pending(Box::pin(async move { ctx.system().clone().sleep(Duration::from_millis(20)).await; self.v += 1; m.1.send(self.v) })) }
    self.v += m.0.0; m.1.send(self.v); Step::Done(()) } }
impl Accepts<Add> for Acc { fn wrap(m: Add, r: Reply<i64>) -> Msg { Msg(m, r) } fn unwrap(m: Msg) -> Option<Add> { Some(m.0) } }
fn main() {
  let system = System::builder().workers(2).build().unwrap();
  let a = system.spawn(|| Acc { v: 0 }).unwrap();
  println!("{:?}", a.0.call(Add(5)).wait());
  println!("{:?}", a.0.call(Add(-1)).wait());
  println!("{:?}", a.0.call(Add(7)).wait());
  let t = Instant::now();
  println!("{:?} {:?}", a.0.call(Add(-2)).within(Duration::from_millis(5)).wait(), t.elapsed());
  println!("{:?} {:?}", a.0.call(Add(-2)).wait(), t.elapsed());
  println!("{:?} {:?}", a.0, a.0.mailbox());
  let n = 1_000_000u64; let t = Instant::now();
  for _ in 0..n { while let Err(TellError::Full(_)) = a.0.call(Add(1)).tell() { std::thread::yield_now() } }
  println!("{:?}", a.0.call(Add(0)).send().wait());
  println!("{:?}", a.0.call(Add(0)).wait());
  println!("{} ns/msg", t.elapsed().as_nanos() / n as u128);
  for i in 0..1000 { let b = system.spawn(move || Acc { v: i }).unwrap(); assert_eq!(b.0.call(Add(1)).wait().unwrap(), i + 1); }
  let m = a.0.monitor(); a.0.stop(); println!("{:?}", m.wait());
  println!("{:?}", a.0.call(Add(1)).wait());
  let t = Instant::now();
  println!("{:?} {:?}", system.shutdown(), t.elapsed());
}
