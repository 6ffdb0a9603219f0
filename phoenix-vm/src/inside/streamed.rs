//! Commands whose output is seen as it appears.

use std::time::Duration;

use phoenix_host::{Chunk, Command, Effect, HostError, InsideError, Output, Stream};
use tokio::time::Instant;

use super::answer::tail;
use super::{Pauses, VmInside};

/// Starts a command in the background, in a session of its own, with its output in files, and prints their folder.
const START: &str = r#"umask 077
d=$(mktemp -d /tmp/phoenix.XXXXXX) || exit 70
cat >"$d/in"; : >"$d/out"; : >"$d/err"
setsid sh -c 'd=$1; shift; "$@" <"$d/in" >"$d/out" 2>"$d/err" & echo $! >"$d/child"; wait $!; echo $? >"$d/s"; mv "$d/s" "$d/status"' sh "$d" "$@" </dev/null >/dev/null 2>&1 &
echo $! >"$d/pid"
echo "$d"
"#;

/// Prints on one line how the command fares (`running`, its status, or `gone`), and behind it what its output has more than
/// `$2` and `$3` bytes, `$4` of each at most. The last look takes the files away.
const LOOK: &str = r#"d=$1
s=$(cat "$d/status" 2>/dev/null)
if [ -z "$s" ] && ! kill -0 "$(cat "$d/pid")" 2>/dev/null; then
  s=$(cat "$d/status" 2>/dev/null)
  [ -z "$s" ] && s=gone
fi
echo "${s:-running}"
tail -c +"$(($2 + 1))" "$d/out" | head -c "$4"
tail -c +"$(($3 + 1))" "$d/err" | head -c "$4" >&2
if [ -n "$s" ] && [ "$(wc -c <"$d/out")" -lt "$(($2 + $4))" ] && [ "$(wc -c <"$d/err")" -lt "$(($3 + $4))" ]; then
  rm -rf "$d"
fi
"#;

/// Ends a command with everything that it started (`timeout` leads its process group) and takes its files away. A guest so
/// busy that the command has not even begun gets a few seconds.
const END: &str = r#"n=0
until [ -s "$1/child" ] || [ "$n" = 5 ]; do n=$((n + 1)); sleep 1; done
kill -TERM "-$(cat "$1/child")" 2>/dev/null
rm -rf "$1""#;

/// How much of each stream one look takes.
const PIECE: usize = 256 << 10;

/// How long a look may take.
const LOOK_TIME: Duration = Duration::from_secs(20);

/// Passes output on to the listener.
pub(super) fn show(command: &Command, stdout: &[u8], stderr: &[u8]) {
    let Some(tap) = &command.tap else { return };
    for (stream, bytes) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
        if !bytes.is_empty() {
            let _ = tap.send(Chunk { stream, bytes: bytes.to_vec() });
        }
    }
}

pub(super) async fn run(inside: &VmInside, command: &Command, started: Instant) -> Result<Output, InsideError> {
    let scripted = |effect, script: &str| {
        let mut scripted = Command::new("sh", effect, LOOK_TIME).args(["-c", script, "sh"]);
        scripted.scope = command.scope.clone();
        scripted.output_limit = PIECE + 64;
        scripted
    };
    let refused = |reason: String| InsideError::Refused { guest: inside.id, reason };
    let mut start = scripted(command.effect, START).args(VmInside::carried(command));
    start.stdin.clone_from(&command.stdin);
    let output = inside.short(&start).await?.into_output(PIECE, started.elapsed());
    let folder = output.stdout_text().trim().to_owned();
    if !output.succeeded() || !folder.starts_with("/tmp/phoenix.") {
        return Err(refused(format!("cannot start `{}`: {}", command.display(), output.stderr_text().trim())));
    }
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut pauses = Pauses::new();
    let (mut out_dropped, mut err_dropped) = (0, 0);
    let mut behind = false;
    loop {
        let left = command.deadline.saturating_sub(started.elapsed());
        if left.is_zero() {
            // It ends itself a moment later; this takes its files away too, if the agent still answers.
            let _ = inside.short(&scripted(Effect::Change, END).arg(&folder)).await;
            return Err(inside.late(command));
        }
        // What has come in more than one piece is fetched without waiting.
        if !behind {
            tokio::time::sleep(pauses.next().min(left)).await;
        }
        let offsets = [out_dropped + stdout.len() as u64, err_dropped + stderr.len() as u64];
        let look = scripted(Effect::Read, LOOK).arg(&folder).args(offsets).arg(PIECE);
        let seen = match inside.short(&look).await {
            Ok(answer) => answer.into_output(PIECE + 64, started.elapsed()),
            // A busy guest answers late; what runs in it goes on.
            Err(InsideError::AgentSilent { .. } | InsideError::Deadline { .. } | InsideError::Slow { .. }) => continue,
            Err(error) => return Err(error),
        };
        let Some(end) = seen.stdout.iter().position(|byte| *byte == b'\n') else {
            return Err(refused(format!("cannot look after `{}`: {}", command.display(), seen.stderr_text().trim())));
        };
        let (state, piece) = (String::from_utf8_lossy(&seen.stdout[..end]).into_owned(), &seen.stdout[end + 1..]);
        show(command, piece, &seen.stderr);
        behind = piece.len() >= PIECE || seen.stderr.len() >= PIECE;
        for (kept, dropped, piece) in
            [(&mut stdout, &mut out_dropped, piece), (&mut stderr, &mut err_dropped, seen.stderr.as_slice())]
        {
            kept.extend_from_slice(piece);
            let (rest, count) = tail(std::mem::take(kept), command.output_limit);
            (*kept, *dropped) = (rest, *dropped + count);
        }
        match state.as_str() {
            "running" => {}
            _ if behind => {}
            "gone" => {
                let host = format!("the agent of {}", inside.id);
                return Err(HostError::OutcomeUnknown { host, command: command.display() }.into());
            }
            status => {
                let status = status.parse().map_err(|_| refused(format!("`{status}` is no exit status")))?;
                let dropped = out_dropped + err_dropped;
                return Ok(Output { status: Some(status), stdout, stderr, dropped, elapsed: started.elapsed() });
            }
        }
    }
}
