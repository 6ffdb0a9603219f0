//! What a script is made of, after reading.

use std::sync::{Arc, OnceLock};

use crate::pattern::Cut;

/// Which shell reads a text: they differ in what they know and in how they say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// `sh` as Debian and Ubuntu have it: dash.
    Dash,
    /// GNU bash.
    Bash,
}

/// A script as read: what could be read, and why reading stopped, if it did before the end.
#[derive(Debug, Clone)]
pub struct Script {
    /// The commands, one list per complete line.
    pub(crate) lines: Vec<List>,
    /// The mistake that ends it; the lines before it run nevertheless, as in a real shell.
    pub fault: Option<Fault>,
}

/// Why a text is no script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Fault {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong, in the shell's words where it has some.
    pub reason: String,
    /// Whether a real shell stumbles as well.
    pub cause: Cause,
}

/// Whose fault it is that a text cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The text is wrong in any shell.
    Syntax,
    /// The text uses something that this interpreter does not know.
    Unknown,
}

/// Commands in a row.
#[derive(Debug, Clone, Default)]
pub(crate) struct List(pub(crate) Vec<Item>);

/// One and-or chain of a list.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) first: Pipeline,
    pub(crate) rest: Vec<(Link, Pipeline)>,
    pub(crate) mode: Mode,
}

/// How a chain is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The shell waits for its end.
    Foreground,
    /// `&`.
    Background,
}

/// What stands between two pipelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    And,
    Or,
}

/// Commands joined by `|`.
#[derive(Debug, Clone)]
pub(crate) struct Pipeline {
    pub(crate) negated: bool,
    pub(crate) commands: Vec<Arc<Command>>,
}

/// One command with its redirections.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) line: u32,
    pub(crate) kind: Kind,
    pub(crate) redirects: Vec<Redirect>,
}

/// What a command is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Simple { assignments: Vec<Assignment>, words: Vec<Word> },
    Group(List),
    Subshell(Arc<List>),
    If { arms: Vec<(List, List)>, otherwise: Option<List> },
    Loop { until: bool, condition: List, body: List },
    For { name: String, words: Option<Vec<Word>>, body: List },
    Count { init: Word, condition: Word, step: Word, body: List },
    Case { word: Word, arms: Vec<Arm> },
    Function { name: String, body: Arc<Command> },
    Arithmetic(Word),
    Condition(Condition),
}

/// One branch of a `case`.
#[derive(Debug, Clone)]
pub(crate) struct Arm {
    pub(crate) patterns: Vec<Word>,
    pub(crate) body: List,
    pub(crate) then: AfterArm,
}

/// What follows a branch of a `case`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterArm {
    /// `;;`
    Leave,
    /// `;&`
    FallThrough,
    /// `;;&`
    TestNext,
}

/// An expression in `[[ … ]]`.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Unary(String, Word),
    Binary(Word, String, Word),
    Word(Word),
}

/// `NAME=WORD`, also `NAME[INDEX]=WORD`, `NAME+=WORD` and `NAME=(…)`.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) name: String,
    pub(crate) index: Option<Word>,
    pub(crate) append: bool,
    pub(crate) value: Value,
}

/// The right side of an assignment.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Word(Word),
    Array(Vec<(Option<Word>, Word)>),
}

/// One redirection.
#[derive(Debug, Clone)]
pub(crate) struct Redirect {
    pub(crate) descriptor: Option<u32>,
    pub(crate) target: Target,
}

/// Where a redirection leads.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Read(Word),
    Write(Word),
    Append(Word),
    ReadWrite(Word),
    /// `>|`
    Clobber(Word),
    /// `&>` and `&>>`
    Both {
        word: Word,
        append: bool,
    },
    /// `<&` and `>&`
    Duplicate(Word),
    /// The text is there once its lines have been read.
    Here(Arc<OnceLock<Word>>),
    /// `<<<`
    HereWord(Word),
}

/// A word: parts that are joined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) Vec<Part>);

impl Word {
    /// The text of a word of plain characters without any quoting.
    pub(crate) fn plain(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }
}

/// One part of a word.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// Plain characters: patterns and a leading tilde are expanded.
    Literal(String),
    /// Quoted characters.
    Quoted(String),
    /// Between double quotes.
    Double(Vec<Self>),
    /// `$NAME` and `${NAME…}`.
    Parameter(Box<Parameter>),
    /// `$(…)`.
    Substitution(Arc<Script>),
    /// `$((…))`.
    Arithmetic(Word),
    /// `<(…)`.
    ProcessInput(Arc<Script>),
}

impl PartialEq for Part {
    /// Substitutions are never equal: only plain words are ever compared.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(a), Self::Literal(b)) | (Self::Quoted(a), Self::Quoted(b)) => a == b,
            (Self::Double(a), Self::Double(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Part {}

/// A parameter and what is done with its value.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) index: Option<Word>,
    pub(crate) operation: Operation,
}

/// What `${…}` does with a value.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Value,
    Length,
    /// `${!NAME}`
    Indirect,
    /// `${!NAME[@]}`
    Keys,
    Default {
        or_empty: bool,
        word: Word,
    },
    Assign {
        or_empty: bool,
        word: Word,
    },
    Demand {
        or_empty: bool,
        word: Word,
    },
    Alternative {
        or_empty: bool,
        word: Word,
    },
    CutPrefix {
        cut: Cut,
        pattern: Word,
    },
    CutSuffix {
        cut: Cut,
        pattern: Word,
    },
    Slice {
        offset: Word,
        length: Option<Word>,
    },
    Replace {
        pattern: Word,
        with: Word,
        place: Place,
    },
    Case {
        upper: bool,
        all: bool,
    },
    /// `${NAME@Q}` and its like.
    Transform(char),
    /// Not a form of this shell: an error when it is reached.
    Bad,
}

/// Where `${NAME/…}` replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    First,
    All,
    Start,
    End,
}
