use std::sync::Arc;
use std::time::Duration;

use test_case::test_case;

use phoenix_types::gate::*;

use super::*;
use crate::fake::{FakeGuest, Reply};

const LIMIT: Duration = Duration::from_secs(10);

async fn ask(probe: &Probe, guest: FakeGuest) -> Answer {
    probe.ask(&guest.context(), LIMIT).await
}

fn printing(status: i32, stdout: &str) -> FakeGuest {
    let output = phoenix_host::Output { status: Some(status), stdout: stdout.into(), ..Default::default() };
    FakeGuest::new(103).answers(move |_| Reply::Ends(output.clone()))
}

#[test_case(0, "fine\n", Verdict::Yes, "exit status 0")]
#[test_case(1, "one\nconnection refused\n", Verdict::No, "exit status 1: connection refused")]
#[test_case(127, "", Verdict::No, "exit status 127 (no such command)")]
#[tokio::test(start_paused = true)]
async fn commands(status: i32, stdout: &str, verdict: Verdict, said: &str) {
    let answer = ask(&Probe::shell("check"), printing(status, stdout)).await;
    assert_eq!((answer.verdict, answer.said.as_str()), (verdict, said));
}

#[tokio::test(start_paused = true)]
async fn an_argument_list_goes_without_a_shell_and_an_empty_one_nowhere() {
    let guest = Arc::new(FakeGuest::new(103).answers(|_| Reply::Exits(0)));
    let command = |argv: &[&str]| {
        let argv = argv.iter().map(|word| (*word).to_owned()).collect();
        Probe::Command(CommandProbe { command: CommandLine::Argv(argv), place: Place::Guest })
    };
    command(&["pg_isready", "-h", "a b; reboot"]).ask(&guest.surrounded(), LIMIT).await;
    assert_eq!(guest.calls()[0].argv, ["pg_isready", "-h", "a b; reboot"]);
    assert_eq!(command(&[]).ask(&guest.surrounded(), LIMIT).await.verdict, Verdict::Never);
}

#[test_case(Contents::Any, "", Verdict::Yes; "empty is there")]
#[test_case(Contents::NonEmpty, "", Verdict::No; "but not filled")]
#[test_case(Contents::NonEmpty, "x", Verdict::Yes; "filled")]
#[test_case(Contents::Text("ready".to_owned()), "not yet", Verdict::No; "no match")]
#[test_case(Contents::Text("ready".to_owned()), "ready", Verdict::Yes; "a match")]
#[tokio::test(start_paused = true)]
async fn files_on_both_sides(contents: Contents, text: &str, verdict: Verdict) {
    for place in [Place::Guest, Place::Host] {
        let guest = FakeGuest::new(103).file("/srv/ca.ready", Duration::ZERO, text);
        let probe =
            |path: &str| Probe::File(FileProbe { path: path.into(), place, contents: contents.clone(), age: Age::Any });
        let context = guest.context();
        assert_eq!(probe("/srv/ca.ready").ask(&context, LIMIT).await.verdict, verdict, "{place}");
        assert_eq!(probe("/srv/none").ask(&context, LIMIT).await.verdict, Verdict::No, "{place}");
        assert_eq!(probe("srv/ca.ready").ask(&context, LIMIT).await.verdict, Verdict::Never, "{place}");
    }
}

#[test_case("1000 4\n1090 90 1001 -\n", Verdict::Yes; "written in the second of the start")]
#[test_case("998 4\n1090 90 - -\n", Verdict::No; "older")]
#[test_case("1080 4\n1090 90 - -\n", Verdict::Yes; "newer")]
#[test_case("1080 4\n9000 90 - -\n", Verdict::No; "much older")]
#[test_case("9000 4\n1090 90 - -\n", Verdict::Unanswered; "of a time to come")]
#[test_case("1080 4\n", Verdict::Unanswered; "no times")]
#[test_case("yes no\nmaybe\nx\n", Verdict::Unanswered; "garbage")]
#[tokio::test(start_paused = true)]
async fn a_file_of_an_earlier_life_is_not_taken_for_one_of_this(times: &str, verdict: Verdict) {
    let probe = Probe::File(FileProbe {
        path: "/run/x".into(),
        place: Place::Guest,
        contents: Contents::NonEmpty,
        age: Age::SinceStart,
    });
    assert_eq!(ask(&probe, printing(0, times)).await.verdict, verdict);
}

#[tokio::test(start_paused = true)]
async fn ports_from_both_sides() {
    let guest = FakeGuest::new(103).opens(9000, Duration::ZERO);
    let context = guest.context();
    assert_eq!(Probe::tcp(9000).ask(&context, LIMIT).await.verdict, Verdict::Yes);
    assert_eq!(Probe::tcp(9001).ask(&context, LIMIT).await.said, "192.0.2.103 port 9001: connection refused");
    let inside = Probe::Tcp(TcpProbe { port: 9000, address: None, from: Place::Guest });
    assert_eq!(ask(&inside, printing(0, "")).await.verdict, Verdict::Yes);
    assert_eq!(ask(&inside, printing(1, "")).await.said, "localhost port 9000 is closed");
    assert_eq!(ask(&inside, printing(127, "")).await.verdict, Verdict::Unanswered);
}

