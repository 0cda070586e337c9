# What the scripts share; to be sourced. Bash.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build_packages=(ca-certificates cmake g++ gcc libavro-dev libcbor-dev libcurl4-openssl-dev libmicrohttpd-dev
    libpaho-mqtt-dev libpcre2-dev libpq-dev libprotobuf-c-dev librdkafka-dev libsnappy-dev libsqlite3-dev libssl-dev
    libtomlplusplus-dev libunistring-dev libxxhash-dev libzstd-dev ninja-build pkg-config protobuf-c-compiler sqlite3 tzdata zlib1g-dev zstd)
test_packages=(clang clang-format default-jdk-headless jq kcat libclang-rt-dev libcmocka-dev libsimdjson-dev llvm maven miller
    mosquitto mosquitto-clients openssl postgresql postgresql-client protobuf-compiler python3-avro python3-cbor2
    python3-confluent-kafka python3-jsonschema python3-paho-mqtt python3-protobuf python3-psycopg2 python3-pytest util-linux)

say() {
    printf '\n== %s\n' "$*" >&2
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Installs those of the named Debian packages that are missing.
install_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    as_root apt-get update -q >&2
    # A server package must not start its service here: the tests start their own, on free ports.
    printf '#!/bin/sh\nexit 101\n' >"$scratch/policy-rc.d" && chmod +x "$scratch/policy-rc.d"
    as_root env DEBIAN_FRONTEND=noninteractive POLICYRCD="$scratch/policy-rc.d" RUNLEVEL=1 \
        apt-get install -y -q --no-install-recommends "${missing[@]}" >&2
}

# build PRESET [TARGET …]: configures and builds; quiet unless something is wrong. PIPE_TESTS=OFF: without the tests and what they need.
build() {
    local preset=$1 log="$scratch/build-$1.log"
    shift
    say "building ($preset)"
    if ! { cmake --preset "$preset" -DPIPE_TESTS="${PIPE_TESTS:-ON}" && cmake --build --preset "$preset" ${1:+--target "$@"}; } >"$log" 2>&1; then
        tail -n 50 "$log" >&2
        return 1
    fi
}

scratch=$(mktemp -d "${TMPDIR:-/tmp}/pipe.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
