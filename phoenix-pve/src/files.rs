//! The guests' files on the node: configuration and firewall.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8PathBuf;
use phoenix_host::{Command, Effect, Host};
use phoenix_types::{ConfSection, FirewallFile, GuestConf, GuestId, GuestKind, conf_digest, percent_encode};

use crate::{ErrorClass, Failure, GuestError, InvalidSettings, check_notes, check_value};

/// The largest file that the cluster file system holds: 1 MiB (pmxcfs).
const LIMIT: u64 = 1 << 20;

/// The mode that the cluster file system gives its files.
const MODE: u32 = 0o640;

/// A guest's configuration file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfFile {
    /// The text.
    pub text: String,
    /// What it says.
    pub conf: GuestConf,
    /// SHA-1 of the text, which Proxmox takes as `--digest`.
    pub digest: String,
}

/// A change of a guest's configuration file that the tools have no option for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfEdit {
    /// The new notes, when they change; empty to remove them.
    pub description: Option<String>,
    /// Raw lines (`lxc.*`, containers only) to add at the end of the live section; those that are there already are not added again.
    pub add_raw: Vec<(String, String)>,
    /// Raw lines to remove, every occurrence.
    pub remove_raw: Vec<(String, String)>,
    /// Settings to remove, with their value. Only for what the tools themselves would do no more about than drop the line.
    pub remove_settings: Vec<(String, String)>,
}

impl ConfEdit {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether `section` already is as the edit wants it.
    #[must_use]
    pub fn is_done(&self, section: &ConfSection) -> bool {
        let notes = self
            .description
            .as_ref()
            .is_none_or(|wanted| wanted.trim_end() == section.description.as_deref().unwrap_or_default().trim_end());
        notes
            && self.add_raw.iter().all(|line| section.raw.contains(line))
            && !self.remove_raw.iter().any(|line| section.raw.contains(line) && !self.add_raw.contains(line))
            && !self.remove_settings.iter().any(|(key, value)| section.get(key) == Some(value))
    }

    fn check(&self, kind: GuestKind) -> Result<(), InvalidSettings> {
        if let Some(description) = &self.description {
            check_notes("description", description)?;
        }
        for (key, value) in self.add_raw.iter().chain(&self.remove_raw) {
            if kind == GuestKind::Vm {
                let why = "a VM has no raw lines".to_owned();
                return Err(InvalidSettings::Key { key: key.clone(), why });
            }
            let known = key.strip_prefix("lxc.").is_some_and(|rest| {
                !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            });
            if !known {
                let why = "raw lines have keys like `lxc.apparmor.profile`";
                return Err(InvalidSettings::Key { key: key.clone(), why: why.to_owned() });
            }
            check_value(key, value)?;
            if ["lxc.rootfs.path", "lxc.rootfs.options"].contains(&key.as_str()) {
                let why = "Proxmox sets the root file system itself and drops the line";
                return Err(InvalidSettings::Key { key: key.clone(), why: why.to_owned() });
            }
        }
        Ok(())
    }

    /// The text of the file after the edit. Only the live section changes, the part above the first `[`: raw lines below a
    /// snapshot's header belong to that snapshot. Everything that the edit does not name stays as it is, byte for byte.
    fn apply(&self, text: &str, kind: GuestKind) -> String {
        let end = if text.starts_with('[') { 0 } else { text.find("\n[").map_or(text.len(), |at| at + 1) };
        let (live, rest) = text.split_at(end);
        let mut notes: Vec<String> = Vec::new();
        let mut lines: Vec<&str> = Vec::new();
        let mut present: Vec<(String, String)> = Vec::new();
        for line in live.lines() {
            if self.description.is_some() && line.starts_with('#') {
                continue;
            }
            let section = GuestConf::parse(line, kind).live;
            if self.remove_settings.iter().any(|(key, value)| section.get(key) == Some(value)) {
                continue;
            }
            if let Some(raw) = section.raw.into_iter().next() {
                if self.remove_raw.contains(&raw) && !self.add_raw.contains(&raw) {
                    continue;
                }
                present.push(raw);
            }
            lines.push(line);
        }
        if let Some(description) = self.description.as_deref().map(str::trim_end).filter(|text| !text.is_empty()) {
            notes.extend(description.split('\n').map(|line| format!("#{}", percent_encode(line))));
        }
        // Blank lines between the live section and the first header stay between them.
        let blanks = lines.iter().rev().take_while(|line| line.is_empty()).count();
        let body = &lines[..lines.len() - blanks];
        let added = self
            .add_raw
            .iter()
            .enumerate()
            .filter(|(at, line)| !present.contains(line) && !self.add_raw[..*at].contains(line));
        let added: Vec<String> = added.map(|(_, (key, value))| format!("{key}: {value}")).collect();
        let mut edited = String::with_capacity(text.len() + 256);
        let all = notes.iter().map(String::as_str).chain(body.iter().copied()).chain(added.iter().map(String::as_str));
        for line in all.chain(lines[lines.len() - blanks..].iter().copied()) {
            edited.push_str(line);
            edited.push('\n');
        }
        edited.push_str(rest);
        edited
    }
}

