//! Completion of nicks, rooms and commands.

use crate::terminal_input::{KeyCode, KeyModifiers};

use super::super::testing::{Client, room, sent};
use super::{commands, typing};
use crate::net::{Command, Event};

/// Presses Tab and returns the draft.
fn tab(client: &mut Client) -> String {
    client.press(KeyCode::Tab);
    client.draft().to_owned()
}

fn tab_back(client: &mut Client) -> String {
    client.key(KeyCode::Tab, KeyModifiers::SHIFT);
    client.draft().to_owned()
}

/// The candidates, the chosen one in brackets.
fn shown(client: &Client) -> Vec<String> {
    let Some(completion) = client.model.completion() else { return Vec::new() };
    let mark =
        |(index, name)| if index == completion.chosen { format!("[{name}]") } else { format!("{name}") };
    completion.candidates.iter().map(|candidate| &candidate.shown).enumerate().map(mark).collect()
}

#[test]
fn tab_cycles_through_nicks_the_last_sender_first() {
    let mut client = Client::online(&["chat"]);
    client.member_joins("chat", "carl");
    client.member_joins("chat", "you");
    client.receive("chat", "carol", "hello");
    client.write("ca");
    assert_eq!(tab(&mut client), "carol: ");
    assert_eq!(shown(&client), ["[carol]", "carl"]);
    assert_eq!(tab(&mut client), "carl: ");
    assert_eq!(tab(&mut client), "carol: ");
    assert_eq!(tab_back(&mut client), "carl: ");
    client.write("hi");
    assert_eq!(shown(&client), [""; 0], "another key ends it");
    client.write(" y");
    tab(&mut client);
    assert_eq!(client.draft(), "carl: hi y", "the user is not a candidate");
    assert!(client.hint().contains("no completion"), "{}", client.hint());
}

#[test]
fn the_space_after_a_completion_is_not_sent() {
    let mut client = Client::online(&["chat"]);
    client.write("ask al");
    assert_eq!(tab(&mut client), "ask alice ");
    let (text, _) = sent(&client.press(KeyCode::Enter)).expect("sent");
    assert_eq!(text, "ask alice");
}

#[test]
fn escape_undoes_a_completion() {
    let mut client = Client::online(&["chat"]);
    client.write("ask AL");
    assert_eq!(tab(&mut client), "ask alice ");
    client.press(KeyCode::Esc);
    assert_eq!((client.draft(), shown(&client)), ("ask AL", Vec::new()));
    assert_eq!(tab_back(&mut client), "ask alice ");
}

#[test]
fn a_single_candidate_stays() {
    let mut client = Client::online(&["chat"]);
    client.write("bo");
    assert_eq!(tab(&mut client), "bob: ");
    assert_eq!(tab(&mut client), "bob: ", "no tab is written");
}

#[test]
fn without_a_word_tab_writes_a_tab() {
    let mut client = Client::online(&["chat"]);
    assert_eq!(tab(&mut client), "\t");
    client.write("a ");
    assert_eq!(tab(&mut client), "\ta \t");
    assert_eq!(tab_back(&mut client), "\ta \t");
}

#[test]
fn completing_a_room_requests_the_list_of_rooms() {
    let mut client = Client::online(&["chat"]);
    client.write("/join o");
    let asked = commands(client.press(KeyCode::Tab));
    assert_eq!(asked, [Command::ListRooms { prefix: None }]);
    assert!(client.hint().contains("asking the server"), "{}", client.hint());
    client.deliver_rooms(&["ops", "chat"], false);
    assert_eq!(tab(&mut client), "/join ops");
    client.ctrl('u');
    client.write("see #");
    assert_eq!(tab(&mut client), "see #chat ");
    assert_eq!(tab(&mut client), "see #ops ");
}

#[test]
fn a_completion_sends_a_typing_signal() {
    let mut client = Client::online(&["chat"]);
    client.write("b");
    client.pass(10_000);
    assert_eq!(commands(client.press(KeyCode::Tab)), [typing(true)]);
}

