//! Going into containers: `pct exec`, `enter`, `console`, `push`, `pull`.

use phoenix_sim_guest::{Ended, Exec, Given, node_files};
use phoenix_sim_shell::files::{FileError, Offset};

use crate::node::{CT, Call, Failure, Worker};

/// The environment that `lxc-attach` hands on from the tool, and the one that it makes itself.
fn environment(keep: bool) -> Vec<(String, String)> {
    let kept: &[(&str, &str)] = &[
        ("PATH", "/sbin:/bin:/usr/sbin:/usr/bin"),
        ("LANG", "C"),
        ("TERM", "linux"),
        ("HOME", "/root"),
        ("USER", "root"),
        ("LOGNAME", "root"),
        ("container", "lxc"),
    ];
    let own: &[(&str, &str)] = &[
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("container", "lxc"),
        ("TERM", "linux"),
    ];
    let pairs = if keep { kept } else { own };
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn check_running(call: &Call<'_>, vmid: u32) -> Result<(), Failure> {
    call.state().conf(CT, vmid)?;
    if call.state().is_running(vmid) { Ok(()) } else { Err(Failure::die(format!("container '{vmid}' not running!"))) }
}

/// `pct exec`.
pub(super) async fn exec(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let argv = call.inv.extra_args.clone();
    check_running(call, vmid)?;
    if argv.is_empty() {
        return Err(Failure::die("missing command at /usr/share/perl5/PVE/CLI/pct.pm line 246."));
    }
    let env = environment(call.inv.params.flag("keep-env").unwrap_or(true));
    let exec = Exec { argv: &argv, env: &env, stdin: call.stdin };
    let inside = call.node.inside(vmid);
    call.exit = match inside.exec(exec, call.console()).await {
        Ended::Exit(status) => status,
        Ended::Signal(signal) => 128 + signal,
        Ended::NotFound => {
            let text = format!(
                "lxc-attach: {vmid}: ../src/lxc/attach.c: lxc_attach_run_command: 1841 No such file or directory - Failed to exec \"{}\"\n",
                argv[0]
            );
            call.err(&text);
            127
        }
    };
    Ok(())
}

/// `pct enter`: a shell that reads its commands from standard input.
pub(super) async fn enter(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    check_running(call, vmid)?;
    let argv = ["/bin/sh".to_owned()];
    let env = environment(true);
    let exec = Exec { argv: &argv, env: &env, stdin: call.stdin };
    let inside = call.node.inside(vmid);
    call.exit = match inside.exec(exec, call.console()).await {
        Ended::Exit(status) => status,
        Ended::Signal(signal) => 128 + signal,
        Ended::NotFound => 127,
    };
    Ok(())
}

/// `pct console`: there is no terminal here.
pub(super) fn console(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    call.state().conf(CT, vmid)?;
    let reason = if call.state().is_running(vmid) {
        "lxc_console_main: 130 Inappropriate ioctl for device - failed to get a terminal".to_owned()
    } else {
        format!("lxc_console_main: 130 {vmid} is not running")
    };
    Err(Failure::with_exit(format!("lxc-console: {vmid}: ../src/lxc/tools/lxc_console.c: {reason}"), 1))
}

/// Owner and mode that a copied file gets: reads `--user`, `--group` and `--perms`. Names are looked for in the texts of passwd
/// and group.
fn given(call: &Call<'_>, passwd: &str, group: &str) -> Result<Given, Failure> {
    let id = |name: &str, list: &str, kind: &str| -> Result<u32, Failure> {
        if let Ok(id) = name.parse() {
            return Ok(id);
        }
        let line = list.lines().find(|line| line.split(':').next() == Some(name));
        line.and_then(|line| line.split(':').nth(2)?.parse().ok())
            .ok_or_else(|| Failure::die(format!("failed to get {kind} for: {name}")))
    };
    let mode = match call.param("perms") {
        None => None,
        Some(text) => {
            let text = if text.starts_with('0') { text.to_owned() } else { format!("0{text}") };
            // Of a lone `0x`, C's `strtoul` reads the zero and leaves the letter.
            let mode = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => u32::from_str_radix(&text, 8),
            };
            Some(mode.map_err(|_| Failure::die(format!("invalid mode: '{text}'")))?)
        }
    };
    Ok(Given {
        uid: call.param("user").map(|name| id(name, passwd, "uid")).transpose()?,
        gid: call.param("group").map(|name| id(name, group, "gid")).transpose()?,
        mode,
    })
}

/// `pct push`.
pub(super) async fn push(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let lock = call.lock_guest(CT, vmid).await?;
    if !call.state().is_running(vmid) {
        return Err(Failure::die("can only push files to a running CT"));
    }
    call.begin(Worker::Unchecked, "push_file", vmid);
    let source = call.param("file").unwrap_or_default().to_owned();
    let target = call.param("destination").unwrap_or_default().to_owned();
    let inside = call.node.inside(vmid);
    let passwd = inside.read("/etc/passwd").await.unwrap_or_default();
    let group = inside.read("/etc/group").await.unwrap_or_default();
    let (passwd, group) = (String::from_utf8_lossy(&passwd), String::from_utf8_lossy(&group));
    let given = given(call, &passwd, &group)?;
    let read = node_files(&mut call.state()).read(&source);
    let bytes = match read {
        Ok(bytes) => bytes,
        // The real tool opens the folder, reads nothing and says nothing.
        Err(FileError::IsAFolder) => return Ok(()),
        Err(_) => return Err(Failure::die(format!("failed to open {source} for reading"))),
    };
    inside
        .write(&target, &bytes, given)
        .await
        .map_err(|error| Failure::die(format!("failed to create file: {target}: {error}")))?;
    drop(lock);
    Ok(())
}

/// `pct pull`.
pub(super) async fn pull(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let lock = call.lock_guest(CT, vmid).await?;
    if !call.state().is_running(vmid) {
        let text = "can only pull files from a running VM at /usr/share/perl5/PVE/CLI/pct.pm line 664.";
        return Err(Failure::die(text));
    }
    call.begin(Worker::Unchecked, "pull_file", vmid);
    let source = call.param("path").unwrap_or_default().to_owned();
    let target = call.param("destination").unwrap_or_default().to_owned();
    let [passwd, group] = {
        let state = call.state();
        ["/etc/passwd", "/etc/group"]
            .map(|path| state.files.text(path).unwrap_or_else(|| "root:x:0:0::/root:\n".to_owned()))
    };
    let given = given(call, &passwd, &group)?;
    let failed = |error: FileError| Failure::die(format!("failed to create file: {target}: {error}"));
    // The target is there, and empty, before the source is looked for.
    node_files(&mut call.state()).write(&target, b"", Offset::Replace, 0o644).map_err(failed)?;
    let bytes = call
        .node
        .inside(vmid)
        .read(&source)
        .await
        .map_err(|error| Failure::die(format!("failed to open {source}: {error}")))?;
    let mut state = call.state();
    let mut files = node_files(&mut state);
    files.write(&target, &bytes, Offset::Replace, 0o644).map_err(failed)?;
    // The file was written just now.
    let _ = files.change(&target, |entry| {
        entry.mode = given.mode.unwrap_or(entry.mode);
        entry.uid = given.uid.unwrap_or(entry.uid);
        entry.gid = given.gid.unwrap_or(entry.gid);
    });
    drop(state);
    drop(lock);
    Ok(())
}
