//! Where scripts are looked for.

#![cfg_attr(
    not(test),
    expect(clippy::disallowed_methods, reason = "scripts are checked when the configuration is loaded")
)]

use std::collections::HashMap;
use std::sync::Mutex;

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_types::{GuestKind, SecretSource};

use crate::diagnostic::{Code, Finding, Target, nearest};
use crate::dialect::{SecretPlace, SecretReference};
use crate::model::{Script, ScriptPlace};
use crate::source::Segment;

/// Looks scripts up next to the configuration, each once.
#[derive(Debug)]
pub(crate) struct Scripts {
    dir: Utf8PathBuf,
    known: Mutex<HashMap<(Role, String), Lookup>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Role {
    ContainerFeature,
    VmFeature,
    Application,
}

type Lookup = Result<(Utf8PathBuf, ScriptPlace), NoScript>;

/// Why there is no script.
#[derive(Debug, Clone)]
pub(crate) enum NoScript {
    /// None of these files is there.
    Missing { tried: Vec<Utf8PathBuf>, nearest: Option<String> },
    /// This is there, and it is no file.
    NotFile(Utf8PathBuf),
    /// This is there, and it cannot be read.
    Unreadable(Utf8PathBuf, std::io::ErrorKind),
}

impl NoScript {
    pub(crate) fn finding(&self, target: Target, name: &str) -> Finding {
        match self {
            Self::Missing { tried, nearest } => {
                let places = tried.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
                let finding = Finding::error(Code::NoScript, target, format!("the script `{name}` is not found"))
                    .expected(format!("a file at one of {places}"));
                match nearest {
                    Some(nearest) => finding.help(format!("did you mean `{nearest}`?")),
                    None => finding.help("write the script, or remove the name"),
                }
            }
            Self::NotFile(path) => {
                Finding::error(Code::ScriptNotFile, target, format!("`{path}` is not a regular file"))
                    .expected("a script")
                    .help("create the script, or remove the name")
            }
            Self::Unreadable(path, kind) => {
                Finding::error(Code::ScriptNotFile, target, format!("`{path}` cannot be read: {kind}"))
                    .help("make it readable for the user that runs Phoenix")
            }
        }
    }
}

impl Scripts {
    pub(crate) fn new(dir: &Utf8Path) -> Self {
        Self { dir: dir.to_owned(), known: Mutex::default() }
    }

    pub(crate) fn feature(&self, kind: GuestKind, name: &str) -> Result<Script, NoScript> {
        let role = match kind {
            GuestKind::Container => Role::ContainerFeature,
            GuestKind::Vm => Role::VmFeature,
        };
        self.script(role, name)
    }

    pub(crate) fn application(&self, name: &str) -> Result<Script, NoScript> {
        self.script(Role::Application, name)
    }

    /// A file that is named in the configuration: next to it, unless its path is absolute.
    pub(crate) fn beside(&self, file: &str) -> Utf8PathBuf {
        self.dir.join(file)
    }

    /// Where a secret is. It is read when it is needed; a file that is not there yet is worth a warning.
    pub(crate) fn secret(
        &self,
        reference: SecretReference,
        target: Target,
        path: &[Segment],
        findings: &mut Vec<Finding>,
    ) -> SecretSource {
        match reference.secret {
            SecretPlace::Env(name) => SecretSource::Env(name),
            SecretPlace::Command(argv) => SecretSource::Command(argv),
            SecretPlace::Credential(name) => SecretSource::Credential(name),
            SecretPlace::File(file) => {
                let file = self.beside(&file);
                let at = path.iter().cloned().chain(["secret".into(), "file".into()]);
                if let Err(error) = std::fs::metadata(&file) {
                    findings.push(
                        Finding::warning(Code::NoFileNamed, target, format!("`{file}` cannot be read: {error}"))
                            .at(at)
                            .help("create the file before the secret is needed"),
                    );
                }
                SecretSource::File(file)
            }
        }
    }

    fn script(&self, role: Role, name: &str) -> Result<Script, NoScript> {
        let key = (role, name.to_owned());
        // A poisoned lock only means that another thread stopped between two look-ups; the map is whole.
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let lookup = known.entry(key).or_insert_with(|| self.look_up(role, name)).clone();
        lookup.map(|(path, place)| Script { name: name.to_owned(), path, place })
    }

    fn look_up(&self, role: Role, name: &str) -> Lookup {
        let places = places(role, name);
        for (place, path) in &places {
            let path = self.dir.join(path);
            match std::fs::metadata(&path) {
                Ok(data) if data.is_file() => {
                    return match std::fs::File::open(&path) {
                        Ok(_) => Ok((path, *place)),
                        Err(error) => Err(NoScript::Unreadable(path, error.kind())),
                    };
                }
                Ok(_) => return Err(NoScript::NotFile(path)),
                Err(_) => {}
            }
        }
        let tried = places.into_iter().map(|(_, path)| path).collect();
        Err(NoScript::Missing { tried, nearest: self.nearest(role, name) })
    }

    fn nearest(&self, role: Role, name: &str) -> Option<String> {
        let names: Vec<String> = places(role, "*")
            .iter()
            .filter_map(|(_, path)| {
                let (before, after) = path.file_name()?.split_once('*')?;
                let entries = std::fs::read_dir(self.dir.join(path.parent()?)).ok()?;
                let names = entries.filter_map(|entry| {
                    let file = entry.ok()?.file_name().into_string().ok()?;
                    Some(file.strip_prefix(before)?.strip_suffix(after)?.to_owned())
                });
                Some(names.collect::<Vec<_>>())
            })
            .flatten()
            .collect();
        nearest(name, names.iter().map(String::as_str)).map(str::to_owned)
    }
}

/// The text of a file that is named in the configuration.
pub(crate) fn text_of(file: &Utf8Path, target: Target) -> Result<String, Box<Finding>> {
    std::fs::read_to_string(file).map_err(|error| {
        let finding = Finding::error(Code::NoFileNamed, target, format!("`{file}` cannot be read: {error}"))
            .help("create the file; paths are relative to the folder of the configuration");
        Box::new(finding)
    })
}

/// Where a script may be, seen from the folder of the configuration: ours first, then the predecessor's layout.
fn places(role: Role, name: &str) -> Vec<(ScriptPlace, Utf8PathBuf)> {
    match role {
        Role::ContainerFeature => vec![
            (ScriptPlace::Guest, format!("features/lxc/{name}.sh").into()),
            (ScriptPlace::Guest, format!("features/{name}.sh").into()),
            (ScriptPlace::Host, format!("../bin/lxc_setup/phoenix_hypervisor_feature_install_{name}.sh").into()),
        ],
        Role::VmFeature => vec![
            (ScriptPlace::Guest, format!("features/vm/{name}.sh").into()),
            (ScriptPlace::Guest, format!("features/{name}.sh").into()),
            (ScriptPlace::Guest, format!("../bin/vm_features/feature_install_{name}.sh").into()),
        ],
        Role::Application => vec![
            (ScriptPlace::Guest, format!("applications/{name}").into()),
            (ScriptPlace::Guest, format!("../bin/{name}").into()),
        ],
    }
}
