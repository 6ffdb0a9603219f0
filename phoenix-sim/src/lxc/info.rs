//! `lxc-info` of the package `lxc-pve`: what the node itself sees of a running container, without any program inside.

use phoenix_types::GuestKind;

use crate::node::{Console, SimNode};

/// Answers `lxc-info -n ID -iH`, the addresses one a line (lxc `tools/lxc_info.c`). Other options print nothing.
pub(crate) fn info(node: &SimNode, arguments: &[String], console: &mut Console) -> i32 {
    let mut words = arguments.iter().map(String::as_str);
    let mut name = None;
    let mut wants_addresses = false;
    while let Some(word) = words.next() {
        match word {
            "-n" | "--name" => name = words.next(),
            "-iH" | "-Hi" | "-i" | "--ips" => wants_addresses = true,
            _ => {}
        }
    }
    let Some(name) = name else {
        console.err("lxc-info: missing container name, use --name option\n");
        return 1;
    };
    let id = name.parse::<u32>().ok().filter(|id| node.state().conf(GuestKind::Container, *id).is_ok());
    let Some(id) = id else {
        console.err(&format!("{name} doesn't exist\n"));
        return 1;
    };
    if wants_addresses && node.state().is_running(id) {
        for address in node.inside(id).addresses() {
            console.out(&format!("{address}\n"));
        }
    }
    0
}
