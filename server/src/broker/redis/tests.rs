//! Several instances on one Redis, and a Redis that is not what it was.

#[path = "../../../tests/support/redis.rs"]
pub(in crate::broker) mod server;

use super::*;

/// Where the engine finds that Redis.
pub(in crate::broker) fn place(url: &str) -> Place {
    let info = url.parse::<::redis::ConnectionInfo>().expect("a URL");
    let settings = info.redis_settings().clone().set_protocol(::redis::ProtocolVersion::RESP3);
    Place {
        client: Client::open(info.set_redis_settings(settings)).expect("a client"),
        prefix: "realtime".to_owned(),
        relay_channel: Some("ws:broadcast".to_owned()),
    }
}
