//! One folder per package ecosystem: resolve, metadata, artifact choice, phase recipe, harness.
