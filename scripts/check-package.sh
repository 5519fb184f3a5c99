#!/usr/bin/env bash
# check-package.sh bookworm|trixie [--dev] DEB...: makes a bare Debian root, installs the packages in it with apt, and trains the demo
# there with the installed command. --dev also builds a program against the installed library, with libtacet-dev among the packages.
# Needs root, debootstrap, and the mirror that this machine's apt uses. Takes minutes, and leaves nothing behind, also after Ctrl-C.
set -euo pipefail

usage() { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
release=${1:-}
[[ $release == bookworm || $release == trixie ]] || usage
shift
dev=
if [ "${1:-}" = --dev ]; then dev=1; shift; fi
[ $# -gt 0 ] || usage
for package in "$@"; do [ -f "$package" ] || { echo "check-package: there is no $package" >&2; exit 2; }; done
[ "$(id -u)" -eq 0 ] || { echo "check-package: must be run as root, which debootstrap and chroot need" >&2; exit 2; }
command -v debootstrap >/dev/null || { echo "check-package: debootstrap is missing; apt-get install debootstrap" >&2; exit 2; }
source=$(cd "$(dirname "$0")/.." && pwd)

root=$(mktemp -d "${TMPDIR:-/tmp}/tacet-root-XXXXXX")
chmod 755 "$root"  # apt downloads as another user
clean_up() {
  mountpoint -q "$root/proc" && umount -l "$root/proc"
  rm -rf --one-file-system "$root" "$root.log"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

started=$SECONDS
step() { echo "== $1 ($((SECONDS - started)) s)"; }
inside() { chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
  ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} "$@"; }

# The mirror is the first that apt knows here.
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | sed 's|/*$||' | grep -v security | head -n 1 || true)
[ -n "$mirror" ] || { echo "check-package: apt knows no mirror here; add one to its sources" >&2; exit 2; }
step "a bare $release"
debootstrap --variant=minbase "$release" "$root" "$mirror" >"$root.log" 2>&1 || { tail -n 20 "$root.log" >&2; rm -f "$root.log"; exit 1; }
rm -f "$root.log"
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
for conf in /etc/apt/apt.conf.d/*; do if grep -qi proxy "$conf"; then cp "$conf" "$root/etc/apt/apt.conf.d/"; fi; done
mount -t proc proc "$root/proc"

step "apt-get install"
mkdir "$root/packages"
cp "$@" "$root/packages/"
inside apt-get update -qq
inside sh -c 'apt-get install -y -qq --no-install-recommends /packages/*.deb' >"$root/install.log" 2>&1 || { tail -n 20 "$root/install.log" >&2; exit 1; }

step "the command"
inside tacet --version
inside tacet doctor
step "the demo: one epoch of CELGC on two workers"
inside tacet train /usr/share/tacet/recipes/demo/quickstart.toml --workers 2 --quiet --out /srv/run
inside tacet compare /srv/run
inside grep -q '"status": "done"' /srv/run/summary.json

if [ -n "$dev" ]; then
  step "a program of one's own"
  inside apt-get install -y -qq --no-install-recommends cmake g++ ninja-build >"$root/install.log" 2>&1 || { tail -n 20 "$root/install.log" >&2; exit 1; }
  cp -r "$source/tests/consumer" "$root/srv/consumer"
  inside cmake -S /srv/consumer -B /srv/consumer/build -G Ninja >/dev/null
  inside cmake --build /srv/consumer/build
  inside /srv/consumer/build/main
fi
step "all of it works on $release"
