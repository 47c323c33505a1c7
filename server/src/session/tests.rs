//! What each frame asks for.
