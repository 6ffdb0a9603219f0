//! `qm guest` over a real guest agent: its protocol on a socket, and the words of `qm` about its answers.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use phoenix_host::Output;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::Instant;

/// Asks the agent one question.
async fn ask(socket: &Path, command: &str, arguments: &Value) -> Option<Value> {
    let asked = async {
        let mut stream = UnixStream::connect(socket).await.ok()?;
        let mut question = json!({"execute": command, "arguments": arguments}).to_string();
        question.push('\n');
        stream.write_all(question.as_bytes()).await.ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await.ok()?;
        serde_json::from_str::<Value>(&line).ok()
    };
    tokio::time::timeout(Duration::from_secs(10), asked).await.ok().flatten()
}

fn silent() -> Output {
    Output { status: Some(255), stderr: b"QEMU guest agent is not running\n".to_vec(), ..Output::default() }
}

fn printed(answer: &Value) -> Output {
    Output { status: Some(0), stdout: answer.to_string().into_bytes(), ..Output::default() }
}

pub(super) async fn ping(socket: &Path) -> Output {
    match ask(socket, "guest-ping", &json!({})).await {
        Some(answer) if answer.get("return").is_some() => Output { status: Some(0), ..Output::default() },
        _ => silent(),
    }
}

/// Starts a program; its number.
async fn start(socket: &Path, argv: &[String], input: Option<&[u8]>) -> Result<u64, Output> {
    let (path, arguments) = argv.split_first().expect("a program");
    let mut question = json!({"path": path, "arg": arguments, "capture-output": true});
    if let Some(input) = input {
        question["input-data"] = BASE64.encode(input).into();
    }
    let answer = ask(socket, "guest-exec", &question).await.ok_or_else(silent)?;
    answer["return"]["pid"].as_u64().ok_or_else(|| {
        let reason = answer["error"]["desc"].as_str().unwrap_or("no answer").to_owned();
        Output { status: Some(29), stderr: format!("Agent error: {reason}\n").into_bytes(), ..Output::default() }
    })
}

/// How a program fares, as `qm` prints it: each byte of output is a character of Latin-1.
async fn status(socket: &Path, pid: u64) -> Result<Value, Output> {
    let answer = ask(socket, "guest-exec-status", &json!({"pid": pid})).await.ok_or_else(silent)?;
    if let Some(reason) = answer["error"]["desc"].as_str() {
        return Err(Output {
            status: Some(29),
            stderr: format!("Agent error: {reason}\n").into_bytes(),
            ..Output::default()
        });
    }
    let mut answer = answer["return"].clone();
    for key in ["out-data", "err-data"] {
        if let Some(bytes) = answer[key].as_str().and_then(|text| BASE64.decode(text).ok()) {
            answer[key] = bytes.into_iter().map(char::from).collect::<String>().into();
        }
    }
    answer["exited"] = u8::from(answer["exited"] == json!(true)).into();
    Ok(answer)
}

/// `qm guest exec`, with what stands behind its id.
pub(super) async fn exec(socket: &Path, words: &[String], stdin: Option<&[u8]>) -> Output {
    let at = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let (options, argv) = (&words[..at], words.get(at + 1..).unwrap_or_default());
    let value = |name: &str| options.windows(2).find(|pair| pair[0] == name).map(|pair| pair[1].as_str());
    let input = stdin.filter(|_| value("--pass-stdin") == Some("1"));
    let pid = match start(socket, argv, input).await {
        Ok(pid) => pid,
        Err(output) => return output,
    };
    if value("--synchronous") == Some("0") {
        return printed(&json!({"pid": pid}));
    }
    let timeout = value("--timeout").and_then(|text| text.parse().ok()).unwrap_or(30);
    let deadline = Instant::now() + Duration::from_secs(timeout);
    loop {
        match status(socket, pid).await {
            Ok(answer) if answer["exited"] == 1 => return printed(&answer),
            Ok(_) if Instant::now() >= deadline => return printed(&json!({"pid": pid})),
            Ok(_) => tokio::time::sleep(Duration::from_millis(300)).await,
            Err(output) => return output,
        }
    }
}

/// `qm guest exec-status`.
pub(super) async fn exec_status(socket: &Path, pid: &str) -> Output {
    match status(socket, pid.parse().unwrap_or(0)).await {
        Ok(answer) => printed(&answer),
        Err(output) => output,
    }
}