/// The files of one kind of guests on a node.
#[derive(Clone)]
pub struct GuestFiles {
    host: Arc<dyn Host>,
    kind: GuestKind,
}

impl fmt::Debug for GuestFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "files of {}s on {}", self.kind, self.host.name())
    }
}

impl GuestFiles {
    /// The files on `host`.
    #[must_use]
    pub fn new(host: Arc<dyn Host>, kind: GuestKind) -> Self {
        Self { host, kind }
    }

    /// The ids that have a configuration file on this node.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn ids(&self) -> Result<BTreeSet<GuestId>, GuestError> {
        let folder = Utf8PathBuf::from("/etc/pve").join(self.kind.conf_folder());
        let names = self.host.list(&folder).await?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(".conf")?.parse().ok()).collect())
    }

    /// A guest's configuration; `None` when it has none on this node.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn conf(&self, id: GuestId) -> Result<Option<ConfFile>, GuestError> {
        let Some(text) = self.text(&self.kind.conf_path(id)).await? else { return Ok(None) };
        Ok(Some(ConfFile { conf: GuestConf::parse(&text, self.kind), digest: conf_digest(&text), text }))
    }

    /// The text of a guest's firewall file; `None` when it has none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn firewall(&self, id: GuestId) -> Result<Option<String>, GuestError> {
        self.text(&firewall_path(id)).await
    }

    /// The ids that have a firewall file.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn firewalls(&self) -> Result<BTreeSet<GuestId>, GuestError> {
        let names = self.host.list(FIREWALL.into()).await?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(".fw")?.parse().ok()).collect())
    }

    async fn text(&self, path: &camino::Utf8Path) -> Result<Option<String>, GuestError> {
        match self.host.read(path, LIMIT).await {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Edits the live section of a guest's configuration file and replaces the file as a whole, unless it changed meanwhile.
    /// Nothing is written when it already is as wanted.
    ///
    /// The file is read, edited, read once more and compared, then replaced by renaming. The tools do the same under a lock
    /// of their own, so what remains is the moment between that last look and the renaming.
    ///
    /// Cancel safety: the file is the old one or the new one.
    ///
    /// # Errors
    /// When the guest is not there, somebody works on it, the file changed in between, or the edit is not one that Proxmox
    /// would keep.
    pub async fn edit(&self, id: GuestId, edit: &ConfEdit) -> Result<(), GuestError> {
        edit.check(self.kind).map_err(|source| GuestError::Invalid { guest: id, source })?;
        let missing = || GuestError::Precondition {
            guest: id,
            reason: format!("it has no configuration file on {}", self.host.name()),
            class: ErrorClass::NotFound,
        };
        let file = self.conf(id).await?.ok_or_else(missing)?;
        if edit.is_done(&file.conf.live) {
            return Ok(());
        }
        if let Some(lock) = file.conf.lock() {
            return Err(GuestError::Precondition {
                guest: id,
                reason: format!("it is locked ({lock}) by a task: wait, or unlock it if no task runs"),
                class: ErrorClass::Busy,
            });
        }
        let edited = edit.apply(&file.text, self.kind);
        if self.conf(id).await?.ok_or_else(missing)?.digest != file.digest {
            return Err(GuestError::Precondition {
                guest: id,
                reason: "its configuration file changed while it was edited; try again".to_owned(),
                class: ErrorClass::Modified,
            });
        }
        Ok(self.host.write(&self.kind.conf_path(id), edited.as_bytes(), MODE).await?)
    }

    /// Writes a guest's firewall file as a whole.
    ///
    /// # Errors
    /// When a rule cannot be written in the file's grammar, or the file is empty, which would leave the guest without its
    /// firewall.
    pub async fn write_firewall(&self, id: GuestId, file: &FirewallFile) -> Result<(), GuestError> {
        check_firewall(file).map_err(|source| GuestError::Invalid { guest: id, source })?;
        let (path, text) = (firewall_path(id), file.to_string());
        match self.host.write(&path, text.as_bytes(), MODE).await {
            // A node on which nobody has used the firewall yet has no folder for it.
            Err(error) if error.is_not_found() => self.make_firewall_folder().await?,
            written => return Ok(written?),
        }
        Ok(self.host.write(&path, text.as_bytes(), MODE).await?)
    }

    async fn make_firewall_folder(&self) -> Result<(), GuestError> {
        let make = Command::new("mkdir", Effect::Change, Duration::from_secs(30)).args(["-p", "--", FIREWALL]);
        let shown = make.clone();
        let output = self.host.run(make).await?;
        if output.succeeded() {
            return Ok(());
        }
        Err(GuestError::Failed(Box::new(Failure::of(self.host.name(), &shown, &output))))
    }

    /// Makes a guest's firewall file what it was, byte for byte; `None` when there was none. Nothing is written when it is so.
    ///
    /// # Errors
    /// When it cannot be read, written or removed.
    pub async fn restore_firewall(&self, id: GuestId, text: Option<&str>) -> Result<(), GuestError> {
        match (self.firewall(id).await?.as_deref(), text) {
            (have, want) if have == want => Ok(()),
            (_, Some(text)) => Ok(self.host.write(&firewall_path(id), text.as_bytes(), MODE).await?),
            (_, None) => self.remove_firewall(id).await,
        }
    }

    /// Removes a guest's firewall file: nothing filters it any more. One that is gone already is no error.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub async fn remove_firewall(&self, id: GuestId) -> Result<(), GuestError> {
        Ok(self.host.remove(&firewall_path(id)).await?)
    }
}

