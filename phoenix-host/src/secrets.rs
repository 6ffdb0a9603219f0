//! Reading secrets from where they are kept.

use std::fmt;

use async_trait::async_trait;
use camino::Utf8PathBuf;
use phoenix_types::{Secret, SecretSource};

use crate::{Host as _, HostError, Local};

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
    /// It is empty, or has several lines, control characters or bytes that are not UTF-8.
    #[error("the secret {0} is not one line of text")]
    NotOneLine(String),
}

/// The environment and the files of the machine that Phoenix runs on.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalSecrets;

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
