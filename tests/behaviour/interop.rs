//! Other runtimes: tokio's timers and sockets in handlers, and our futures in their executors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use actor_core::prelude::*;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::support::{LIMIT, quiet_panics, system};

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

/// A system whose handlers may use the runtime.
fn system_with(runtime: &Runtime, workers: usize) -> System {
    quiet_panics();
    let system = System::builder().workers(workers).tokio(runtime.handle().clone());
    system.intensity(1_000_000, LIMIT).build().expect("a system")
}

/// An actor that uses tokio in all kinds of handlers.
#[derive(Actor)]
struct Guest;

#[messages]
impl Guest {
    /// Serves one connection, and says what it was told.
    #[message]
    async fn serve_one(&mut self, at: Reply<u16>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        at.send(listener.local_addr().unwrap().port());
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).await.unwrap() > 0 {
            stream.write_all(line.to_uppercase().as_bytes()).await.unwrap();
            line.clear();
        }
    }

    #[message]
    async fn say(&mut self, port: u16, text: String) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[message]
    async fn sleep(&mut self, ms: u64) -> bool {
        let limit = tokio::time::timeout(LIMIT, tokio::time::sleep(Duration::from_millis(ms)));
        limit.await.is_ok()
    }

    #[message]
    async fn spawn(&mut self) -> u32 {
        tokio::spawn(async { 7 }).await.unwrap()
    }

    #[message]
    fn has_runtime(&self) -> bool {
        tokio::runtime::Handle::try_current().is_ok()
    }

    #[message(blocking)]
    fn has_runtime_where_it_blocks(&self) -> bool {
        tokio::runtime::Handle::try_current().is_ok()
    }

    /// A thread that may block may wait for a future of tokio's.
    #[message(blocking)]
    fn block_on(&self) -> u32 {
        tokio::runtime::Handle::current().block_on(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            8
        })
    }

    #[message]
    fn answer(&self, n: u32) -> u32 {
        n + 1
    }
}

#[test]
fn handlers_use_tokios_sockets() {
    let runtime = runtime();
    let system = system_with(&runtime, 1);
    let (server, client) = (system.spawn(|| Guest).unwrap(), system.spawn(|| Guest).unwrap());
    let port = server.serve_one().within(LIMIT).wait().unwrap();
    let text = "one\ntwo\n".to_owned();
    assert_eq!(client.say(port, text).within(LIMIT).wait().unwrap(), "ONE\nTWO\n");
    // The handler has ended with the connection, and the actor goes on.
    assert_eq!(server.answer(1).within(LIMIT).wait().unwrap(), 2);
    assert!(system.shutdown().is_clean());
}

#[test]
fn handlers_use_tokios_timers_and_tasks_on_one_worker() {
    let runtime = runtime();
    let system = system_with(&runtime, 1);
    let guests: Vec<_> = (0..20).map(|_| system.spawn(|| Guest).unwrap()).collect();
    for guest in &guests {
        guest.sleep(1).tell().unwrap();
    }
    for guest in &guests {
        assert!(guest.sleep(1).within(LIMIT).wait().unwrap());
        assert_eq!(guest.spawn().within(LIMIT).wait().unwrap(), 7);
    }
    assert!(system.shutdown().is_clean());
}

#[test]
fn each_thread_that_runs_actors_has_the_runtime() {
    let runtime = runtime();
    let system = system_with(&runtime, 2);
    let guest = system.spawn(|| Guest).unwrap();
    assert!(guest.has_runtime().wait().unwrap());
    assert!(guest.has_runtime_where_it_blocks().wait().unwrap());
    assert_eq!(guest.block_on().within(LIMIT).wait().unwrap(), 8);
    assert!(pollster::block_on(system.blocking(|| tokio::runtime::Handle::try_current().is_ok())).unwrap());
    let pinned = system.actor(|| Guest).pinned().spawn().unwrap();
    assert!(pinned.has_runtime().wait().unwrap());
    // Workers that are started later too.
    system.set_parallelism(3).unwrap();
    let guests: Vec<_> = (0..50).map(|_| system.spawn(|| Guest).unwrap()).collect();
    assert!(guests.iter().all(|guest| guest.has_runtime().wait().unwrap()));
    assert!(system.shutdown().is_clean());
}