#[test]
fn a_changed_draft_ends_the_completion() {
    let mut client = Client::online(&["chat", "dev"]);
    client.alt('2');
    client.write("carol: too");
    client.alt('1');
    let id = client.send("taken back");
    client.write("c");
    tab(&mut client);
    client.state(&id, crate::net::SendState::TakenBack { was_sent: false });
    client.press(KeyCode::Esc);
    assert_eq!(client.draft(), "ctaken back");
    client.ctrl('a');
    client.press(KeyCode::Right);
    assert_eq!(tab(&mut client), "carol: taken back");
    client.model.show(1);
    assert_eq!(shown(&client), [""; 0]);
    client.press(KeyCode::Esc);
    assert_eq!(client.draft(), "carol: too", "the completion was in another room");
}

#[test]
fn tab_moves_down_in_a_list() {
    let mut client = Client::online(&["chat", "dev"]);
    client.ctrl('k');
    client.press(KeyCode::Tab);
    client.press(KeyCode::Enter);
    assert_eq!(client.model.pane().title.as_str(), "dev");
}

fn asks(prefix: &str) -> [Command; 1] {
    [Command::FindMembers { room: room("hall"), prefix: prefix.to_owned() }]
}

#[test]
fn found_members_follow_the_known_ones_and_the_chosen_one_stays() {
    let mut client = Client::in_hall();
    client.write("ask al");
    assert_eq!(commands(client.press(KeyCode::Tab)), asks("al"));
    assert_eq!(tab(&mut client), "ask alice ", "the next one needs no answer");
    assert_eq!(shown(&client), ["alex", "[alice]"]);
    client.found("al", &["ALF", "albert", "alex", "you"], false);
    assert_eq!(client.draft(), "ask alice ");
    assert_eq!(shown(&client), ["alex", "[alice]", "ALF", "albert"]);
    assert_eq!(tab(&mut client), "ask ALF ");
    assert_eq!(tab_back(&mut client), "ask alice ");
    client.press(KeyCode::Esc);
    assert_eq!(client.draft(), "ask al");
}

#[test]
fn found_members_begin_a_completion_if_none_is_known() {
    let mut client = Client::in_hall();
    client.write("(zo");
    assert_eq!(commands(client.press(KeyCode::Tab)), asks("zo"));
    assert_eq!((client.draft(), client.hint()), ("(zo", "asking the server for members"));
    client.found("zo", &["Zoe", "zora"], true);
    assert_eq!((client.draft(), client.hint()), ("(Zoe", ""));
    assert_eq!(shown(&client), ["[Zoe]", "zora"]);
    assert!(client.model.completion().expect("a completion").is_part);
    assert_eq!(tab(&mut client), "(zora");
    client.press(KeyCode::Esc);
    assert_eq!(client.draft(), "(zo");
}

#[test]
fn an_answer_for_another_draft_is_not_shown() {
    type Step = fn(&mut Client);
    let steps: [(&str, Step); 4] = [
        ("a letter", |client| {
            client.write("e");
        }),
        ("Esc", |client| {
            client.press(KeyCode::Esc);
        }),
        ("a move of the cursor", |client| {
            client.press(KeyCode::Left);
        }),
        ("another room", |client| {
            client.model.show(0);
        }),
    ];
    for (name, step) in steps {
        for word in ["zo", "al"] {
            let mut client = Client::in_hall();
            client.write(word);
            client.press(KeyCode::Tab);
            step(&mut client);
            let (draft, hint) = (client.draft().to_owned(), client.hint().to_owned());
            let candidates = shown(&client);
            client.found(word, &["Alma", "Zoe"], false);
            assert_eq!(
                (client.draft(), client.hint(), shown(&client)),
                (&*draft, &*hint, candidates),
                "{name}: {word}"
            );
        }
    }
}

