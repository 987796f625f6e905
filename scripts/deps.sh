# Installing what is missing on a Debian 12 machine.  Sourced by ./demo and ./check.
# SPDX-License-Identifier: GPL-2.0-or-later

BUILD_PACKAGES="gcc libc6-dev pkg-config meson ninja-build python3 libglib2.0-dev zlib1g-dev libzstd-dev libaio-dev liburing-dev libgcrypt20-dev nettle-dev libgnutls28-dev libseccomp-dev libfuse3-dev"
# Packages that not every architecture has; the build does without.
case $(dpkg --print-architecture 2>/dev/null) in
    amd64|arm64) BUILD_PACKAGES="$BUILD_PACKAGES libisal-dev" ;;
esac
DEMO_PACKAGES="qemu-utils e2fsprogs"
# For make fuzz, by engine.
LIBFUZZER_PACKAGES="clang libclang-rt-14-dev"
AFL_PACKAGES="afl++"
TEST_PACKAGES="qemu-utils qemu-system-x86 libnbd-bin e2fsprogs python3 openssl"

as_root()
{
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        echo "error: '$*' needs root: run this as root or install sudo" >&2
        return 1
    fi
}

# install_missing PACKAGE...: says what it installs; quiet when nothing is missing.
install_missing()
{
    missing=
    for package in "$@"; do
        case " $missing " in *" $package "*) continue ;; esac
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
        [ "$state" = installed ] || missing="$missing $package"
    done
    [ -z "$missing" ] && return 0
    echo "Installing:$missing"
    log=$(mktemp)
    if as_root apt-get update >"$log" 2>&1 &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >>"$log" 2>&1; then
        rm -f "$log"
        return 0
    fi
    tail -n 20 "$log" >&2
    echo "error: the packages above could not be installed (whole log: $log)" >&2
    return 1
}

# build_tree SRC BUILD [OPTION...]: configure (with options) when needed, then build.
build_tree()
{
    from=$1 to=$2
    shift 2
    [ -f "$to/build.ninja" ] || meson setup "$to" "$from" "$@" >"$from/.setup.log" 2>&1 ||
        { cat "$from/.setup.log" >&2; return 1; }
    rm -f "$from/.setup.log"
    ninja -C "$to" >"$to/ninja.log" 2>&1 || { tail -n 40 "$to/ninja.log" >&2; return 1; }
}
