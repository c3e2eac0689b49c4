//! The macros of `actor-core`: [`derive(Actor)`](macro@Actor), [`messages`],
//! [`derive(Supervisor)`](macro@Supervisor) and [`actor_test`].
//!
//! Use them through `actor_core`, which re-exports them; the code they write names it.
//!
//! Each macro is a pipeline of four steps, with a folder per step:
//!
//! | step       | from             | to                | reports                                |
//! |------------|------------------|-------------------|----------------------------------------|
//! | `parse`    | tokens           | syntax            | what is no Rust, or no setting at all  |
//! | `model`    | syntax           | what it is to be  | nothing; a model can hold a mistake    |
//! | `validate` | model            | the sound part    | every mistake, in one pass             |
//! | `expand`   | the sound part   | tokens            | nothing                                |
//!
//! A mistake takes out no more than what it is in: the actor and the handlers around it are
//! expanded as ever, so that one mistake gives one error.

#![forbid(unsafe_code)]

mod errors;
mod expand;
mod model;
mod names;
mod parse;
mod validate;

use proc_macro::TokenStream;

/// Makes a struct or an enum an actor.
///
/// ```text
/// #[derive(Actor)]
/// #[actor(mailbox = 256, overflow = "reject")]
/// pub struct Account {
///     cents: i64,
/// }
/// ```
///
/// # Settings
///
/// | setting        | values                                                   | if not given |
/// |----------------|----------------------------------------------------------|--------------|
/// | `mailbox`      | how many messages may wait, or `"unbounded"`             | 1024         |
/// | `overflow`     | `"reject"`, `"wait"`, `"drop_newest"` or `"drop_oldest"` | `"reject"`   |
/// | `soft_quantum` | after how long a turn is asked to end, such as `"2ms"`   | the system's |
/// | `hard_quantum` | after how long its worker is taken over, such as `"50ms"`| the system's |
/// | `stall`        | how long a handler may take, such as `"1s"`              | no limit     |
/// | `silence`      | how long it may hear of nobody, such as `"30s"`          | no limit     |
/// | `on_silence`   | then: `"report"`, `"stop"` or `"restart"`                | `"stop"`     |
/// | `clear_on_restart` | stands alone: a restart makes what is queued dead letters | the next incarnation goes on with it |
///
/// A length of time is a whole number and `ns`, `us`, `ms`, `s`, `min` or `h`. A quantum and a limit for handlers are a
/// millisecond at least.
///
/// # What it writes
///
/// For a type `Account`, with its visibility, generics and where clauses:
///
/// - `AccountRef`, the actor's address: a newtype of `ActorRef<Account>` to which it derefs, and
///   to and from which it converts. It is `Clone`, `Debug`, `Eq` and `Hash`, whatever the state is.
///   [`messages`] gives it its methods.
/// - `impl Actor for Account`, with the settings, and with a trace of the refs in its fields, by which actors are found
///   that only refer to one another. A field whose type is not `Trace` is passed over.
///
/// Type and const parameters work; lifetime parameters do not, because an actor lives as long as
/// it likes.
#[proc_macro_derive(Actor, attributes(actor))]
pub fn derive_actor(input: TokenStream) -> TokenStream {
    expand::derive_actor(input.into()).into()
}

/// Has a type tell which refs are in it, for types that are in the fields of actors: `impl Trace for Seat`. An actor's
/// own fields are traced by [`derive(Actor)`](macro@Actor).
///
/// ```text
/// #[derive(Trace)]
/// struct Seat {
///     room: RoomRef,
///     number: u32,
/// }
/// ```
///
/// Each field is traced whose type is `Trace` whatever the type's parameters are; the others are passed over.
#[proc_macro_derive(Trace)]
pub fn derive_trace(input: TokenStream) -> TokenStream {
    expand::derive_trace(input.into()).into()
}

