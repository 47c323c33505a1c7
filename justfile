# Every command that a developer or CI runs. `just` lists them.

set positional-arguments

[private]
default:
    @just --list --unsorted

# Watch a living chat room: a server, four talkative users and you, in this terminal
demo:
    cargo run --release --bin realtime-tui -- --demo

# Run the server; flags go to it, as in `just serve --listen 127.0.0.1:9000`
serve *flags:
    cargo run --release --bin realtime-server -- serve "$@"

# Join a room of the server on this machine, as in `just chat alice dev`
chat user="you" room="chat-general":
    @token="$(cargo run --quiet --release --bin realtime-server -- token --user "$1")" \
        && REALTIME_TOKEN="$token" cargo run --release --bin realtime-tui -- --room "$2"

# Run all tests, the examples in the documentation included, and those of the hub on Redis once more; arguments go to `cargo test`
test *arguments: c-compiler other-programs
    cargo test --workspace --no-fail-fast "$@"
    test $# -gt 0 || REALTIME_TEST_ENGINE=redis cargo test --package realtime-server --test hub

# Have faults, kills and power cuts go on, as in `just soak 2h`; stops at the first message that is lost
soak duration="10m": c-compiler other-programs
    REALTIME_SOAK="$1" cargo test --release --package realtime-server --test faults -- --ignored --exact soak --nocapture

# What has to pass before a commit: format, lints, tests, documentation
check: format lint test docs

# Measure the server under load; arguments go to the load generator (`just bench --help`)
bench *arguments:
    cargo bench --package realtime-server --bench load -- "$@"

# Measure what instances on a Redis cost each other, and storms of joins (`just bench-cluster --help`)
bench-cluster *arguments:
    cargo bench --package realtime-server --bench cluster -- "$@"

# Measure the client on a terminal, beside irssi and weechat where they are installed
bench-client:
    cargo bench --package realtime-tui --bench terminal

# Draw the README's picture of the client, from a screen of `--demo`
screenshot:
    cargo build --release --bin realtime-tui
    cargo run --quiet --package realtime-tui --example screenshot -- target/release/realtime-tui tui-client/screenshot.svg

# Fail where `cargo fmt` would change something
format:
    cargo fmt --all --check

# Fail at any warning of the compiler or of Clippy
lint:
    cargo clippy --quiet --workspace --all-targets -- --deny warnings

# Fail where the documentation does not build without a warning
docs:
    RUSTDOCFLAGS="--deny warnings" cargo doc --quiet --workspace --no-deps

# The tests need Rust and a C compiler, which links, and builds the library for signatures.
[private]
c-compiler:
    @command -v cc >/dev/null || { \
        echo 'No C compiler: `cc` is not in the PATH. To get one:'; \
        echo '  Debian, Ubuntu  sudo apt-get install build-essential'; \
        echo '  Fedora          sudo dnf install gcc'; \
        echo '  Arch            sudo pacman -S base-devel'; \
        echo '  Alpine          sudo apk add build-base'; \
        echo '  macOS           xcode-select --install'; \
        exit 1; \
    } >&2

# The tests of several instances run a Redis and an nginx of their own, each on a free port. Where they are missing and
# Debian's packages can be had, they are installed, and not left running as services.
[private]
other-programs:
    @missing=""; \
    command -v redis-server >/dev/null || missing="$missing redis-server"; \
    PATH="$PATH:/usr/sbin" command -v nginx >/dev/null || missing="$missing nginx-light"; \
    test -z "$missing" && exit 0; \
    if command -v apt-get >/dev/null; then \
        as_root=""; test "$(id -u)" = 0 || as_root="sudo"; \
        echo "installing$missing, which the tests run" >&2; \
        ours=""; test -e /usr/sbin/policy-rc.d || ours="yes"; \
        if test "$ours"; then printf '#!/bin/sh\nexit 101\n' | $as_root tee /usr/sbin/policy-rc.d >/dev/null; $as_root chmod +x /usr/sbin/policy-rc.d; fi; \
        $as_root apt-get update -qq && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $missing >/dev/null; \
        status=$?; if test "$ours"; then $as_root rm -f /usr/sbin/policy-rc.d; fi; exit $status; \
    fi; \
    { \
        echo "The tests run programs that are missing:$missing. To get them:"; \
        echo '  Fedora          sudo dnf install redis nginx'; \
        echo '  Arch            sudo pacman -S redis nginx'; \
        echo '  Alpine          sudo apk add redis nginx'; \
        echo '  macOS           brew install redis nginx'; \
        exit 1; \
    } >&2
