use std::time::Duration;

use phoenix_host::Output;
use test_case::test_case;

use super::*;
use crate::Ask as _;
use crate::fake::{FakeGuest, Reply};

const SOCKETS: &str = "State  Recv-Q Send-Q Local Address:Port  Peer Address:Port\n\
    LISTEN 0      128          0.0.0.0:22         0.0.0.0:*\nLISTEN 0 128 127.0.0.1:9000 0.0.0.0:*\n";

fn cause_of(probe: &Probe, sections: &[(&str, &str)]) -> Option<String> {
    let sections =
        sections.iter().map(|(title, text)| Section { title: (*title).to_owned(), text: (*text).to_owned() }).collect();
    cause::nearest(&Evidence { cause: None, sections }, &Subject::of(probe), None)
}

#[test]
fn a_closed_port_and_its_failed_service() {
    let cause = cause_of(
        &Probe::shell("nc -z localhost 9001"),
        &[
            ("listening sockets", SOCKETS),
            ("failed units", "step-ca.service loaded failed failed Smallstep CA"),
            (
                "journal of step-ca.service",
                "Starting Smallstep CA...\nerror opening /etc/step-ca/password.txt: no such file\n\
                 step-ca.service: Main process exited, code=exited, status=1/FAILURE\n\
                 step-ca.service: Failed with result 'exit-code'.\nFailed to start Smallstep CA.\n",
            ),
        ],
    );
    assert_eq!(
        cause.as_deref(),
        Some(
            "nothing listens on port 9001; step-ca.service is failed: error opening /etc/step-ca/password.txt: no such file"
        )
    );
}

/// Of a real unprivileged container with nfs-common: units that always fail come first in the alphabet.
#[test]
fn a_failed_service_is_named_before_mounts() {
    let units = "home.mount loaded failed failed /home\nrun-rpc_pipefs.mount loaded failed failed RPC Pipe File System\n\
        step-ca.service loaded failed failed Smallstep CA\nsys-kernel-debug.mount loaded failed failed Kernel Debug File System\n";
    let cause = |units: &str| cause_of(&Probe::shell("x"), &[("failed units", units)]);
    assert_eq!(cause(units).as_deref(), Some("step-ca.service is failed (as is home.mount)"));
    assert_eq!(
        cause("run-rpc_pipefs.mount loaded failed failed x\nsys-kernel-debug.mount loaded failed failed y\n"),
        None
    );
}

/// Only what cloud-init left is read as its files.
#[test]
fn a_line_of_the_journal_stays_as_it_is() {
    let found = parse("@@phoenix@@ journal\nDec 01 x app[1]: == result of the day\n");
    assert_eq!(found[0].text, "Dec 01 x app[1]: == result of the day");
}

#[test_case("a title\n@@phoenix@@ journal\nDec 01 x qemu-ga[1]: info: guest-exec called: \"@@phoenix@@ forged\"\n@@phoenix@@ disks\nfull\n",
    &["journal", "disks"]; "the mark in the middle of a line is no title")]
fn findings(text: &str, titles: &[&str]) {
    let found = parse(text);
    assert_eq!(found.iter().map(|section| section.title.as_str()).collect::<Vec<_>>(), titles);
}

#[test]
fn a_port_that_only_the_guest_itself_reaches() {
    let cause = cause_of(&Probe::tcp(9000), &[("listening sockets", SOCKETS)]).unwrap();
    assert!(cause.starts_with("port 9000 listens on 127.0.0.1 only"), "{cause}");
    assert_eq!(cause_of(&Probe::shell("nc -z localhost 9000"), &[("listening sockets", SOCKETS)]), None);
}

#[test_case("ls: cannot access '/mnt/ca': No such file or directory", "does not exist in the guest"; "no folder")]
#[test_case("total 0\ndrwxr-xr-x 2 root root 40 Nov 1 1:00 .\ndrwxr-xr-x 2 root root 40 Nov 1 1:00 ..",
    "empty and nothing is mounted"; "forgotten mount")]
#[test_case("total 0\ndrwxr-xr-x 2 root root 40 Nov 1 1:00 .\n-rw-r--r-- 1 root root 4 Nov 1 1:00 root_ca.crt",
    "holds 1 file,"; "others are there")]
fn a_marker_that_is_missing(listing: &str, part: &str) {
    let cause = cause_of(&Probe::file("/mnt/ca/ca.ready"), &[("folder /mnt/ca", listing)]).unwrap();
    assert!(cause.contains(part), "{cause}");
}

#[test_case("disks", "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda1 10 10 0 100% /",
    "the file system at / is 100 % full"; "full disk")]
#[test_case("cloud-init", "status: running\n", "cloud-init has not finished"; "cloud-init")]
#[test_case("cloud-init", "status: error\nerrors:\n\t- ('scripts_user', RuntimeError('1 of 2 failed'))\n",
    "cloud-init failed: ('scripts_user', RuntimeError('1 of 2 failed'))"; "failed cloud-init")]
