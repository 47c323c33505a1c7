//! Times and dates in the timeline.

use jiff::tz::{self, TimeZone};
use realtime_shared::Timestamp;

use super::{Client, Input, SIZES, TestScreen};

/// The rules with a date, from the top.
fn dates(screen: &mut TestScreen) -> Vec<String> {
    let text = screen.text();
    let of_line = |line: &str| {
        let is_rule = line.contains("──") && (line.contains(" Nov") || line.contains(" Dec"));
        is_rule.then(|| line.replace(['─', '│'], " ").split_whitespace().collect::<Vec<_>>().join(" "))
    };
    text.lines()
        .filter_map(of_line)
        .map(|line| line.split("  ").next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn a_date_rule_is_never_for_an_earlier_day_and_never_repeated() {
    let mut client = Client::online(&["chat"]);
    let midnight = 1_795_392_000_000;
    let at = |client: &mut Client, offset: i64, text: &str| {
        client.now.wall = Timestamp::from_millis(u64::try_from(midnight + offset).expect("a time"));
        client.receive("chat", "bob", text);
    };
    for (offset, text) in
        [(-60_000, "a"), (5, "b"), (-5, "c"), (10, "d"), (-10, "e"), (90_000_000, "f"), (20, "g")]
    {
        at(&mut client, offset, text);
    }
    let dates = dates(&mut TestScreen::new(client, SIZES[1]));
    assert_eq!(dates, ["Sun 22 Nov", "Mon 23 Nov", "Tue 24 Nov"]);
}

#[test]
fn a_new_time_zone_applies_to_all_rows() {
    let mut client = Client::online(&["chat"]);
    client.receive("chat", "bob", "hello");
    let mut screen = TestScreen::new(client, SIZES[1]);
    assert!(screen.text().contains("20:18"), "{}", screen.text());
    screen.client.input(Input::Zone(TimeZone::fixed(tz::offset(-3))));
    assert!(screen.text().contains("17:18") && !screen.text().contains("20:18"), "{}", screen.text());
}

#[test]
fn the_first_row_of_the_screen_has_a_time() {
    let mut client = Client::online(&["chat"]);
    for number in 0..60 {
        client.receive("chat", "bob", &format!("m{number}"));
    }
    let mut screen = TestScreen::new(client, SIZES[1]);
    let first_row = |screen: &mut TestScreen| screen.text().lines().nth(1).unwrap_or_default().to_owned();
    assert!(first_row(&mut screen).contains("20:18"), "{}", screen.text());
    screen.client.receive("chat", "bob", &"long ".repeat(250));
    assert!(first_row(&mut screen).contains("20:18"), "{}", screen.text());
    assert!(!first_row(&mut screen).contains("bob"), "in the middle of a message: {}", screen.text());
}
