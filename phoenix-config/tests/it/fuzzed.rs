//! The saved texts of the fuzz targets, through the same calls.

use camino::Utf8Path;
use phoenix_config::Loader;
use phoenix_config::diagnostic::FileKind;

#[test]
fn saved_texts_are_answered() {
    let corpus = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let targets = [(FileKind::Lxc, "lxc_file"), (FileKind::Vm, "vm_file"), (FileKind::Hypervisor, "hypervisor_file")];
    for (kind, target) in targets {
        let entries: Vec<_> =
            corpus.join(target).read_dir_utf8().unwrap().map(|entry| entry.unwrap().into_path()).collect();
        assert!(!entries.is_empty(), "{target}");
        for path in entries {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            let loaded = Loader::new("/nowhere".into()).load_texts([(kind, text)]);
            assert!(loaded.fleet.is_some() || loaded.errors() > 0, "{path}: neither a fleet nor an error");
        }
    }
}

#[test]
fn saved_whole_files_are_answered() {
    let corpus = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/expansion");
    for entry in corpus.read_dir_utf8().unwrap() {
        let path = entry.unwrap().into_path();
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        for name in ["phoenix.yaml", "phoenix.jsonc"] {
            let loaded = Loader::new("/nowhere".into()).load_text(name, text.as_str());
            assert!(loaded.fleet.is_some() || loaded.errors() > 0, "{path}: neither a fleet nor an error");
        }
    }
}
