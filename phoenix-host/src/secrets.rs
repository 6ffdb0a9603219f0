//! Reading secrets from where they are kept.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8PathBuf;
use phoenix_types::{Secret, SecretSource};

use crate::{Command, Effect, Host as _, HostError, Local};

/// Reads secrets. A secret is read at the moment at which it is needed, and nothing keeps it longer.
#[async_trait]
pub trait Secrets: fmt::Debug + Send + Sync {
    /// The value of a secret, without the line break at its end.
    ///
    /// # Errors
    /// When it is not there or is not one line of text.
    async fn read(&self, source: &SecretSource) -> Result<Secret, SecretError>;
}

/// A secret that cannot be read. No message holds its value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set.
    #[error("the environment has no secret `{0}`; set the variable")]
    NotSet(String),
    /// The file cannot be read.
    #[error("cannot read the secret in `{path}`")]
    File {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: HostError,
    },
    /// A command without a program.
    #[error("the command of the secret has no program")]
    NoProgram,
    /// The program that prints it cannot be run.
    #[error("cannot run `{program}` for the secret")]
    Command {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: HostError,
    },
    /// The program that prints it failed.
    #[error("`{program}` gives no secret: {said}")]
    Failed {
        /// The program.
        program: String,
        /// What it said last.
        said: String,
    },
    /// Phoenix does not run in a unit of systemd that has credentials.
    #[error("no credential `{0}`: `$CREDENTIALS_DIRECTORY` is not set; add `LoadCredential=` to the unit")]
    NoCredentials(String),
    /// It is empty, or has several lines, control characters or bytes that are not UTF-8.
    #[error("the secret {0} is not one line of text")]
    NotOneLine(String),
}

/// The environment and the files of the machine that Phoenix runs on.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalSecrets;

/// How long a program may take to print a secret: a person may have to unlock it.
const DEADLINE: Duration = Duration::from_secs(60);

/// The largest file that is read as a secret, in bytes.
const LARGEST: u64 = 64 * 1024;

#[async_trait]
impl Secrets for LocalSecrets {
    async fn read(&self, source: &SecretSource) -> Result<Secret, SecretError> {
        match source {
            SecretSource::Plain(secret) => Ok(secret.clone()),
            SecretSource::Env(name) => {
                let value = std::env::var_os(name).ok_or_else(|| SecretError::NotSet(name.clone()))?;
                one_line(value.as_encoded_bytes())
                    .ok_or_else(|| SecretError::NotOneLine(format!("in the variable `{name}`")))
            }
            SecretSource::Command(argv) => {
                let (program, args) = argv.split_first().ok_or(SecretError::NoProgram)?;
                let command = Command::new(program, Effect::Read, DEADLINE).args(args);
                let output = Local.run(command).await;
                let output = output.map_err(|source| SecretError::Command { program: program.clone(), source })?;
                if !output.succeeded() {
                    let said = output.stderr_text();
                    let said =
                        said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing").to_owned();
                    return Err(SecretError::Failed { program: program.clone(), said });
                }
                one_line(&output.stdout).ok_or_else(|| SecretError::NotOneLine(format!("that `{program}` prints")))
            }
            SecretSource::Credential(name) => {
                let folder = std::env::var("CREDENTIALS_DIRECTORY");
                let folder = folder.map_err(|_| SecretError::NoCredentials(name.clone()))?;
                self.read(&SecretSource::File(Utf8PathBuf::from(folder).join(name))).await
            }
            SecretSource::File(path) => {
                let bytes = Local
                    .read(path, LARGEST)
                    .await
                    .map_err(|source| SecretError::File { path: path.clone(), source })?;
                one_line(&bytes).ok_or_else(|| SecretError::NotOneLine(format!("in `{path}`")))
            }
        }
    }
}

fn one_line(bytes: &[u8]) -> Option<Secret> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    (!text.is_empty() && !text.chars().any(char::is_control)).then(|| Secret::new(text))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("token\n", Some("token"); "a line")]
    #[test_case("token\r\n", Some("token"); "a line from Windows")]
    #[test_case("a b", Some("a b"); "without a line break")]
    #[test_case("", None; "empty")]
    #[test_case("\n", None; "only a line break")]
    #[test_case("a\nb\n", None; "two lines")]
    #[tokio::test]
    async fn a_secret_is_one_line(contents: &str, value: Option<&str>) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("secret")).unwrap();
        std::fs::write(&path, contents).unwrap();
        let read = LocalSecrets.read(&SecretSource::File(path)).await;
        assert_eq!(read.as_ref().map(Secret::expose).ok(), value);
    }

    #[test_case(&["printf", "token\\n"], Ok("token"); "a program")]
    #[test_case(&["printf", "a\\nb"], Err("the secret that `printf` prints is not one line of text"); "two lines")]
    #[test_case(&["sh", "-c", "echo locked >&2; exit 3"], Err("`sh` gives no secret: locked"); "a failure")]
    #[test_case(&["/no/such/program"], Err("cannot run `/no/such/program` for the secret"); "no program")]
    #[tokio::test]
    async fn a_program_prints_a_secret(argv: &[&str], expected: Result<&str, &str>) {
        let argv = argv.iter().map(|word| (*word).to_owned()).collect();
        let read = LocalSecrets.read(&SecretSource::Command(argv)).await;
        let value = read.as_ref().map(Secret::expose).map_err(ToString::to_string);
        assert_eq!(value, expected.map_err(str::to_owned));
    }

    #[tokio::test]
    async fn what_is_missing_is_named() {
        let unset = SecretSource::Env("PHOENIX_TEST_NOT_SET".to_owned());
        let error = LocalSecrets.read(&unset).await.unwrap_err();
        assert_eq!(error.to_string(), "the environment has no secret `PHOENIX_TEST_NOT_SET`; set the variable");
        let missing = SecretSource::File("/no/such/secret".into());
        let error = LocalSecrets.read(&missing).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot read the secret in `/no/such/secret`");
    }
}