#[tokio::test(start_paused = true)]
async fn the_agent_of_a_vm_and_the_inside_of_a_container() {
    let vm = FakeGuest::new(1001).agent(Duration::from_secs(5)).context();
    assert_eq!(Probe::Agent.ask(&vm, LIMIT).await.verdict, Verdict::Unanswered);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(Probe::Agent.ask(&vm, LIMIT).await.verdict, Verdict::Yes);
    assert_eq!(ask(&Probe::Agent, FakeGuest::new(103)).await.verdict, Verdict::Yes);
}

#[tokio::test(start_paused = true)]
async fn lists_are_asked_at_the_same_time() {
    let started = tokio::time::Instant::now();
    let guest = || FakeGuest::new(103).opens(80, Duration::ZERO).answers(|_| Reply::Hangs);
    let answer = ask(&Probe::Any(vec![Probe::shell("hangs"), Probe::tcp(80)]), guest()).await;
    assert_eq!(answer.verdict, Verdict::Yes);
    let answer = ask(&Probe::All(vec![Probe::shell("hangs"), Probe::tcp(81)]), guest()).await;
    assert_eq!(
        (answer.verdict, answer.said.as_str()),
        (Verdict::No, "tcp 81: 192.0.2.103 port 81: connection refused")
    );
    assert_eq!(started.elapsed(), Duration::ZERO, "neither waited for the probe that hangs");
    assert_eq!(ask(&Probe::All(vec![Probe::tcp(80), Probe::Agent]), guest()).await.verdict, Verdict::Yes);
    assert_eq!(ask(&Probe::Any(vec![]), guest()).await.verdict, Verdict::No);
    assert_eq!(ask(&Probe::All(vec![]), guest()).await.verdict, Verdict::Yes);
}

#[test_case(0, "step-ca: serving HTTPS on :443\n", "serving HTTPS".to_owned(), Verdict::Yes; "found")]
#[test_case(1, "", "serving HTTPS".to_owned(), Verdict::No; "not yet")]
#[test_case(1, "serving HTTPS\n", "serving HTTPS".to_owned(), Verdict::No; "a failed tool is no yes")]
#[test_case(127, "", "x".to_owned(), Verdict::Unanswered; "no journal")]
#[test_case(0, "x", "a\nb".to_owned(), Verdict::Never; "two lines are no line")]
#[tokio::test(start_paused = true)]
async fn log_lines(status: i32, stdout: &str, contains: String, verdict: Verdict) {
    let probe = Probe::Log(LogProbe { source: LogSource::Journal { unit: None }, contains });
    assert_eq!(ask(&probe, printing(status, stdout)).await.verdict, verdict);
}

#[test_case("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", Verdict::Yes, "status 200 OK"; "ok")]
#[test_case("HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", Verdict::Yes, "status 302 Found"; "redirection")]
#[test_case("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nsoon", Verdict::No,
    "status 503 Service Unavailable"; "not ready")]