#[test_case("journal", "Nov 21 20:00:00 ca kernel: Memory cgroup out of memory: Killed process 812 (step-ca) total-vm:9kB\n\
    Nov 21 20:00:01 ca systemd[1]: step-ca.service: Main process exited\n",
    "the guest ran out of memory, and the kernel ended `step-ca`"; "out of memory")]
#[test_case("system state", "starting", "the guest is still booting"; "booting")]
fn other_causes(title: &str, text: &str, cause: &str) {
    assert_eq!(cause_of(&Probe::Agent, &[(title, text)]).as_deref(), Some(cause));
}

#[test_case("sh: 1: nc: not found", "`nc` is not installed where the probe runs"; "dash")]
#[test_case("bash: line 1: pg_isready: command not found", "`pg_isready` is not installed where the probe runs"; "bash")]
#[test_case("env: ‘nc’: No such file or directory", "`nc` is not installed where the probe runs"; "env")]
#[tokio::test(start_paused = true)]
async fn a_tool_that_is_missing(stderr: &str, cause: &str) {
    let output = Output { status: Some(127), stderr: stderr.into(), ..Output::default() };
    let context = FakeGuest::new(103).answers(move |_| Reply::Ends(output.clone())).context();
    let probe = Probe::shell("check");
    let answer = probe.ask(&context, Duration::from_secs(1)).await;
    assert_eq!(gather_evidence(&context, Some((&probe, &answer))).await.cause.as_deref(), Some(cause));
}

/// What rustls and curl say of a certificate that they do not believe.
#[test_case("no TLS connection: invalid peer certificate: UnknownIssuer", "not signed by a trusted authority"; "unknown")]
#[test_case("no TLS connection: invalid peer certificate: BadSignature", "not signed by a trusted authority"; "of the same name")]
#[test_case("curl: (60) SSL certificate problem: self-signed certificate in certificate chain", "not signed by a trusted authority"; "curl")]
#[test_case("no TLS connection: invalid peer certificate: certificate not valid for name \"a\"", "for another name"; "name")]
#[test_case("curl: (60) SSL: no alternative certificate subject name matches target host name 'a'", "for another name"; "name by curl")]
#[test_case("no TLS connection: invalid peer certificate: certificate expired: verification time 1", "has expired"; "expired")]
fn a_certificate_that_is_not_believed(said: &str, part: &str) {
    let probe = Probe::Http(crate::HttpProbe::new(9000));
    let cause = cause_after(&probe, said, "", &[("listening sockets", SOCKETS)]).unwrap();
    assert!(cause.contains(part) && !cause.contains("listens"), "{cause}");
}

fn cause_after(probe: &Probe, said: &str, output: &str, sections: &[(&str, &str)]) -> Option<String> {
    let answer = Answer { verdict: crate::Verdict::No, said: said.to_owned(), output: output.to_owned() };
    let sections =
        sections.iter().map(|(title, text)| Section { title: (*title).to_owned(), text: (*text).to_owned() }).collect();
    cause::nearest(&Evidence { cause: None, sections }, &Subject::of(probe), Some(&answer))
}

#[test_case("10.0.0.1 port 22: no connection within 3 s",
    "port 22 listens in the guest, but the node cannot connect: check the firewalls and the guest's address"; "firewall")]
#[test_case("10.0.0.1 port 22: connection refused",
    "port 22 listens by now: it came up after the last attempt, or a firewall refuses the node"; "late")]
fn a_port_that_listens_all_the_same(said: &str, cause: &str) {
    assert_eq!(cause_after(&Probe::tcp(22), said, "", &[("listening sockets", SOCKETS)]).as_deref(), Some(cause));
}

#[test]
fn what_was_still_running_and_what_answers_with_an_error() {
    let late = |probe: &Probe| cause_after(probe, "no answer within 5 s", "", &[]).unwrap();
    assert!(
        late(&Probe::shell("check")).starts_with("the command was still running"),
        "{}",
        late(&Probe::shell("check"))
    );
    let http = Probe::Http(crate::HttpProbe::new(8080));
    assert_eq!(
        late(&http),
        "something accepts connections on port 8080, but does not answer requests in time: check its log"
    );
    let down = cause_after(&http, "status 503 Service Unavailable", "<p>\nin repair\n", &[]);
    assert_eq!(down.as_deref(), Some("the server on port 8080 runs and says `in repair`: check its log"));
}

#[test]
fn a_marker_that_is_there_but_not_as_asked() {
    let marker =
        |said: &str, output: &str| cause_after(&Probe::file("/run/ready"), said, output, &[("folder /run", "total 0")]);
    assert_eq!(
        marker("`/run/ready` is older than the guest's start", "").as_deref(),
        Some("nothing has written `/run/ready` since the guest's start")
    );
    let empty = marker("`/run/ready` is empty", "");
    assert_eq!(empty.as_deref(), Some("`/run/ready` is there, but nothing was written into it yet"));
    let other = marker("`/run/ready` does not contain `yes`", "no\nnot yet\n");
    assert_eq!(other.as_deref(), Some("`/run/ready` is there, and its last line is `not yet`"));
}

