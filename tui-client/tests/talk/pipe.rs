//! `tail` and `send`: the program with pipes instead of a terminal.

mod exit;
mod process;
mod restart;
mod streams;
