//! Bounded, typed unpacking of hostile archives.
