//! What holds for every broker.
