use proptest::prelude::*;

use super::*;

fn path(host: Option<&str>, path: &str, pool: PoolId) -> Route {
    Route::Path { host: host.map(str::to_owned), path: path.to_owned(), websocket: false, pool }
}

fn goes(routes: &Routes, host: &str, path: &str) -> Option<PoolId> {
    match routes.request(Some(host), path) {
        Ok(Goal::Answer(pool) | Goal::WebSocket(pool)) => Some(pool),
        Err(_) => None,
    }
}

#[test]
fn the_host_goes_before_the_path_and_the_longer_path_before_the_shorter() {
    let routes = Routes::new([
        path(None, "/", 0),
        path(None, "/api/v2", 1),
        path(None, "/api", 2),
        path(Some("Shop.example"), "/", 3),
        path(Some("shop.example"), "/api", 4),
    ]);
    let table = [
        ("a.example", "/", 0),
        ("a.example", "/apis", 0),
        ("a.example", "/api", 2),
        ("a.example", "/api/v1", 2),
        ("a.example", "/api/v2/x", 1),
        ("shop.example", "/x", 3),
        ("SHOP.EXAMPLE:8080", "/api/v2", 4),
        ("shop.example.:80", "/apis", 3),
        ("[::1]:80", "/api", 2),
    ];
    for (host, path, pool) in table {
        assert_eq!(goes(&routes, host, path), Some(pool), "{host}{path}");
    }
    assert_eq!(routes.request(None, "/api"), Ok(Goal::Answer(2)), "HTTP/1.0 knows no hosts");
}

#[test]
fn hosts_may_be_addresses() {
    let routes = Routes::new([path(Some("[::1]"), "/", 0), path(Some("127.0.0.1"), "/", 1)]);
    assert_eq!(goes(&routes, "[::1]", "/"), Some(0));
    assert_eq!(goes(&routes, "[::1]:8080", "/"), Some(0));
    assert_eq!(goes(&routes, "127.0.0.1:8080", "/"), Some(1));
    assert_eq!(goes(&routes, "127.0.0.2", "/"), None);
}

#[test]
fn a_path_that_climbs_goes_nowhere() {
    let routes = Routes::new([path(None, "/public", 0)]);
    for climbs in [
        "/public/..",
        "/public/../admin",
        "/public/./x",
        "/public/%2e%2E/admin",
        "/public/.%2e/admin",
        "/public/..%2fadmin",
        "/public/..\\admin",
        "/public/%5c../admin",
        "/public/..;x/admin",
        "public",
        "*",
        "",
    ] {
        assert_eq!(routes.request(None, climbs), Err(NoRoute::Ambiguous), "{climbs}");
    }
    for plain in ["/public/...", "/public/.hidden", "/public/a..b", "/public/%", "/public/%zz", "/public//x"]
    {
        assert_eq!(routes.request(None, plain), Ok(Goal::Answer(0)), "{plain}");
    }
}

#[test]
fn lines_go_by_their_first_word() {
    let word = |word: Option<&str>, pool| Route::Lines { word: word.map(str::to_owned), pool };
    let some = Routes::new([word(Some("get"), 1)]);
    assert_eq!((some.line("get x"), some.line("getx"), some.line("")), (Some(1), None, None));
    let all = Routes::new([word(Some("get"), 1), word(None, 0)]);
    assert_eq!((all.line("get"), all.line("set x"), all.line("")), (Some(1), Some(0), Some(0)));
}

fn some_path() -> impl Strategy<Value = String> {
    proptest::collection::vec("[ab]{1,2}", 0..4).prop_map(|parts| format!("/{}", parts.join("/")))
}

proptest! {
    /// Of the routes that fit, the longest is taken; as found by looking at each.
    #[test]
    fn the_longest_that_fits_is_taken(
        roots in proptest::collection::vec(some_path(), 0..8),
        asked in some_path(),
    ) {
        let routes = Routes::new(roots.iter().enumerate().map(|(pool, root)| path(None, root, pool)));
        let segments = |path: &str| -> Vec<String> {
            path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        let fits = |root: &&String| segments(&asked).starts_with(&segments(root));
        let longest = roots.iter().filter(fits).map(|root| root.len()).max();
        let found = goes(&routes, "x", &asked).map(|pool| roots[pool].len());
        prop_assert_eq!(found, longest);
    }

    /// No bytes make it panic, and no path with a segment that climbs is taken for plain, however it is
    /// escaped.
    #[test]
    fn no_escape_hides_a_climb(before in "[a-z%/.]{0,8}", after in "[a-z%/.]{0,8}", bits in any::<u8>()) {
        let climb: String = "/../".chars().enumerate().map(|(at, c)| {
            if bits >> at & 1 == 1 { format!("%{:02x}", u32::from(c)) } else { c.to_string() }
        }).collect();
        // An escape that is cut by what stands before it is another one.
        let before = before.trim_end_matches(|c: char| c == '%' || c.is_ascii_hexdigit());
        let path = format!("/{before}{climb}{after}");
        prop_assert!(!is_plain(&path), "{}", path);
    }
}
