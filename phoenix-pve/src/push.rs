//! Files written inside guests.

use std::time::Duration;

use camino::Utf8Path;
use phoenix_host::{Command, Effect, Input, Inside, sha256};
use phoenix_types::GuestId;

use crate::{ErrorClass, GuestError, InvalidSettings};

/// Appends standard input to a temporary file next to the target (`$1`). With a mode (`$3`) and a digest (`$4`) it also ends
/// the file: checked, given its mode, and put in place in one step. `$2` is the temporary file, `$5` says whether it is new.
const SCRIPT: &str = r#"set -e
[ "$5" = new ] && { mkdir -p "${1%/*}/"; (umask 077; : >"$2"); }
cat >>"$2"
[ -z "$3" ] && exit 0
sum=$(sha256sum <"$2")
[ "${sum%% *}" = "$4" ] || { rm -f "$2"; echo "the file arrived damaged" >&2; exit 65; }
chmod "$3" "$2"
mv -f "$2" "$1"
"#;

/// A file for the inside of a guest.
#[derive(Debug, Clone, Copy)]
pub struct Push<'a> {
    /// Where it goes: an absolute path. Folders on the way are made.
    pub path: &'a Utf8Path,
    /// What is in it.
    pub contents: &'a [u8],
    /// Its permission bits.
    pub mode: u32,
}

/// Writes a file inside a guest, as a whole and verified by its SHA-256: a reader sees the old file or the new one.
/// `limit` is the most that one command can carry; each command gets 20 s and a second more for each MiB.
///
/// Cancel safety: a dropped future leaves the old file and perhaps a temporary one next to it.
///
/// # Errors
/// When the path is no absolute path, the guest cannot be reached, or the file does not arrive.
pub async fn push(inside: &dyn Inside, guest: GuestId, file: Push<'_>, limit: usize) -> Result<(), GuestError> {
    check_path(file.path).map_err(|source| GuestError::Invalid { guest, source })?;
    let digest = sha256(file.contents);
    let temporary = format!("{}.phoenix-{}", file.path, &digest[..12]);
    let mut chunks: Vec<&[u8]> = file.contents.chunks(limit.max(1)).collect();
    if chunks.is_empty() {
        chunks.push(&[]);
    }
    let last = chunks.len() - 1;
    for (at, chunk) in chunks.into_iter().enumerate() {
        let (mode, sum) = if at == last { (format!("{:o}", file.mode), digest.as_str()) } else { (String::new(), "") };
        let state = if at == 0 { "new" } else { "more" };
        let deadline = Duration::from_secs(20 + chunk.len() as u64 / (1 << 20));
        let command = Command::new("sh", Effect::Change, deadline)
            .args(["-c", SCRIPT, "push", file.path.as_str(), &temporary, &mode, sum, state])
            .stdin(Input::Bytes(chunk.to_vec()));
        let output = inside.exec(command).await?;
        if !output.succeeded() {
            let reason = format!("cannot write `{}` inside: {}", file.path, output.stderr_text().trim_end());
            return Err(GuestError::Precondition { guest, reason, class: ErrorClass::Failed });
        }
    }
    Ok(())
}

fn check_path(path: &Utf8Path) -> Result<(), InvalidSettings> {
    let text = path.as_str();
    if !path.is_absolute() || text.ends_with('/') || text.chars().any(char::is_control) {
        return Err(InvalidSettings::value(
            "path",
            text,
            "the path of a file inside a guest begins with `/`, ends with a name and holds no control character",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use phoenix_host::{Host as _, InsideError, Local, Output};

    /// This machine as the inside of a guest: the script runs in its real shell.
    #[derive(Debug)]
    struct Here;

    #[async_trait]
    impl Inside for Here {
        async fn exec(&self, command: Command) -> Result<Output, InsideError> {
            Ok(Local.run(command).await?)
        }
    }

    #[tokio::test]
    async fn a_file_arrives_in_pieces_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let guest = GuestId::new(103).unwrap();
        let path = root.join("a b/new/it's -n");
        for (contents, limit) in [(&b"\x00\xff0123456789"[..], 4), (b"", 4), (b"once", 100)] {
            push(&Here, guest, Push { path: &path, contents, mode: 0o640 }, limit).await.unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), contents);
        }
        let stat = Local.stat(&path).await.unwrap().unwrap();
        assert_eq!(stat.mode, 0o640);
        assert_eq!(Local.list(path.parent().unwrap()).await.unwrap(), ["it's -n"]);
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_an_error() {
        let guest = GuestId::new(103).unwrap();
        let push_to = |path: &'static str| async move {
            push(&Here, guest, Push { path: path.into(), contents: b"x", mode: 0o600 }, 9)
                .await
                .unwrap_err()
                .to_string()
        };
        assert!(push_to("/proc/none/x").await.contains("cannot write `/proc/none/x` inside"));
        assert!(matches!(
            push(&Here, guest, Push { path: "relative".into(), contents: b"", mode: 0o600 }, 9).await,
            Err(GuestError::Invalid { .. })
        ));
    }
}
