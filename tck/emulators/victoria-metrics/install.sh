#!/bin/sh
# Unpacks packages of Debian into the folder `root`, without installing anything on the machine. The
# programs are linked statically, so that it does not matter which release the machine has.
set -eu

mkdir -p state/lists/partial cache/archives/partial
apt() {
    apt-get \
        -o "Dir::State=$PWD/state" -o Dir::State::status=/dev/null -o "Dir::Cache=$PWD/cache" \
        -o "Dir::Etc::sourcelist=$PWD/debian.sources" -o Dir::Etc::sourceparts=/dev/null \
        -o Acquire::Languages=none -o APT::Sandbox::User=root -o Acquire::Retries=3 "$@"
}
apt update
apt download victoria-metrics=1.112.0+ds1-2
sha256sum --check --strict SHA256SUMS
for package in *.deb; do
    dpkg-deb -x "$package" root
    rm "$package"
done
rm -r state cache
