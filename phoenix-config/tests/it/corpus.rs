//! The files of the predecessor, where they are at hand.

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_config::schema::{SchemaKind, schema};
use phoenix_config::{Code, Loaded};
use serde_json::Value;

/// The folder of the predecessor's files, next to the repository.
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
    assert_eq!(ca.health[0].schedule.attempts, Some(5));
}

/// Whether a schema knows a path such as `.lxc_configs.<ctid>.features[]`.
fn knows(root: &Value, schema: &Value, path: &[&str]) -> bool {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer)).unwrap();
        return knows(root, target, path);
    }
    let choices = ["anyOf", "oneOf"].into_iter().filter_map(|word| schema.get(word)?.as_array()).flatten();
    if choices.into_iter().any(|choice| knows(root, choice, path)) {
        return true;
    }
    let Some((first, rest)) = path.split_first() else { return true };
    if *first == "[]" {
        return schema.get("items").is_some_and(|items| knows(root, items, rest));
    }
    let named = schema.get("properties").and_then(|properties| properties.get(first));
    let by_pattern = schema.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
    let mut any = by_pattern
        .filter(|(pattern, _)| *pattern != "^x-")
        .map(|(_, inner)| inner)
        .chain(schema.get("additionalProperties"));
    match named {
        Some(named) => knows(root, named, rest),
        None => any.any(|inner| inner.is_object() && knows(root, inner, rest)) || open(schema),
    }
}

/// Whether an object takes any key, because its content is somebody else's.
fn open(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "object") && schema.get("additionalProperties").is_none()
}

#[test]
fn every_key_of_the_predecessor_is_known() {
    let table = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/baseline-keys.tsv");
    let Ok(table) = std::fs::read_to_string(table) else { return };
    let schemas = [
        ("lxc_configs", SchemaKind::Lxc),
        ("vm_configs", SchemaKind::Vm),
        ("hypervisor_config", SchemaKind::Hypervisor),
    ];
    let mut rows = 0;
    for row in table.lines().skip(1) {
        let mut cells = row.split('\t');
        let (file, path) = (cells.next().unwrap(), cells.next().unwrap());
        let Some((_, kind)) = schemas.iter().find(|(name, _)| file == format!("etc/phoenix_{name}.json")) else {
            continue;
        };
        let path = path.replace("[]", ".[]");
        let path: Vec<&str> = path.split('.').filter(|part| !part.is_empty()).collect();
        let root = schema(*kind);
        assert!(knows(&root, &root, &path), "{file}: {path:?}");
        rows += 1;
    }
    assert!(rows > 200, "{rows}");
}
