//! What differs between a plan that was approved and the plan of now.

use serde_json::Value;

/// How many differences are named.
const SHOWN: usize = 20;

/// The differences between two plans as JSON, each with its place. What is left alone has no part in them, and neither has the
/// digest of a guest's file, which changes with every word in it.
pub(super) fn differences(approved: &Value, now: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", &settled(approved), &settled(now), &mut found);
    if found.len() > SHOWN {
        let more = found.len() - SHOWN;
        found.truncate(SHOWN);
        found.push(format!("and {more} more"));
    }
    found
}

/// The plan without what says nothing about what is done.
fn settled(plan: &Value) -> Value {
    match plan {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(key, _)| *key != "unmanaged");
            Value::Object(kept.map(|(key, value)| (key.clone(), settled(value))).collect())
        }
        Value::Array(items) => {
            let is_digest = |at: usize| at > 0 && items[at - 1] == "--digest";
            let items = items.iter().enumerate();
            items.map(|(at, item)| if is_digest(at) { Value::from("*") } else { settled(item) }).collect()
        }
        other => other.clone(),
    }
}

fn compare(place: &str, approved: &Value, now: &Value, found: &mut Vec<String>) {
    match (approved, now) {
        (Value::Object(before), Value::Object(after)) => {
            // The digest changes with everything else, and is named only when nothing else is.
            let known = found.len();
            for key in before.keys().chain(after.keys().filter(|key| !before.contains_key(*key))) {
                if key == "digest" && place.is_empty() {
                    continue;
                }
                let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                let of = |fields: &serde_json::Map<String, Value>| fields.get(key).cloned().unwrap_or_default();
                compare(&place, &of(before), &of(after), found);
            }
            if place.is_empty() && found.len() == known && before.get("digest") != after.get("digest") {
                found.push("`digest`: the text of a file or a setting that no command shows".to_owned());
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (at, (before, after)) in before.iter().zip(after).enumerate() {
                let name = match after.get("id") {
                    Some(id) => id.to_string(),
                    None => at.to_string(),
                };
                compare(&format!("{place}[{name}]"), before, after, found);
            }
        }
        (before, after) if before == after => {}
        (before, after) => found.push(format!("`{place}`: was {}, is {}", brief(before), brief(after))),
    }
}

/// A value as a message shows it.
fn brief(value: &Value) -> String {
    let text = match value {
        Value::Null => "absent".to_owned(),
        Value::Array(items) => format!("{} items", items.len()),
        other => other.to_string(),
    };
    match text.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_difference_is_named_with_its_place() {
        let plan = |memory: u32, script: &str, file: &str| {
            json!({"node": "pve 1", "digest": format!("{memory}{script}"), "guests": [{"id": 103, "unmanaged": [memory],
                "inputs": {"script setup": script},
                "steps": [{"commands": [{"argv": ["pct", "set", "103", "--digest", file, "--memory", memory]}]}]}]})
        };
        assert_eq!(differences(&plan(512, "a", "x"), &plan(512, "a", "y")), Vec::<String>::new());
        assert_eq!(
            differences(&plan(512, "a", "x"), &plan(1024, "b", "x")),
            [
                "`guests[103].inputs.script setup`: was \"a\", is \"b\"",
                "`guests[103].steps[0].commands[0].argv[6]`: was 512, is 1024",
            ]
        );
        let mut other = plan(512, "a", "x");
        other["node"] = json!("pve 2");
        assert_eq!(differences(&plan(512, "a", "x"), &other), ["`node`: was \"pve 1\", is \"pve 2\""]);
        let mut other = plan(512, "a", "x");
        other["digest"] = json!("0");
        assert_eq!(differences(&plan(512, "a", "x"), &other).len(), 1);
    }
}
