//! A client with a `config.toml` that has faults.

use crate::server::Server;
use crate::terminal::{Terminal, WIDE};

const CTRL_C: &str = "\x03";
const CTRL_G: &str = "\x07";
const ESC: &str = "\x1b";

#[test]
fn valid_keys_of_a_config_apply_and_faulty_ones_are_shown() {
    let server = Server::start();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("config.toml");
    let text = format!(
        "url = '{}'\nrooms = ['lobby']\nmouse = 'perhaps'\ntoken_command = 'echo {}'\n[keys]\nhelp = ['ctrl-g']\n\
         retry = ['x']\n",
        server.url(),
        server.token("alice"),
    );
    std::fs::write(&file, text).expect("written");
    // An empty token in the environment counts as no token.
    let mut alice = Terminal::start(WIDE, "", &["--config", file.to_str().expect("a path")]);
    alice.shows("config.toml:3: `mouse`: invalid type: string \"perhaps\", expected a boolean");
    alice.shows("config.toml:7: `keys.retry`: `x` is text");
    alice.wait_for_connection();
    alice.press(CTRL_G);
    alice.shows("connect now; if connected, send a refused message again");
    alice.shows("Ctrl-G");
    alice.press(ESC);
    alice.shows_no_more("connect now;");
    alice.submit("hello");
    alice.shows("hello ✓");
    alice.press(CTRL_C);
    assert_eq!(alice.ended().code, 0);
}
