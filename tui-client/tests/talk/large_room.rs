//! A room with more members than the server names to a client that joins.

use std::net::{Ipv4Addr, TcpListener};

use futures_util::{SinkExt, StreamExt};
use realtime_server::Server;
use realtime_server::auth::token::mint;
use realtime_server::config::Config;
use realtime_server::secret::{SECRET_BYTES, Secret};
use realtime_shared::{Claims, Role, UserId};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::terminal::{MEDIUM, NARROW, Terminal, WIDE};

/// Members besides the user, the last of whom are not named.
const MEMBERS: usize = 1_060;
/// End of the tokens: in the year 2096.
const FAR_END: u64 = 4_000_000_000;
/// Members that connect at the same time.
const AT_ONCE: usize = 60;

/// A server in this process, and members of its room `hall`.
struct Hall {
    secret: Secret,
    url: String,
    runtime: Runtime,
    members: Vec<WebSocketStream<MaybeTlsStream<TcpStream>>>,
    _server: Server,
}

impl Hall {
    fn open() -> Self {
        let secret = Secret::new(&[7; SECRET_BYTES]).expect("a secret of the required length");
        let mut config = Config { workers: 1, ..Config::new(secret.clone()) };
        config.limits.max_connections_per_address = 0;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let server = Server::start(config, vec![listener]).expect("a server");
        let url = format!("ws://{}/api/v1/ws", server.addresses()[0]);
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut hall = Self { secret, url, runtime, members: Vec::new(), _server: server };
        let names: Vec<String> = (0..MEMBERS).map(|number| format!("user{number:04}")).collect();
        for names in names.chunks(AT_ONCE) {
            let joins = names.iter().map(|name| join(format!("{}?token={}", hall.url, hall.token(name))));
            let joins: Vec<_> = joins.collect();
            let joined = hall.runtime.block_on(futures_util::future::join_all(joins));
            hall.members.extend(joined);
        }
        hall
    }

    fn token(&self, user: &str) -> String {
        let claims = Claims {
            sub: UserId::new(user).expect("a user id"),
            exp: FAR_END,
            role: Role::User,
            rooms: None,
            read_only: Vec::new(),
            moderate: Vec::new(),
            iss: None,
            aud: None,
        };
        mint(&self.secret, &claims)
    }
}

/// Connects a member, and waits for its own join.
async fn join(url: String) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let (mut socket, _) = connect_async(url).await.expect("a connection");
    socket.send(Message::text(r#"{"type":"join_room","room":"hall"}"#)).await.expect("sent");
    loop {
        let message = socket.next().await.expect("open").expect("a message");
        if message.to_text().is_ok_and(|text| text.contains(r#""position""#)) {
            return socket;
        }
    }
}

#[test]
fn names_beyond_the_first_thousand_members_are_completed() {
    let hall = Hall::open();
    let arguments = ["--url", &hall.url, "--room", "hall"];
    let mut client = Terminal::start(WIDE, &hall.token("alice"), &arguments);
    client.wait_for_connection();
    client.shows(&format!("HERE {}", MEMBERS + 1));
    // The first 1,000 names end with `user0998`, because `alice` is the first of them.
    client.press("ask user0998\t");
    client.shows("alice › ask user0998 ");
    client.press("\x15ask user0999\t");
    client.shows("alice › ask user0999 ");
    client.press("\x15ask USER104\t");
    client.shows("alice › ask user1040 ");
    client.press("\t");
    client.shows("alice › ask user1041 ");
    client.resize(NARROW);
    client
        .wait_until("candidates", |screen| screen.contains("user1040  user1041") && screen.contains("2/10"));
    client.resize(MEDIUM);
    client.press("\x1b");
    client.shows("alice › ask USER104");
    client.press("\x15nobody\t");
    client.shows("no completion");
}
