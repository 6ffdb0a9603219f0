//! Is a file there?

use std::fmt;
use std::time::Duration;

use camino::Utf8PathBuf;
use phoenix_host::{Command, Effect};
use serde::Serialize;

use super::answer::{self, OUTPUT_KEPT};
use crate::{Answer, Pattern, Place, Surroundings, Verdict};

/// How much of a file is looked at for its contents, in bytes.
const CONTENTS_READ: u64 = 1 << 20;

/// A file that must be there.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct FileProbe {
    /// Where it is; absolute.
    #[schemars(with = "String")]
    pub path: Utf8PathBuf,
    /// On which side.
    pub place: Place,
    /// What must be in it.
    pub contents: Contents,
    /// How old it may be.
    pub age: Age,
}

/// What must be in a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Contents {
    /// Whatever.
    #[default]
    Any,
    /// Something.
    NonEmpty,
    /// A match within its first MiB.
    Match(Pattern),
}

/// How old a file may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Age {
    /// Whatever.
    #[default]
    Any,
    /// Written since the guest started. Compared by the clock of the side where the file is, to the second.
    SinceStart,
}

/// Prints when `$1` was written, its size, and the time now.
const FACTS: &str = r#"stat -L -c '%Y %s' "$1" && date +%s"#;

impl FileProbe {
    pub(super) async fn ask(&self, around: &Surroundings, limit: Duration) -> Answer {
        if !self.path.is_absolute() {
            return Answer::new(Verdict::Never, format!("`{}` is not an absolute path", self.path));
        }
        let (Ok(answer) | Err(answer)) = self.look(around, limit).await;
        answer
    }

    async fn look(&self, around: &Surroundings, limit: Duration) -> Result<Answer, Answer> {
        if self.age == Age::SinceStart {
            let facts = Facts::of(around, self, limit).await?;
            if !facts.since_start() {
                return Ok(Answer::no(format!("`{}` is older than the guest's start", self.path)));
            }
            if self.contents == Contents::NonEmpty && facts.size == 0 {
                return Ok(self.empty());
            }
            if !matches!(self.contents, Contents::Match(_)) {
                return Ok(self.there());
            }
        }
        match self.place {
            Place::Guest => self.look_inside(around, limit).await,
            // No process is involved that would end at its own deadline.
            Place::Host => match tokio::time::timeout(limit, self.look_on_host(around, limit)).await {
                Ok(answer) => answer,
                Err(_) => Err(Answer::no(format!("no answer within {}", crate::seconds::display(limit)))),
            },
        }
    }

    async fn look_inside(&self, around: &Surroundings, limit: Duration) -> Result<Answer, Answer> {
        let Contents::Match(pattern) = &self.contents else {
            let flag = if self.contents == Contents::NonEmpty { "-s" } else { "-e" };
            let test = Command::new("test", Effect::Read, limit).args([flag, self.path.as_str()]);
            let output = answer::run(around, Place::Guest, test).await?;
            return Ok(match output.status {
                Some(0) => self.there(),
                Some(1) if flag == "-s" => Answer::no(format!("`{}` is missing or empty", self.path)),
                Some(1) => self.missing(),
                _ => super::command::judge(&output),
            });
        };
        let mut head =
            Command::new("head", Effect::Read, limit).args(["-c", &CONTENTS_READ.to_string()]).arg(&self.path);
        head.output_limit = usize::try_from(CONTENTS_READ).unwrap_or(usize::MAX);
        let output = answer::run(around, Place::Guest, head).await?;
        if output.succeeded() {
            Ok(self.compare(pattern, &output.stdout_text()))
        } else {
            Ok(Answer { verdict: Verdict::No, ..super::command::judge(&output) })
        }
    }

