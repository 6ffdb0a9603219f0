//! The firewall's API: options, rules, aliases, IP sets and groups (pve-firewall `API2/Firewall/*.pm`).

mod file;

use serde_json::{Map, Value as Json, json};

use self::file::{File, Named, Rule};
use super::unanswered::unanswered;
use crate::grammar::ApiPath;
use crate::node::{Call, Failure};

/// Parameters that are no properties of a rule.
const NO_RULE: [&str; 9] = ["node", "vmid", "pos", "digest", "moveto", "delete", "group", "rename", "noproxy"];

/// Answers a call about a firewall.
pub(super) fn answer(call: &mut Call<'_>, path: &ApiPath) -> Result<Json, Failure> {
    let place = if path.template.starts_with("/cluster") {
        "/etc/pve/firewall/cluster.fw".to_owned()
    } else if path.template.contains("{vmid}") {
        format!("/etc/pve/firewall/{}.fw", call.vmid())
    } else {
        "/etc/pve/nodes/pve/host.fw".to_owned()
    };
    let text = call.state().files.text(&place).unwrap_or_default();
    let mut file = File::parse(&text);
    let rest = path.template.split("/firewall").nth(1).unwrap_or_default().to_owned();
    let value = match (path.verb.as_str(), rest.as_str()) {
        ("GET", "") => {
            return Ok(["aliases", "ipset", "log", "options", "refs", "rules"]
                .iter()
                .map(|name| json!({"name": name}))
                .collect());
        }
        ("GET", "/options") => return Ok(options(&file)),
        ("GET", "/macros") => {
            return Ok(MACROS.lines().map(|name| json!({"macro": name, "descr": name})).collect());
        }
        ("GET", "/refs") => return Ok(refs(&file)),
        ("GET", "/log") => return Ok(json!([])),
        ("PUT", "/options") => {
            set_options(call, &mut file);
            Json::Null
        }
        (verb, rest) if rest.starts_with("/rules") => {
            let verb = verb.to_owned();
            let single = rest.ends_with("{pos}");
            match rules(call, &mut file.rules, &verb, single)? {
                Some(value) => return Ok(value),
                None => Json::Null,
            }
        }
        (verb, rest) if rest.starts_with("/groups") => {
            let verb = verb.to_owned();
            let rest = rest.to_owned();
            match groups(call, &mut file, &verb, &rest)? {
                Some(value) => return Ok(value),
                None => Json::Null,
            }
        }
        (verb, rest) if rest.starts_with("/aliases") => {
            let verb = verb.to_owned();
            match aliases(call, &mut file, &verb)? {
                Some(value) => return Ok(value),
                None => Json::Null,
            }
        }
        (verb, rest) if rest.starts_with("/ipset") => {
            let verb = verb.to_owned();
            let rest = rest.to_owned();
            match ip_sets(call, &mut file, &verb, &rest)? {
                Some(value) => return Ok(value),
                None => Json::Null,
            }
        }
        _ => return Err(unanswered(call, &path.path)),
    };
    let mut state = call.state();
    match file.print() {
        text if text.is_empty() => state.files.remove_all(&place),
        text => state.write_file(&place, text.into_bytes()),
    }
    Ok(value)
}

/// The names of all macros, each on its line (pve-firewall `Firewall.pm`).
const MACROS: &str = include_str!("../../data/firewall-macros.txt");

fn digest(text: &str) -> String {
    phoenix_types::conf_digest(text)
}

/// A value as the API gives it: numbers as numbers.
fn typed(value: &str) -> Json {
    value.parse::<i64>().map_or_else(|_| json!(value), |number| json!(number))
}

fn options(file: &File) -> Json {
    let mut map: Map<String, Json> = file.options.iter().map(|(key, value)| (key.clone(), typed(value))).collect();
    let text: String = file.options.iter().map(|(key, value)| format!("{key}:{value}\n")).collect();
    map.insert("digest".to_owned(), json!(digest(&text)));
    Json::Object(map)
}

fn set_options(call: &Call<'_>, file: &mut File) {
    for key in call.param("delete").unwrap_or_default().split([',', ';', ' ']) {
        file.options.remove(key);
    }
    for (key, value) in call.inv.params.iter().filter(|(key, _)| !NO_RULE.contains(key)) {
        file.options.insert(key.to_owned(), value.to_owned());
    }
}

fn refs(file: &File) -> Json {
    let aliases = file.aliases.iter().map(|alias| json!({"type": "alias", "name": alias.name, "ref": alias.name}));
    let sets =
        file.ip_sets.iter().map(|set| json!({"type": "ipset", "name": set.name, "ref": format!("+{}", set.name)}));
    aliases.chain(sets).collect()
}

