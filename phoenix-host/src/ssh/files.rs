//! The files of a node over ssh: each question is one small shell program, and many questions are one as well.

use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use camino::{Utf8Path, Utf8PathBuf};

use super::Ssh;
use crate::{
    Command, Created, Effect, FileKind, FileStat, Glance, Host as _, HostError, Input, Output, Wanted, ask_whole,
    sha256,
};

/// How long a file operation may take.
const FILE: Duration = Duration::from_secs(60);

/// The status with which the shell programs below say that there is no such file.
const NOT_FOUND: i32 = 44;

/// Receives a file for the path `$1` into `$new`, a temporary file next to it. A link that breaks looks like the end of the file
/// from there, so the SHA-256 in `$2` decides whether all of it arrived.
const RECEIVE: &str = r#"umask 077
new=$(mktemp "$1.XXXXXX") || exit 1
cat > "$new" && sync "$new" && sum=$(sha256sum < "$new") && [ "${sum%% *}" = "$2" ] || {
    rm -f -- "$new"
    echo "the file arrived incomplete" >&2
    exit 1
}
"#;

/// Whether there is something at a path. Any other answer than "it is not there" is a failure: a file system that is gone has not
/// lost its files.
const THERE: &str = r#"there() {
    why=$(stat -L -- "$1" 2>&1) && return 0
    case $why in *"No such file or directory"*) return 44 ;; esac
    printf '%s\n' "$why" >&2
    return 1
}
"#;

/// Looks at what standard input lists, a line for each: `stat PATH`, `file PATH`, or the end of the names of files and the path of
/// their folder. The answers are triples, each part of which ends in NUL: what it is, the path, and the facts or the base64 of the file.
const LOOK: &str = r#"put() { printf '%s\0%s\0%s\0' "$1" "$2" "$3"; }
file() {
    if there "$1"; then
        text=$(base64 -w 0 -- "$1") && put file "$1" "$text"
    elif [ $? = 44 ]; then
        put no-file "$1" ""
    fi
}
while IFS= read -r line; do
    path=${line#* }
    case ${line%% *} in
        stat)
            if there "$path"; then
                facts=$(stat -L -c '%f %s %u %g' -- "$path") && put stat "$path" "$facts"
            elif [ $? = 44 ]; then
                put no-stat "$path" ""
            fi ;;
        file) file "$path" ;;
        *)
            if there "$path"; then
                [ -d "$path" ] && [ -r "$path" ] || continue
                put folder "$path" ""
                for name in "$path"/*; do
                    put name "$path" "${name##*/}"
                    case $name in *"${line%% *}") file "$name" ;; esac
                done
            elif [ $? = 44 ]; then
                put folder "$path" ""
            fi ;;
    esac
done 2> /dev/null"#;

/// Reads what `stat -c '%f %s %u %g'` printed.
fn facts(text: &str) -> Option<FileStat> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [mode, size, uid, gid] = words.as_slice() else { return None };
    let mode = u32::from_str_radix(mode, 16).ok()?;
    Some(FileStat {
        kind: match mode & 0o170_000 {
            0o100_000 => FileKind::File,
            0o040_000 => FileKind::Folder,
            _ => FileKind::Other,
        },
        size: size.parse().ok()?,
        mode: mode & 0o7777,
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
    })
}

/// Reads what [`LOOK`] printed; nothing when it is something else.
fn glance(printed: &[u8]) -> Option<Glance> {
    let mut glance = Glance::default();
    let parts: Vec<&str> = std::str::from_utf8(printed).ok()?.split_terminator('\0').collect();
    for triple in parts.chunks(3) {
        let [what, path, rest] = triple else { return None };
        let path = Utf8PathBuf::from(*path);
        match *what {
            "stat" => _ = glance.stats.insert(path, Some(facts(rest)?)),
            "no-stat" => _ = glance.stats.insert(path, None),
            "file" => _ = glance.files.insert(path, Some(BASE64.decode(rest).ok()?)),
            "no-file" => _ = glance.files.insert(path, None),
            "folder" => _ = glance.folders.insert(path, Vec::new()),
            // A folder without files gives the pattern itself.
            "name" if *rest != "*" => glance.folders.get_mut(&path)?.push((*rest).to_owned()),
            "name" => {}
            _ => return None,
        }
    }
    glance.folders.values_mut().for_each(|names| names.sort());
    Some(glance)
}

impl Ssh {
    /// Looks at many files with one program.
    pub(super) async fn look(&self, wanted: &[Wanted]) -> Result<Glance, HostError> {
        let line = |wanted: &Wanted| match wanted {
            Wanted::Stat(path) => format!("stat {path}\n"),
            Wanted::File(path) => format!("file {path}\n"),
            Wanted::Files { folder, suffix } => format!("{suffix} {folder}\n"),
        };
        // A path with a line break is none of the list: it is asked for alone.
        let lines = wanted.iter().map(line).filter(|line| line.matches('\n').count() == 1);
        let script = format!("{THERE}{LOOK}");
        let command = Command::new("sh", Effect::Read, FILE)
            .args(["-c", &script, "phoenix"])
            .stdin(Input::Bytes(lines.collect::<String>().into_bytes()));
        let output = ask_whole(self, command).await?;
        Ok(glance(&output.stdout).unwrap_or_default())
    }