    async fn look_on_host(&self, around: &Surroundings, limit: Duration) -> Result<Answer, Answer> {
        let stat = around.host.stat(&self.path).await.map_err(|error| answer::from_host(&error, limit))?;
        let Some(stat) = stat else { return Ok(self.missing()) };
        match &self.contents {
            Contents::Any => Ok(self.there()),
            Contents::NonEmpty if stat.size == 0 => Ok(self.empty()),
            Contents::NonEmpty => Ok(self.there()),
            Contents::Match(pattern) => match around.host.read(&self.path, CONTENTS_READ).await {
                Ok(bytes) => Ok(self.compare(pattern, &String::from_utf8_lossy(&bytes))),
                Err(error) if error.is_not_found() => Ok(self.missing()),
                Err(error) => Err(answer::from_host(&error, limit)),
            },
        }
    }

    fn compare(&self, pattern: &Pattern, text: &str) -> Answer {
        if pattern.is_found_in(text) {
            Answer::yes(format!("`{}` contains {pattern}", self.path))
        } else {
            Answer::no(format!("`{}` does not contain {pattern}", self.path))
                .with_output(answer::clean(text.as_bytes()))
        }
    }

    fn there(&self) -> Answer {
        Answer::yes(format!("`{}` is there", self.path))
    }

    fn missing(&self) -> Answer {
        Answer::no(format!("`{}` is missing", self.path))
    }

    fn empty(&self) -> Answer {
        Answer::no(format!("`{}` is empty", self.path))
    }
}

/// What is needed to tell whether a file was written since the guest's start, in seconds.
#[derive(Debug, PartialEq)]
struct Facts {
    written: i64,
    size: u64,
    now: i64,
    uptime: i64,
}

impl Facts {
    async fn of(around: &Surroundings, file: &FileProbe, limit: Duration) -> Result<Self, Answer> {
        let shell = |text: String| {
            let mut command =
                Command::new("sh", Effect::Read, limit).args(["-c", text.as_str(), "sh", file.path.as_str()]);
            command.output_limit = OUTPUT_KEPT;
            command
        };
        let (facts, uptime) = match file.place {
            Place::Guest => {
                let all = answer::run(around, Place::Guest, shell(format!("{FACTS} && cat /proc/uptime"))).await?;
                (all.clone(), all)
            }
            Place::Host => {
                let mut uptime = Command::new("cat", Effect::Read, limit).arg("/proc/uptime");
                uptime.output_limit = OUTPUT_KEPT;
                let uptime = answer::run(around, Place::Guest, uptime).await?;
                (answer::run(around, Place::Host, shell(FACTS.to_owned())).await?, uptime)
            }
        };
        if !facts.succeeded() {
            return Err(file.missing().with_output(answer::both_streams(&facts)));
        }
        Self::parse(&facts.stdout_text(), &uptime.stdout_text()).ok_or_else(|| {
            Answer::unanswered("the times of the file and of the guest's start cannot be read")
                .with_output(answer::both_streams(&facts))
        })
    }

    fn parse(facts: &str, uptime: &str) -> Option<Self> {
        let mut words = facts.split_whitespace();
        let (written, size, now) = (words.next()?, words.next()?, words.next()?);
        let uptime = uptime.lines().last()?.split_whitespace().next()?.split('.').next()?;
        Some(Self {
            written: written.parse().ok()?,
            size: size.parse().ok()?,
            now: now.parse().ok()?,
            uptime: uptime.parse().ok()?,
        })
    }

    /// All times are cut to seconds, so a file of the very first second may seem one second older than the start.
    fn since_start(&self) -> bool {
        self.written.saturating_add(1) >= self.now.saturating_sub(self.uptime)
    }
}

impl fmt::Display for FileProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file `{}` {}", self.path, self.place)?;
        match &self.contents {
            Contents::Any => {}
            Contents::NonEmpty => f.write_str(", not empty")?,
            Contents::Match(pattern) => write!(f, ", with {pattern}")?,
        }
        if self.age == Age::SinceStart { f.write_str(", since start") } else { Ok(()) }
    }
}
