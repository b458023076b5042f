# shellcheck shell=bash
# Debian packages: install what is missing, fetch sources.

# apt_install PACKAGE...: installs those of the packages that are missing.
apt_install() {
    local package missing=()
    for package in "$@"; do
        # shellcheck disable=SC2016 # the format is for dpkg-query
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
    done
    ((${#missing[@]} > 0)) || return 0
    require_root
    step "Installing ${#missing[@]} Debian packages" apt_install_now "${missing[@]}"
}

apt_install_now() {
    echo "packages: $*"
    forbid_service_start
    trap allow_service_start EXIT
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    apt-get install -q -y --no-install-recommends "$@"
}

# A package such as etcd-server or dnsmasq would start its own daemon; ours are started by hand.
forbid_service_start() {
    [[ ! -e /usr/sbin/policy-rc.d ]] || return 0
    printf '#!/bin/sh\n# dora: no service starts while packages are installed\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 0755 /usr/sbin/policy-rc.d
}

allow_service_start() {
    ! grep -qs '^# dora:' /usr/sbin/policy-rc.d || rm -f /usr/sbin/policy-rc.d
}

# apt_fetch_source PACKAGE DIR: downloads the source files of PACKAGE into DIR. Source packages come
# from where this machine gets its binary packages, by a private set of lists that touches nothing in /etc/apt.
apt_fetch_source() {
    local package=$1 dir=$2 private options
    private=$(mktemp -d)
    mkdir -p "$dir" "$private/sources.list.d" "$private/lists/partial"
    source_entries "$private/sources.list.d"
    chmod -R a+rX "$private"
    options=(
        -o "Dir::Etc::sourcelist=/dev/null"
        -o "Dir::Etc::sourceparts=$private/sources.list.d"
        -o "Dir::State::lists=$private/lists"
        -o "APT::Sandbox::User=root"
    )
    apt-get "${options[@]}" update -q
    (cd "$dir" && apt-get "${options[@]}" source -q --download-only "$package")
    rm -rf "$private"
}

# source_entries DIR: this machine's apt entries, as deb-src ones.
source_entries() {
    local file
    for file in /etc/apt/sources.list.d/*.sources; do
        [[ -e $file ]] || continue
        sed -E 's/^Types:.*/Types: deb-src/' "$file" >"$1/${file##*/}"
    done
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [[ -e $file ]] || continue
        sed -nE 's/^deb(-src)?[[:space:]]/deb-src /p' "$file" | sort -u >"$1/${file##*/}"
    done
}

# debian_mirror: the address this machine gets Debian's main archive from.
debian_mirror() {
    # shellcheck disable=SC2016 # the format is for apt-get
    apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Identifier: Packages' 'Component: main' |
        awk -v codename="$(. /etc/os-release && echo "$VERSION_CODENAME")" '$1 == codename { print $2; exit }'
}

# debian_root SUITE TARGET PACKAGE,... [OPTION...]: a root file system (folder or .tar) with those
# packages; the options are mmdebstrap's.
debian_root() {
    local suite=$1 target=$2 packages=$3 mirror
    shift 3
    mirror=$(debian_mirror)
    [[ -n $mirror ]] || die "apt knows no Debian archive; add one to /etc/apt/sources.list.d and run apt-get update"
    # The index of a frozen mirror may be past its date; its signature still holds.
    mmdebstrap --mode=root --include="$packages" --aptopt='Acquire::Check-Valid-Until "false"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        "$@" "$suite" "$target" "$mirror"
}