/// Answers about a list of rules; nothing when the list was changed.
fn rules(call: &Call<'_>, rules: &mut Vec<Rule>, verb: &str, single: bool) -> Result<Option<Json>, Failure> {
    let text: String = rules.iter().map(|rule| rule.print() + "\n").collect();
    let now = digest(&text);
    if call.param("digest").is_some_and(|given| given != now) {
        return Err(Failure::die("detected modified configuration - file changed by other user? Try again."));
    }
    let pos: usize = call.number("pos").unwrap_or(0);
    let absent = || Failure::die(format!("no rule at position {pos}"));
    match (verb, single) {
        ("GET", false) => {
            let list = rules.iter().enumerate().map(|(at, rule)| rule.json(json!(at), &now));
            return Ok(Some(list.collect()));
        }
        ("GET", true) => {
            let rule = rules.get(pos).ok_or_else(absent)?;
            return Ok(Some(rule.json(json!(pos.to_string()), &now)));
        }
        ("POST", _) => {
            let mut rule = Rule::default();
            change(call, &mut rule);
            check(call, &rule)?;
            rules.insert(0, rule);
        }
        ("PUT", _) => {
            if pos >= rules.len() {
                return Err(absent());
            }
            if let Some(to) = call.number::<usize>("moveto") {
                let rule = rules.remove(pos);
                let to = if to > pos { to - 1 } else { to };
                rules.insert(to.min(rules.len()), rule);
            } else {
                let mut rule = rules[pos].clone();
                for key in call.param("delete").unwrap_or_default().split([',', ';', ' ']) {
                    rule.values.remove(key);
                }
                change(call, &mut rule);
                check(call, &rule)?;
                rules[pos] = rule;
            }
        }
        _ => {
            if pos >= rules.len() {
                return Err(absent());
            }
            rules.remove(pos);
        }
    }
    Ok(None)
}

fn change(call: &Call<'_>, rule: &mut Rule) {
    for (key, value) in call.inv.params.iter().filter(|(key, _)| !NO_RULE.contains(key)) {
        match key {
            "type" => rule.kind = value.to_uppercase(),
            "action" => rule.action = value.to_owned(),
            "enable" => rule.enabled = value != "0",
            _ if value.is_empty() || value == "-" => {
                rule.values.remove(key);
            }
            "comment" => {
                rule.values.insert(key.to_owned(), value.replace('\n', " "));
            }
            _ => {
                rule.values.insert(key.to_owned(), value.to_owned());
            }
        }
    }
}

/// What only the rule as a whole shows to be wrong.
fn check(call: &Call<'_>, rule: &Rule) -> Result<(), Failure> {
    if let Some(name) = rule.values.get("macro")
        && !MACROS.lines().any(|known| known.eq_ignore_ascii_case(name))
    {
        return Err(call.bad_param("macro", format!("unknown macro '{name}'")));
    }
    let verdicts = ["ACCEPT", "DROP", "REJECT"];
    if rule.kind != "GROUP" && !verdicts.contains(&rule.action.as_str()) {
        return Err(call.bad_param("action", format!("unknown action '{}'", rule.action)));
    }
    let proto = rule.values.get("proto").map(String::as_str);
    for port in ["dport", "sport"] {
        if rule.values.contains_key(port) && !rule.values.contains_key("macro") {
            match proto {
                None => {
                    return Err(call.bad_param("proto", format!("missing property - '{port}' requires this property")));
                }
                Some("tcp" | "udp" | "sctp" | "udplite" | "dccp") => {}
                Some(proto) => {
                    return Err(call.bad_param("proto", format!("protocol '{proto}' does not support ports")));
                }
            }
        }
    }
    Ok(())
}

fn groups(call: &Call<'_>, file: &mut File, verb: &str, rest: &str) -> Result<Option<Json>, Failure> {
    let name = call.param("group").unwrap_or_default().to_owned();
    if rest == "/groups" {
        if verb == "GET" {
            return Ok(Some(
                file.groups.iter().map(|group| json!({"group": group.name, "digest": digest(&group.name)})).collect(),
            ));
        }
        if file.groups.iter().any(|group| group.name == name) {
            return Err(call.bad_param("group", format!("Security group '{name}' already exists")));
        }
        let comment = call.param("comment").map(str::to_owned);
        file.groups.push(Named { name, comment, items: Vec::new() });
        file.groups.sort_by(|one, two| one.name.cmp(&two.name));
        return Ok(None);
    }
    let absent = || Failure::die(format!("no such security group '{name}'"));
    let group = file.groups.iter_mut().find(|group| group.name == name).ok_or_else(absent)?;
    if rest == "/groups/{group}" && verb == "DELETE" {
        if !group.items.is_empty() {
            return Err(Failure::die(format!("Security group '{name}' is not empty")));
        }
        file.groups.retain(|group| group.name != name);
        return Ok(None);
    }
    rules(call, &mut group.items, verb, rest.ends_with("{pos}"))
}

