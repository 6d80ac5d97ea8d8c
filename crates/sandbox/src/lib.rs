//! Isolation back ends, images, personas, limits, lifecycle.
