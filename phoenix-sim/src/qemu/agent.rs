//! The guest agent: `qm guest cmd` (`qm agent`), `guest exec`, `guest exec-status`, `guest passwd`, and the API's file calls.
//!
//! Rules from `PVE::QemuServer::Agent`, `PVE::API2::Qemu::Agent` and `PVE::CLI::qm`; the answers are those of QEMU's agent.

use std::time::Duration;

use phoenix_sim_guest::agent::Outcome;
use phoenix_sim_guest::{Ended, Exec};
use phoenix_types::GuestConf;
use serde_json::{Value as Json, json};

use crate::node::{Call, Console, Failure, SimNode};

use super::{agent_replies, guest, power, settings};

/// How much of a process's output the agent keeps, in bytes.
const OUTPUT_LIMIT: usize = 16 << 20;

/// The error that the agent itself answers with.
fn agent_error(message: &str) -> Failure {
    Failure::with_exit(format!("Agent error: {message}"), 29)
}

/// Checks that the agent of a VM answers.
async fn available(call: &Call<'_>, id: u32) -> Result<GuestConf, Failure> {
    let conf = call.vm(id)?;
    if conf.live.get("agent").is_none() {
        return Err(Failure::die("No QEMU guest agent configured"));
    }
    if !call.runs(id) {
        return Err(Failure::with_exit(format!("VM {id} is not running"), 2));
    }
    if settings::agent_enabled(&conf.live) != Some(true) || !guest::is_up(call.node, id) {
        call.node.sleep(guest::PING).await;
        return Err(Failure::die("QEMU guest agent is not running"));
    }
    log(call, id, "guest-ping called");
    Ok(conf)
}

/// Debian's agent logs into the journal what it is asked.
fn log(call: &Call<'_>, id: u32, text: &str) {
    phoenix_sim_guest::journal::log(&mut *call.state(), id, "qemu-ga", &format!("info: {text}"));
}

/// `qm guest cmd`.
pub(super) async fn command(call: &mut Call<'_>) -> Result<(), Failure> {
    let name = call.param("command").unwrap_or_default().to_owned();
    let reply = ask(call, &name).await?;
    print(call, &reply);
    Ok(())
}

/// Asks the agent, and gives what it answers.
pub(crate) async fn ask(call: &mut Call<'_>, name: &str) -> Result<Json, Failure> {
    let id = call.vmid();
    let conf = available(call, id).await?;
    if name == "shutdown" {
        let _held = call.lock_vm(id).await?;
        power::shut_down_from_inside(call, id).await?;
        return Ok(json!({}));
    }
    Ok(agent_replies::reply(call.node, id, &conf, name).await)
}

fn print(call: &mut Call<'_>, reply: &Json) {
    match reply {
        Json::Null => {}
        Json::Object(object) if object.is_empty() => {}
        Json::String(text) => {
            let text = text.trim_end_matches('\n');
            if !text.trim().is_empty() {
                call.out(&format!("{text}\n"));
            }
        }
        Json::Number(number) => call.out(&format!("{number}\n")),
        reply => {
            let mut text = String::new();
            pretty(&mut text, reply, 0);
            text.push('\n');
            call.out(&text);
        }
    }
}

/// JSON as Perl's `to_json` prints it with `pretty` and `canonical`.
pub(crate) fn pretty(text: &mut String, value: &Json, depth: usize) {
    let indent = |text: &mut String, depth: usize| text.push_str(&" ".repeat(3 * depth));
    match value {
        Json::Array(items) if !items.is_empty() => {
            text.push_str("[\n");
            for (at, item) in items.iter().enumerate() {
                indent(text, depth + 1);
                pretty(text, item, depth + 1);
                text.push_str(if at + 1 < items.len() { ",\n" } else { "\n" });
            }
            indent(text, depth);
            text.push(']');
        }
        Json::Object(items) if !items.is_empty() => {
            text.push_str("{\n");
            let mut keys: Vec<&String> = items.keys().collect();
            keys.sort_unstable();
            for (at, key) in keys.iter().enumerate() {
                indent(text, depth + 1);
                text.push_str(&format!("{} : ", Json::String((*key).clone())));
                pretty(text, &items[key.as_str()], depth + 1);
                text.push_str(if at + 1 < keys.len() { ",\n" } else { "\n" });
            }
            indent(text, depth);
            text.push('}');
        }
        value => text.push_str(&value.to_string()),
    }
}

/// A process that the agent started.
struct Started {
    pid: u32,
    task: tokio::task::JoinHandle<()>,
}