#[test]
fn a_late_answer_is_not_taken_for_the_next_one() {
    let mut client = Client::in_hall();
    client.write("zo");
    client.press(KeyCode::Tab);
    client.write("e");
    assert_eq!(commands(client.press(KeyCode::Tab)), asks("zoe"));
    client.found("zo", &["Zora"], false);
    assert_eq!((client.draft(), client.hint()), ("zoe", "asking the server for members"));
    client.found("zoe", &["Zoe"], false);
    assert_eq!(client.draft(), "Zoe: ");
}

#[test]
fn found_members_are_completed_later_without_a_connection() {
    let mut client = Client::in_hall();
    client.write("zo");
    client.press(KeyCode::Tab);
    client.found("zo", &["Zoe", "Zora"], false);
    client.ctrl('u');
    client.lose_connection(std::time::Duration::from_secs(1));
    client.write("zor");
    assert_eq!(commands(client.press(KeyCode::Tab)), []);
    assert_eq!(client.draft(), "Zora: ");
    client.ctrl('u');
    client.write("yv");
    assert_eq!(commands(client.press(KeyCode::Tab)), []);
    assert_eq!(client.hint(), "no completion; 3 of 5000 members are known");
}

#[test]
fn a_found_member_who_leaves_is_no_candidate() {
    let mut client = Client::in_hall();
    client.write("zo");
    client.press(KeyCode::Tab);
    client.found("zo", &["Zoe", "Zora"], false);
    client.ctrl('u');
    client.member_leaves("hall", "Zoe");
    client.write("zo");
    client.press(KeyCode::Tab);
    assert_eq!(client.draft(), "Zora: ");
}

#[test]
fn a_search_that_fails_or_finds_nobody_is_reported_once() {
    let mut client = Client::in_hall();
    client.write("zo");
    client.press(KeyCode::Tab);
    client.found("zo", &["you"], false);
    assert_eq!((client.draft(), client.hint()), ("zo", "no completion"));
    client.press(KeyCode::Tab);
    let [request] = asks("zo");
    let failure =
        |request: &Command| Event::RequestFailed { request: request.clone(), reason: "no answer".to_owned() };
    client.net(failure(&request));
    assert_eq!(client.hint(), "no completion; the server did not name the members: no answer");
    client.write("e");
    client.net(failure(&request));
    assert_eq!(client.hint(), "", "the draft has changed");
    client.ctrl('u');
    client.write("al");
    client.press(KeyCode::Tab);
    let [request] = asks("al");
    client.net(failure(&request));
    assert_eq!((client.hint(), shown(&client)), ("", vec!["[alex]".to_owned(), "alice".to_owned()]));
    assert!(!client.model.completion().expect("a completion").is_part);
}

#[test]
fn the_server_is_asked_only_for_members_that_it_has_not_named() {
    let mut client = Client::in_hall();
    for draft in ["#zo", "/zo", "@", ":zo", "/join zo"] {
        client.ctrl('u');
        client.write(draft);
        let asked = commands(client.press(KeyCode::Tab));
        assert!(!asked.iter().any(|command| matches!(command, Command::FindMembers { .. })), "{draft}");
    }
    client.model.show(0);
    client.write("zo");
    assert_eq!(commands(client.press(KeyCode::Tab)), [], "all members of that room are known");
    let mut old = Client::in_hall();
    old.lose_connection(std::time::Duration::from_secs(1));
    old.connect();
    old.write("zo");
    assert_eq!(commands(old.press(KeyCode::Tab)), [], "a server without the feature");
    assert_eq!(old.hint(), "no completion; 3 of 5000 members are known");
}

#[test]
fn an_answer_is_not_shown_in_a_draft_that_changed_without_a_key() {
    let mut client = Client::in_hall();
    let id = client.send("taken back");
    client.write("zo");
    client.press(KeyCode::Tab);
    client.state(&id, crate::net::SendState::TakenBack { was_sent: false });
    let draft = client.draft().to_owned();
    assert!(draft.contains("taken back"), "{draft}");
    client.found("zo", &["Zoe"], false);
    assert_eq!((client.draft(), shown(&client)), (draft.as_str(), Vec::new()));
}
