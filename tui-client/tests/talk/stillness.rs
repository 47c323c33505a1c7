//! Nothing is done while nothing happens.

use serde_json::json;

use crate::bytes;
use crate::fake::{Fake, Script};
use crate::terminal::WIDE;

/// Somebody types, and six seconds later is not believed to any more: in that time nothing else happens, so what is
/// written in it is one frame. A timer that draws would have written more.
#[test]
fn nothing_is_written_while_nothing_happens() {
    // Later pings have no answer, or a slow machine could see one more round trip.
    let fake = Fake::start(Script { pongs: 1, ..Script::default() });
    let client = fake.client(WIDE);
    client.is_connected();
    client.shows("beginning of #lobby");
    fake.say(&json!({"type": "typing", "room": "lobby", "user_id": "bob", "is_typing": true}));
    let typing = client.shows("bob is typing…");
    let expired = client.shows_no_more("bob is typing…");
    let written = client.written_from(typing.written);
    assert_eq!(bytes::frames(&written), 1, "{:?}", String::from_utf8_lossy(&written));
    assert_eq!(expired.written - typing.written, written.len());
}