/// Where the firewall files of guests are.
pub const FIREWALL: &str = "/etc/pve/firewall";

/// Where a guest's firewall file is.
#[must_use]
pub fn firewall_path(id: GuestId) -> Utf8PathBuf {
    format!("{FIREWALL}/{id}.fw").into()
}

fn check_firewall(file: &FirewallFile) -> Result<(), InvalidSettings> {
    if file.options.is_empty() && file.rules.is_empty() {
        let why = "the firewall file would be empty, which leaves the guest open; turn it off with `enable: 0` instead";
        return Err(InvalidSettings::Key { key: "firewall".to_owned(), why: why.to_owned() });
    }
    let word = |key: &str, text: &str| {
        if text.is_empty() || text.contains(['#', '|']) || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(InvalidSettings::value(key, text, "a firewall file takes one word here"));
        }
        Ok(())
    };
    for (key, value) in &file.options {
        word("firewall option", key)?;
        word(key, value)?;
    }
    for rule in &file.rules {
        let fields = [
            ("macro", &rule.macro_name),
            ("interface", &rule.interface),
            ("source", &rule.source),
            ("dest", &rule.dest),
            ("proto", &rule.proto),
            ("dport", &rule.dport),
            ("sport", &rule.sport),
            ("log", &rule.log),
        ];
        for (key, value) in fields {
            if let Some(value) = value {
                word(key, value)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "#mine\narch: amd64\nunknown line\nlxc.idmap: u 0 100000 65536\n\n[pve:pending]\ncores: 4\n\n[base]\narch: amd64\nlxc.idmap: g 0 1 2\n";

    fn raw(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn only_the_live_section_changes() {
        let edit = ConfEdit {
            description: Some("line 1\nünï: 100 %\n".to_owned()),
            add_raw: vec![raw("lxc.apparmor.profile", "unconfined"), raw("lxc.apparmor.profile", "unconfined")],
            remove_raw: vec![raw("lxc.idmap", "u 0 100000 65536"), raw("lxc.idmap", "g 0 1 2")],
            ..ConfEdit::default()
        };
        assert_eq!(
            edit.apply(TEXT, GuestKind::Container),
            "#line 1\n#%C3%BCn%C3%AF%3A 100 %25\narch: amd64\nunknown line\nlxc.apparmor.profile: unconfined\n\n[pve:pending]\ncores: 4\n\n[base]\narch: amd64\nlxc.idmap: g 0 1 2\n"
        );
        let again = GuestConf::parse(&edit.apply(TEXT, GuestKind::Container), GuestKind::Container);
        assert!(edit.is_done(&again.live));
        assert_eq!(again.live.description.as_deref(), Some("line 1\nünï: 100 %"));
    }

    #[test]
    fn a_setting_goes_only_with_the_value_that_is_known() {
        let text =
            "cicustom: vendor=local:snippets/a.yaml\ncores: 2\n\n[base]\ncicustom: vendor=local:snippets/a.yaml\n";
        let edit = |value: &str| ConfEdit { remove_settings: vec![raw("cicustom", value)], ..ConfEdit::default() };
        let gone = edit("vendor=local:snippets/a.yaml").apply(text, GuestKind::Vm);
        assert_eq!(gone, "cores: 2\n\n[base]\ncicustom: vendor=local:snippets/a.yaml\n");
        assert!(edit("vendor=local:snippets/a.yaml").is_done(&GuestConf::parse(&gone, GuestKind::Vm).live));
        assert_eq!(edit("vendor=local:snippets/b.yaml").apply(text, GuestKind::Vm), text);
    }

    #[test]
    fn an_edit_of_nothing_keeps_every_byte() {
        for text in [TEXT, "", "[base]\na: b\n", "a: b\n"] {
            assert_eq!(ConfEdit::default().apply(text, GuestKind::Container), text);
        }
    }

    fn files(host: &Arc<phoenix_host::fake::FakeHost>) -> GuestFiles {
        GuestFiles::new(host.clone(), GuestKind::Container)
    }

    const PATH: &str = "/etc/pve/lxc/103.conf";

    #[tokio::test]
    async fn a_file_is_edited_without_a_process() {
        let host = phoenix_host::fake::FakeHost::answering(|command, _| panic!("{}", command.display()));
        let host =
            Arc::new(host.file(PATH, "#old\narch: amd64\n").file("/etc/pve/lxc/104.conf", "arch: amd64\nlock: disk\n"));
        let edit =
            ConfEdit { description: Some("new".to_owned()), add_raw: vec![raw("lxc.x", "1")], ..ConfEdit::default() };
        let id = |id| GuestId::new(id).unwrap();
        files(&host).edit(id(103), &edit).await.unwrap();
        assert_eq!(host.text(PATH), "#new\narch: amd64\nlxc.x: 1\n");
        assert_eq!(files(&host).edit(id(104), &edit).await.unwrap_err().class(), ErrorClass::Busy);
        assert_eq!(files(&host).edit(id(105), &edit).await.unwrap_err().class(), ErrorClass::NotFound);
        assert_eq!(files(&host).ids().await.unwrap(), [id(103), id(104)].into());
    }

    #[tokio::test]
    async fn a_firewall_is_never_empty_and_never_garbled() {
        let host = Arc::new(phoenix_host::fake::FakeHost::answering(|command, _| panic!("{}", command.display())));
        let id = GuestId::new(103).unwrap();
        let empty = FirewallFile::default();
        assert_eq!(files(&host).write_firewall(id, &empty).await.unwrap_err().class(), ErrorClass::Refused);
        let garbled =
            FirewallFile { options: vec![("enable".into(), "1\npolicy_in: ACCEPT".into())], ..FirewallFile::default() };
        assert!(files(&host).write_firewall(id, &garbled).await.is_err());
        let good = FirewallFile { options: vec![("enable".into(), "1".into())], ..FirewallFile::default() };
        files(&host).write_firewall(id, &good).await.unwrap();
        assert_eq!(files(&host).firewall(id).await.unwrap().as_deref(), Some("[OPTIONS]\n\nenable: 1\n"));
        assert_eq!(files(&host).firewalls().await.unwrap(), [id].into());
    }

    #[test]
    fn notes_can_go() {
        let edit = ConfEdit { description: Some(String::new()), ..ConfEdit::default() };
        assert!(edit.apply(TEXT, GuestKind::Container).starts_with("arch: amd64\n"));
    }

    #[test]
    fn raw_lines_are_checked() {
        for (key, value) in
            [("memory", "5"), ("lxc.a\nb", "x"), ("lxc.x", "a\nb"), ("lxc.rootfs.path", "/x"), ("lxc.x", "")]
        {
            let edit = ConfEdit { add_raw: vec![raw(key, value)], ..ConfEdit::default() };
            assert!(edit.check(GuestKind::Container).is_err(), "{key}");
        }
    }
}
