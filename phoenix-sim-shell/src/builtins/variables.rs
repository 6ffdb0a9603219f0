//! Variables and the shell's switches: `declare` and its kin, `set`, `unset`.

use std::sync::Arc;

use crate::format::quote;
use crate::parse::is_name;
use crate::shell::{Shell, Unwind};
use crate::tree::Flavour;
use crate::variables::Data;

impl Shell {
    pub(super) async fn declare(&mut self, name: &str, arguments: &[String]) -> Result<(), Unwind> {
        self.status = 0;
        let mut local = name == "local" || (matches!(name, "declare" | "typeset") && self.calls > 0);
        let (mut export, mut readonly) = (name == "export", name == "readonly");
        let (mut array, mut map, mut unexport, mut list) = (false, false, false, false);
        if name == "local" && self.calls == 0 {
            if self.flavour == Flavour::Dash {
                return Err(self.abort("local: not in a function").await);
            }
            self.complain("local: can only be used in a function").await;
            self.status = 1;
            return Ok(());
        }
        for argument in arguments {
            if let Some(letters) = argument.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                for letter in letters.chars() {
                    match letter {
                        'x' => export = true,
                        'r' => readonly = true,
                        'a' => array = true,
                        'A' => map = true,
                        'g' => local = false,
                        'n' if name == "export" => unexport = true,
                        'p' => list = true,
                        _ => {}
                    }
                }
                continue;
            }
            let (variable, value) = match argument.split_once('=') {
                Some((variable, value)) => (variable, Some(value)),
                None => (argument.as_str(), None),
            };
            let (variable, append) = match variable.strip_suffix('+') {
                Some(variable) if self.flavour == Flavour::Bash => (variable, true),
                _ => (variable, false),
            };
            if !is_name(variable) {
                let reason = match self.flavour {
                    Flavour::Dash => format!("{name}: {variable}: bad variable name"),
                    Flavour::Bash => format!("{name}: `{argument}': not a valid identifier"),
                };
                if self.flavour == Flavour::Dash {
                    return Err(self.abort(&reason).await);
                }
                self.complain(&reason).await;
                self.status = 1;
                continue;
            }
            if local && let Some(scope) = self.scopes.last_mut() {
                let old = self.variables.get(variable).cloned();
                scope.entry(variable.to_owned()).or_insert(old);
                let mut kept = self.variables.get(variable).cloned().unwrap_or_default();
                if self.flavour == Flavour::Bash {
                    // In bash a local variable begins without a value, in dash with the outer one.
                    kept.data = None;
                }
                self.variables.restore(variable, Some(kept));
            }
            if let Some(value) = value {
                let value = if append {
                    format!("{}{value}", self.variables.text(variable).unwrap_or_default())
                } else {
                    value.to_owned()
                };
                self.assign(variable, &value).await?;
            }
            let entry = self.variables.entry(variable);
            entry.exported = (entry.exported || export) && !unexport;
            entry.readonly |= readonly;
            if map && !matches!(entry.data, Some(Data::Map(_))) {
                entry.data = Some(Data::Map(std::collections::BTreeMap::new()));
            } else if array && !matches!(entry.data, Some(Data::Array(_))) {
                entry.data = Some(Data::Array(std::collections::BTreeMap::new()));
            }
        }
        if arguments.is_empty() || (list && arguments.len() == 1) {
            let lines: String = self
                .variables
                .iter()
                .filter(|(_, variable)| {
                    (name != "export" || variable.exported) && (name != "readonly" || variable.readonly)
                })
                .filter_map(|(variable, _)| {
                    let text = self.variables.text(variable)?;
                    let word = if self.flavour == Flavour::Bash { "declare -x" } else { name };
                    Some(format!("{word} {variable}='{}'\n", text.replace('\'', r"'\''")))
                })
                .collect();
            return self.print(lines.as_bytes()).await;
        }
        Ok(())
    }

    pub(super) async fn set(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        self.status = 0;
        if arguments.is_empty() {
            let lines: String = self
                .variables
                .iter()
                .filter_map(|(name, _)| Some(format!("{name}={}\n", quote(self.variables.text(name)?))))
                .collect();
            return self.print(lines.as_bytes()).await;
        }
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                self.positional = words.cloned().collect();
                return Ok(());
            }
            let (on, letters) = match (word.strip_prefix('-'), word.strip_prefix('+')) {
                (Some(letters), _) if !letters.is_empty() => (true, letters),
                (_, Some(letters)) if !letters.is_empty() => (false, letters),
                _ => {
                    self.positional = std::iter::once(word).chain(words).cloned().collect();
                    return Ok(());
                }
            };
            for letter in letters.chars() {
                if letter == 'o' {
                    let Some(name) = words.next() else { return Ok(()) };
                    match self.options.named(name).filter(|_| name != "pipefail" || self.flavour == Flavour::Bash) {
                        Some(switch) => *switch = on,
                        None if matches!(
                            name.as_str(),
                            "posix" | "errtrace" | "functrace" | "monitor" | "vi" | "emacs"
                        ) => {}
                        None => return Err(self.abort(&format!("set: Illegal option -o {name}")).await),
                    }
                } else if let Some(switch) = self.options.switch(letter) {
                    *switch = on;
                } else if !matches!(letter, 'E' | 'T' | 'm' | 'b' | 'h' | 'H' | 'B' | 'i' | 'I') {
                    return Err(self.abort(&format!("set: Illegal option -{letter}")).await);
                }
            }
        }
        Ok(())
    }

    pub(super) async fn unset(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        self.status = 0;
        let mut functions = false;
        for argument in arguments {
            match argument.as_str() {
                "-f" => functions = true,
                "-v" | "-n" => functions = false,
                name if functions => {
                    Arc::make_mut(&mut self.functions).remove(name);
                }
                name => {
                    if let Some((array, index)) = name.strip_suffix(']').and_then(|name| name.split_once('[')) {
                        let (array, index) = (array.to_owned(), index.to_owned());
                        match &mut self.variables.entry(&array).data {
                            Some(Data::Map(map)) => {
                                map.remove(&index);
                            }
                            Some(Data::Array(elements)) => {
                                elements.remove(&index.parse().unwrap_or(-1));
                            }
                            _ => {}
                        }
                        continue;
                    }
                    if self.variables.get(name).is_some_and(|variable| variable.readonly) {
                        return Err(self.abort(&format!("unset: {name}: is read only")).await);
                    }
                    if self.variables.remove(name).is_none() && self.flavour == Flavour::Bash {
                        Arc::make_mut(&mut self.functions).remove(name);
                    }
                }
            }
        }
        Ok(())
    }
}
