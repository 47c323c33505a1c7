//! The moment at which the network works again, as the program reports it: the client connects at once, and does not wait
//! for the end of its backoff.

use crate::app::link::Link;
use crate::app::message::Effect;
use crate::app::model::Model;
use crate::net;

/// Connects at once, or as soon as the attempt in progress has failed: it may have begun before that moment.
pub(in crate::app) fn on_network_up(model: &mut Model) -> Vec<Effect> {
    model.retries_at_once = matches!(model.link, Link::Connecting { .. });
    match model.link {
        Link::Waiting { .. } => vec![Effect::Net(net::Command::RetryNow)],
        Link::Connecting { .. } | Link::Connected | Link::Stopped { .. } => Vec::new(),
    }
}

/// Handles a new state of the connection.
pub(in crate::app) fn on_state(model: &mut Model) -> Vec<Effect> {
    if std::mem::take(&mut model.retries_at_once) { on_network_up(model) } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::app::testing::Client;
    use crate::app::{Effect, Input};
    use crate::net::{Command, ConnectionState, Disconnect, Event};

    const RETRY: [Effect; 1] = [Effect::Net(Command::RetryNow)];

    fn state(client: &mut Client, state: ConnectionState) -> Vec<Effect> {
        client.net(Event::State(state))
    }

    fn waiting() -> ConnectionState {
        ConnectionState::Waiting { reason: Disconnect::Silent, retry_in: Duration::from_secs(16), attempt: 6 }
    }

    #[test]
    fn a_waiting_client_connects_when_the_network_is_up() {
        let mut client = Client::online(&["chat"]);
        assert_eq!(client.input(Input::NetworkUp), [], "connected");
        client.lose_connection(Duration::from_secs(16));
        assert_eq!(client.input(Input::NetworkUp), RETRY);
        assert_eq!(state(&mut client, waiting()), [], "once");
    }

    #[test]
    fn an_attempt_that_began_before_the_network_was_up_is_followed_by_another() {
        let mut client = Client::online(&["chat"]);
        client.lose_connection(Duration::from_secs(16));
        state(&mut client, ConnectionState::Connecting { attempt: 6 });
        assert_eq!(client.input(Input::NetworkUp), []);
        assert_eq!(state(&mut client, waiting()), RETRY);
        state(&mut client, ConnectionState::Connecting { attempt: 7 });
        assert_eq!(state(&mut client, waiting()), [], "once");
        state(&mut client, ConnectionState::Connecting { attempt: 8 });
        client.input(Input::NetworkUp);
        client.connect();
        assert_eq!(state(&mut client, waiting()), [], "the attempt succeeded");
    }

    #[test]
    fn a_client_that_the_server_has_stopped_stays_so() {
        let mut client = Client::online(&["chat"]);
        let reason = Disconnect::Closed { code: realtime_shared::CloseCode::Kicked };
        state(&mut client, ConnectionState::Stopped { reason, token: None });
        assert_eq!(client.input(Input::NetworkUp), []);
    }
}
