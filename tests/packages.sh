# What the scripts that fetch things for tests share; they source it, with their topic in `topic`.
# Packages come from the mirror that this machine takes its own from, through a private state of apt:
# nothing is installed.

say() { echo "$topic: $*"; }
fail() {
    printf "$topic: error: %s\n" "$@" >&2
    exit 1
}

# is_filled FOLDER FILE...: whether a folder was filled by these files as they are; `mark_filled FOLDER`
# says so later.
is_filled() {
    wanted=$(sha256sum "${@:2}")
    [ "$(cat "$1/stamp" 2>/dev/null)" = "$wanted" ]
}
mark_filled() { echo "$wanted" >"$1/stamp"; }

# open_packages FOLDER SUITE...: from here on, apt-get and apt-cache know these suites of Debian and no
# package that is installed, so all that a package needs comes along. Their files are in FOLDER/apt.
open_packages() {
    local folder=$1 mirror suite keys=/usr/share/keyrings/debian-archive-keyring.gpg
    shift
    command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
        fail "packages of Debian are needed, and there is no apt-get or no dpkg here"
    [ "$(dpkg --print-architecture)" = amd64 ] || fail "this test needs an x86-64 machine"
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(COMPONENT)' 'Created-By: Packages' |
        awk '$2 == "Debian" && $3 == "main" && $1 !~ /security/ { print $1; exit }')
    [ -n "$mirror" ] && [ -e "$keys" ] ||
        fail "this machine takes no packages from Debian, so no mirror and no key of it are known"
    rm -rf "$folder/apt"
    mkdir -p "$folder"/apt/{lists,archives}/partial
    : >"$folder/apt/status"
    for suite in "$@"; do
        echo "deb [signed-by=$keys] ${mirror%/} $suite main"
    done >"$folder/apt/sources.list"
    cat >"$folder/apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$folder/apt/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "$folder/apt";
Dir::State::status "$folder/apt/status";
Dir::Cache "$folder/apt";
Debug::NoLocking "true";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
CONF
    export APT_CONFIG=$folder/apt/apt.conf
    say "reading the package lists of $*"
    apt-get -q -q update
}
