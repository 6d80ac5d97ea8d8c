//! What the machine is said to offer is what it offers.

use apa_sandbox::doctor::{State, check};

crate::tests![every_check_says_what_was_found_and_how_to_fix_it];

fn every_check_says_what_was_found_and_how_to_fix_it() {
    let checks = check();
    for check in &checks {
        println!(
            "  {:?} {}: {} {}",
            check.state,
            check.name,
            check.found,
            check.fix.as_deref().unwrap_or_default()
        );
        assert!(!check.found.is_empty() && !check.why.is_empty());
        assert_eq!(
            check.fix.is_some(),
            check.state != State::Present,
            "{check:?}"
        );
    }
    // This suite runs only where sandboxes can be made.
    let isolation = checks
        .iter()
        .find(|check| check.name == "isolation")
        .unwrap();
    assert_eq!(isolation.state, State::Present, "{isolation:?}");
}
