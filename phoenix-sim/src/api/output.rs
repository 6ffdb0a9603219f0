//! The forms in which `pvesh` prints values (pve-common `CLIFormatter.pm`).

use serde_json::Value as Json;

/// A value as text.
pub(super) fn render(value: &Json, format: &str) -> String {
    if value.is_null() {
        return String::new();
    }
    match format {
        "json" => format!("{value}\n"),
        "json-pretty" => {
            let mut text = String::new();
            crate::qemu::agent::pretty(&mut text, value, 0);
            text.push('\n');
            text
        }
        "yaml" => {
            let mut text = String::from("---");
            yaml(&mut text, value, 0);
            text.push('\n');
            text
        }
        _ => text(value),
    }
}

/// A single value as a table shows it.
fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn text(value: &Json) -> String {
    match value {
        Json::Object(object) => {
            let rows: Vec<Vec<String>> = object.iter().map(|(key, value)| vec![key.clone(), cell(value)]).collect();
            table(&["key".to_owned(), "value".to_owned()], &rows)
        }
        Json::Array(items) if items.iter().all(Json::is_object) && !items.is_empty() => {
            let mut keys: Vec<String> =
                items.iter().filter_map(Json::as_object).flat_map(|object| object.keys().cloned()).collect();
            keys.sort();
            keys.dedup();
            let row = |item: &Json| keys.iter().map(|key| cell(item.get(key).unwrap_or(&Json::Null))).collect();
            table(&keys, &items.iter().map(row).collect::<Vec<_>>())
        }
        Json::Array(items) => items.iter().map(|item| cell(item) + "\n").collect(),
        other => cell(other) + "\n",
    }
}

fn table(head: &[String], rows: &[Vec<String>]) -> String {
    let lines = |row: &[String]| -> Vec<Vec<String>> {
        let cells: Vec<Vec<&str>> = row.iter().map(|cell| cell.lines().collect()).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0).max(1);
        (0..height)
            .map(|at| cells.iter().map(|cell| cell.get(at).copied().unwrap_or_default().to_owned()).collect())
            .collect()
    };
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).flat_map(|cell| cell.lines());
        cells.chain([head[at].as_str()]).map(|line| line.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let rule = |fill: &str| {
        let parts: Vec<String> = widths.iter().map(|width| fill.repeat(width + 2)).collect();
        format!("+{}+\n", parts.join("+"))
    };
    let print = |row: &[String]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} ")).collect();
        format!("|{}|\n", cells.join("|"))
    };
    let mut text = rule("-") + &print(head) + &rule("=");
    for row in rows {
        for line in lines(row) {
            text.push_str(&print(&line));
        }
        text.push_str(&rule("-"));
    }
    text
}

fn yaml(text: &mut String, value: &Json, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Json::Object(object) if object.is_empty() => text.push_str(" {}"),
        Json::Array(items) if items.is_empty() => text.push_str(" []"),
        Json::Object(object) => {
            for (key, value) in object {
                text.push_str(&format!("\n{indent}{key}:"));
                yaml(text, value, depth + 1);
            }
        }
        Json::Array(items) => {
            for item in items {
                text.push_str(&format!("\n{indent}-"));
                match item {
                    Json::Object(object) if !object.is_empty() => {
                        for (at, (key, value)) in object.iter().enumerate() {
                            let lead = if at == 0 { " ".to_owned() } else { format!("\n{indent}  ") };
                            text.push_str(&format!("{lead}{key}:"));
                            yaml(text, value, depth + 2);
                        }
                    }
                    item => yaml(text, item, depth + 1),
                }
            }
        }
        Json::String(plain) => {
            let quoted = plain.is_empty()
                || plain.parse::<f64>().is_ok()
                || plain.contains(": ")
                || plain.starts_with(['-', '{', '[', '\'', '"', '#', '&', '*', '!', '|', '>', '%', '@']);
            text.push_str(&if quoted { format!(" '{}'", plain.replace('\'', "''")) } else { format!(" {plain}") });
        }
        Json::Null => text.push_str(" ~"),
        other => text.push_str(&format!(" {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_form_is_as_recorded() {
        let version = json!({"release": "9.2", "repoid": "14a22df3"});
        assert_eq!(
            render(&version, "text"),
            "+---------+----------+\n| key     | value    |\n+=========+==========+\n| release | 9.2      |\n+---------+----------+\n| repoid  | 14a22df3 |\n+---------+----------+\n"
        );
        assert_eq!(render(&version, "json"), "{\"release\":\"9.2\",\"repoid\":\"14a22df3\"}\n");
        assert_eq!(render(&version, "json-pretty"), "{\n   \"release\" : \"9.2\",\n   \"repoid\" : \"14a22df3\"\n}\n");
        assert_eq!(render(&version, "yaml"), "---\nrelease: '9.2'\nrepoid: 14a22df3\n");
        assert_eq!(render(&json!(100), "text"), "100\n");
        assert_eq!(render(&Json::Null, "json"), "");
    }
}
