//! Strict parser of the Prometheus text format 0.0.4. It accepts only the subset that this server writes.

use std::collections::{BTreeMap, BTreeSet};

/// The parsed response to one scrape.
pub(super) struct Figures {
    families: BTreeSet<String>,
    /// Values by name and labels as written: `realtime_closes_total{code="1000"}`.
    samples: BTreeMap<String, f64>,
}

/// The family that is being parsed.
struct Family<'a> {
    name: &'a str,
    kind: Option<&'a str>,
}

impl Figures {
    /// Parses a response. Each family has its help, then its type, then one or more samples.
    #[track_caller]
    pub(super) fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "a line feed at the end");
        let mut figures = Self { families: BTreeSet::new(), samples: BTreeMap::new() };
        let mut family = Family { name: "", kind: None };
        let mut is_empty = false;
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("a name and a help");
                assert!(is_name(name) && !help.is_empty() && !is_empty, "{line}");
                assert!(figures.families.insert(name.to_owned()), "a second {name}");
                family = Family { name, kind: None };
                is_empty = true;
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a name and a type");
                assert!(name == family.name && family.kind.is_none() && is_empty, "{line}");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                family.kind = Some(kind);
            } else {
                figures.sample(line, &family);
                is_empty = false;
            }
        }
        assert!(!is_empty, "{} has no sample", family.name);
        figures
    }

    #[track_caller]
    fn sample(&mut self, line: &str, family: &Family<'_>) {
        let (sample, value) = line.rsplit_once(' ').expect("a sample and a value");
        let (name, labels) = match sample.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').expect("an end of the labels")),
            None => (sample, ""),
        };
        let suffix = name.strip_prefix(family.name).expect("a sample of the family before it");
        let suffixes: &[_] = match family.kind {
            Some("histogram") => &["_bucket", "_sum", "_count"],
            Some(_) => &[""],
            None => panic!("{line}: before its type"),
        };
        assert!(suffixes.contains(&suffix), "{line}");
        assert!(labels.is_empty() || labels.split(',').all(is_label), "{line}");
        let value: f64 = value.parse().expect("a number");
        assert!(value >= 0.0, "{line}");
        assert!(self.samples.insert(sample.to_owned(), value).is_none(), "a second {sample}");
    }

    /// The names of all families.
    pub(super) fn families(&self) -> BTreeSet<&str> {
        self.families.iter().map(String::as_str).collect()
    }

    /// Names and labels of all samples.
    pub(super) fn samples(&self) -> impl Iterator<Item = &String> {
        self.samples.keys()
    }

    /// The value of a sample, as an integer.
    #[track_caller]
    pub(super) fn of(&self, sample: &str) -> u64 {
        to_integer(*self.samples.get(sample).unwrap_or_else(|| panic!("no {sample}")))
    }

    /// The values of a label in a family.
    pub(super) fn labels(&self, family: &str, label: &str) -> impl Iterator<Item = &str> {
        let start = format!("{family}{{{label}=\"");
        self.samples.keys().filter_map(move |sample| sample.strip_prefix(&start)?.strip_suffix("\"}"))
    }

    /// The sum of the values of all samples of a family.
    pub(super) fn sum(&self, family: &str) -> u64 {
        let start = format!("{family}{{");
        to_integer(
            self.samples
                .iter()
                .filter(|(sample, _)| sample.starts_with(&start))
                .map(|(_, value)| value)
                .sum(),
        )
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no value is that large or negative"
)]
fn to_integer(value: f64) -> u64 {
    value as u64
}

fn is_name(text: &str) -> bool {
    text.starts_with("realtime_") && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// True for `name="value"` with a value that needs no escape.
fn is_label(text: &str) -> bool {
    let Some((name, value)) = text.split_once('=') else { return false };
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte);
    name.bytes().all(|byte| byte.is_ascii_lowercase())
        && value.is_some_and(|value| value.bytes().all(is_plain))
}