/// Makes a struct the plan of a supervisor: each field is a child, and the order of the fields is that of the
/// start.
///
/// ```text
/// #[derive(Supervisor)]
/// #[supervisor(strategy = "rest_for_one", intensity = "5 in 10s")]
/// struct Bank {
///     #[child(permanent, backoff = "50ms..5s")]
///     audit: Child<Audit>,
///     #[child(transient, dynamic, max = 100_000)]
///     accounts: Children<Account>,
/// }
/// ```
///
/// A `Child<A>` is one actor, a `Children<A>` is any number of actors that are added when the tree runs, with a
/// supervisor of their own, and a `Subtree<T>` is another such struct.
///
/// # Settings of the supervisor
///
/// | setting         | values                                             | if not given    |
/// |-----------------|----------------------------------------------------|-----------------|
/// | `strategy`      | `"one_for_one"`, `"one_for_all"`, `"rest_for_one"` | `"one_for_one"` |
/// | `intensity`     | the most restarts in a time: `"5 in 10s"`          | `"5 in 10s"`    |
/// | `auto_shutdown` | `"never"`, `"any_significant"`, `"all_significant"` | `"never"`       |
///
/// # Settings of a child
///
/// | setting                             | what it says                                                       |
/// |-------------------------------------|--------------------------------------------------------------------|
/// | `permanent`                         | it is always started again (unless said)                           |
/// | `transient`, `temporary`            | only after an abnormal end; never                                  |
/// | `backoff = "50ms..5s"`              | it is started again after a delay, from the one to the other       |
/// | `significant`                       | its end may be that of the supervisor, see `auto_shutdown`         |
/// | `shutdown = "5s"`                   | how long it may take to stop; also `"kill"` and `"infinity"`       |
/// | `start = "30s"`                     | how long it may take to start; also `"infinity"`                   |
/// | `stall = "1s"`                      | how long a handler of it may take                                  |
/// | `silence = "30s"`                   | how long it may hear of nobody                                     |
/// | `on_silence = "restart"`            | what becomes of it then; also `"report"` and `"stop"`              |
/// | `name = "audit"`                    | a name to look it up by                                            |
/// | `dynamic`                           | it is any number of children; says no more than the type does      |
/// | `max = 100_000`                     | the most of them at a time                                         |
///
/// For a `Children` field, the restart type, the backoff, `shutdown`, `stall` and `silence` are those of each child in it.
///
/// Times are a whole number and a unit: `ns`, `us`, `ms`, `s`, `min` or `h`.
///
/// # What it writes
///
/// `impl Tree for Bank`, for `SupervisorBuilder::tree` and `Subtree::new`. Type parameters work, lifetimes do not.
/// What contradicts itself is refused here, and not when the tree is built.
#[proc_macro_derive(Supervisor, attributes(supervisor, child))]
pub fn derive_supervisor(input: TokenStream) -> TokenStream {
    expand::derive_supervisor(input.into()).into()
}

