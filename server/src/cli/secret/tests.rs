//! Origins of the secret: creation, races of several programs, files that are refused.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;
use std::thread;

use tempfile::TempDir;

use super::*;

const LONG: &str = "a secret of more than thirty-two bytes";

fn directory() -> TempDir {
    TempDir::new().expect("a directory")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it exists").mode() & 0o777
}

const NONE: Sources = Sources { variable: None, file: None, exposure: Exposure::Secret, data_dir: None };

fn in_dir(directory: &Path) -> Sources {
    Sources { data_dir: Some(directory.to_owned()), ..NONE }
}

/// Writes a file that only its owner can read.
fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::write(path, content).expect("writable");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("ours");
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes()).expect("long enough")
}

#[test]
fn the_own_file_is_created_for_its_owner_alone() {
    let directory = directory();
    let data = directory.path().join("a/b");
    let (made, origin) = resolve(&in_dir(&data)).expect("a secret");
    let path = data.join("jwt-secret");
    assert_eq!(origin, Origin::Created(path.clone()));
    assert_eq!((mode(&path), mode(&data)), (0o600, 0o700));
    assert_eq!(fs::read_dir(&data).expect("a directory").count(), 1, "no draft is left");
    assert_eq!(fs::read_to_string(&path).expect("text").len(), 2 * SECRET_BYTES + 1);

    assert_eq!(resolve(&in_dir(&data)).expect("a secret"), (made.clone(), Origin::Existing(path.clone())));
    let by_name = Sources { file: Some(path.clone()), ..NONE };
    assert_eq!(resolve(&by_name).expect("a secret"), (made, Origin::File(path)));
}

#[test]
fn the_hint_for_tokens_has_the_flags_of_the_server() {
    let arguments = |data_dir: Option<&str>, issuer: Option<&str>| SecretArgs {
        jwt_secret_file: None,
        allow_readable_secrets: true,
        data_dir: data_dir.map(PathBuf::from),
        issuer: issuer.map(str::to_owned),
        audience: None,
    };
    let own = Origin::Existing("/srv/chat/jwt-secret".into());
    assert_eq!(arguments(None, None).token_flags(&own), "");
    assert_eq!(arguments(Some("/srv/chat"), None).token_flags(&own), " --data-dir /srv/chat");
    assert_eq!(arguments(Some("/srv/it's"), None).token_flags(&own), " --data-dir '/srv/it'\\''s'");
    let relative = arguments(Some("chat"), None).token_flags(&own);
    assert!(relative.starts_with(" --data-dir /") && relative.ends_with("/chat"), "{relative}");
    let file = Origin::File("/etc/secret".into());
    let expected = " --jwt-secret-file /etc/secret --issuer 'my chat' --allow-readable-secrets";
    assert_eq!(arguments(Some("/srv/chat"), Some("my chat")).token_flags(&file), expected);
    assert_eq!(arguments(Some("/srv/chat"), None).token_flags(&Origin::Variable), "");
}

#[test]
fn a_read_creates_no_secret() {
    let directory = directory();
    let data = directory.path().join("a");
    assert!(
        matches!(read(&in_dir(&data)), Err(SecretError::Missing(path)) if path == data.join("jwt-secret"))
    );
    assert!(!data.exists());
    let (made, _) = resolve(&in_dir(&data)).expect("a secret");
    assert_eq!(read(&in_dir(&data)).expect("a secret").0, made);
}

#[test]
fn a_token_gets_no_new_secret_where_a_server_has_rooms() {
    let directory = directory();
    fs::write(directory.path().join(store::FILE), "").expect("writable");
    let fault = resolve_for_token(&in_dir(directory.path())).expect_err("no secret");
    assert!(matches!(&fault, SecretError::Elsewhere(path) if path == directory.path()), "{fault}");
    assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 1, "nothing is created");

    let (made, _) = resolve(&in_dir(directory.path())).expect("a secret");
    assert_eq!(resolve_for_token(&in_dir(directory.path())).expect("a secret").0, made);
    let unused = directory.path().join("unused");
    assert!(matches!(resolve_for_token(&in_dir(&unused)), Ok((_, Origin::Created(_)))));
}

#[test]
fn programs_that_start_together_use_one_secret() {
    const PROGRAMS: usize = 8;
    let directory = directory();
    let sources = in_dir(directory.path());
    let start = Barrier::new(PROGRAMS);
    let found: Vec<_> = thread::scope(|scope| {
        let started: Vec<_> = (0..PROGRAMS)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    resolve(&sources).expect("a secret")
                })
            })
            .collect();
        started.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(found.iter().all(|(secret, _)| *secret == found[0].0));
    assert_eq!(found.iter().filter(|(_, origin)| matches!(origin, Origin::Created(_))).count(), 1);
    assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 1);
}

#[test]
fn an_own_file_that_others_can_read_is_refused() {
    let directory = directory();
    resolve(&in_dir(directory.path())).expect("a secret");
    let path = directory.path().join("jwt-secret");
    for exposed in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, Permissions::from_mode(exposed)).expect("ours");
        let fault = resolve(&in_dir(directory.path())).expect_err("exposed");
        assert!(fault.to_string().contains(&format!("chmod 600 {}", path.display())), "{fault}");
    }
}

#[test]
fn an_invalid_own_file_is_named_and_not_replaced() {
    let directory = directory();
    let path = directory.path().join("jwt-secret");
    write(&path, "short\n");
    assert!(matches!(resolve(&in_dir(directory.path())), Err(SecretError::Invalid(_, TooShort(5)))));
    assert_eq!(fs::read_to_string(&path).expect("text"), "short\n");
}

#[test]
fn variable_and_file_must_hold_the_same_secret() {
    let directory = directory();
    let path = directory.path().join("given");
    write(&path, format!("{LONG}\r\n"));
    let file = Some(path);

    let both = |variable: &str| Sources {
        variable: Some(variable.into()),
        file: file.clone(),
        data_dir: Some("/nonexistent".into()),
        ..NONE
    };
    assert_eq!(resolve(&both(LONG)).expect("equal"), (secret(LONG), Origin::Variable));
    let different = resolve(&both("another secret of more than thirty-two"));
    assert!(matches!(different, Err(SecretError::Different(_))));
    assert!(matches!(resolve(&both("")), Err(SecretError::Variable(TooShort(0)))));
    let only_file = Sources { file, ..NONE };
    assert_eq!(resolve(&only_file).expect("a file").0, secret(LONG));
}

#[test]
fn errors_name_the_source_and_never_the_secret() {
    let directory = directory();
    let short = directory.path().join("short");
    write(&short, "hunter2\n");
    let large = directory.path().join("large");
    write(&large, vec![b'x'; 65 * 1024]);
    for path in [short.as_path(), &large, directory.path(), Path::new("/nonexistent/secret")] {
        let sources = Sources { file: Some(path.to_owned()), ..NONE };
        let fault = resolve(&sources).expect_err("no secret").to_string();
        assert!(fault.contains(&path.display().to_string()) && !fault.contains("hunter2"), "{fault}");
    }
    let fault = resolve(&in_dir(&short)).expect_err("not a directory").to_string();
    assert!(fault.contains("short"), "{fault}");
    let variable = Sources { variable: Some("hunter2".into()), ..NONE };
    let fault = resolve(&variable).expect_err("too short").to_string();
    assert!(fault.contains("REALTIME_JWT_SECRET") && fault.contains("32"), "{fault}");
    assert!(!fault.contains("hunter2"), "{fault}");
}
