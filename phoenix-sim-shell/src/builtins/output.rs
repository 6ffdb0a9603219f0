//! Writing: `echo` and `printf`.

use crate::format::{Escapes, printf, unescape};
use crate::shell::{Shell, Unwind};
use crate::tree::Flavour;

impl Shell {
    pub(super) async fn echo(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        let (mut newline, mut escapes) = (true, self.flavour == Flavour::Dash);
        let mut words = arguments;
        while let [first, rest @ ..] = words {
            let letters = first.strip_prefix('-').unwrap_or_default();
            let known = match self.flavour {
                Flavour::Dash => letters == "n",
                Flavour::Bash => !letters.is_empty() && letters.bytes().all(|b| matches!(b, b'n' | b'e' | b'E')),
            };
            if !known {
                break;
            }
            for letter in letters.chars() {
                match letter {
                    'n' => newline = false,
                    'e' => escapes = true,
                    _ => escapes = false,
                }
            }
            words = rest;
            if self.flavour == Flavour::Dash {
                break;
            }
        }
        let text = words.join(" ");
        let mut bytes = if escapes {
            let (bytes, ended) = unescape(&text, Escapes::Echo);
            newline &= !ended;
            bytes
        } else {
            text.into_bytes()
        };
        if newline {
            bytes.push(b'\n');
        }
        self.status = 0;
        self.print(&bytes).await
    }

    pub(super) async fn printf(&mut self, arguments: &[String]) -> Result<(), Unwind> {
        let (variable, arguments) = match arguments {
            [option, variable, rest @ ..] if option == "-v" && self.flavour == Flavour::Bash => (Some(variable), rest),
            [option, rest @ ..] if option == "--" => (None, rest),
            rest => (None, rest),
        };
        let [format, values @ ..] = arguments else {
            self.complain("printf: usage: printf format [arg ...]").await;
            self.status = 2;
            return Ok(());
        };
        let (bytes, complaints) = printf(format, values);
        self.status = i32::from(!complaints.is_empty());
        for complaint in complaints {
            self.complain(&format!("printf: {complaint}")).await;
        }
        if let Some(variable) = variable {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            return self.assign(variable, &text).await;
        }
        let status = self.status;
        self.print(&bytes).await?;
        self.status = self.status.max(status);
        Ok(())
    }
}