/// Makes the marked methods of an impl block the message handlers of an actor.
///
/// ```text
/// #[messages]
/// impl Account {
///     /// Adds to the balance.
///     #[message]
///     pub fn deposit(&mut self, cents: i64) {
///         self.cents += cents;
///     }
///
///     /// An `Err` is a reply like any other.
///     #[message]
///     pub fn withdraw(&mut self, cents: i64) -> Result<i64, Overdrawn> { .. }
///
///     /// The mailbox waits for an async handler, the worker does not.
///     #[message]
///     pub async fn settle(&mut self, ctx: &mut Context<Self>) -> Result<(), BankError> { .. }
///
///     /// The reply may be kept, and given later.
///     #[message]
///     pub fn look_up(&self, key: Key, reply: Reply<Value>) { .. }
///
///     #[started]
///     async fn open(&mut self, ctx: &mut Context<Self>) -> Result<(), OpenError> { .. }
///
///     #[stopped]
///     fn close(&mut self, why: &StopReason) { .. }
///
///     #[down]
///     fn gone(&mut self, down: Down) { .. }
///
///     fn helper(&self) {}
/// }
/// ```
///
/// The methods stay what they were, so a unit test can call them without a runtime. One block
/// holds all the handlers of an actor; the type needs `#[derive(Actor)]`.
///
/// # Markers
///
/// | marker       | when it runs                                 | takes, besides `self`           | returns               |
/// |--------------|----------------------------------------------|---------------------------------|-----------------------|
/// | `#[message]` | when the message has reached the mailbox's head | owned arguments, a context   | anything owned        |
/// | `#[started]` | before the first message of an incarnation   | a context                       | nothing or a `Result` |
/// | `#[stopped]` | after the last message of an incarnation     | a context, a `&StopReason`      | nothing               |
/// | `#[down]`    | when a monitored actor has ended             | a `Down`, a context             | nothing               |
///
/// Each is sync or async and takes `&self` or `&mut self`. A context is `&mut Context<Self>`; it is
/// optional and may stand at any place. An async method moves between threads while it waits, so
/// what it holds across an `.await` has to be `Send`; with `&self` that makes the actor `Sync`, which
/// `&mut self` does not ask for.
///
/// # Long handlers
///
/// `#[message(preemptible)]` is for async handlers that compute for long: it puts a checkpoint at the start
/// of the body of each `loop`, `while` and `for`, nested ones and those in conditions included. There the
/// handler lets other actors run if its turn has been long enough, as `ctx.checkpoint().await` does, and a
/// kill takes effect. A checkpoint borrows nothing, but what the handler holds across it has to be `Send`,
/// as across any `.await`. Loops in closures, async blocks, nested items and the brackets of macros get
/// none, and a handler that has no other loops is an error. A checkpoint costs about three nanoseconds, so a
/// loop that takes less for an iteration had better be a function that the handler calls for a part of the
/// work.
///
/// `#[message(blocking)]` is for sync handlers that block: it runs on a thread of the system's blocking pool, with
/// `self` and the context as ever. The mailbox waits meanwhile, no worker does; a kill takes effect when the
/// handler has returned. What follows from it there and then, such as `#[stopped]` after a panic, may run
/// on the same thread. In such a handler, and in no other, a thread may wait for other actors: `.wait()` is
/// allowed. On a pinned actor the option does nothing, as its thread is its own.
///
/// # Messages that are handled again
///
/// The message whose handler fails is a dead letter. With `#[message(redeliver = 3)]` it is delivered to the next
/// incarnation instead, up to three times, before all that is queued; an ask waits for the one that succeeds. For
/// handlers that may run in part more than once. The arguments have to be `Clone`: a copy is kept while the handler
/// runs. Where that is condemned, because it has exceeded its actor's `stall` and does not return, it has the copy too,
/// and the message is a dead letter.
///
/// # Messages that are made up
///
/// With `#[messages(arbitrary)]` proptest makes up messages of the actor, for tests: there is an enum `AccountAny` with a
/// variant for each, such as `AccountAny::Deposit(AccountDeposit { cents: 5 })`, and proptest's `Arbitrary` for it and for
/// each message. The enum is a message that the actor takes, so `account.call(any).tell()` runs the handler.
/// The structs are `Clone` and `Debug` then, and so their fields have to be.
///
/// | where                                    | what it says                                                      |
/// |------------------------------------------|-------------------------------------------------------------------|
/// | `#[message(weight = 3)]`                 | comes three times for each one of a message without a weight      |
/// | `#[message(skip_arbitrary)]`             | is not made up                                                    |
/// | `#[strategy(0..100)]` before an argument | what makes it up: a strategy of proptest; if not given, `any()`   |
///
/// All of that, and proptest, is there with `actor_core`'s feature `proptest` only. With it in the `[dev-dependencies]`
/// only tests have it.
///
/// # Replies
///
/// What a handler returns is the reply. If the return type is called `Result` (`io::Result<T>` is),
/// its error side is the error of an ask. A handler that cannot answer yet takes a `Reply<T>` or
/// `Reply<T, E>` as its last argument and returns nothing.
///
/// # What it writes
///
/// For each `#[message] fn deposit` of a type `Account`:
///
/// - `AccountDeposit`, a struct with a field per argument, and the method's visibility. It carries
///   those generics of the block that its arguments or its reply use. If only the reply uses a type
///   parameter, a hidden field holds it, and there is `AccountDeposit::new`.
///   `#[message(derive(Clone, Debug))]` puts derives on it.
/// - `AccountRef::deposit`, which makes such a message, for a tell or an ask. If the ref has a
///   method of that name already, as `ActorRef` has some, the handler's hides it;
///   `AsRef::as_ref(&account)` still has the other.
/// - the impls of `Message` and `Accepts`.
///
/// `cfg` attributes of a handler go to all of it; doc comments and `#[deprecated]` to the struct and
/// the ref's method; every other attribute stays on the handler alone.
///
/// A `pub` handler makes a `pub` struct, so the types of its arguments and its reply have to be as
/// visible as the handler says, also if the actor itself is private. Where the compiler finds a
/// private type in a public interface, give the handler the visibility of that type.
#[proc_macro_attribute]
pub fn messages(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::messages(arguments.into(), item.into()).into()
}

