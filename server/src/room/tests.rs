//! Races between writers and joiners.
