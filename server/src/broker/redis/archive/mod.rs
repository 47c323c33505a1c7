//! Export and import of rooms in Redis, in the format of the file's: servers may use the Redis meanwhile.

mod access;
mod export;
mod fold;
mod import;

pub use self::access::RedisArchive;
pub use self::export::RedisExportError;
