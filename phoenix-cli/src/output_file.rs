//! Files that the program writes for its user: complete, or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::NamedTempFile;

use crate::error::CliError;

/// A file that is going to be written. Until then what is there stays as it is.
#[derive(Debug)]
pub(crate) struct OutputFile {
    path: Utf8PathBuf,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// A file next to it, which takes its name in the end.
    Beside(NamedTempFile),
    /// What is there is a device or a pipe.
    There(File),
}

impl OutputFile {
    /// Finds out that the place can be written, before there is anything to write.
    pub(crate) fn create(path: &Utf8Path) -> Result<Self, CliError> {
        let place = match fs::metadata(path) {
            Ok(data) if !data.is_file() => OpenOptions::new().write(true).open(path).map(Place::There),
            _ => {
                let folder = path.parent().filter(|folder| !folder.as_str().is_empty()).unwrap_or(Utf8Path::new("."));
                let mut file = tempfile::Builder::new();
                // The umask takes off what it takes off every new file.
                file.permissions(Permissions::from_mode(0o666))
                    .prefix(".phoenix-")
                    .tempfile_in(folder)
                    .map(Place::Beside)
            }
        };
        let place = place.map_err(|source| CliError::File { action: "write", path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), place })
    }

    /// Writes the file.
    pub(crate) fn write(self, bytes: &[u8]) -> io::Result<()> {
        match self.place {
            Place::There(mut file) => file.write_all(bytes),
            Place::Beside(mut file) => {
                file.write_all(bytes)?;
                file.as_file().sync_all()?;
                // A link stays one.
                let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.into_std_path_buf());
                file.persist(path).map(|_| ()).map_err(|error| error.error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_file_stays_until_the_new_one_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("plan.json");
        fs::write(&path, "old").unwrap();
        drop(OutputFile::create(&path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        OutputFile::create(&path).unwrap().write(b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        assert!(OutputFile::create("/nowhere/plan.json".into()).is_err());
        assert!(OutputFile::create("/dev/full".into()).unwrap().write(b"new").is_err());
    }
}
