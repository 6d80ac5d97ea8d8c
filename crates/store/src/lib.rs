//! Where analyses and blobs are kept.
