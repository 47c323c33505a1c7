//! Environment variables that no program of the project reads: most likely misspelled, so they get a warning.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::Command;

use super::redis::PASSWORD_VARIABLE;
use super::secret::SECRET_VARIABLE;

/// Beginning of the names of all variables.
const PREFIX: &str = "REALTIME_";
/// Variables that belong to no flag of this program: secrets, and those of the terminal client.
const WITHOUT_FLAG: [&str; 4] = [SECRET_VARIABLE, PASSWORD_VARIABLE, "REALTIME_TOKEN", "REALTIME_URL"];
/// Variables of tests. They are known, and never suggested.
const OF_TESTS: [&str; 5] =
    ["REALTIME_FAULT", "REALTIME_PANIC", "REALTIME_SEED", "REALTIME_SOAK", "REALTIME_TEST_ENGINE"];

/// Warnings about the variables of `environment` that `command` and the other programs do not know.
pub(crate) fn unknown_variables(
    command: &Command,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Vec<String> {
    let subcommands = command.get_subcommands().flat_map(Command::get_arguments);
    let flags = subcommands.filter_map(|flag| flag.get_env()?.to_str());
    let known: BTreeSet<_> = flags.chain(WITHOUT_FLAG).collect();
    let mut warnings: Vec<_> = environment
        .into_iter()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
        .filter(|(name, value)| {
            name.starts_with(PREFIX)
                && !known.contains(&**name)
                && !OF_TESTS.contains(&&**name)
                && !name.starts_with("REALTIME_SHIM_")
                && !is_of_container_platform(name, &value.to_string_lossy())
        })
        .map(|(name, _)| warning(&name, &known))
        .collect();
    warnings.sort();
    warnings
}

fn warning(name: &str, known: &BTreeSet<&str>) -> String {
    let similarity =
        |other: &str| strsim::jaro_winkler(&name[PREFIX.len()..].to_uppercase(), &other[PREFIX.len()..]);
    let nearest = known.iter().max_by(|one, other| similarity(one).total_cmp(&similarity(other)));
    let nearest = nearest.copied().unwrap_or(SECRET_VARIABLE);
    format!(
        "no program reads the variable {name}; the most similar name is {nearest}",
        name = name.escape_debug()
    )
}

/// Returns true for a variable that Kubernetes or Docker set for a service or container named `realtime` or `realtime-…`.
fn is_of_container_platform(name: &str, value: &str) -> bool {
    let is_address = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || name.contains("_ENV_")
        || (name.ends_with("_NAME") && value.starts_with('/'))
        || (name.ends_with("_PORT") && is_address)
        || name.split_once("_PORT_").is_some_and(|(_, port)| is_port(port))
}

/// Returns true for `8000_TCP`, and for `8000_TCP_PROTO`, `…_PORT` and `…_ADDR`.
fn is_port(text: &str) -> bool {
    let mut parts = text.split('_');
    let is_number = parts.next().is_some_and(|number| number.parse::<u16>().is_ok());
    let is_protocol = parts.next().is_some_and(|protocol| ["TCP", "UDP", "SCTP"].contains(&protocol));
    let is_part = parts.next().is_none_or(|part| ["PROTO", "PORT", "ADDR"].contains(&part));
    is_number && is_protocol && is_part && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn warnings(environment: &[(&str, &str)]) -> Vec<String> {
        let environment = environment.iter().map(|(name, value)| (name.into(), value.into()));
        unknown_variables(&Cli::command(), environment)
    }

    #[test]
    fn an_unknown_variable_gets_one_warning_with_the_most_similar_name() {
        for (name, nearest) in [
            ("REALTIME_WROKERS", "REALTIME_WORKERS"),
            ("REALTIME_DATADIR", "REALTIME_DATA_DIR"),
            ("REALTIME_DATA_DIRECTORY", "REALTIME_DATA_DIR"),
            ("REALTIME_REDIS_ULR", "REALTIME_REDIS_URL"),
            ("REALTIME_SECRET", "REALTIME_JWT_SECRET"),
            ("REALTIME_JWT_SECRETS", "REALTIME_JWT_SECRET"),
            ("REALTIME_MAX_CONN", "REALTIME_MAX_CONNECTIONS"),
            ("REALTIME_LOG_LEVEL", "REALTIME_LOG_LEVEL_FILE"),
            ("REALTIME_RETAIN_DAYS", "REALTIME_RETAIN"),
            ("REALTIME_log", "REALTIME_LOG"),
            ("REALTIME_TOKN", "REALTIME_TOKEN"),
        ] {
            let found = warnings(&[(name, "1"), ("REALTIME_LOG", "info"), ("PATH", "/bin")]);
            let expected =
                format!("no program reads the variable {name}; the most similar name is {nearest}");
            assert_eq!(found, [expected]);
        }
        assert_eq!(warnings(&[("REALTIME_A", ""), ("REALTIME_B", ""), ("REALTIMES", "")]).len(), 2);
        assert!(warnings(&[("REALTIME_", "")])[0].contains("REALTIME_;"));
        assert!(warnings(&[("REALTIME_A\n\u{1b}", "")])[0].contains("REALTIME_A\\n\\u{1b};"));
    }

    #[test]
    fn variables_of_a_container_platform_are_known() {
        let kubernetes = [
            ("REALTIME_SERVICE_HOST", "10.0.0.1"),
            ("REALTIME_SERVICE_PORT", "8000"),
            ("REALTIME_SERVICE_PORT_HTTP", "8000"),
            ("REALTIME_PORT", "tcp://10.0.0.1:8000"),
            ("REALTIME_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
            ("REALTIME_PORT_8000_TCP_PROTO", "tcp"),
            ("REALTIME_PORT_8000_TCP_PORT", "8000"),
            ("REALTIME_PORT_8000_TCP_ADDR", "10.0.0.1"),
            ("REALTIME_SERVER_SERVICE_HOST", "10.0.0.1"),
            ("REALTIME_REDIS_PORT_6379_TCP", "tcp://10.0.0.1:6379"),
            ("REALTIME_NAME", "/web/realtime"),
            ("REALTIME_SERVER_1_ENV_PATH", "/bin"),
        ];
        assert_eq!(warnings(&kubernetes), [""; 0]);
        let others = [("REALTIME_PORT", "8000"), ("REALTIME_PORT_8000", "x"), ("REALTIME_NAME", "chat")];
        assert_eq!(warnings(&others).len(), 3);
    }

    /// Names of variables in the sources under a directory of the workspace.
    fn named_in(directory: &Path, names: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                named_in(&path, names);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(&path).expect("a source");
                for (at, _) in source.match_indices(PREFIX) {
                    let name = source[at..].split(|c: char| !c.is_ascii_uppercase() && c != '_').next();
                    names.extend(name.filter(|name| name.len() > PREFIX.len()).map(str::to_owned));
                }
            }
        }
    }

    #[test]
    fn all_variables_in_the_sources_of_the_client_are_known() {
        let mut names = BTreeSet::new();
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for directory in ["tui-client/src", "tui-client/net/src"] {
            named_in(&workspace.join(directory), &mut names);
        }
        assert!(names.contains("REALTIME_TOKEN"), "{names:?}");
        let environment: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
        assert_eq!(warnings(&environment), [""; 0]);
    }
}
