//! What this machine offers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum State {
    Present,
    Degraded,
    Missing,
}
pub struct Check {
    pub name: String,
    pub state: State,
    pub why: String,
    pub fix: String,
}
pub fn check() -> Vec<Check> {
    Vec::new()
}
