//! Events to facts to capabilities to findings to verdict.
