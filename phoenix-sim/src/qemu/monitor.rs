//! Commands that talk to a VM's console or to other nodes: `qm monitor`, `terminal`, `vncproxy`, `migrate`.

use crate::grammar::NODE;
use crate::node::{Call, Failure};

use super::vm;

/// `qm monitor`.
pub(super) fn monitor(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.vmid();
    call.vm(id)?;
    call.out(&format!("Entering QEMU Monitor for VM {id} - type 'help' for help\n"));
    let typed = String::from_utf8_lossy(call.stdin).into_owned();
    for line in typed.lines() {
        // The prompt and what is typed go to the terminal, which without one is stderr.
        call.err(&format!("qm> {line}\n"));
        match line.trim() {
            "" => {}
            "quit" | "q" => return Ok(()),
            _ if !call.runs(id) => call.out(&format!("ERROR: VM {id} not running\n")),
            "info status" => {
                let word = if call.is_paused(id) { "paused" } else { "running" };
                call.out(&format!("VM status: {word}\r\n"));
            }
            line => {
                let word = line.split_whitespace().next().unwrap_or_default();
                call.out(&format!("unknown command: '{word}'\r\n"));
            }
        }
    }
    call.err("qm> ");
    Ok(())
}

/// `qm terminal`.
pub(super) fn terminal(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.vmid();
    let conf = call.vm(id)?;
    let ports = ["serial0", "serial1", "serial2", "serial3"];
    let port = match call.param("iface") {
        Some(port) => match conf.live.get(port) {
            None => return Err(Failure::die(format!("serial interface '{port}' is not configured"))),
            Some("socket") => port.to_owned(),
            Some(_) => return Err(Failure::die(format!("wrong serial type on interface '{port}'"))),
        },
        None => match ports.iter().find(|port| conf.live.get(port) == Some("socket")) {
            Some(port) => (*port).to_owned(),
            None => return Err(Failure::die("unable to find a serial interface")),
        },
    };
    if !call.runs(id) {
        return Err(vm::not_running(id));
    }
    call.out(&format!("starting serial terminal on interface {port} (press Ctrl+O to exit)\n"));
    Ok(())
}

/// `qm vncproxy`.
pub(super) fn vnc_proxy(call: &mut Call<'_>) -> Result<(), Failure> {
    call.runs_here(call.vmid())?;
    Err(Failure::die("LC_PVE_TICKET not set, VNC proxy without password is forbidden"))
}

/// `qm migrate`: the simulated node is alone.
pub(super) fn migrate(call: &mut Call<'_>) -> Result<(), Failure> {
    let target = call.param("target").unwrap_or_default().to_owned();
    if target == NODE || target == "localhost" {
        return Err(call.bad_param("target", "target is local node."));
    }
    Err(Failure::die(format!("no such cluster node '{target}'")))
}
