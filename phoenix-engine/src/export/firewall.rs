//! A guest's firewall file in the words of the configuration.

use super::entry::{Entry, Guest};

/// The options of a rule with their words. The long form of the protocol is read too.
const OPTIONS: [(&str, &str); 7] = [
    ("-i", "iface"),
    ("-source", "source"),
    ("-dest", "dest"),
    ("-p", "proto"),
    ("-dport", "port"),
    ("-sport", "sport"),
    ("-log", "log"),
];

/// Describes the firewall, and answers with whether it acts.
pub(super) fn describe(guest: &mut Guest<'_>) -> bool {
    let Some(text) = &guest.present.firewall else { return false };
    let Some((enabled, entry)) = file(text) else {
        guest.remark("its firewall file is left alone, because the files cannot describe all of it");
        return false;
    };
    guest.entry.nest("firewall", entry);
    enabled
}

fn file(text: &str) -> Option<(bool, Entry)> {
    let (mut enabled, mut input, mut output, mut rules) = (false, None, None, Vec::new());
    let mut section = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_lowercase();
            continue;
        }
        match (section.as_str(), line.split_once(':').map(|(key, value)| (key.trim(), value.trim()))) {
            ("options", Some(("enable", value))) => enabled = value == "1",
            ("options", Some(("policy_in", value))) => input = Some(value.to_owned()),
            ("options", Some(("policy_out", value))) => output = Some(value.to_owned()),
            ("rules", _) => rules.push(rule(line)?),
            _ => return None,
        }
    }
    let mut entry = Entry::default();
    entry.say("enabled", enabled);
    entry.say_some("default_input_policy", input);
    entry.say_some("default_output_policy", output);
    entry.list("rules", rules);
    Some((enabled, entry))
}

fn rule(line: &str) -> Option<Entry> {
    let (line, comment) = line.split_once('#').map_or((line, None), |(line, comment)| (line, Some(comment.trim())));
    let (line, is_off) = line.strip_prefix('|').map_or((line, false), |line| (line, true));
    let mut words = line.split_whitespace();
    let direction = words.next()?.to_lowercase();
    let action = words.next()?;
    let (macro_name, action) = match action.strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some((name, action)) => (Some(name), action),
        None => (None, action),
    };
    if !["in", "out"].contains(&direction.as_str()) || !["ACCEPT", "DROP", "REJECT"].contains(&action) {
        return None;
    }
    let mut entry = Entry::default();
    entry.say("type", direction);
    entry.say("action", action);
    entry.say_some("macro", macro_name);
    while let Some(option) = words.next() {
        let option = if option == "-proto" { "-p" } else { option };
        let (_, word) = OPTIONS.iter().find(|(name, _)| *name == option)?;
        entry.say(*word, words.next()?);
    }
    entry.say_some("enabled", is_off.then_some(false));
    entry.say_some("comment", comment);
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_the_real_writer_writes_them() {
        let text = "[OPTIONS]\n\nenable: 1\npolicy_in: REJECT\n\n[RULES]\n\n|IN SSH(ACCEPT) -i net0 -source 10.0.0.0/8 -log info # from home\n\
                    OUT DROP -p tcp -dport 25,465\n";
        let (enabled, entry) = file(text).unwrap();
        let expected = serde_json::json!({"enabled": true, "default_input_policy": "REJECT", "rules": [
            {"type": "in", "action": "ACCEPT", "macro": "SSH", "iface": "net0", "source": "10.0.0.0/8", "log": "info",
                "enabled": false, "comment": "from home"},
            {"type": "out", "action": "DROP", "proto": "tcp", "port": "25,465"}
        ]});
        assert_eq!((enabled, serde_json::to_value(entry).unwrap()), (true, expected));
    }

    #[test]
    fn what_has_no_word_is_not_half_told() {
        for text in
            ["[OPTIONS]\ndhcp: 1\n", "[ALIASES]\nhome 10.0.0.1\n", "[RULES]\nGROUP web\n", "[RULES]\nIN ACCEPT -x y\n"]
        {
            assert!(file(text).is_none(), "{text}");
        }
    }
}
