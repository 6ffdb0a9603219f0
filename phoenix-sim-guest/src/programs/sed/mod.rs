//! `sed`.

mod edit;
mod script;

use phoenix_sim_shell::files::Offset;

use self::edit::{Printing, apply};
use self::script::read;
use super::arguments::Arguments;
use super::expression::Dialect;
use super::{Call, Ending};

impl Call {
    pub(super) async fn sed(&self) -> Ending {
        let words: Vec<String> =
            self.arguments()
                .iter()
                .map(|word| {
                    if word.starts_with("-i") && !word.starts_with("--") {
                        "--in-place".to_owned()
                    } else {
                        word.clone()
                    }
                })
                .collect();
        let arguments = Arguments::read_long(&words, "ef", &["expression", "file"]);
        let mut rest = arguments.rest.clone();
        let mut text: Vec<String> =
            arguments.all('e').chain(arguments.long_value("expression")).map(str::to_owned).collect();
        if let Some(path) = arguments.value('f').or(arguments.long_value("file")) {
            text.push(String::from_utf8_lossy(&self.read(path).await.unwrap_or_default()).into_owned());
        }
        if text.is_empty() {
            if rest.is_empty() {
                self.err("Usage: sed [OPTION]... {script-only-if-no-other-script} [input-file]...\n").await;
                return Ok(1);
            }
            text.push(rest.remove(0));
        }
        let dialect = match arguments.has('E') || arguments.has('r') || arguments.has_long("regexp-extended") {
            true => Dialect::Extended,
            false => Dialect::Basic,
        };
        let script = match read(&text.join("\n"), dialect) {
            Ok(script) => script,
            Err(reason) => {
                self.complain(&format!("-e expression #1, {reason}")).await;
                return Ok(1);
            }
        };
        let printing = match arguments.has('n') || arguments.has_long("quiet") {
            true => Printing::Asked,
            false => Printing::Every,
        };
        let in_place = arguments.has_long("in-place");
        let (contents, mut status) = self.contents(&rest).await;
        if in_place {
            for (path, bytes) in contents {
                let (result, _) = apply(&script, &String::from_utf8_lossy(&bytes), printing);
                let absolute = self.absolute(&path);
                if let Err(error) =
                    self.machine().files(|view| view.write(&absolute, result.as_bytes(), Offset::Replace, 0o644))
                {
                    self.complain(&format!("couldn't open file {path}: {error}")).await;
                    status = 4;
                }
            }
            return Ok(if status == 1 { 2 } else { status });
        }
        let whole: Vec<u8> = contents.into_iter().flat_map(|(_, bytes)| bytes).collect();
        let (result, code) = apply(&script, &String::from_utf8_lossy(&whole), printing);
        self.out(result).await?;
        Ok(code.unwrap_or(if status == 1 { 2 } else { status }))
    }
}
