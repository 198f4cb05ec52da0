//! What a benchmark found: rows side by side, and ratios with their targets.

use std::fmt;

/// The findings of one benchmark.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<(String, String)>,
    targets: Vec<Target>,
    notes: Vec<String>,
    unmeasured: Vec<String>,
    /// Rows are told on standard error as they come.
    is_told: bool,
}

/// What a ratio or an amount is held against.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// Less than this.
    Below(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
            Self::Below(bound) => value < bound,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, "at least {bound}"),
            Self::AtMost(bound) => write!(f, "at most {bound}"),
            Self::Below(bound) => write!(f, "below {bound}"),
        }
    }
}

struct Target {
    what: String,
    value: f64,
    unit: &'static str,
    bound: Bound,
}

impl Report {
    /// One whose rows are told as they come, because all of them together take long.
    pub(crate) fn told() -> Self {
        Self { is_told: true, ..Self::default() }
    }

    /// One measured thing.
    pub(crate) fn row(&mut self, what: impl Into<String>, measured: impl Into<String>) {
        let (what, measured) = (what.into(), measured.into());
        if self.is_told {
            eprintln!("  ... {what}  {measured}");
        }
        self.rows.push((what, measured));
    }

    /// A value with its target.
    pub(crate) fn target(&mut self, what: impl Into<String>, value: f64, unit: &'static str, bound: Bound) {
        self.targets.push(Target { what: what.into(), value, unit, bound });
    }

    /// A remark on how it was measured.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Something that could not be measured here, and why.
    pub(crate) fn unmeasured(&mut self, what: impl Into<String>) {
        self.unmeasured.push(what.into());
    }

    /// How many targets were missed or could not be measured.
    pub(crate) fn missed(&self) -> usize {
        self.targets.iter().filter(|target| !target.bound.holds(target.value)).count() + self.unmeasured.len()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
        for (what, measured) in &self.rows {
            writeln!(f, "  {what:<width$}  {measured}")?;
        }
        for note in &self.notes {
            writeln!(f, "  ({note})")?;
        }
        for Target { what, value, unit, bound } in &self.targets {
            let word = if bound.holds(*value) { "pass" } else { "MISS" };
            let value = if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.3}") };
            writeln!(f, "  {word}  {what}: {value}{unit}, target {bound}")?;
        }
        for what in &self.unmeasured {
            writeln!(f, "  NOT MEASURED  {what}")?;
        }
        writeln!(f)
    }
}
