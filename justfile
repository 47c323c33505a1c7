# Commands for developers and CI. `just` lists them.

set positional-arguments

[private]
default:
    @just --list --unsorted

# Run a demo in this terminal: a server, four simulated users and you
demo:
    cargo run --release --bin realtime-tui -- --demo

# Run the server with these flags, as in `just serve --listen 127.0.0.1:9000`
serve *flags:
    cargo run --release --bin realtime-server -- serve "$@"

# Join a room of the server on this machine, as in `just chat alice dev`
chat user=env('USER', 'guest') room="chat-general":
    @token="$(cargo run --quiet --release --bin realtime-server -- token --user "$1")" \
        && REALTIME_TOKEN="$token" cargo run --release --bin realtime-tui -- --room "$2"

# Run all tests. `--install-deps` installs the Debian packages that they need; other arguments go to `cargo test`
test *arguments:
    #!/usr/bin/env bash
    set -euo pipefail
    install=""
    if [[ "${1-}" == --install-deps ]]; then install="$1"; shift; fi
    "{{just_executable()}}" c-compiler other-programs "$install"
    cargo test --workspace --no-fail-fast "$@"
    if [[ $# == 0 ]]; then "{{just_executable()}}" test-redis; fi

# Run the hub tests with rooms on Redis
test-redis: c-compiler (other-programs "")
    REALTIME_TEST_ENGINE=redis cargo test --package realtime-server --test hub

# Check format, lints, and unit tests of the crates that differ from `origin/main`, or from the last commit without it
quick: format lint
    #!/usr/bin/env bash
    set -euo pipefail
    base="$(git merge-base HEAD origin/main 2>/dev/null || git rev-parse HEAD)"
    shopt -s nullglob
    packages=()
    while read -r manifest; do
        directory="$(dirname "$manifest")"
        nested=("${directory}"/*/Cargo.toml)
        others=(); for inner in "${nested[@]}"; do others+=(":!$(dirname "$inner")"); done
        if [[ -n "$(git diff --name-only "$base" -- "$directory" ${others[@]+"${others[@]}"})" ]] \
            || [[ -n "$(git ls-files --others --exclude-standard -- "$directory" ${others[@]+"${others[@]}"})" ]]; then
            packages+=(--package "$(sed -n 's/^name = "\(.*\)"$/\1/p' "$manifest" | head -n 1)")
        fi
    done < <(git ls-files '*/Cargo.toml')
    if [[ ${#packages[@]} == 0 ]]; then echo 'no crate has changed: no tests to run'; exit; fi
    skip=(); # The tests of the Redis engine take about a minute.
    if git diff --quiet "$base" -- server/src/broker; then skip=(--skip broker::redis); fi
    cargo test --quiet "${packages[@]}" --lib -- ${skip[@]+"${skip[@]}"}

# Inject faults, kills and power cuts for a time, as in `just soak 2h`; stop at the first lost message
soak duration="10m": c-compiler (other-programs "")
    REALTIME_SOAK="$1" cargo test --release --package realtime-server --test faults -- --ignored --exact soak --nocapture

# Decode random terminal input for a time in seconds, as in `just fuzz-input 600`; stop at the first fault
fuzz-input seconds="60": c-compiler
    FUZZ_SECONDS="$1" cargo test --release --package realtime-tui --lib -- --ignored --exact terminal_input::tests::random::fuzz --nocapture

# Run all checks that a commit must pass: format, lints, tests, documentation
check: format lint test docs

# Measure the server under load; arguments go to the load generator (`just bench --help`)
bench *arguments:
    cargo bench --package realtime-server --bench load -- "$@"

# Measure several instances on one Redis: their traffic, and storms of joins (`just bench-cluster --help`)
bench-cluster *arguments:
    cargo bench --package realtime-server --bench cluster -- "$@"

# Measure the latency of users while two others attack the server (`just bench-attack --help`)
bench-attack *arguments:
    cargo bench --package realtime-server --bench attack -- "$@"

# Measure the client on a terminal, irssi and weechat if installed, and other builds of the client (arguments: paths)
bench-client *builds:
    cargo bench --package realtime-tui --bench terminal -- "$@"

# Draw the picture of the client in the README from a screen of `--demo`
screenshot:
    cargo build --release --bin realtime-tui
    cargo run --quiet --package realtime-tui --example screenshot -- target/release/realtime-tui tui-client/screenshot.svg

# Fail if `cargo fmt` would change a file
format:
    cargo fmt --all --check

# Fail on any warning of the compiler or Clippy
lint:
    cargo clippy --quiet --workspace --all-targets -- --deny warnings

# Fail on any warning of the documentation build
docs:
    RUSTDOCFLAGS="--deny warnings" cargo doc --quiet --workspace --no-deps

# Check licences, sources and known vulnerabilities of the dependencies (`cargo install --locked cargo-deny`)
audit:
    cargo deny --all-features check

# Check the build with the lowest supported Rust (`rust-version` in Cargo.toml), which rustup installs
msrv:
    rustup toolchain install --profile minimal "$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)"
    cargo "+$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)" check --workspace --locked

# List small changes of the code that no test notices, as in `just mutants realtime-server -f 'server/src/session/**' -- --lib session::`
mutants package *arguments: c-compiler (other-programs "")
    cargo mutants --package "$1" --output target "${@:2}"

# Build and pack the programs for a release, as in `just dist x86_64-unknown-linux-gnu`
dist target:
    #!/usr/bin/env bash
    set -euo pipefail
    name="realtime-$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)-$1"
    cargo build --release --locked --target "$1" --bin realtime-server --bin realtime-tui
    rm -rf "target/dist/$name" && mkdir -p "target/dist/$name"
    cp "target/$1/release/realtime-server" "target/$1/release/realtime-tui" README.md CHANGELOG.md LICENSE "target/dist/$name"
    tar -C target/dist -czf "target/dist/$name.tar.gz" "$name" && rm -r "target/dist/$name"
    echo "target/dist/$name.tar.gz"

# Write the checksums of the packed programs to target/dist/SHA256SUMS
checksums:
    cd target/dist && sha256sum -- *.tar.gz > SHA256SUMS && cat SHA256SUMS

# The tests need a C compiler to link and to build the cryptographic library.
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

# The tests of several instances start a Redis and an nginx of their own on free ports, and the tests of the screen a tmux.
# Node and Python run the clients of the protocol's README.
# If they are missing and `install` is `--install-deps`, the Debian packages are installed, without starting services. CI
# and root need no flag.
[private]
other-programs install:
    #!/usr/bin/env bash
    set -euo pipefail
    missing=()
    command -v redis-server >/dev/null || missing+=(redis-server)
    PATH="$PATH:/usr/sbin" command -v nginx >/dev/null || missing+=(nginx-light)
    command -v python3 >/dev/null || missing+=(python3)
    command -v tmux >/dev/null || missing+=(tmux)
    command -v node >/dev/null || missing+=(nodejs)
    if [[ ${#missing[@]} == 0 ]]; then exit; fi
    as_root=(sudo); if [[ "$(id -u)" == 0 ]]; then as_root=(); fi
    if ! command -v apt-get >/dev/null; then
        echo "The tests run programs that are missing: ${missing[*]}. To install them:"
        echo '  Fedora          sudo dnf install redis nginx python3 tmux nodejs'
        echo '  Arch            sudo pacman -S redis nginx python tmux nodejs'
        echo '  Alpine          sudo apk add redis nginx python3 tmux nodejs'
        echo '  macOS           brew install redis nginx python tmux node'
        exit 1
    fi >&2
    if [[ "$1" != --install-deps && "${CI-}" != true && ${#as_root[@]} != 0 ]]; then
        echo "The tests run programs that are missing: ${missing[*]}. To install them:"
        echo "  sudo apt-get install --no-install-recommends ${missing[*]}"
        echo 'or let this command do it, which starts no services: just test --install-deps'
        exit 1
    fi >&2
    echo "installing ${missing[*]} for the tests" >&2
    # This policy refuses to start services during the installation.
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        trap '"${as_root[@]}" rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
        "${as_root[@]}" chmod +x "$policy"
    fi
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "${missing[@]}" >/dev/null