#[test]
fn two_systems_have_a_runtime_each_or_none() {
    let (one, other) = (runtime(), runtime());
    let systems = [system_with(&one, 1), system_with(&other, 1), system(1)];
    #[derive(Actor)]
    struct Which;
    #[messages]
    impl Which {
        #[message]
        fn runtime(&self) -> Option<tokio::runtime::Id> {
            tokio::runtime::Handle::try_current().ok().map(|handle| handle.id())
        }
    }
    let ids = systems.each_ref().map(|system| system.spawn(|| Which).unwrap().runtime().wait().unwrap());
    assert_eq!(ids, [Some(one.handle().id()), Some(other.handle().id()), None]);
}

// ---- our futures in other executors --------------------------------------------------------------

#[derive(Actor)]
#[actor(mailbox = 4, overflow = "wait")]
struct Counter {
    handled: Arc<AtomicU32>,
}

#[messages]
impl Counter {
    #[message]
    fn count(&mut self, n: u32) -> u32 {
        self.handled.fetch_add(1, Ordering::Relaxed);
        n + 1
    }

    #[message]
    async fn never(&mut self) {
        std::future::pending().await
    }
}

/// All kinds of our futures, one after the other and several at a time.
async fn everything(system: SystemHandle) {
    let handled = Arc::<AtomicU32>::default();
    let inside = handled.clone();
    let make = move || Counter { handled: inside.clone() };
    let counter = system.actor(make).start().await.unwrap();
    let mut n = 0;
    while n < 500 {
        n = counter.count(n).await.unwrap();
    }
    for n in 0..500 {
        counter.count(n).send().await.unwrap();
    }
    assert_eq!(counter.count(1).await.unwrap(), 2);
    assert_eq!(handled.load(Ordering::Relaxed), 1001);
    system.sleep(Duration::from_millis(1)).await;
    assert_eq!(system.blocking(|| 5).await.unwrap(), 5);
    counter.never().tell().unwrap();
    let late = counter.count(1).within(Duration::from_millis(1)).await;
    assert!(matches!(late, Err(AskError::TimedOut)), "{late:?}");
    let monitor = counter.monitor();
    counter.stop();
    counter.kill();
    assert!(matches!(monitor.await.reason, StopReason::Killed));
}

#[test]
fn our_futures_are_awaited_in_tokio() {
    let system = system(2);
    let runtime = runtime();
    runtime.block_on(everything(system.handle()));
    // And in tasks, which move between its threads.
    let tasks: Vec<_> = (0..10).map(|_| runtime.spawn(everything(system.handle()))).collect();
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    // In a runtime of one thread as well.
    let small = tokio::runtime::Builder::new_current_thread().build().unwrap();
    small.block_on(everything(system.handle()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_futures_are_awaited_in_a_test_of_tokios() {
    let system = system(1);
    let limit = tokio::time::timeout(LIMIT, everything(system.handle()));
    limit.await.expect("within the limit");
    // A shutdown waits on its thread, which tokio has others for.
    tokio::task::spawn_blocking(move || assert!(system.shutdown().is_clean())).await.unwrap();
}

#[test]
fn our_futures_are_awaited_in_smol() {
    let system = system(2);
    smol::block_on(everything(system.handle()));
    let tasks: Vec<_> = (0..10).map(|_| smol::spawn(everything(system.handle()))).collect();
    smol::block_on(async {
        for task in tasks {
            task.await;
        }
    });
}

#[test]
fn our_futures_are_awaited_in_pollster() {
    pollster::block_on(everything(system(2).handle()));
}

/// A task of tokio's that is aborted drops our future: nothing is left behind.
#[test]
fn an_ask_in_an_aborted_task_is_given_up() {
    let system = system(1);
    let runtime = runtime();
    let guest = system.spawn(|| Guest).unwrap();
    let counter = system.spawn(|| Counter { handled: Arc::default() }).unwrap();
    let asking = counter.clone();
    let task = runtime.spawn(async move { asking.never().await });
    crate::support::eventually("it is asked", || counter.mailbox().accepted == 1);
    task.abort();
    assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    assert_eq!(guest.answer(1).wait().unwrap(), 2);
    counter.stop();
    counter.kill();
}
