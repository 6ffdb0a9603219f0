//! Who holds a node's lock, as this machine sees it.

use std::fs;
use std::path::Path;

use phoenix_engine::{Holder, Liveness};

fn kernel(name: &str) -> String {
    fs::read_to_string(format!("/proc/sys/kernel/{name}")).map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// This process, run by `user`.
pub(crate) fn me(user: &str, doing: &str) -> Holder {
    Holder {
        who: format!("{user}@{}", kernel("hostname")),
        boot: kernel("random/boot_id"),
        pid: std::process::id(),
        since: jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
        doing: doing.to_owned(),
    }
}

/// Whether the process of a holder is still there. The process number of an earlier boot says nothing about this one.
pub(crate) fn liveness(holder: &Holder) -> Liveness {
    let machine = holder.who.rsplit_once('@').map(|(_, machine)| machine);
    match (holder.boot == kernel("random/boot_id"), machine == Some(kernel("hostname").as_str())) {
        (true, _) if Path::new("/proc").join(holder.pid.to_string()).exists() => Liveness::Alive,
        (true, _) | (false, true) => Liveness::Dead,
        (false, false) => Liveness::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_that_of_another_boot_is_not() {
        let me = me("root", "up");
        assert_eq!(liveness(&me), Liveness::Alive);
        // Process numbers on Linux end far below this one.
        assert_eq!(liveness(&Holder { pid: u32::MAX, ..me.clone() }), Liveness::Dead);
        assert_eq!(liveness(&Holder { boot: "another".into(), ..me.clone() }), Liveness::Dead);
        assert_eq!(liveness(&Holder { boot: "another".into(), who: "root@elsewhere".into(), ..me }), Liveness::Unknown);
    }
}
