//! A realtime room: a server in this process, and a client that sends messages.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use realtime_server::Server;
use realtime_server::auth::token::mint;
use realtime_server::config::{BudgetLimits, Config};
use realtime_server::secret::Secret;
use realtime_shared::{Claims, ClientMsgId, Role, RoomName, ServerEvent, SystemEvent, Text, UserId};
use realtime_tui::net::{self, Command, Event};
use tokio::sync::mpsc;

use crate::Failure;

/// Longest wait of any step.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
pub(crate) const ROOM: &str = "flood";

/// A room with a sender of messages.
pub(crate) trait Talk {
    /// Address of the room's server, and a token if one is needed.
    fn place(&self) -> (String, Option<String>);
    /// Waits until the client is in the room.
    fn wait_for_member(&mut self) -> Result<(), Failure>;
    /// Begins to send the messages with these numbers, with this time between two of them.
    fn send(&mut self, numbers: RangeInclusive<usize>, pace: Duration) -> Result<(), Failure>;
}

/// Text of the message with this number.
pub(crate) fn text(number: usize) -> String {
    format!("message {number:05} with a few words that do not fill a row")
}

/// A room of a realtime server.
pub(crate) struct Chat {
    url: String,
    token: String,
    came: Receiver<()>,
    to_say: SyncSender<(RangeInclusive<usize>, Duration)>,
    _server: Server,
}

impl Chat {
    pub(crate) fn start() -> Result<Self, Failure> {
        let secret = Secret::new(b"the terminal benchmark's own server")?;
        let mut config = Config { workers: 1, ..Config::new(secret.clone()) };
        config.limits.max_messages_per_second = 0;
        config.limits.budgets = BudgetLimits::for_messages_per_second(0);
        let server = Server::start(config, vec![TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?])?;
        let url = format!("ws://{}/api/v1/ws", server.addresses()[0]);
        let (came_sender, came) = sync_channel(1);
        let (sender, to_say) = sync_channel(1);
        let (speaker, address) = (token(&secret, "speaker")?, url.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let said = runtime
                .map_err(Failure::from)
                .and_then(|runtime| runtime.block_on(speak(&address, &speaker, &came_sender, to_say)));
            if let Err(failure) = said {
                eprintln!("the sender failed: {failure}");
            }
        });
        Ok(Self { url, token: token(&secret, "you")?, came, to_say: sender, _server: server })
    }
}

impl Talk for Chat {
    fn place(&self) -> (String, Option<String>) {
        (self.url.clone(), Some(self.token.clone()))
    }

    fn wait_for_member(&mut self) -> Result<(), Failure> {
        Ok(self.came.recv_timeout(PATIENCE)?)
    }

    fn send(&mut self, numbers: RangeInclusive<usize>, pace: Duration) -> Result<(), Failure> {
        Ok(self.to_say.send((numbers, pace))?)
    }
}

/// Waits until `you` joins, then sends the requested messages.
async fn speak(
    url: &str,
    token: &str,
    came: &SyncSender<()>,
    to_say: Receiver<(RangeInclusive<usize>, Duration)>,
) -> Result<(), Failure> {
    let (handle, mut events) = net::connect(net::Config::new(url, token)?);
    let room = RoomName::new(ROOM)?;
    handle.send(Command::Join { room: room.clone(), since: None }).await?;
    loop {
        match events.recv().await.ok_or("the connection ended")? {
            Event::Joined { members, .. } if members.iter().any(|user| user.as_str() == "you") => break,
            Event::Server(ServerEvent::System(SystemEvent::Joined(joined)))
                if joined.user_id.as_str() == "you" =>
            {
                break;
            }
            _ => {}
        }
    }
    came.send(())?;
    let hear = async { while events.recv().await.is_some() {} };
    let say = async {
        let (asking, mut asked) = mpsc::channel(1);
        // The runtime receives events while nothing is requested.
        std::thread::spawn(move || to_say.iter().try_for_each(|request| asking.blocking_send(request)));
        while let Some((numbers, pace)) = asked.recv().await {
            for number in numbers {
                let client_msg_id = ClientMsgId::new(&number.to_string())?;
                let text = Text::new(&text(number))?;
                handle.send(Command::Send { room: room.clone(), text, client_msg_id }).await?;
                if !pace.is_zero() {
                    tokio::time::sleep(pace).await;
                }
            }
        }
        Ok::<(), Failure>(())
    };
    let (said, ()) = tokio::join!(say, hear);
    said
}

fn token(secret: &Secret, user: &str) -> Result<String, Failure> {
    let exp = u64::try_from(jiff::Timestamp::now().as_second())? + 3_600;
    let claims = Claims {
        sub: UserId::new(user)?,
        exp,
        role: Role::User,
        rooms: None,
        read_only: Vec::new(),
        moderate: Vec::new(),
        iss: None,
        aud: None,
    };
    Ok(mint(secret, &claims))
}
