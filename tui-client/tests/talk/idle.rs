//! The idle client writes nothing.

use serde_json::json;

use crate::fake_server::{FakeServer, Script};
use crate::output_check;
use crate::terminal::WIDE;

/// The notice of typing expires after six seconds. Nothing else happens in that time, so exactly one frame is written.
/// A timer that draws would have written more.
#[test]
fn an_idle_client_writes_no_frames() {
    // Later pings get no answer. Otherwise a slow machine could show another round trip.
    let fake = FakeServer::start(Script { pongs: 1, ..Script::default() });
    let client = fake.client(WIDE);
    client.wait_for_connection();
    client.shows("beginning of #lobby");
    fake.send_frame(&json!({"type": "typing", "room": "lobby", "user_id": "bob", "is_typing": true}));
    let typing = client.shows("bob is typing…");
    let expired = client.shows_no_more("bob is typing…");
    let written = client.written_from(typing.written);
    assert_eq!(output_check::frames(&written), 1, "{:?}", String::from_utf8_lossy(&written));
    assert_eq!(expired.written - typing.written, written.len());
}
