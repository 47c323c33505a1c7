//! `tail` and `send`: the program with pipes instead of a terminal.

mod ends;
mod process;
mod restart;
mod streams;