#[test]
fn a_unit_that_ends_again_and_again() {
    let sections = [
        ("starting units", "app.service loaded activating auto-restart App"),
        (
            "journal of app.service",
            "Started App.\nbind: address already in use\napp.service: Failed with result 'exit-code'.",
        ),
    ];
    assert_eq!(
        cause_of(&Probe::Agent, &sections).as_deref(),
        Some("app.service ends with an error and is started again and again: bind: address already in use")
    );
}

#[test]
fn a_name_that_is_not_known() {
    let output = "curl: (6) Could not resolve host: ca.lan".to_owned();
    let answer = Answer { verdict: crate::Verdict::No, said: "exit status 6".to_owned(), output };
    let cause = cause::nearest(&Evidence::default(), &Subject::default(), Some(&answer));
    assert_eq!(cause.as_deref(), Some("a name cannot be resolved: curl: (6) Could not resolve host: ca.lan"));
}

#[tokio::test(start_paused = true)]
async fn the_folder_of_a_marker_on_the_host() {
    use crate::{Age, Contents, FileProbe, Place, Verdict};
    let context = FakeGuest::new(103).file("/srv/ca/root_ca.crt", Duration::ZERO, "x").context();
    let probe = Probe::File(FileProbe {
        path: "/srv/ca/ca.ready".into(),
        place: Place::Host,
        contents: Contents::Any,
        age: Age::Any,
    });
    let answer = probe.ask(&context, Duration::from_secs(1)).await;
    assert_eq!(answer.verdict, Verdict::No);
    let evidence = gather_evidence(&context, Some((&probe, &answer))).await;
    assert_eq!(evidence.cause.as_deref(), Some("`/srv/ca` on the host holds 1 file, but not this one as asked"));
}

#[tokio::test(start_paused = true)]
async fn the_agent_of_a_vm_is_part_of_it() {
    let context = FakeGuest::new(1001).agent(Duration::ZERO).answers(|_| Reply::AgentSilent).context();
    let evidence = gather_evidence(&context, None).await;
    let silent = "the guest agent of 1001 does not answer: QEMU guest agent is not running";
    assert_eq!((evidence.cause.as_deref(), evidence.section("guest agent")), (Some(silent), Some(silent)));
}

#[test]
fn a_healthy_guest_gives_no_cause() {
    let sections = [
        ("failed units", "System has not been booted with systemd as init system (PID 1). Can't operate."),
        ("system state", "running"),
        (
            "disks",
            "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda1 10 4 6 40% /\n/dev/loop0 4 4 0 100% /snap/x",
        ),
        ("cloud-init", "status: done"),
    ];
    assert_eq!(cause_of(&Probe::Agent, &sections), None);
}

#[tokio::test(start_paused = true)]
async fn sections_are_parsed_and_bounded() {
    let flood = format!("rest of something\n{MARK}journal\n{}\n{MARK}disks\n{MARK}memory\nfree", "x".repeat(20_000));
    let guest = FakeGuest::new(103).answers(move |_| Reply::Prints(flood.clone()));
    let evidence = gather_evidence(&guest.context(), None).await;
    let titles: Vec<_> = evidence.sections.iter().map(|section| section.title.as_str()).collect();
    assert_eq!(titles, ["journal", "memory"]);
    assert!(evidence.section("journal").unwrap().len() <= 4096);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_is_off_is_the_cause() {
    let guest = FakeGuest::new(103).answers(|_| Reply::NotRunning);
    let evidence = gather_evidence(&guest.context(), None).await;
    assert_eq!(evidence.cause.as_deref(), Some("guest 103 does not run"));
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_hangs_does_not_hold_us() {
    let guest = FakeGuest::new(103).answers(|_| Reply::Hangs);
    let started = tokio::time::Instant::now();
    let evidence = gather_evidence(&guest.context(), None).await;
    assert_eq!(started.elapsed(), TIME);
    assert!(evidence.cause.unwrap().contains("very slowly or not at all"));
}

/// The script itself, in the real shell of this machine: every look prints under its own title, and it ends well.
#[tokio::test]
async fn the_script_runs_in_a_real_shell() {
    use phoenix_host::{Host as _, Local};
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("a b;c/ca.ready");
    let look =
        Command::new("sh", Effect::Read, Duration::from_secs(60)).args(["-c", LOOK, "sh", marker.to_str().unwrap()]);
    let output: Output = Local.run(look).await.unwrap();
    assert_eq!(output.status, Some(0), "{}", output.stderr_text());
    let sections = parse(&output.stdout_text());
    let titles: Vec<_> = sections.iter().map(|section| section.title.clone()).collect();
    assert!(titles.contains(&"disks".to_owned()), "{titles:?}");
    let evidence = Evidence { cause: None, sections };
    let subject = Subject { path: Some(marker.to_str().unwrap().into()), ..Subject::default() };
    let cause = cause::nearest(&evidence, &subject, None).unwrap();
    assert!(cause.starts_with("the folder `") && cause.contains("a b;c` does not exist"), "{cause}");
}
