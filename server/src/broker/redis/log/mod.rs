//! The log of each room: publishing to it, following it, repairing what was missed, and reading it.

pub(crate) mod chain;
pub(crate) mod history;
pub(crate) mod lanes;
pub(crate) mod listing;
pub(crate) mod publish;
pub(crate) mod repair;
pub(crate) mod replica;
pub(crate) mod replicas;
pub(crate) mod retention;
