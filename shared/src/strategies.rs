//! Generators of frames for property tests.
