//! Report formats: terminal, JSON, HTML.
