//! What scripts are handed of the files: not their secrets.

use serde_json::Value;

/// Where the hypervisor file and guests hold secrets. In plain text they are not handed to scripts.
pub(crate) const SECRETS: [&[&str]; 3] =
    [&["portainer_api", "admin_password"], &["users", "password_hash"], &["user_config", "password"]];

/// The value without its secrets.
pub(crate) fn without_secrets(mut value: Value) -> Value {
    for path in SECRETS {
        if let [parent, key] = path
            && let Some(Value::Object(parent)) = value.get_mut(parent)
            && parent.get(*key).is_some_and(Value::is_string)
        {
            parent.remove(*key);
        }
    }
    for key in ["health_check", "health_checks", "wait_for"] {
        if let Some(gates) = value.get_mut(key) {
            without_headers(gates);
        }
    }
    value
}

/// A gate, or several, without their request headers, which may be secrets.
fn without_headers(gate: &mut Value) {
    match gate {
        Value::Array(gates) => gates.iter_mut().for_each(without_headers),
        Value::Object(members) => {
            if let Some(Value::Object(http)) = members.get_mut("http") {
                http.remove("headers");
            }
            for key in ["all", "any"] {
                if let Some(probes) = members.get_mut(key) {
                    without_headers(probes);
                }
            }
        }
        _ => {}
    }
}