/// Starts a process inside a VM. It continues when the command that asked for it ends.
async fn start(call: &Call<'_>, id: u32, argv: Vec<String>, stdin: Vec<u8>) -> Result<Started, Failure> {
    log(call, id, &format!("guest-exec called: \"{}\"", argv.join(" ")));
    let pid = {
        let mut state = call.state();
        state.agent.entry(id).or_default().begin()
    };
    let program = argv.first().cloned().unwrap_or_default();
    let node = call.node.clone();
    let task = tokio::spawn(async move {
        let mut console = Console::new(OUTPUT_LIMIT, None);
        let ended = run(&node, id, &argv, &stdin, &mut console).await;
        let (out, err, dropped) = console.into_parts();
        let (exit, signal) = match ended {
            Ended::Exit(exit) => (Some(exit), None),
            Ended::Signal(signal) => (None, Some(signal)),
            Ended::NotFound => (None, None),
        };
        let outcome = Outcome { exit, signal, out, err, truncated: dropped > 0 };
        let mut state = node.state();
        if let Some(processes) = state.agent.get_mut(&id) {
            processes.end(pid, outcome);
        }
    });
    let mut started = Started { pid, task };
    // A program that is not there shows at once.
    let _ = tokio::time::timeout(Duration::from_millis(1), &mut started.task).await;
    let is_missing = {
        let mut state = call.state();
        state.agent.entry(id).or_default().take_failed(pid)
    };
    if is_missing {
        return Err(agent_error(&format!(
            "Failed to execute child process \u{201c}{program}\u{201d} (No such file or directory)"
        )));
    }
    Ok(started)
}

