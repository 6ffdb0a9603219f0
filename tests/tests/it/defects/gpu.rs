//! Containers that saw GPUs which were not theirs.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::lab::{Lab, container};

/// The GPUs whose devices a container sees.
fn gpus(lab: &Lab, id: u32) -> Vec<String> {
    let entries = lab.values(id, "lxc.mount.entry");
    let devices = entries.iter().filter_map(|entry| entry.split(' ').next()?.strip_prefix("/dev/nvidia"));
    devices.filter(|rest| rest.bytes().all(|b| b.is_ascii_digit())).map(str::to_owned).collect()
}

fn fleet(clone: &str, more: &Value) -> Value {
    json!({
        "901": container("gpu-base", &json!({"gpu_assignment": "0, 1", "start_at_boot": false, "template_snapshot_name": "ready"})),
        "801": container("model", &json!({"template": null, "clone_from_ctid": "901", "gpu_assignment": clone,
            "features": more["features"], "health_check": more["health_check"]}))
    })
}

#[test]
fn defect_08_a_clone_sees_its_own_gpus_and_not_its_sources() {
    let lab = Lab::of(&fleet("0", &json!({})));
    lab.done(&["up"]);
    assert_eq!(gpus(&lab, 901), ["0", "1"]);
    assert_eq!(gpus(&lab, 801), ["0"]);
    // Nor does it keep what it is given no more.
    for (assigned, seen) in [("1", &["1"][..]), ("none", &[])] {
        lab.containers(&fleet(assigned, &json!({})));
        lab.done(&["up"]);
        assert_eq!(gpus(&lab, 801), seen, "{}", lab.file(801));
    }
    assert_eq!(lab.values(801, "lxc.cgroup2.devices.allow"), Vec::<String>::new());
}

#[test]
fn defect_09_the_check_of_the_gpu_is_asked_whatever_other_features_there_are() {
    let with = json!({"features": ["base_setup", "nvidia", "docker"], "health_check": {"name": "gpu", "command": "nvidia-smi"}});
    let lab = Lab::of(&fleet("0", &with));
    for feature in ["base_setup", "nvidia", "docker"] {
        lab.feature(feature, "true");
    }
    lab.world(&json!({"guests": {"801": {"commands": [{"when": "*nvidia-smi*", "exit": 9, "stderr": "no devices were found\n"}]}}}));
    let run = lab.phoenix(&["up", "801"]);
    assert_eq!(run.exit, Some(1), "{}", run.all());
    assert!(run.stderr.contains("no devices were found"), "{}", run.all());
}

#[test]
fn defect_15_a_gpu_is_not_given_away_twice() {
    let server = |name: &str, share: f64| {
        container(
            name,
            &json!({"gpu_assignment": "0", "vllm_engine_config": {"CacheConfig": {"gpu_memory_utilization": share}}}),
        )
    };
    let lab = Lab::of(&json!({"801": server("large", 0.9), "802": server("small", 0.5)}));
    let run = lab.refused(&["up"]);
    assert!(run.stderr.contains("GPU 0 is claimed 1.40 times over"), "{}", run.stderr);
}
