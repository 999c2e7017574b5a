//! What was found, for people and for programs.

use std::fmt;

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub subject: &'static str,
    /// How it stands.
    pub state: State,
    /// What was seen.
    pub text: String,
    /// What to do.
    pub advice: Option<String>,
}

/// How a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Good,
    /// The pipeline runs, but something is worth knowing.
    Warning,
    /// The pipeline cannot run.
    Bad,
}

/// All findings, and the SQL that mends what can be mended in the database.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order of looking.
    pub findings: Vec<Finding>,
    /// A script for the database's owner.
    pub sql: String,
    pub(super) has_publication: bool,
}

impl Report {
    /// Whether the pipeline can run.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.findings.iter().all(|f| f.state != State::Bad)
    }

    pub(super) fn ok(&mut self, subject: &'static str, text: impl Into<String>) {
        self.push(subject, State::Good, text.into(), None);
    }

    pub(super) fn warn(&mut self, subject: &'static str, text: impl Into<String>, advice: impl Into<String>) {
        self.push(subject, State::Warning, text.into(), Some(advice.into()));
    }

    pub(super) fn fail(&mut self, subject: &'static str, text: impl Into<String>, advice: Option<String>) {
        self.push(subject, State::Bad, text.into(), advice);
    }

    fn push(&mut self, subject: &'static str, state: State, text: String, advice: Option<String>) {
        self.findings.push(Finding {
            subject,
            state,
            text,
            advice,
        });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let mark = match finding.state {
                State::Good => "ok     ",
                State::Warning => "warning",
                State::Bad => "FAILED ",
            };
            writeln!(f, "{mark}  {:<16}  {}", finding.subject, finding.text)?;
            if let Some(advice) = &finding.advice {
                writeln!(f, "{:27}-> {advice}", "")?;
            }
        }
        if !self.sql.is_empty() {
            writeln!(
                f,
                "\nSQL for the owner of the database (least privilege; run what is not done yet):\n"
            )?;
            f.write_str(&self.sql)?;
        }
        Ok(())
    }
}