fn aliases(call: &Call<'_>, file: &mut File, verb: &str) -> Result<Option<Json>, Failure> {
    let name = call.param("name").unwrap_or_default().to_owned();
    let cidr = call.param("cidr").unwrap_or_default().to_owned();
    let comment = call.param("comment").map(str::to_owned);
    let entry = |alias: &Named<()>, cidr: &str| {
        let mut item = json!({"name": alias.name, "cidr": cidr, "digest": digest(&alias.name)});
        item["ipversion"] = json!(if cidr.contains(':') { 6 } else { 4 });
        if let Some(comment) = &alias.comment {
            item["comment"] = json!(comment);
        }
        item
    };
    let known = file.aliases.iter().position(|alias| alias.name == name);
    match (verb, known, name.is_empty()) {
        ("GET", _, true) => {
            return Ok(Some(
                file.aliases.iter().zip(&file.alias_values).map(|(alias, cidr)| entry(alias, cidr)).collect(),
            ));
        }
        ("POST", Some(_), _) => return Err(call.bad_param("name", format!("alias '{name}' already exists"))),
        ("POST", None, _) => {
            file.aliases.push(Named { name, comment, items: Vec::new() });
            file.alias_values.push(cidr);
        }
        (_, None, _) => return Err(Failure::die(format!("no such alias '{name}'"))),
        ("GET", Some(at), _) => return Ok(Some(entry(&file.aliases[at], &file.alias_values[at]))),
        ("DELETE", Some(at), _) => {
            file.aliases.remove(at);
            file.alias_values.remove(at);
        }
        (_, Some(at), _) => {
            file.alias_values[at] = cidr;
            file.aliases[at].comment = comment;
            if let Some(renamed) = call.param("rename") {
                file.aliases[at].name = renamed.to_owned();
            }
        }
    }
    Ok(None)
}

fn ip_sets(call: &Call<'_>, file: &mut File, verb: &str, rest: &str) -> Result<Option<Json>, Failure> {
    let name = call.param("name").unwrap_or_default().to_owned();
    let cidr = call.param("cidr").unwrap_or_default().to_owned();
    let comment = call.param("comment").map(str::to_owned);
    if rest == "/ipset" {
        if verb == "GET" {
            return Ok(Some(
                file.ip_sets.iter().map(|set| json!({"name": set.name, "digest": digest(&set.name)})).collect(),
            ));
        }
        if file.ip_sets.iter().any(|set| set.name == name) {
            return Err(call.bad_param("name", format!("IPSet '{name}' already exists")));
        }
        file.ip_sets.push(Named { name, comment, items: Vec::new() });
        file.ip_sets.sort_by(|one, two| one.name.cmp(&two.name));
        return Ok(None);
    }
    let absent = || Failure::die(format!("no such IPSet '{name}'"));
    let set = file.ip_sets.iter_mut().find(|set| set.name == name).ok_or_else(absent)?;
    let entry = |(cidr, comment): &(String, Option<String>)| {
        let mut item = json!({"cidr": cidr.trim_start_matches('!'), "digest": digest(cidr)});
        if cidr.starts_with('!') {
            item["nomatch"] = json!(1);
        }
        if let Some(comment) = comment {
            item["comment"] = json!(comment);
        }
        item
    };
    let known = set.items.iter().position(|(known, _)| known.trim_start_matches('!') == cidr);
    if rest == "/ipset/{name}" {
        match verb {
            "GET" => return Ok(Some(set.items.iter().map(entry).collect())),
            "POST" => {
                if known.is_some() {
                    return Err(call.bad_param("cidr", format!("address '{cidr}' already exists")));
                }
                let mark = if call.is_set("nomatch") { "!" } else { "" };
                set.items.push((format!("{mark}{cidr}"), comment));
            }
            _ => {
                if !set.items.is_empty() && !call.is_set("force") {
                    return Err(Failure::die(format!("IPSet '{name}' is not empty")));
                }
                file.ip_sets.retain(|set| set.name != name);
            }
        }
        return Ok(None);
    }
    let at = known.ok_or_else(|| Failure::die(format!("no such IP/Network: '{cidr}'")))?;
    match verb {
        "GET" => return Ok(Some(entry(&set.items[at]))),
        "DELETE" => {
            set.items.remove(at);
        }
        _ => {
            let mark = if call.is_set("nomatch") { "!" } else { "" };
            set.items[at] = (format!("{mark}{cidr}"), comment);
        }
    }
    Ok(None)
}
