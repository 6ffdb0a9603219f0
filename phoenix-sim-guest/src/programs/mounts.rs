//! `mount` and its kin.

use phoenix_sim_shell::files::{FileTree, Follow};

use super::arguments::Arguments;
use super::{Call, Ending};
use crate::kernel;
use crate::shares::{self, Wanted};

impl Call {
    fn table(&self) -> Vec<Wanted> {
        let text = self.machine().files(|view| view.read("/etc/fstab")).unwrap_or_default();
        shares::table(&String::from_utf8_lossy(&text))
    }

    fn mounts(&self) -> Vec<(String, String, String)> {
        let Some(vmid) = self.machine().guest else { return Vec::new() };
        let text = kernel::mounts(&*self.machine().node.quiet_state(), vmid);
        let words = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            Some((words.next()?, words.next()?, words.next()?))
        };
        text.lines().filter_map(words).collect()
    }

    pub(super) async fn mount(&self) -> Ending {
        let arguments = Arguments::read_long(self.arguments(), "toL", &["types", "options"]);
        if arguments.rest.is_empty() && !arguments.has('a') && !arguments.has_long("all") {
            for (device, at, kind) in self.mounts() {
                self.line(&format!("{device} on {at} type {kind} (rw,relatime)")).await?;
            }
            return Ok(0);
        }
        let given = arguments.value('o').or(arguments.long_value("options")).unwrap_or_default();
        if given.split(',').any(|option| option == "remount") {
            return Ok(0);
        }
        let kind = arguments.value('t').or(arguments.long_value("types"));
        let wanted: Vec<Wanted> = match arguments.rest.as_slice() {
            [] => {
                let of_kind =
                    |wanted: &Wanted| kind.is_none_or(|kinds| kinds.split(',').any(|kind| kind == wanted.kind));
                let lines = self.table().into_iter();
                lines.filter(|wanted| of_kind(wanted) && !wanted.has("noauto") && wanted.kind != "swap").collect()
            }
            [one] => {
                let path = FileTree::normalise(&self.absolute(one));
                let is_it = |wanted: &Wanted| wanted.at.trim_end_matches('/') == path || wanted.device == *one;
                let Some(wanted) = self.table().into_iter().find(is_it) else {
                    self.complain(&format!("{one}: can't find in /etc/fstab.")).await;
                    return Ok(1);
                };
                vec![wanted]
            }
            [device, at, ..] => vec![Wanted {
                device: device.clone(),
                at: self.absolute(at),
                kind: kind.map_or_else(|| if device.contains(":/") { "nfs" } else { "auto" }.to_owned(), str::to_owned),
                options: given.to_owned(),
            }],
        };
        let mut status = 0;
        for wanted in wanted {
            let mounted = self.mounts().iter().any(|(_, at, _)| *at == FileTree::normalise(&wanted.at));
            if mounted && arguments.rest.is_empty() {
                continue;
            }
            if let Err(reason) = self.mount_one(&wanted) {
                self.err(&format!("{reason}\n")).await;
                status = 32;
            }
        }
        Ok(status)
    }

    fn mount_one(&self, wanted: &Wanted) -> Result<(), String> {
        let Some(vmid) = self.machine().guest else { return Ok(()) };
        let node = &self.machine().node;
        shares::attach(&mut *node.state(), vmid, wanted)?;
        self.machine().touch();
        Ok(())
    }

    pub(super) async fn unmount(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "tO");
        let Some(vmid) = self.machine().guest else { return Ok(0) };
        let mut status = 0;
        if arguments.has('a') {
            if let Some(running) = self.machine().node.state().inside.get_mut(&vmid) {
                running.shares.clear();
            }
            return Ok(0);
        }
        for target in &arguments.rest {
            let path = FileTree::normalise(&self.absolute(target));
            let mut gone = false;
            // What is mounted below keeps it in use.
            let below = format!("{}/", path.trim_end_matches('/'));
            if self.mounts().iter().any(|(_, at, _)| at.starts_with(&below))
                && self.mounts().iter().any(|(_, at, _)| *at == path)
            {
                self.complain(&format!("{target}: target is busy.")).await;
                status = 32;
                continue;
            }
            {
                let mut state = self.machine().node.state();
                if let Some(running) = state.inside.get_mut(&vmid)
                    && let Some(place) =
                        running.shares.iter().rposition(|share| share.at == path || share.device == *target)
                {
                    running.shares.remove(place);
                    gone = true;
                }
            }
            if !gone {
                self.complain(&format!("{target}: not mounted.")).await;
                status = 32;
            }
        }
        Ok(status)
    }

    pub(super) async fn mount_point(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "");
        let Some(path) = arguments.rest.first() else { return Ok(1) };
        let absolute = FileTree::normalise(&self.absolute(path));
        let quiet = arguments.has('q') || arguments.has_long("quiet");
        if self.machine().files(|view| view.entry(&absolute, Follow::Last)).is_err() {
            if !quiet {
                self.complain(&format!("{path}: No such file or directory")).await;
            }
            return Ok(1);
        }
        let is_mount = absolute == "/" || self.mounts().iter().any(|(_, at, _)| *at == absolute);
        if !quiet {
            self.line(&format!("{path} is {}a mountpoint", if is_mount { "" } else { "not " })).await?;
        }
        Ok(if is_mount { 0 } else { 32 })
    }

    pub(super) async fn find_mount(&self) -> Ending {
        let arguments =
            Arguments::read_long(self.arguments(), "oTtSM", &["output", "target", "mountpoint", "source", "types"]);
        let mut found = self.mounts();
        let target = arguments.value('T').or(arguments.long_value("target"));
        let point = arguments.value('M').or(arguments.long_value("mountpoint"));
        let source = arguments.value('S').or(arguments.long_value("source"));
        let kinds = arguments.value('t').or(arguments.long_value("types"));
        if let Some(target) = target {
            let at = self.machine().files(|view| view.mount_point(&self.absolute(target)));
            found.retain(|(_, known, _)| *known == at);
        }
        for wanted in arguments.rest.iter().map(String::as_str).chain(point) {
            let path = FileTree::normalise(&self.absolute(wanted));
            found.retain(|(device, at, _)| *at == path || device == wanted);
        }
        if let Some(source) = source {
            found.retain(|(device, ..)| device == source);
        }
        if let Some(kinds) = kinds {
            found.retain(|(.., kind)| {
                kinds.split(',').any(|wanted| wanted == kind || (wanted == "nfs" && kind == "nfs4"))
            });
        }
        if found.is_empty() {
            return Ok(1);
        }
        let columns = arguments
            .value('o')
            .or(arguments.long_value("output"))
            .unwrap_or("TARGET,SOURCE,FSTYPE,OPTIONS")
            .to_uppercase();
        if !arguments.has('n') && !arguments.has_long("noheadings") {
            self.line(&columns.replace(',', " ")).await?;
        }
        for (device, at, kind) in found {
            let row: Vec<&str> = columns
                .split(',')
                .map(|column| match column {
                    "TARGET" => at.as_str(),
                    "SOURCE" => device.as_str(),
                    "FSTYPE" => kind.as_str(),
                    _ => "rw,relatime",
                })
                .collect();
            self.line(&row.join(" ")).await?;
        }
        Ok(0)
    }
}