async fn run(node: &SimNode, id: u32, argv: &[String], stdin: &[u8], console: &mut Console) -> Ended {
    let env = [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C.UTF-8")];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    node.inside(id).exec(Exec { argv, env: &env, stdin }, console).await
}

/// What is known of a process; one that ended is told about once.
fn process_status(call: &Call<'_>, id: u32, pid: u32) -> Result<Json, Failure> {
    log(call, id, &format!("guest-exec-status called, pid: {pid}"));
    let mut state = call.state();
    match state.agent.entry(id).or_default().take(pid) {
        None => Err(agent_error("PID ld does not exist")),
        Some(None) => Ok(json!({"exited": 0})),
        Some(Some(outcome)) => Ok(outcome.json()),
    }
}

/// `qm guest exec`.
pub(super) async fn exec(call: &mut Call<'_>) -> Result<(), Failure> {
    const STDIN_LIMIT: usize = 1 << 20;
    let id = call.vmid();
    let waits = call.inv.params.flag("synchronous").unwrap_or(true);
    if call.param("timeout").is_some() && !waits {
        return Err(call.bad_param("synchronous", "needs to be set for 'timeout'"));
    }
    let stdin = call.is_set("pass-stdin").then(|| call.stdin.to_vec());
    if stdin.as_ref().is_some_and(|stdin| stdin.len() > STDIN_LIMIT) {
        return Err(Failure::die("'input-data' (STDIN) is limited to 1 MiB, aborting"));
    }
    let argv = call.inv.extra_args.clone();
    call.vm(id)?;
    if argv.is_empty() && stdin.is_none() {
        return Err(Failure::die("command or input-data (or both) required"));
    }
    available(call, id).await?;
    if argv.is_empty() {
        return Err(agent_error("Parameter 'path' is missing"));
    }
    let started = match start(call, id, argv, stdin.unwrap_or_default()).await {
        Ok(started) => started,
        Err(failure) => {
            // The agent's quotation marks are wider than what the real tool's error stream expects.
            call.err("Wide character in die at /usr/share/perl5/PVE/RESTHandler.pm line 1131.\n");
            return Err(failure);
        }
    };
    let pid = started.pid;
    if !waits {
        print(call, &json!({"pid": pid}));
        return Ok(());
    }
    let timeout = call.number::<u64>("timeout").unwrap_or(30);
    let reply = follow(call, id, started, timeout).await?;
    if reply.get("exited") == Some(&json!(1)) {
        print(call, &reply);
    } else {
        call.err("timeout reached, returning pid\n");
        print(call, &json!({"pid": pid}));
    }
    Ok(())
}

/// Asks after a process once a second until it ended or the time is over.
async fn follow(call: &Call<'_>, id: u32, mut started: Started, timeout: u64) -> Result<Json, Failure> {
    let begun = call.node.clock().now();
    let patience = if timeout == 0 { Duration::from_secs(u64::from(u32::MAX)) } else { Duration::from_secs(timeout) };
    if !started.task.is_finished() {
        let _ = tokio::time::timeout(patience, &mut started.task).await;
        let elapsed = call.node.clock().now().saturating_sub(begun);
        let polled = Duration::from_secs(elapsed.as_secs() + u64::from(elapsed.subsec_nanos() > 0));
        call.node.sleep(polled.saturating_sub(elapsed)).await;
    }
    process_status(call, id, started.pid)
}

/// `qm guest exec-status`.
pub(super) async fn exec_status(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.vmid();
    let pid = call.number("pid").unwrap_or(0);
    available(call, id).await?;
    let reply = process_status(call, id, pid)?;
    print(call, &reply);
    Ok(())
}

/// `qm guest passwd`.
pub(super) async fn set_password(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.vmid();
    let user = call.param("username").unwrap_or_default().to_owned();
    let password = call.param("password").unwrap_or_default().to_owned();
    available(call, id).await?;
    let argv = ["chpasswd".to_owned()];
    let mut console = Console::default();
    match run(call.node, id, &argv, format!("{user}:{password}\n").as_bytes(), &mut console).await {
        Ended::Exit(0) => Ok(()),
        Ended::NotFound => Err(agent_error(
            "child process has failed to set user password: failed to exec 'chpasswd': No such file or directory\n\n",
        )),
        Ended::Exit(_) | Ended::Signal(_) => Err(agent_error("child process has failed to set user password")),
    }
}

/// The API's `agent/exec`: starts a command and gives its process id.
pub(crate) async fn api_exec(call: &mut Call<'_>) -> Result<Json, Failure> {
    let id = call.vmid();
    let mut argv = call.inv.params.list("command").to_vec();
    if argv.is_empty() {
        argv.extend(call.param("command").map(str::to_owned));
    }
    let stdin = call.param("input-data").unwrap_or_default().as_bytes().to_vec();
    available(call, id).await?;
    let started = start(call, id, argv, stdin).await?;
    Ok(json!({"pid": started.pid}))
}

/// The API's `agent/exec-status`.
pub(crate) async fn api_exec_status(call: &mut Call<'_>) -> Result<Json, Failure> {
    let id = call.vmid();
    let pid = call.number("pid").unwrap_or(0);
    available(call, id).await?;
    process_status(call, id, pid)
}

/// The API's `agent/file-write`: writes a file inside the VM. The text is base64 when `encode` is 0.
pub(crate) async fn api_file_write(call: &mut Call<'_>) -> Result<Json, Failure> {
    let id = call.vmid();
    let path = call.param("file").unwrap_or_default().to_owned();
    let text = call.param("content").unwrap_or_default().to_owned();
    let bytes = if call.inv.params.flag("encode") == Some(false) {
        decode_base64(&text).ok_or_else(|| agent_error("failed to decode base64"))?
    } else {
        text.into_bytes()
    };
    available(call, id).await?;
    let argv = ["/bin/sh", "-c", "cat > \"$1\"", "sh", &path].map(str::to_owned);
    let mut console = Console::default();
    match run(call.node, id, &argv, &bytes, &mut console).await {
        Ended::Exit(0) => Ok(Json::Null),
        _ => Err(agent_error(&format!(
            "failed to open file '{path}' (mode: 'wb'): failed to open file '{path}': No such file or directory"
        ))),
    }
}

/// The API's `agent/file-read`.
pub(crate) async fn api_file_read(call: &mut Call<'_>) -> Result<Json, Failure> {
    let id = call.vmid();
    let path = call.param("file").unwrap_or_default().to_owned();
    available(call, id).await?;
    let argv = ["cat", "--", &path].map(str::to_owned);
    let mut console = Console::default();
    match run(call.node, id, &argv, b"", &mut console).await {
        Ended::Exit(0) => {
            let bytes = console.stdout();
            let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
            Ok(json!({"bytes-read": bytes.len(), "content": text}))
        }
        _ => Err(agent_error(&format!("failed to open file '{path}' (mode: 'r'): No such file or directory"))),
    }
}

/// Reads base64 with or without padding and line ends.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for letter in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).unwrap_or(0));
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test]
    fn json_looks_as_perl_prints_it() {
        let mut text = String::new();
        pretty(&mut text, &json!({"b": [], "a": {"x": "1\n", "n": [1, {"k": true}]}}), 0);
        assert_eq!(
            text,
            "{\n   \"a\" : {\n      \"n\" : [\n         1,\n         {\n            \"k\" : true\n         }\n      ],\n      \"x\" : \"1\\n\"\n   },\n   \"b\" : []\n}"
        );
    }

    #[test_case("aGVsbG8K", Some("hello\n"))]
    #[test_case("aGk=", Some("hi"))]
    #[test_case("a!", None)]
    fn base64(text: &str, expected: Option<&str>) {
        assert_eq!(decode_base64(text).as_deref(), expected.map(str::as_bytes));
    }
}
