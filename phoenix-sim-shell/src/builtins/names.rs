//! What a name stands for: `command` and `type`.

use crate::builtin_names::{is_builtin, is_special};
use crate::shell::{Position, Shell, Unwind};
use crate::tree::Flavour;

/// What `command -v` and `type` say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Path,
    Sentence,
}

impl Shell {
    pub(super) async fn command_builtin(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        match arguments {
            [option, rest @ ..] if option == "-v" => self.describe(rest, Form::Path).await,
            [option, rest @ ..] if option == "-V" => self.describe(rest, Form::Sentence).await,
            [option, rest @ ..] if option == "-p" || option == "--" => Box::pin(self.command_builtin(rest)).await,
            [] => {
                self.status = 0;
                Ok(())
            }
            argv if is_builtin(&argv[0], self.flavour) => self.builtin(argv).await,
            argv => self.program(argv, Position::Inner).await,
        }
    }

    pub(super) async fn describe(&mut self, names: &[String], form: Form) -> Result<(), Unwind> {
        self.status = 0;
        let names = names.strip_prefix(&["--".to_owned()]).unwrap_or(names);
        let names = names.iter().filter(|name| !(form == Form::Sentence && name.starts_with('-')));
        for name in names {
            let (short, sentence) = if self.functions.contains_key(name) {
                (name.clone(), format!("{name} is a function"))
            } else if is_special(name) && self.flavour == Flavour::Dash {
                (name.clone(), format!("{name} is a special shell builtin"))
            } else if is_builtin(name, self.flavour) {
                (name.clone(), format!("{name} is a shell builtin"))
            } else if let Some(path) = self.find(name) {
                (path.clone(), format!("{name} is {path}"))
            } else {
                self.status = if self.flavour == Flavour::Dash { 127 } else { 1 };
                if form == Form::Sentence {
                    if self.flavour == Flavour::Dash {
                        self.print(format!("{name}: not found\n").as_bytes()).await?;
                    } else {
                        self.complain(&format!("type: {name}: not found")).await;
                    }
                    self.status = if self.flavour == Flavour::Dash { 127 } else { 1 };
                }
                continue;
            };
            let status = self.status;
            let text = if form == Form::Path { short } else { sentence };
            self.print(format!("{text}\n").as_bytes()).await?;
            self.status = status;
        }
        Ok(())
    }
}