    /// Runs a small shell program of ours on the node, with arguments.
    async fn shell(
        &self,
        action: &'static str,
        path: &Utf8Path,
        script: &str,
        args: &[&str],
        input: Option<&[u8]>,
    ) -> Result<Output, HostError> {
        let mut command =
            Command::new("sh", Effect::Change, FILE).args(["-c", script, "phoenix", path.as_str()]).args(args);
        command.output_limit = 64 << 20;
        if let Some(input) = input {
            command = command.stdin(Input::Bytes(input.to_vec()));
        }
        // People know the file operation, not our shell program.
        let what = || format!("{action} {path}");
        let output = self.run(command).await.map_err(|error| match error {
            HostError::OutcomeUnknown { host, .. } => HostError::OutcomeUnknown { host, command: what() },
            HostError::Deadline { deadline, tail, .. } => HostError::Deadline { command: what(), deadline, tail },
            error => error,
        })?;
        if output.succeeded() {
            return Ok(output);
        }
        let message = output.stderr_text().trim().to_owned();
        let kind = if output.status == Some(NOT_FOUND) { io::ErrorKind::NotFound } else { io::ErrorKind::Other };
        Err(HostError::File { action, path: path.to_owned(), source: io::Error::new(kind, message) })
    }

    pub(super) async fn read_file(&self, path: &Utf8Path, limit: u64) -> Result<Vec<u8>, HostError> {
        let script = format!("{THERE}there \"$1\" || exit\nhead -c \"$2\" -- \"$1\"");
        let most = limit.saturating_add(1).to_string();
        let output = self.shell("read", path, &script, &[&most], None).await?;
        if output.stdout.len() as u64 > limit {
            let source = io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {limit} bytes"));
            return Err(HostError::File { action: "read", path: path.to_owned(), source });
        }
        Ok(output.stdout)
    }

    pub(super) async fn write_file(&self, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), HostError> {
        // /etc/pve has fixed modes (pmxcfs) and refuses chmod; its own mode is the right one there.
        let put = "{ chmod \"$3\" \"$new\" 2> /dev/null || [ \"${1#/etc/pve/}\" != \"$1\" ]; } && mv -fT -- \"$new\" \"$1\" && exit 0\n\
            rm -f -- \"$new\"\nexit 1";
        let arguments = [&*sha256(contents), &format!("{mode:o}")];
        self.shell("write", path, &format!("{RECEIVE}{put}"), &arguments, Some(contents)).await.map(|_| ())
    }

    pub(super) async fn create_file(&self, path: &Utf8Path, contents: &[u8]) -> Result<Created, HostError> {
        let put = "if ln -T -- \"$new\" \"$1\" 2> /dev/null; then echo made; elif [ -e \"$1\" ]; then echo existed; fi\n\
            rm -f -- \"$new\"";
        let script = format!("{RECEIVE}{put}");
        let output = self.shell("create", path, &script, &[&sha256(contents)], Some(contents)).await?;
        match output.stdout_text().trim() {
            "made" => Ok(Created::Made),
            "existed" => Ok(Created::Existed),
            _ => {
                let source = io::Error::other("the folder takes no new files");
                Err(HostError::File { action: "create", path: path.to_owned(), source })
            }
        }
    }

    pub(super) async fn remove_file(&self, path: &Utf8Path) -> Result<(), HostError> {
        self.shell("remove", path, "rm -f -- \"$1\"", &[], None).await.map(|_| ())
    }

    pub(super) async fn inspect(&self, path: &Utf8Path) -> Result<Option<FileStat>, HostError> {
        let script = format!("{THERE}there \"$1\" || exit\nstat -L -c '%f %s %u %g' -- \"$1\"");
        let output = match self.shell("inspect", path, &script, &[], None).await {
            Err(error) if error.is_not_found() => return Ok(None),
            output => output?,
        };
        let text = output.stdout_text();
        let unreadable = || HostError::File {
            action: "inspect",
            path: path.to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidData, text.trim().to_owned()),
        };
        facts(&text).map(Some).ok_or_else(unreadable)
    }

    pub(super) async fn list_folder(&self, path: &Utf8Path) -> Result<Vec<String>, HostError> {
        let script = format!("{THERE}there \"$1\" || exit\nfind \"$1\" -mindepth 1 -maxdepth 1 -printf '%f\\0'");
        // `find` follows no link in its argument unless it ends in a slash: /etc/pve/lxc is a link.
        let folder = Utf8PathBuf::from(format!("{}/", path.as_str().trim_end_matches('/')));
        let output = match self.shell("list", &folder, &script, &[], None).await {
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            output => output?,
        };
        let mut names: Vec<String> = output
            .stdout
            .split(|&byte| byte == 0)
            .filter(|name| !name.is_empty())
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        names.sort();
        Ok(names)
    }
}
