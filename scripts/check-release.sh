#!/usr/bin/env bash
# Tries tacet as a newcomer does: makes a bare root of a Debian release, clones the committed sources into it, runs ./demo.sh there,
# and ./test.sh if asked, and prints the time of each part. The root and all that runs in it are gone at the end, also after an error
# or Ctrl-C. Needs root, debootstrap, and about 15 GB of disk.
#
# scripts/check-release.sh trixie|bookworm|SUITE [--tests] [--mirror URL] [--folder DIR] [--shared DIR] [--keep]
#   --tests       runs ./test.sh as well
#   --mirror URL  takes packages from there; default: debootstrap's own
#   --folder DIR  makes the root below DIR; default: /var/tmp
#   --shared DIR  puts a copy of DIR beside the clone, as ../shared
#   --keep        leaves the root where it is, and says where
set -euo pipefail

usage() { sed -n 's/^# \(scripts\/.*\)/\1/p; s/^#   --/  --/p' "$0" >&2; exit 2; }
wrong() { echo "check-release: $*" >&2; exit 2; }

release='' tests=no mirror='' folder=/var/tmp keep=no shared=''
while [ $# -gt 0 ]; do
  case $1 in
    --tests) tests=yes ;;
    --keep) keep=yes ;;
    --mirror | --folder | --shared)
      [ $# -gt 1 ] || wrong "$1 needs a value"
      declare "${1#--}=$2"
      shift ;;
    -*) usage ;;
    *) [ -z "$release" ] || usage; release=$1 ;;
  esac
  shift
done
[ -n "$release" ] || usage
[ "$(id -u)" -eq 0 ] || wrong "it needs root, for debootstrap and chroot"
command -v debootstrap >/dev/null || wrong "debootstrap is missing: apt-get install debootstrap"
[ -e "/usr/share/debootstrap/scripts/$release" ] || wrong "debootstrap knows no release $release"
[ -d "$folder" ] || wrong "--folder: there is no folder $folder"
[ -z "$shared" ] || [ -d "$shared" ] || wrong "--shared: there is no folder $shared"
sources=$(cd "$(dirname "$0")/.." && pwd)

# Prints how long the part took, and ends all where it failed.
part() {
  local name=$1 start=$SECONDS code=0
  shift
  echo "== $name"
  "$@" || code=$?
  printf '== %s: %d:%02d min, exit code %d\n' "$name" $(((SECONDS - start) / 60)) $(((SECONDS - start) % 60)) $code
  [ $code -eq 0 ] || exit 1
}
in_root() { chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin bash -c "cd /srv/tacet && $1"; }
bare_root() { debootstrap --variant=minbase --include=ca-certificates "$release" "$root" ${mirror:+"$mirror"} >"$root.log" 2>&1 || { tail -n 20 "$root.log" >&2; return 1; }; }

# The first process of namespaces of its own: when it ends, so does all that it started, and its mounts are gone.
inside() {
  set -euo pipefail
  part "bare root of $release" bare_root
  mount --bind "$root" "$root"  # a mount of its own, in which the tests can make others
  mount -t proc proc "$root/proc"
  mount -t sysfs sysfs "$root/sys"
  mount --rbind /dev "$root/dev"
  [ -e "$root/etc/hosts" ] || printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$(uname -n)" >"$root/etc/hosts"  # as Debian's installer leaves it
  mkdir -p "$root/srv"
  [ -z "$shared" ] || cp -r "$shared" "$root/srv/shared"
  part "clone" git clone --quiet --no-hardlinks "$sources" "$root/srv/tacet"
  part "./demo.sh: packages, build, two runs, comparison" in_root ./demo.sh
  if [ $tests = yes ]; then part "./test.sh: build of the tests, all tests" in_root ./test.sh; fi
}

root=$(mktemp -d "$folder/tacet-$release.XXXXXX")
chmod 755 "$root"  # apt downloads as another user, and tests read as one
worker=''
clean_up() {
  [ -z "$worker" ] || kill -KILL "$worker" 2>/dev/null || true
  wait
  if [ $keep = yes ]; then
    echo "kept: $root"
    return
  fi
  for _ in 1 2 3 4 5; do rm -rf --one-file-system "$root" "$root.log" && break || sleep 1; done
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
all="$(declare -f part in_root bare_root inside); $(declare -p release tests mirror shared sources root); inside"
unshare --mount --pid --fork --kill-child bash -c "$all" &
worker=$!
wait "$worker"
worker=''
