use proptest::prelude::*;

use super::*;

/// What most tests begin with.
const SOUND: &str = r#"
[listen]
http = "127.0.0.1:8080"

[[pool]]
name = "api"
protocol = "http"
backends = ["127.0.0.1:9001"]

[[pool]]
name = "store"
protocol = "lines"
backends = ["127.0.0.1:9101"]

[[route]]
path = "/api"
pool = "api"
"#;

/// The mistakes, one a line.
fn wrong(text: &str) -> String {
    Config::read(text).expect_err("it is wrong").to_string()
}

/// [`SOUND`] with more behind it, which begins at line 19.
fn with(more: &str) -> String {
    format!("{SOUND}\n{more}")
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

#[test]
fn what_is_not_said_is_as_by_default() {
    let config = Config::read(SOUND).expect("it is sound");
    let expected = Config {
        listen: Listen { http: Some(address("127.0.0.1:8080")), ..Config::default().listen },
        pools: vec![
            Pool::new("api", Protocol::Http, vec![address("127.0.0.1:9001")]),
            Pool::new("store", Protocol::Lines, vec![address("127.0.0.1:9101")]),
        ],
        routes: vec![Route::Path { host: None, path: "/api".to_owned(), websocket: false, pool: 0 }],
        ..Config::default()
    };
    assert_eq!(config, expected);
}

#[test]
fn all_that_can_be_said() {
    let config = Config::read(include_str!("../../gateway.toml")).expect("the example is sound");
    assert_eq!(config.workers, Some(2));
    assert_eq!(config.limits.rate, Some(Rate { per_second: 100, burst: 200 }));
    assert_eq!(config.limits.body, 1 << 20);
    assert_eq!(config.listen.tls, None, "it runs without certificates");
    assert_eq!(config.log.access, Some(PathBuf::from("access.log")));
    assert_eq!(config.drain, Drain { announce: Duration::from_secs(5), within: Duration::from_secs(30) });
    let [api, store] = &config.pools[..] else { panic!("two pools") };
    assert_eq!((api.backends.len(), api.connections, api.queue), (2, 64, 1024));
    assert_eq!(api.probe.as_deref(), Some("/health"));
    assert_eq!(api.breaker, breaker::Settings::default());
    assert_eq!((store.probe.as_deref(), store.answer), (Some("ping"), 64 << 10));
    assert_eq!(config.routes.len(), 4);
}

#[test]
fn what_is_said_of_tls() {
    // It is in the example, but for the signs before it.
    let example = include_str!("../../gateway.toml");
    let keys = ["[listen.tls]", "[[listen.", "http", "lines", "chain", "key"];
    let uncommented = |text: String, key| text.replace(&format!("\n# {key}"), &format!("\n{key}"));
    let text = keys.into_iter().fold(example.to_owned(), uncommented);
    let pair = Pair { chain: "cert.pem".into(), key: "key.pem".into() };
    let (http, lines) = (Some(address("127.0.0.1:8443")), Some(address("127.0.0.1:7443")));
    let expected = Tls { http, lines, certificates: vec![pair] };
    assert_eq!(Config::read(&text).expect("the example is sound").listen.tls, Some(expected));
}

#[test]
fn tls_needs_an_address_and_certificates() {
    let tls =
        |more| SOUND.replace("\n[[pool]]\nname = \"api\"", &format!("{more}\n[[pool]]\nname = \"api\""));
    let empty = "line 4: listen.tls.http: is missing; say where to listen: http = \"127.0.0.1:8443\", or lines, or both\n\
                 line 4: listen.tls.certificate: is missing; TLS needs a [[listen.tls.certificate]]";
    assert_eq!(wrong(&tls("[listen.tls]")), empty);
    assert_eq!(
        wrong(&tls("tls = 5")),
        "line 4: listen.tls: 5 is not allowed here; it must be a table: [listen.tls]"
    );
    assert_eq!(
        wrong(&tls(
            "[listen.tls]\nlines = \"127.0.0.1:1\"\n[[listen.tls.certificate]]\nkey = \"key.pem\"\ncertificate = \"\""
        )),
        "line 6: listen.tls.certificate[0].chain: is missing; it must be a text\n\
         line 8: listen.tls.certificate[0].certificate: there is no such key; allowed here are chain, key"
    );
}

#[test]
fn a_key_that_there_is_not_is_told_with_those_that_there_are() {
    assert_eq!(
        wrong(&with("[limits]\nbdoy = 5\n")),
        "line 20: limits.bdoy: there is no such key; allowed here are body, burst, clients, idle, line, \
         requests_per_second"
    );
    let nested = SOUND.replace("\n[[route]]", "[pool.breaker]\nfailure = 3\n[[route]]");
    assert_eq!(
        wrong(&nested),
        "line 15: pool[1].breaker.failure: there is no such key; allowed here are failures, open, \
         open_at_most, probes, window"
    );
    assert!(
        wrong(&with("[tables]\n"))
            .starts_with("line 19: tables: there is no such key; allowed here are drain,")
    );
}

#[test]
fn what_is_out_of_bounds_is_told_with_the_bounds() {
    let table = [
        ("requests_per_second = 0", "0 is not allowed here; it must be a number from 1 to 1000000"),
        ("requests_per_second = -1", "-1 is not allowed here; it must be a number from 1 to 1000000"),
        ("requests_per_second = 1.5", "1.5 is not allowed here; it must be a number from 1 to 1000000"),
        ("requests_per_second = 99999999999999999999", "it must be a number from 1 to 1000000"),
        (
            "body = \"2GiB\"",
            "\"2GiB\" is not allowed here; it must be a size from 0 to 1073741824 bytes, such as",
        ),
        ("body = \"1MB\"", "\"1MB\" is not allowed here; it must be a size from"),
        ("body = true", "true is not allowed here; it must be a size from"),
        ("idle = \"soon\"", "\"soon\" is not allowed here; it must be a time from 100ms to a year, such as"),
        ("idle = 30", "30 is not allowed here; it must be a time from"),
        ("idle = \"99999999999999999999s\"", "it must be a time from"),
    ];
    for (line, expected) in table {
        let wrong = wrong(&with(&format!("[limits]\n{line}\n")));
        let key = line.split(' ').next().expect("a key");
        assert!(
            wrong.starts_with(&format!("line 20: limits.{key}: ")) && wrong.contains(expected),
            "{wrong}"
        );
        assert_eq!(wrong.lines().count(), 1, "{wrong}");
    }
}

#[test]
fn addresses_are_told_one_by_one() {
    let text = SOUND.replace(
        "[\"127.0.0.1:9001\"]",
        "[\n  \"127.0.0.1:9001\",\n  \"localhost:80\",\n  5,\n  \"127.0.0.1:9001\",\n]",
    );
    let must = "is not allowed here; it must be an IP address with a port, such as \"127.0.0.1:8080\" or \
                \"[::1]:8080\"";
    assert_eq!(
        wrong(&text),
        format!(
            "line 10: pool[0].backends[1]: \"localhost:80\" {must}\n\
             line 11: pool[0].backends[2]: 5 {must}\n\
             line 12: pool[0].backends[3]: 127.0.0.1:9001 is in the list already"
        )
    );
    let none = SOUND.replace("[\"127.0.0.1:9001\"]", "[]");
    assert!(wrong(&none).contains("line 8: pool[0].backends: an empty list is not allowed here"), "{none}");
}

#[test]
fn names_of_pools_are_names() {
    let begins = "[[pool]]\nprotocol = \"http\"\nbackends = [\"127.0.0.1:1\"]\nname = ";
    for name in ["a/b", "two words", "\u{e9}"] {
        let wrong = wrong(&with(&format!("{begins}{name:?}\n")));
        let expected =
            format!("line 22: pool[2].name: {name:?} is not allowed here; it must be at most 64 letters");
        assert!(wrong.starts_with(&expected), "{wrong}");
    }
    assert!(wrong(&with(&format!("{begins}\"api\"\n"))).contains("there is a pool \"api\" already"));
}

#[test]
fn all_mistakes_are_told_at_once_by_their_lines() {
    let text = "workers = 0\n[listen]\n[[pool]]\nname = \"a\"\n[[route]]\npath = \"/x/\"\npool = \"b\"\n";
    let wrong = wrong(text);
    let begins: Vec<_> = wrong.lines().map(|line| line.splitn(3, ": ").take(2).collect::<Vec<_>>()).collect();
    assert_eq!(
        begins,
        [
            ["line 1", "workers"],
            ["line 2", "listen.http"],
            ["line 3", "pool[0].protocol"],
            ["line 3", "pool[0].backends"],
            ["line 6", "route[0].path"],
            ["line 7", "route[0].pool"],
        ],
        "{wrong}"
    );
}

#[test]
fn routes_lead_to_pools_that_speak_their_language() {
    let table = [
        (
            "path = \"/x\"\npool = \"stroe\"",
            "route[1].pool: there is no pool \"stroe\"; those that there are: \"api\", \"store\"",
        ),
        (
            "path = \"/x\"\npool = \"store\"",
            "route[1].pool: requests go to a pool whose protocol is \"http\"",
        ),
        (
            "path = \"/x\"\nwebsocket = true\npool = \"api\"",
            "route[1].pool: a WebSocket talks to a pool whose protocol is \"lines\"",
        ),
        ("lines = \"*\"\npool = \"api\"", "route[1].pool: lines go to a pool whose protocol is \"lines\""),
        (
            "lines = \"two words\"\npool = \"store\"",
            "route[1].lines: \"two words\" is not allowed here; it must be one word",
        ),
        ("path = \"/api\"\npool = \"api\"", "route[1].pool: there is a route for the same already"),
        ("path = \"/a/../b\"\npool = \"api\"", "route[1].path: \"/a/../b\" is not allowed here"),
        (
            "path = \"/readyz\"\npool = \"api\"",
            "route[1].path: \"/readyz\" is answered by the gateway itself",
        ),
        ("pool = \"api\"", "route[1].path: a route has either a path"),
        ("path = \"/x\"\nlines = \"x\"\npool = \"api\"", "route[1].path: a route has either a path"),
        ("path = \"/x\"", "route[1].pool: is missing"),
        (
            "lines = \"x\"\nhost = \"a\"\npool = \"store\"",
            "route[1].host: there is no such key; allowed here are lines, pool",
        ),
    ];
    for (route, expected) in table {
        let wrong = wrong(&with(&format!("[[route]]\n{route}\n")));
        assert!(wrong.contains(expected), "{route}\n{wrong}");
        assert_eq!(wrong.lines().count(), 1, "{wrong}");
    }
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let wrong = wrong("[listen]\nhttp = \n");
    assert!(wrong.starts_with("line 2: this is not TOML: "), "{wrong}");
    assert_eq!(wrong.lines().count(), 1, "{wrong}");
}

#[test]
fn a_list_that_is_a_table_is_told_as_such() {
    let text = "[listen]\nhttp = \"127.0.0.1:80\"\n[pool]\nname = \"a\"\n";
    assert!(wrong(text).contains("line 3: pool: a table is not allowed here; it must be a list of tables, each of which begins with [[pool]]"), "{}", wrong(text));
}

proptest! {
    /// No text makes it panic, and every refusal says where.
    #[test]
    fn no_text_makes_it_panic(from in 0..400_usize, to in 0..400_usize, with in "[\\[\\]=\"a-z0-9.\n -]{0,12}") {
        let text = SOUND;
        let (from, to) = (from.min(to).min(text.len()), from.max(to).min(text.len()));
        let text = format!("{}{with}{}", &text[..from], &text[to..]);
        if let Err(Wrong(mistakes)) = Config::read(&text) {
            prop_assert!(!mistakes.is_empty());
            let lines = text.split('\n').count();
            prop_assert!(mistakes.iter().all(|mistake| (1..=lines).contains(&mistake.line)), "{:?}", mistakes);
        }
    }
}
