//! Names: one living actor each, kept through restarts, free after the end.

use actor_core::LookupError;
use actor_core::prelude::*;

use crate::support::{LIMIT, ON_PURPOSE, system};

#[derive(Actor)]
struct Clerk;

#[messages]
impl Clerk {
    #[message]
    fn crash(&mut self) {
        panic!("{ON_PURPOSE}")
    }

    #[message]
    fn who(&self, ctx: &mut Context<Self>) -> String {
        format!("{} {}", ctx.path(), ctx.incarnation())
    }
}

#[derive(Actor)]
struct Other;

#[messages]
impl Other {}

#[test]
fn a_name_finds_its_actor_and_survives_restarts() {
    let system = system(2);
    let clerk = system.actor(|| Clerk).name("clerk").spawn().unwrap();
    assert_eq!(system.lookup::<Clerk>("clerk").unwrap(), clerk);
    clerk.crash().tell().unwrap();
    assert_eq!(system.lookup::<Clerk>("clerk").unwrap().who().wait().unwrap(), "/clerk 2");
    let taken = system.actor(|| Clerk).name("clerk").spawn();
    assert!(matches!(taken, Err(SpawnError::NameTaken(name)) if name == "clerk"));
    clerk.stop();
    assert!(clerk.monitor().wait_within(LIMIT).is_some());
    assert_eq!(system.lookup::<Clerk>("clerk").unwrap_err(), LookupError::NotFound("clerk".into()));
    system.actor(|| Clerk).name("clerk").spawn().unwrap();
}

#[test]
fn a_lookup_of_the_wrong_type_says_so() {
    let system = system(2);
    let _clerk = system.actor(|| Clerk).name("clerk").spawn().unwrap();
    let error = system.lookup::<Other>("clerk").unwrap_err();
    let (clerk, other) = (std::any::type_name::<Clerk>(), std::any::type_name::<Other>());
    assert_eq!(error.to_string(), format!("\"clerk\" is a {clerk}, not a {other}"));
}

#[test]
fn bad_names_are_refused_with_the_rule() {
    let system = system(2);
    for bad in ["", "a/b", "line\nbreak", &"x".repeat(256)] {
        let error = system.actor(|| Clerk).name(bad).spawn().unwrap_err();
        assert!(matches!(&error, SpawnError::BadName(_)), "{error}");
        assert!(error.to_string().contains("1 to 255 bytes"), "{error}");
    }
}

#[test]
fn paths_lead_through_the_supervisors() {
    let system = system(2);
    let bank = system.supervisor().name("bank").spawn().unwrap();
    let branch = system.supervisor().name("branch").under(&bank).spawn().unwrap();
    let clerk = branch.actor(|| Clerk).name("front-desk").spawn().unwrap();
    assert_eq!(clerk.path().to_string(), "/bank/branch/front-desk");
    let unnamed = branch.spawn(|| Clerk).unwrap();
    assert_eq!(unnamed.path().to_string(), format!("/bank/branch/Clerk{}", unnamed.id()));
}
