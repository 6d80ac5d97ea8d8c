//! Tracers: system calls to events, process tree, attribution, loss accounting.
