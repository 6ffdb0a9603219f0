//! A folder of configuration files for one case.

use std::fs;
use std::sync::Arc;

use camino::Utf8PathBuf;
use phoenix_engine::Desired;

use super::fleet::Fleet;

/// A folder that goes when it is dropped.
pub(crate) struct Folder {
    _keep: tempfile::TempDir,
    path: Utf8PathBuf,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let keep = tempfile::tempdir().expect("a temporary folder");
        let path = Utf8PathBuf::from_path_buf(keep.path().to_owned()).expect("UTF-8");
        fs::create_dir_all(path.join("features")).expect("a folder");
        Self { _keep: keep, path }
    }

    /// Writes the files and reads them as Phoenix does.
    pub(crate) fn desired(&self, fleet: &Fleet) -> Arc<Desired> {
        for (name, text) in fleet.files() {
            fs::write(self.path.join(name), text).expect("a file");
        }
        for (name, text) in &fleet.scripts {
            fs::write(self.path.join("features").join(format!("{name}.sh")), text).expect("a file");
        }
        let loaded = phoenix_config::load(&self.path);
        let Some(fleet) = loaded.fleet else {
            let faults: Vec<String> = loaded.diagnostics.iter().map(|d| format!("{} {}", d.code, d.message)).collect();
            panic!("the generator made a wrong configuration: {faults:#?}\n{:#?}", fleet.files());
        };
        Arc::new(Desired::new(&fleet, None).expect("a fleet that can be lowered"))
    }
}
