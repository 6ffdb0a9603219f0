//! The configuration files of the predecessor, where they are at hand: `../shared/corpus` next to the repository.

use std::fs;

use serde_json::{Value, json};

use crate::program::{Place, root};

const CORPUS: &str = "../shared/corpus/phoenix";

/// A copy of the real files; `None` where there are none.
fn real_files() -> Option<Place> {
    root().join(CORPUS).is_dir().then(|| Place::copy_of(CORPUS))
}

fn diagnostics(place: &Place) -> Vec<Value> {
    let run = place.phoenix(&["validate", "--format", "json"]);
    run.json()["diagnostics"].as_array().unwrap().clone()
}

#[test]
fn what_is_refused_in_the_real_files_is_located() {
    let Some(place) = real_files() else { return };
    let found = diagnostics(&place);
    assert!(!found.is_empty());
    for diagnostic in found {
        let line = diagnostic["line"].as_u64().unwrap();
        let file = diagnostic["file"].as_str().unwrap().replace("HERE", place.beside("").to_str().unwrap());
        let text = fs::read_to_string(file).unwrap();
        assert!((1..=text.lines().count() as u64).contains(&line), "{diagnostic}");
        assert!(diagnostic["column"].as_u64().unwrap() >= 1, "{diagnostic}");
        assert!(diagnostic["code"].as_str().unwrap().starts_with("PHX"), "{diagnostic}");
        // Only the scripts are missing; everything else that is found is a warning.
        assert_eq!(diagnostic["severity"] == "error", diagnostic["code"] == "PHX0801", "{diagnostic}");
    }
}

/// The stand-in for every missing script. The health check of 103 is a program that its container must have.
const SCRIPT: &str = "#!/bin/sh
set -e
folder=/usr/local/phoenix_hypervisor/bin/health_checks
mkdir -p $folder
printf '#!/bin/sh\\nnc -z localhost 9000\\n' > $folder/check_step_ca.sh
chmod 755 $folder/check_step_ca.sh
";

/// Writes the scripts that are missing, each at the first place where it is looked for.
fn mend(place: &Place) {
    for diagnostic in diagnostics(place).iter().filter(|diagnostic| diagnostic["code"] == "PHX0801") {
        let expected = diagnostic["expected"].as_str().unwrap();
        let path = place.config().join(expected.split('`').nth(1).unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, SCRIPT).unwrap();
    }
}

#[test]
fn the_real_files_come_up_once_mended() {
    let Some(place) = real_files() else { return };
    mend(&place);
    // In the world of this test the CA listens half a minute after its container has started.
    let world = json!({"guests": {"103": {"services": {
        "step-ca": {"events": [{"after": "30s", "open": [9000], "state": "active"}]}
    }}}});
    fs::write(place.config().join("world.json"), world.to_string()).unwrap();

    let run = place.phoenix(&["--host", "sim:", "--format", "json", "up"]);
    assert_eq!(run.exit, Some(0), "{}", run.all());
    let report = run.json();
    let guests = report["summary"]["guests"].as_object().unwrap();
    assert_eq!(guests.len(), 15, "{}", run.all());
    assert!(guests.values().all(|outcome| outcome["result"] == "changed"), "{}", run.all());
    let gate = run.stderr.lines().find(|line| line.contains("103 Step-CA") && line.contains("passed at attempt"));
    assert!(gate.is_some(), "the health check of 103 was waited for: {}", run.stderr);
}
