//! What `qm guest exec` and `exec-status` print.

use std::time::Duration;

use phoenix_host::Output;
use serde_json::Value;

/// The agent's answer about a command (qemu-server `QemuServer/Agent.pm`, `qemu_exec_status`).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its process, when the call did not wait for its end.
    pub(super) pid: Option<u64>,
    /// Whether it has ended.
    pub(super) ended: bool,
    status: Option<i32>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    truncated: bool,
}

/// Numbers and yes-or-no come as numbers, as strings or as booleans: Perl does not tell them apart.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        Value::Bool(yes) => Some(u64::from(*yes)),
        _ => None,
    }
}

/// The bytes of a command's output. Proxmox takes each byte for a character of Latin-1; characters beyond that were decoded
/// somewhere and stand for themselves.
fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_default();
    text.chars()
        .map(|c| u8::try_from(u32::from(c)))
        .collect::<Result<_, _>>()
        .unwrap_or_else(|_| text.as_bytes().to_vec())
}

impl Answer {
    pub(super) fn parse(stdout: &[u8]) -> Option<Self> {
        let json: Value = serde_json::from_slice(stdout).ok()?;
        let object = json.as_object()?;
        let truthy = |key: &str| object.get(key).and_then(number).is_some_and(|number| number != 0);
        let answer = Self {
            pid: object.get("pid").and_then(number),
            ended: truthy("exited"),
            // A command that a signal ended has no status.
            status: object.get("exitcode").and_then(number).and_then(|status| i32::try_from(status).ok()),
            stdout: object.get("out-data").map(bytes).unwrap_or_default(),
            stderr: object.get("err-data").map(bytes).unwrap_or_default(),
            truncated: truthy("out-truncated") || truthy("err-truncated"),
        };
        (answer.pid.is_some() || object.contains_key("exited")).then_some(answer)
    }

    pub(super) fn into_output(self, limit: usize, elapsed: Duration) -> Output {
        let (stdout, out_dropped) = tail(self.stdout, limit);
        let (stderr, err_dropped) = tail(self.stderr, limit);
        // How much the agent threw away is not known; that it did, is.
        let dropped = out_dropped + err_dropped + u64::from(self.truncated);
        Output { status: self.status, stdout, stderr, dropped, elapsed }
    }
}

/// The last `limit` bytes, and how many came before them.
pub(super) fn tail(mut bytes: Vec<u8>, limit: usize) -> (Vec<u8>, u64) {
    let excess = bytes.len().saturating_sub(limit);
    bytes.drain(..excess);
    (bytes, excess as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_answers() {
        let done = br#"{ "err-data" : "err\n", "err-truncated" : 0, "exitcode" : 3, "exited" : 1, "out-data" : "out\n", "out-truncated" : 0 }"#;
        let output = Answer::parse(done).unwrap().into_output(100, Duration::ZERO);
        assert_eq!(
            (output.status, output.stdout.as_slice(), output.stderr.as_slice()),
            (Some(3), &b"out\n"[..], &b"err\n"[..])
        );
        assert_eq!(Answer::parse(br#"{ "pid" : 155 }"#).unwrap().pid, Some(155));
        let killed = Answer::parse(br#"{ "exited" : 1, "signal" : 9 }"#).unwrap();
        assert!(killed.ended && killed.into_output(9, Duration::ZERO).status.is_none());
        assert_eq!(Answer::parse(b""), None);
        assert_eq!(Answer::parse(b"{}"), None);
    }

    #[test]
    fn output_is_bytes_again() {
        let latin =
            serde_json::json!({"exited": "1", "exitcode": "0", "out-data": "gr\u{c3}\u{bc}n \u{ff}"}).to_string();
        assert_eq!(Answer::parse(latin.as_bytes()).unwrap().stdout, b"gr\xc3\xbcn \xff");
        let decoded = serde_json::json!({"exited": true, "out-data": "“x”"}).to_string();
        assert_eq!(Answer::parse(decoded.as_bytes()).unwrap().stdout, "“x”".as_bytes());
    }

    #[test]
    fn only_the_end_of_the_output_is_kept() {
        let json =
            serde_json::json!({"exited": 1, "exitcode": 0, "out-data": "0123456789", "out-truncated": 1}).to_string();
        let output = Answer::parse(json.as_bytes()).unwrap().into_output(4, Duration::ZERO);
        assert_eq!((output.stdout.as_slice(), output.dropped), (&b"6789"[..], 7));
    }
}
