//! Redirections.

use std::sync::{Arc, Mutex};

use crate::files::FileError;
use crate::files::{Follow, Offset};
use crate::shell::{Shell, Unwind};
use crate::streams::{Access, Handle, OpenFile, Stream, device};
use crate::tree::{Flavour, Redirect, Target, Word};

impl Shell {
    /// Carries out redirections in their order; false when one fails, which has been said then.
    pub(super) async fn redirect(&mut self, redirects: &[Redirect]) -> Result<bool, Unwind> {
        for redirect in redirects {
            if !self.redirect_one(redirect).await? {
                self.status = match self.flavour {
                    Flavour::Dash => 2,
                    Flavour::Bash => 1,
                };
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn redirect_one(&mut self, redirect: &Redirect) -> Result<bool, Unwind> {
        let (default, access, word) = match &redirect.target {
            Target::Read(word) => (0, Access::Read, word),
            Target::Write(word) | Target::Clobber(word) => (1, Access::Write, word),
            Target::Append(word) => (1, Access::Append, word),
            Target::ReadWrite(word) => (0, Access::Both, word),
            Target::Both { word, append } => {
                let access = if *append { Access::Append } else { Access::Write };
                let Some(handle) = self.open(word, access, false).await? else { return Ok(false) };
                self.files.insert(1, Arc::clone(&handle));
                self.files.insert(2, handle);
                return Ok(true);
            }
            Target::Duplicate(word) => return self.duplicate(redirect.descriptor.unwrap_or(1), word).await,
            Target::Here(slot) => {
                let text = match slot.get() {
                    Some(word) => self.text(word).await?,
                    None => String::new(),
                };
                self.files.insert(redirect.descriptor.unwrap_or(0), Stream::text(text));
                return Ok(true);
            }
            Target::HereWord(word) => {
                let text = self.text(word).await?;
                self.files.insert(redirect.descriptor.unwrap_or(0), Stream::text(text + "\n"));
                return Ok(true);
            }
        };
        let exclusive = self.options.noclobber && matches!(redirect.target, Target::Write(_));
        let Some(handle) = self.open(word, access, exclusive).await? else { return Ok(false) };
        self.files.insert(redirect.descriptor.unwrap_or(default), handle);
        Ok(true)
    }

    async fn duplicate(&mut self, descriptor: u32, word: &Word) -> Result<bool, Unwind> {
        let target = self.text(word).await?;
        if target == "-" {
            self.files.remove(&descriptor);
            return Ok(true);
        }
        let number = target.trim_end_matches('-').parse::<u32>().ok();
        let Some(handle) = number.and_then(|number| self.files.get(&number).cloned()) else {
            let reason = match self.flavour {
                Flavour::Dash if number.is_none() => format!("Syntax error: Bad fd number: {target}"),
                _ => format!("{target}: Bad file descriptor"),
            };
            self.complain(&reason).await;
            return Ok(false);
        };
        self.files.insert(descriptor, handle);
        if target.ends_with('-')
            && let Some(number) = number
        {
            self.files.remove(&number);
        }
        Ok(true)
    }

    async fn open(&mut self, word: &Word, access: Access, exclusive: bool) -> Result<Option<Handle>, Unwind> {
        let path = self.text(word).await?;
        match self.open_path(&path, access, exclusive) {
            Ok(handle) => Ok(Some(handle)),
            Err(error) => {
                let reason = match (self.flavour, access) {
                    (Flavour::Bash, _) => {
                        if exclusive && error == FileError::Exists {
                            format!("{path}: cannot overwrite existing file")
                        } else {
                            format!("{path}: {error}")
                        }
                    }
                    (Flavour::Dash, Access::Read) => match error {
                        FileError::NotFound => format!("cannot open {path}: No such file"),
                        error => format!("cannot open {path}: {error}"),
                    },
                    (Flavour::Dash, _) => match error {
                        FileError::NotFound => format!("cannot create {path}: Directory nonexistent"),
                        error => format!("cannot create {path}: {error}"),
                    },
                };
                self.complain(&reason).await;
                Ok(None)
            }
        }
    }

    /// Opens a path of this machine.
    fn open_path(&self, path: &str, access: Access, exclusive: bool) -> Result<Handle, FileError> {
        if path.is_empty() {
            return Err(FileError::NotFound);
        }
        let path = self.absolute(path);
        if let Some(stream) = device(&path, &self.files) {
            return stream;
        }
        match self.system.entry(&path, Follow::Last) {
            Ok(entry) if entry.is_folder() && access != Access::Read => return Err(FileError::IsAFolder),
            Ok(_) if exclusive => return Err(FileError::Exists),
            Ok(_) if access == Access::Write => self.system.write(&path, b"", Offset::Replace, 0)?,
            Ok(_) => {}
            Err(FileError::NotFound) if access != Access::Read => {
                self.system.write(&path, b"", Offset::Replace, 0o666 & !self.umask)?;
            }
            Err(error) => return Err(error),
        }
        let path = self.system.real_path(&path)?;
        Ok(Arc::new(Stream::File(OpenFile { system: Arc::clone(&self.system), path, access, offset: Mutex::new(0) })))
    }
}
