/// What the process ends with; the JSON report repeats it as a number. Never decided by searching text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// Complete, nothing at or above the `--fail-on` level.
    Clean = 0,
    /// Findings at or above the level.
    Findings = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Infrastructure failed, a limit was hit or part of the trace was lost.
    Incomplete = 3,
    /// There is nothing to analyse, or it is of a kind that is not supported.
    Unsupported = 4,
    /// Refused by policy, for one because no isolation is available.
    Refused = 5,
}

impl From<ExitCode> for u8 {
    fn from(code: ExitCode) -> Self {
        code as u8
    }
}