#[test_case("SSH-2.0-OpenSSH_9.2\r\n", Verdict::No, "invalid HTTP version parsed"; "not http")]
#[test_case("", Verdict::No, "connection closed before message completed"; "hangs up")]
#[tokio::test(start_paused = true)]
async fn http(response: &str, verdict: Verdict, said: &str) {
    let answer = ask(&Probe::Http(HttpProbe::new(80)), FakeGuest::new(103).serves(80, response)).await;
    assert_eq!((answer.verdict, answer.said.as_str()), (verdict, said));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_comes_back_is_masked() {
    let folder = tempfile::tempdir().unwrap();
    let path = camino::Utf8PathBuf::from_path_buf(folder.path().join("token")).unwrap();
    std::fs::write(&path, "Bearer hunter2hunter2\n").unwrap();
    let headers = [("Authorization".to_owned(), phoenix_types::SecretSource::File(path))].into();
    let probe = Probe::Http(HttpProbe { headers, ..HttpProbe::new(80) });
    let echo =
        "HTTP/1.1 401 Unauthorized\r\ncontent-length: 51\r\n\r\nno: hunter2hunter2 (as in \"Bearer hunter2hunter2\").";
    let answer = ask(&probe, FakeGuest::new(103).serves(80, echo)).await;
    assert_eq!(answer.output, "no: •••••• (as in \"••••••\").");
}

#[tokio::test(start_paused = true)]
async fn http_expectations() {
    let serve = |response: &str| FakeGuest::new(103).serves(80, response);
    let unauthorised = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
    let probe = Probe::Http(HttpProbe { status: vec![400..=401], ..HttpProbe::new(80) });
    assert_eq!(ask(&probe, serve(unauthorised)).await.verdict, Verdict::Yes);

    let body = |text: &str| Probe::Http(HttpProbe { body: Some(text.to_owned()), ..HttpProbe::new(80) });
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"status\": \"ok\"}";
    assert_eq!(ask(&body("\"ok\""), serve(ok)).await.verdict, Verdict::Yes);
    let answer = ask(&body("green"), serve(ok)).await;
    assert_eq!((answer.verdict, answer.output.as_str()), (Verdict::No, "{\"status\": \"ok\"}"));

    let broken = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    let answer = ask(&body("whole"), serve(broken)).await;
    assert!(answer.verdict == Verdict::No && answer.said.ends_with("in what could be read of it"), "{answer:?}");

    let bad = Probe::Http(HttpProbe { path: "not a path\r\n".to_owned(), ..HttpProbe::new(80) });
    assert_eq!(ask(&bad, serve(ok)).await.verdict, Verdict::Never);
}

#[tokio::test(start_paused = true)]
async fn an_endless_body_is_cut_off() {
    let mut flood = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    flood.extend(std::iter::repeat_n(b'x', 3 << 20));
    let probe = Probe::Http(HttpProbe { body: Some("y".to_owned()), ..HttpProbe::new(80) });
    let answer = ask(&probe, FakeGuest::new(103).serves(80, flood)).await;
    assert_eq!(answer.verdict, Verdict::No);
    assert!(answer.output.len() <= 4096);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up_at_the_tick() {
    let started = tokio::time::Instant::now();
    let answer = ask(&Probe::Http(HttpProbe::new(80)), FakeGuest::new(103).silent(80)).await;
    assert_eq!((answer.verdict, answer.said.as_str()), (Verdict::No, "no answer within 10 s"));
    assert_eq!(started.elapsed(), LIMIT);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_changes_is_followed() {
    /// Says one thing after the other.
    #[derive(Debug)]
    struct Moving(std::sync::Mutex<Vec<Result<String, String>>>);
    #[async_trait::async_trait]
    impl crate::Addresses for Moving {
        async fn address(&self) -> Result<String, String> {
            self.0.lock().unwrap().pop().unwrap()
        }
    }
    let addresses =
        [Ok("192.0.2.2".to_owned()), Ok("192.0.2.1".to_owned()), Err("no lease yet".to_owned())].map(Into::into);
    let context = ProbeContext {
        turns: Arc::new(tokio::sync::Semaphore::new(32)),
        addresses: Arc::new(Moving(std::sync::Mutex::new(addresses.into()))),
        ..FakeGuest::new(103).opens(80, Duration::ZERO).context()
    };
    let mut said = Vec::new();
    for _ in 0..3 {
        said.push(Probe::tcp(80).ask(&context, LIMIT).await.said);
    }
    assert_eq!(
        said,
        ["the guest's address is not known: no lease yet", "192.0.2.1 port 80 is open", "192.0.2.2 port 80 is open"]
    );
}

#[test]
fn probes_in_words() {
    let text = |probe: Probe| probe.to_string();
    assert_eq!(text(Probe::shell("nc -z localhost 9000")), "`nc -z localhost 9000` in the guest");
    assert_eq!(text(Probe::file("/a")), "file `/a` in the guest");
    assert_eq!(
        text(Probe::All(vec![Probe::tcp(1), Probe::Http(HttpProbe::new(80))])),
        "all of (tcp 1, GET http://guest:80/)"
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// Whatever a guest's programs print and however they end, nothing panics, and only status 0 can be a yes.
    #[test]
    fn nothing_but_success_is_healthy(
        status in proptest::option::of(0i32..256),
        stdout in proptest::prop_oneof![
            proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
            proptest::string::bytes_regex("(status|errors|extended_status): ?[a-z ]{0,9}\n(1 2 3\n)?[0-9. ]{0,20}\n200").unwrap(),
        ],
        stderr in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..100),
    ) {
        let output = phoenix_host::Output { status, stdout, stderr, ..Default::default() };
        let file = |contents, age| {
            Probe::File(FileProbe { path: "/x".into(), place: Place::Guest, contents, age })
        };
        let log = |contains| Probe::Log(LogProbe { source: LogSource::Journal { unit: None }, contains });
        let probes = [
            Probe::shell("x"),
            Probe::Tcp(TcpProbe { port: 1, address: None, from: Place::Guest }),
            file(Contents::NonEmpty, Age::SinceStart),
            file(Contents::Text("a".to_owned()), Age::SinceStart),
            log("a".to_owned()),
            Probe::CloudInit(CloudInitProbe::default()),
            Probe::CloudInit(CloudInitProbe { recoverable: Recoverable::NeedsReboot, ..CloudInitProbe::default() }),
        ];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let context = FakeGuest::new(103).answers(move |_| Reply::Ends(output.clone())).context();
            for probe in &probes {
                let answer = probe.ask(&context, LIMIT).await;
                let done_with_errors = status == Some(2) && matches!(probe, Probe::CloudInit(_));
                proptest::prop_assert!(
                    answer.verdict != Verdict::Yes || status == Some(0) || done_with_errors, "{probe}: {answer:?}"
                );
                crate::gather_evidence(&context, Some((probe, &answer))).await;
            }
            Ok(())
        })?;
    }
}
