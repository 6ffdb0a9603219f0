//! Loops, branches and groups.

use super::Position;
use crate::pattern;
use crate::shell::{NESTING, Shell, Unwind};
use crate::tree::{AfterArm, Arm, Kind, List, Word};

impl Shell {
    pub(super) async fn compound(&mut self, kind: &Kind, position: Position) -> Result<(), Unwind> {
        match kind {
            Kind::Simple { .. } | Kind::Function { .. } => Ok(()),
            Kind::Group(list) if position == Position::Last => self.last_list(list).await,
            Kind::Group(list) => self.list(list).await,
            Kind::Subshell(list) => {
                if self.nesting > NESTING {
                    return Err(self.abort("subshells are nested too deeply").await);
                }
                let mut shell = self.fork();
                let result =
                    if position == Position::Last { shell.last_list(list).await } else { shell.list(list).await };
                let end = shell.finish(result.err()).await;
                self.status = end.status();
                Ok(())
            }
            Kind::If { arms, otherwise } => {
                for (condition, body) in arms {
                    self.masked_list(condition).await?;
                    if self.status == 0 {
                        return self.list(body).await;
                    }
                }
                self.status = 0;
                match otherwise {
                    Some(body) => self.list(body).await,
                    None => Ok(()),
                }
            }
            Kind::Loop { until, condition, body } => {
                let mut status = 0;
                loop {
                    self.step().await?;
                    self.loops += 1;
                    let result = self.masked_list(condition).await;
                    self.loops -= 1;
                    if !self.goes_on(result)? {
                        break;
                    }
                    if (self.status == 0) == *until {
                        break;
                    }
                    if !self.pass(body).await? {
                        status = self.status;
                        break;
                    }
                    status = self.status;
                }
                self.status = status;
                Ok(())
            }
            Kind::For { name, words, body } => {
                let values = match words {
                    Some(words) => self.fields(words).await?,
                    None => self.positional.to_vec(),
                };
                self.status = 0;
                for value in values {
                    self.step().await?;
                    self.assign(name, &value).await?;
                    if !self.pass(body).await? {
                        break;
                    }
                }
                Ok(())
            }
            Kind::Count { init, condition, step, body } => {
                self.arithmetic(init).await?;
                while Word::default() == *condition || self.holds(condition).await? {
                    self.step().await?;
                    if !self.pass(body).await? {
                        break;
                    }
                    self.arithmetic(step).await?;
                }
                Ok(())
            }
            Kind::Case { word, arms } => {
                let subject = self.text(word).await?;
                self.case(&subject, arms).await
            }
            Kind::Arithmetic(word) => {
                self.status = i32::from(self.arithmetic(word).await? == 0);
                Ok(())
            }
            Kind::Condition(condition) => {
                let holds = self.condition(condition).await?;
                if self.status != 2 {
                    self.status = i32::from(!holds);
                }
                Ok(())
            }
        }
    }

    /// The condition of a counting loop; an empty one holds.
    pub(super) async fn holds(&mut self, condition: &Word) -> Result<bool, Unwind> {
        Ok(self.text(condition).await?.trim().is_empty() || self.arithmetic(condition).await? != 0)
    }

    /// Runs a loop's body once; false when the loop ends.
    pub(super) async fn pass(&mut self, body: &List) -> Result<bool, Unwind> {
        self.loops += 1;
        let result = self.list(body).await;
        self.loops -= 1;
        self.goes_on(result)
    }

    #[expect(clippy::unused_self, reason = "belongs to the loops of a shell")]
    pub(super) fn goes_on(&self, result: Result<(), Unwind>) -> Result<bool, Unwind> {
        match result {
            Ok(()) | Err(Unwind::Continue(1)) => Ok(true),
            Err(Unwind::Break(1)) => Ok(false),
            Err(Unwind::Break(levels)) => Err(Unwind::Break(levels - 1)),
            Err(Unwind::Continue(levels)) => Err(Unwind::Continue(levels - 1)),
            Err(unwind) => Err(unwind),
        }
    }

    pub(super) async fn case(&mut self, subject: &str, arms: &[Arm]) -> Result<(), Unwind> {
        self.status = 0;
        let mut falls = false;
        for arm in arms {
            let mut chosen = std::mem::take(&mut falls);
            for word in &arm.patterns {
                if chosen {
                    break;
                }
                let wanted = self.pattern(word).await?;
                chosen = pattern::matches(&wanted, subject);
            }
            if chosen {
                self.list(&arm.body).await?;
                match arm.then {
                    AfterArm::Leave => return Ok(()),
                    AfterArm::FallThrough => falls = true,
                    AfterArm::TestNext => {}
                }
            }
        }
        Ok(())
    }
}
