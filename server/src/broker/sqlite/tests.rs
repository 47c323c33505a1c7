//! What is this engine's own.
