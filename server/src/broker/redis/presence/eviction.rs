//! Eviction of an instance: removes its state from Redis.

use ::redis::{Pipeline, Value};
use realtime_shared::RoomName;

use super::replacement::replace;
use crate::broker::Unavailable;
use crate::broker::redis::log::room_changes::RoomChanges;
use crate::broker::redis::transport::{Transport, reply};

/// Rooms of one request.
const ROOMS: usize = 100;

/// Removes an instance, its connections, and its members in the rooms that it had open and in `rooms`.
pub(crate) async fn evict(
    transport: &Transport,
    changes: &RoomChanges,
    instance: &str,
    rooms: &[RoomName],
) -> Result<(), Unavailable> {
    let keys = &transport.keys;
    let mut reading = Pipeline::new();
    reading.cmd("SMEMBERS").arg(keys.rooms_at(instance));
    let answers = transport.ask_each(&reading).await?;
    if answers.iter().any(blocks) {
        return Err(Unavailable);
    }
    let open = answers.first().map(reply::items).unwrap_or_default();
    let open = open.iter().filter_map(|room| RoomName::new(reply::text(room)?).ok());
    let rooms: Vec<RoomName> = rooms.iter().cloned().chain(open).collect();
    for rooms in rooms.chunks(ROOMS) {
        let mut replacing = Pipeline::with_capacity(rooms.len());
        for room in rooms {
            replacing.add_command(replace(&keys.channel(room), instance));
        }
        let answers = transport.ask_each(&replacing).await?;
        changes.mark(rooms.iter().cloned());
        if answers.iter().any(blocks) {
            return Err(Unavailable);
        }
    }
    let mut removing = Pipeline::new();
    removing.cmd("HDEL").arg(keys.online()).arg(instance);
    removing.cmd("HDEL").arg(keys.versions()).arg(instance);
    removing.cmd("UNLINK").arg(keys.online_at(instance)).arg(keys.rooms_at(instance));
    // The heartbeat counter is removed last: while it is there, another instance can continue a failed eviction.
    removing.cmd("HDEL").arg(keys.beats()).arg(instance);
    transport.ask(&removing).await.map(|_| ())
}

/// True for an answer that ends an eviction, which is then repeated. A key of another type has no users to remove, and
/// does not keep the others.
fn blocks(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.code() != "WRONGTYPE")
}
