//! Inert specimens and fixtures for tests.
