//! Is a file there?

use std::fmt;
use std::time::Duration;

use camino::Utf8PathBuf;
use phoenix_host::{Command, Effect, Output};
use phoenix_types::GuestKind;
use serde::Serialize;

use super::answer::{self, OUTPUT_KEPT};
use super::start::{self, Era, START, Start};
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
    /// Written since the guest started, by the clock of the side where the file is, to the second. Where that clock was moved
    /// since the start, only what is newer in any case counts.
    SinceStart,
}

/// Prints when `$1` was written, and its size.
const FACTS: &str = r#"stat -L -c '%Y %s' "$1" || exit 1"#;

/// The same on the node, with the time there, and when `$2` was written if it is there.
const FACTS_ON_HOST: &str = r#"stat -L -c '%Y %s' "$1" || exit 1
date +%s
stat -c %Y "$2" 2>/dev/null
exit 0"#;

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
            let era = facts.start.era(facts.written);
            if let Some(reason) = start::untold(era, &format!("`{}`", self.path)) {
                return Ok(Answer::unanswered(reason));
            }
            if era == Era::Before {
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
            let is_missing = output.stderr_text().contains("No such file or directory");
            let answer = if is_missing { self.missing() } else { super::command::judge(&output) };
            Ok(Answer { verdict: Verdict::No, ..answer })
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
#[derive(Debug)]
struct Facts {
    written: i64,
    size: u64,
    start: Start,
}

impl Facts {
    async fn of(around: &Surroundings, file: &FileProbe, limit: Duration) -> Result<Self, Answer> {
        let shell = |text: &str, args: &[&str]| {
            let mut command = Command::new("sh", Effect::Read, limit).args(["-c", text, "sh"]).args(args);
            command.output_limit = OUTPUT_KEPT;
            command
        };
        let path = file.path.as_str();
        let inside = match file.place {
            Place::Guest => shell(&format!("{FACTS}\n{START}"), &[path]),
            Place::Host => shell(START, &[]),
        };
        let inside = answer::run(around, Place::Guest, inside).await?;
        if file.place == Place::Guest && !inside.succeeded() {
            return Err(file.missing().with_output(answer::both_streams(&inside)));
        }
        let text = inside.stdout_text();
        let unknown = |output: &Output| {
            Answer::unanswered("the times of the file and of the guest's start cannot be read")
                .with_output(answer::both_streams(output))
        };
        let start = text.lines().last().and_then(Start::parse).ok_or_else(|| unknown(&inside))?;
        if file.place == Place::Guest {
            return Self::parse(&text, start).ok_or_else(|| unknown(&inside));
        }
        // QEMU writes the file of its process id when it starts (qemu-server `QemuServer/Helpers.pm`).
        let pid = format!("/run/qemu-server/{}.pid", around.guest);
        let on_host = answer::run(around, Place::Host, shell(FACTS_ON_HOST, &[path, &pid])).await?;
        if !on_host.succeeded() {
            return Err(file.missing().with_output(answer::both_streams(&on_host)));
        }
        let text = on_host.stdout_text();
        let mut times = text.lines().skip(1).map(|line| line.trim().parse::<i64>().ok());
        let now = times.next().flatten().ok_or_else(|| unknown(&on_host))?;
        let (recorded, ended) = match around.kind {
            // A container has the node's clock.
            GuestKind::Container => (start.recorded, start.ended),
            GuestKind::Vm => (times.next().flatten(), None),
        };
        Self::parse(&text, Start { now, recorded, ended, ..start }).ok_or_else(|| unknown(&on_host))
    }

    fn parse(facts: &str, start: Start) -> Option<Self> {
        let mut words = facts.split_whitespace();
        Some(Self { written: words.next()?.parse().ok()?, size: words.next()?.parse().ok()?, start })
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
