//! The little Python that edits files between the runs of a session.
//!
//! Understood are the statements of a text edit, joined by `;` or newlines: `p="FILE"`, `t=open(p).read()` with or without
//! `.split("MARK")`, `t=t.replace("a","b")` or the same on one part `t[0]`, and `open(p,"w").write(t)` or `.write("MARK".join(t))`.

use std::collections::BTreeMap;

use phoenix_sim_shell::files::FileTree;

#[derive(Debug, Clone)]
enum Value {
    Text(String),
    Parts(Vec<String>),
}

/// Runs the edit that a shell command with a Python here-document makes; `None` when it is more than an edit.
pub(super) fn run(shell: &str, files: &mut FileTree, now: i64) -> Option<()> {
    let (head, body) = shell.split_once('\n')?;
    let mark = head.split("<<").nth(1)?.trim().trim_matches(['\'', '"']);
    let body = body.trim_end().strip_suffix(mark)?;
    let mut values: BTreeMap<String, Value> = BTreeMap::new();
    for statement in statements(body) {
        execute(statement.trim(), &mut values, files, now)?;
    }
    Some(())
}

/// The statements of a program; semicolons within quotes do not count.
fn statements(body: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut quoted = false;
    for ch in body.chars() {
        match ch {
            '"' => quoted = !quoted,
            ';' | '\n' if !quoted => {
                all.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = all.last_mut() {
            last.push(ch);
        }
    }
    all.retain(|statement| !statement.trim().is_empty());
    all
}

/// A text in quotes, and what is behind it.
fn literal(text: &str) -> Option<(String, &str)> {
    let (inner, rest) = text.strip_prefix('"')?.split_once('"')?;
    Some((inner.replace("\\n", "\n"), rest))
}

fn execute(statement: &str, values: &mut BTreeMap<String, Value>, files: &mut FileTree, now: i64) -> Option<()> {
    if let Some(rest) = statement.strip_prefix("open(") {
        let (name, rest) = rest.split_once(',')?;
        let (_, rest) = literal(rest.trim())?;
        let rest = rest.strip_prefix(").write(")?.strip_suffix(')')?;
        let text = match literal(rest) {
            Some((mark, rest)) => {
                let name = rest.strip_prefix(".join(")?.strip_suffix(')')?;
                let Value::Parts(parts) = values.get(name)? else { return None };
                parts.join(&mark)
            }
            None => text(values.get(rest)?)?.to_owned(),
        };
        let path = text_of(values, name)?;
        return files.write(&path, text.into_bytes(), now).ok();
    }
    let (target, expression) = statement.split_once('=')?;
    let value = evaluate(expression, values, files)?;
    match target.split_once('[') {
        None => {
            values.insert(target.to_owned(), value);
        }
        Some((name, index)) => {
            let index: usize = index.strip_suffix(']')?.parse().ok()?;
            let Value::Parts(parts) = values.get_mut(name)? else { return None };
            *parts.get_mut(index)? = text(&value)?.to_owned();
        }
    }
    Some(())
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Parts(_) => None,
    }
}

fn text_of(values: &BTreeMap<String, Value>, name: &str) -> Option<String> {
    match literal(name) {
        Some((text, "")) => Some(text),
        _ => text(values.get(name)?).map(str::to_owned),
    }
}

fn evaluate(expression: &str, values: &BTreeMap<String, Value>, files: &FileTree) -> Option<Value> {
    if let Some((text, "")) = literal(expression) {
        return Some(Value::Text(text));
    }
    let (mut value, mut rest) = match expression.strip_prefix("open(") {
        Some(rest) => {
            let (name, rest) = rest.split_once(").read()")?;
            (Value::Text(files.text(&text_of(values, name)?)?), rest)
        }
        None => {
            let end = expression.find('.').unwrap_or(expression.len());
            let (name, rest) = expression.split_at(end);
            let value = match name.split_once('[') {
                None => values.get(name)?.clone(),
                Some((name, index)) => {
                    let index: usize = index.strip_suffix(']')?.parse().ok()?;
                    let Value::Parts(parts) = values.get(name)? else { return None };
                    Value::Text(parts.get(index)?.clone())
                }
            };
            (value, rest)
        }
    };
    while !rest.is_empty() {
        if let Some(call) = rest.strip_prefix(".split(") {
            let (mark, after) = literal(call)?;
            value = Value::Parts(text(&value)?.split(&mark).map(str::to_owned).collect());
            rest = after.strip_prefix(')')?;
        } else {
            let (from, after) = literal(rest.strip_prefix(".replace(")?)?;
            let (to, after) = literal(after.trim_start_matches([',', ' ']))?;
            value = Value::Text(text(&value)?.replace(&from, &to));
            rest = after.strip_prefix(')')?;
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_of_a_file_is_edited() {
        let mut files = FileTree::default();
        files.write("/c", b"x: 1\n\n[s]\nx: 1\n".to_vec(), 0).unwrap();
        let shell = "python3 - <<X\np=\"/c\"; t=open(p).read().split(\"[s]\"); t[0]=t[0].replace(\"1\",\"2\"); open(p,\"w\").write(\"[s]\".join(t))\nX";
        assert_eq!(run(shell, &mut files, 0), Some(()));
        assert_eq!(files.text("/c").as_deref(), Some("x: 2\n\n[s]\nx: 1\n"));
        assert_eq!(run("python3 - <<X\nimport os\nX", &mut files, 0), None);
    }
}