/// Marks a message handler in a [`messages`] block.
#[proc_macro_attribute]
pub fn message(_: TokenStream, item: TokenStream) -> TokenStream {
    stray("message", item)
}

/// Marks the method that a [`messages`] block runs before the first message.
#[proc_macro_attribute]
pub fn started(_: TokenStream, item: TokenStream) -> TokenStream {
    stray("started", item)
}

/// Marks the method that a [`messages`] block runs after the last message.
#[proc_macro_attribute]
pub fn stopped(_: TokenStream, item: TokenStream) -> TokenStream {
    stray("stopped", item)
}

/// Marks the method that a [`messages`] block runs when a monitored actor has ended.
#[proc_macro_attribute]
pub fn down(_: TokenStream, item: TokenStream) -> TokenStream {
    stray("down", item)
}

/// Gives a test a system of its own, and fails it if that does not come out clean. For `actor_core`'s feature `testing`.
///
/// ```text
/// #[actor_test]
/// fn deposits_add_up(system: &System) {
///     let account = system.spawn(|| Account { cents: 0 }).unwrap();
///     account.deposit(5).tell().unwrap();
///     assert_eq!(account.balance().wait().unwrap(), 5);
/// }
///
/// #[actor_test(workers = 1, failures = ["Account"])]
/// async fn a_panic_is_survived(system: &System) -> Result<(), Box<dyn Error>> { .. }
///
/// #[actor_test(sim, cases = 1000)]
/// fn whatever_the_order(sim: &Sim) { .. }
///
/// #[actor_test(sim)]
/// fn whatever_is_said(sim: &Sim, lines: Vec<String>, #[strategy(1..5)] guests: usize) { .. }
/// ```
///
/// The function takes the system, is sync or async, and returns nothing or a `Result`. In simulations it may take more
/// arguments, up to 12: proptest makes them up (feature `proptest`), each of what `any()` makes of its type, or of its
/// `#[strategy(..)]`, as for [`messages`]; and those of a test that fails are made as simple as can be, together with the tape.
/// It is a test like any other: `#[ignore]`, `#[should_panic]` and all other attributes work. The future of an async one is waited for on the
/// test's thread.
///
/// `ActorTest::run` in `actor_core::testing` says what is looked at when it has returned: unanswered asks, leaked actors,
/// failures, dead letters, and actors that are late. What is meant to be is named:
///
/// | setting                        | what it says                                             | if not given |
/// |--------------------------------|----------------------------------------------------------|--------------|
/// | `workers = 1`                  | how many workers the system has                          | 2            |
/// | `build = \|builder\| ..`       | other settings: a function of the system's `Builder`     |              |
/// | `settle = "2s"`                | how long asks may take when the test has returned        | 1 s          |
/// | `dead_letters = ["deposit"]`   | messages that may become dead letters                    | none         |
/// | `failures = ["Account"]`       | types of actors that may panic, fail or stall            | none         |
/// | `leaks = ["Session"]`          | types of actors that may be leaked                       | none         |
/// | `unanswered = ["settle"]`      | messages that need not be answered                       | none         |
/// | `sim`                          | it runs in simulations, and takes a `&Sim` (feature `sim`) | no         |
/// | `cases = 1000`                 | in how many, each with another tape                      | 256          |
#[proc_macro_attribute]
pub fn actor_test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::actor_test(arguments.into(), item.into()).into()
}

/// `#[messages]` takes the markers away, so one that is expanded on its own is out of place.
fn stray(marker: &str, item: TokenStream) -> TokenStream {
    let mut errors = errors::Errors::default();
    errors.report_at(
        proc_macro2::Span::call_site(),
        format_args!("`#[{marker}]` means something only in a block marked with `#[messages]`"),
        "write `#[messages]` above the `impl` block that this method is in",
    );
    let mut tokens = TokenStream::from(errors.into_tokens());
    tokens.extend(item);
    tokens
}
