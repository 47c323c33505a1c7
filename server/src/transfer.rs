//! Export and import of the rooms in Redis, without a server. Those of a file are in [`store`](crate::store).

pub use crate::broker::redis::archive::{RedisArchive, RedisExportError};
