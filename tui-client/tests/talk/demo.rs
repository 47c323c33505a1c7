//! The demo with a broken network.

use crate::terminal::{MEDIUM, Terminal};

#[test]
fn messages_typed_while_the_demo_network_is_down_are_sent_afterwards() {
    let mut visitor = Terminal::start(MEDIUM, "", &["--demo"]);
    visitor.wait_for_connection();
    visitor.submit("/net drop 10m");
    visitor.shows("demo: the connection is cut for 600 s");
    visitor.wait_for_disconnect();
    visitor.submit("hello from afar");
    visitor.shows("hello from afar … queued");
    visitor.submit("/net ok");
    visitor.shows("demo: the network has no fault");
    visitor.shows("hello from afar ✓");
    visitor.press("\x03");
    assert_eq!(visitor.ended().code, 0);
}
