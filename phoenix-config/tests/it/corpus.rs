//! The files of the predecessor, where they are at hand.

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_config::{Code, Loaded};

/// The folder of the predecessor's files, beside the repository.
fn corpus() -> Option<Utf8PathBuf> {
    let dir = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/phoenix");
    dir.is_dir().then_some(dir)
}

/// A copy of the corpus with the scripts that it lacks, in the predecessor's layout.
fn mended() -> Option<(tempfile::TempDir, Loaded)> {
    let corpus = corpus()?;
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap();
    for dir in ["etc", "bin/lxc_setup", "bin/vm_features"] {
        std::fs::create_dir_all(root.join(dir)).unwrap();
    }
    for name in ["phoenix_hypervisor_config.json", "phoenix_lxc_configs.json", "phoenix_vm_configs.json"] {
        std::fs::copy(corpus.join(name), root.join("etc").join(name)).unwrap();
    }
    for feature in ["base_setup", "nvidia", "vllm", "ollama", "step_ca", "step_cli", "trusted_ca", "traefik"] {
        let path = format!("bin/lxc_setup/phoenix_hypervisor_feature_install_{feature}.sh");
        std::fs::write(root.join(path), "#!/bin/bash\n").unwrap();
    }
    for feature in ["base_setup", "trusted_ca", "step_cli", "docker"] {
        std::fs::write(root.join(format!("bin/vm_features/feature_install_{feature}.sh")), "#!/bin/bash\n").unwrap();
    }
    for script in ["101", "102", "103", "955", "957", "vllm"] {
        std::fs::write(root.join(format!("bin/phoenix_hypervisor_lxc_{script}.sh")), "#!/bin/bash\n").unwrap();
    }
    let loaded = phoenix_config::load(&root.join("etc"));
    Some((folder, loaded))
}

#[test]
fn the_corpus_lacks_nothing_but_its_scripts() {
    let Some(dir) = corpus() else { return };
    let loaded = phoenix_config::load(&dir);
    let errors: Vec<_> = loaded
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == phoenix_config::Severity::Error)
        .filter(|diagnostic| diagnostic.code != Code::NoScript)
        .map(ToString::to_string)
        .collect();
    assert_eq!(errors, [""; 0]);
    assert!(loaded.fleet.is_none());
}

#[test]
fn the_mended_corpus_is_a_fleet_of_fifteen() {
    let Some((_folder, loaded)) = mended() else { return };
    let fleet = loaded.fleet.expect("the scripts were all that was missing");
    assert_eq!(fleet.guests.len(), 15);
    let ca = fleet.find("step-ca").unwrap();
    assert_eq!(ca.id.get(), 103);
    assert_eq!(ca.health.len(), 1);
    assert_eq!(ca.health[0].retries, Some(5));
}
