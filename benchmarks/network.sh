#!/usr/bin/env bash
# Trains over slow networks, for real: hosts are network namespaces of this machine, one tacet process in each, and between them
# lies a path with a rate and a delay. Measures the path, then naive-clip and celgc at several I, and writes a table, results as
# JSON and a picture. It needs root, iproute2 and /dev/net/tun; it contacts nothing but its own namespaces and loopback, and
# removes whatever it made, also when it is interrupted. docs/guide/networks.md explains the columns.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
usage: benchmarks/network.sh [options]
  --quick              one scenario, one model, three intervals: two minutes
  --smoke              checks of the network and one tiny run only: 15 seconds; exit code 77 where it can't run
  --scenario NAME      lan: 1 Gbit/s, 1 ms, 2 hosts; wan: 100 Mbit/s, 20 ms, 4 hosts (default: both, one after the other)
  --hosts P  --rate-mbit R  --rtt-ms T      another scenario; R = 0: no limit, T: there and back, without load
  --jitter-ms J  --loss P                   uniform in ±J each way; probability that a packet is lost (default 0)
  --models A,B         awd-lstm, resnet-20 (default: both)
  --intervals I,J,…    of celgc (default 1,2,4,8,16,32)
  --messages           instead: celgc and celgc-overlap with messages of each kind; one line each, nothing is written to --out
  --congestion NAME    of TCP (default cubic)      --mtu N   of the hosts' devices (default 1500)
  --linux-idle         leave net.ipv4.tcp_slow_start_after_idle as Linux has it, at 1: a connection begins slowly after each pause
  --out DIR            figures are pooled with those that are there (default runs/network)
  --tacet FILE  --relay FILE                the programs (default: build/release/…)
TEXT
}

tacet=build/release/tacet relay=build/release/benchmarks/network/network_relay out=runs/network
scenarios=(lan wan) models=awd-lstm,resnet-20 intervals=1,2,4,8,16,32
congestion=cubic mtu=1500 idle=0 smoke=no kinds=no jitter=0 loss=0 custom=no hosts=2 rate=1000 rtt=1
while [ $# -gt 0 ]; do
  case $1 in
    --quick) scenarios=(lan) models=awd-lstm intervals=1,4,16 ;;
    --smoke) smoke=yes ;;
    --scenario) scenarios=("$2"); shift ;;
    --hosts) hosts=$2 custom=yes; shift ;;
    --rate-mbit) rate=$2 custom=yes; shift ;;
    --rtt-ms) rtt=$2 custom=yes; shift ;;
    --jitter-ms) jitter=$2; shift ;;
    --loss) loss=$2; shift ;;
    --models) models=$2; shift ;;
    --intervals) intervals=$2; shift ;;
    --messages) kinds=yes ;;
    --congestion) congestion=$2; shift ;;
    --mtu) mtu=$2; shift ;;
    --linux-idle) idle=1 ;;
    --out) out=$2; shift ;;
    --tacet) tacet=$2; shift ;;
    --relay) relay=$2; shift ;;
    --help | -h) usage; exit 0 ;;
    *) echo "network.sh: there is no option $1" >&2; usage >&2; exit 2 ;;
  esac
  shift
done
[ $custom = yes ] && scenarios=(custom)

unable() {  # the smoke test is skipped where it can't run; a benchmark that can't run is a mistake
  echo "network.sh: $1"
  [ $smoke = yes ] && exit 77
  exit 2
}
[ "$(id -u)" -eq 0 ] || unable "must be run as root, since it makes network namespaces"
for program in ip tc python3; do command -v $program >/dev/null || unable "needs $program (Debian: iproute2, python3)"; done
[ -x "$tacet" ] && [ -x "$relay" ] || unable "needs $tacet and $relay: scripts/build.sh release"

# Everything this process makes has this prefix or is in `jobs` or `work`.
prefix=tacet-$$
work=$(mktemp -d)
jobs=() namespaces=()
forget_network() {
  local job name
  for name in "${namespaces[@]}"; do
    for job in $(ip netns pids "$name" 2>/dev/null); do kill -KILL "$job" 2>/dev/null || true; done
  done
  for job in "${jobs[@]}"; do kill "$job" 2>/dev/null || true; done
  for job in "${jobs[@]}"; do wait "$job" 2>/dev/null || true; done
  for name in "${namespaces[@]}"; do ip netns del "$name" 2>/dev/null || true; done
  jobs=() namespaces=()
}
cleanup() {
  trap '' INT TERM HUP  # a second Ctrl-C must not leave anything behind
  set +e
  forget_network
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

add_namespace() {
  ip netns add "$1" || return 1
  namespaces+=("$1")
  ip -n "$1" link set lo up
}

ip netns add $prefix-try 2>/dev/null || unable "may not make network namespaces here"
namespaces+=($prefix-try)
netem=no
ip netns exec $prefix-try tc qdisc add dev lo root netem delay 1ms 2>/dev/null && netem=yes
ip netns exec $prefix-try tc qdisc replace dev lo root tbf rate 1gbit burst 128kb latency 50ms 2>/dev/null ||
  unable "this kernel has no token bucket (sch_tbf)"
forget_network

address() { echo "10.77.$1.2"; }

# A device's own limit on what is sent through it. The bucket holds a millisecond, but at least what the kernel hands over at once.
limit_rate() {  # namespace device [parent]
  [ "$rate" = 0 ] && return
  local burst=$((rate * 1000 / 8))
  ip netns exec "$1" tc qdisc add dev "$2" ${3:-root} tbf rate "${rate}mbit" burst $((burst > 70000 ? burst : 70000)) latency 100ms
}

wait_for_line() {  # file text: at most 10 s
  local k
  for k in $(seq 200); do
    grep -q "$2" "$1" && return
    sleep 0.05
  done
  echo "network.sh: no '$2' from $1:" >&2
  cat "$1" >&2
  return 1
}

# Hosts $prefix-0 … $prefix-(P−1) with the addresses 10.77.h.2, all reaching each other. netem and tbf on pairs of devices that end
# in a router, or, without netem, TUN devices that the relay serves. Both limit a host's own sending by tbf.
make_network() {
  local h ends=() delay
  delay=$(python3 -c "print($rtt / 2)")
  for ((h = 0; h < hosts; ++h)); do
    add_namespace $prefix-$h
    ip netns exec $prefix-$h sysctl -qw net.ipv4.tcp_slow_start_after_idle=$idle
    ends+=("$prefix-$h=$(address "$h")")
  done
  if [ $netem = yes ] || [ "$rtt $jitter $loss" = "0 0 0" ]; then
    kind="veth, tbf, netem"
    add_namespace $prefix-router
    ip netns exec $prefix-router sysctl -qw net.ipv4.ip_forward=1
    for ((h = 0; h < hosts; ++h)); do
      ip -n $prefix-$h link add net0 type veth peer name "to$h" netns $prefix-router
      ip -n $prefix-router addr add "10.77.$h.1/24" dev "to$h"
      ip -n $prefix-router link set "to$h" mtu "$mtu" up
      if [ "$rtt $jitter $loss" = "0 0 0" ]; then
        limit_rate $prefix-router "to$h"
      else
        ip netns exec $prefix-router tc qdisc add dev "to$h" root handle 1: netem limit 100000 \
          delay "${delay}ms" "${jitter}ms" loss "$(python3 -c "print(100 * $loss)")%"
        limit_rate $prefix-router "to$h" "parent 1:1"
      fi
    done
  else
    kind="tun, tbf, relay"
    : >"$work/relay"
    "$relay" --delay-ms "$delay" --jitter-ms "$jitter" --loss "$loss" --rate-mbit "$rate" "${ends[@]}" \
      >"$work/relay" 2>&1 &
    jobs+=($!)
    relay_job=$!
    wait_for_line "$work/relay" ready
  fi
  for ((h = 0; h < hosts; ++h)); do
    limit_rate $prefix-$h net0
    ip -n $prefix-$h addr add "$(address "$h")/24" dev net0
    ip -n $prefix-$h link set net0 mtu "$mtu" up
    if [[ $kind = tun* ]]; then
      ip -n $prefix-$h route add 10.77.0.0/16 dev net0 congctl "$congestion"
    else
      ip -n $prefix-$h route add 10.77.0.0/16 via "10.77.$h.1" congctl "$congestion"
    fi
  done
}

# Leaves the relay's own figures, where there is one, in relay_figures.
end_network() {
  relay_figures=null
  if [[ $kind = tun* ]]; then
    kill "$relay_job"
    wait "$relay_job" || true
    relay_figures=$(tail -n 1 "$work/relay")
  fi
  forget_network
}

probe() {  # options of probe.py measure, from host 1 to host 0
  ip netns exec $prefix-0 python3 benchmarks/network/probe.py serve "$(address 0)" 5001 >"$work/probe" 2>&1 &
  local server=$!
  jobs+=($server)
  wait_for_line "$work/probe" ready
  ip netns exec $prefix-1 timeout 60 python3 benchmarks/network/probe.py measure "$(address 0)" 5001 "$@"
  kill $server
  wait $server 2>/dev/null || true
}

token=()
if "$tacet" train --help | grep -q -- --join-token; then
  head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$work/token"
  chmod 600 "$work/token"
  token=(--join-token "$work/token")
fi

# One worker on each host; fails when one of them does. Namespaces of their own for process numbers too, as hosts have: workers
# that see each other's processes could share memory.
train_on_hosts() {  # folder, then arguments of tacet train
  local folder=$1 h members=() failed=0
  shift
  for ((h = 0; h < hosts; ++h)); do
    RANK=$h WORLD_SIZE=$hosts MASTER_ADDR=$(address 0) MASTER_PORT=29500 timeout -k 5 600 ip netns exec $prefix-$h \
      unshare --pid --fork --kill-child "$tacet" train "$@" "${token[@]}" --quiet --out "$folder" >"$work/worker-$h" 2>&1 &
    members+=($!)
    jobs+=($!)
  done
  for h in "${!members[@]}"; do wait "${members[$h]}" || failed=1; done
  [ $failed = 0 ] && return
  tail -n 5 "$work"/worker-* >&2
  return 1
}

if [ $smoke = yes ]; then
  hosts=2 rate=100 rtt=10 loss=0.02 idle=0
  make_network
  path=$(probe --pings 10 --packets 1000 --seconds 0)
  echo "path ($kind): $path"
  # 2 % each way: 39.6 of 1000 are lost on average, with a standard deviation of 6.2.
  python3 - "$path" <<'TEXT'
import json, sys
path = json.loads(sys.argv[1])
assert path["rtt_ms_min"] >= 10, "round trips are shorter than the delay that was set"
assert 10 <= path["lost"] <= 80, "about 40 of 1000 datagrams must be lost"
TEXT
  python3 benchmarks/network/table.py data "$work/data"
  tiny=(benchmarks/network/smoke.toml --set data.root="\"$work/data\"")
  train_on_hosts "$work/hosts" "${tiny[@]}"
  end_network
  "$tacet" train "${tiny[@]}" --quiet --out "$work/loopback" >/dev/null
  python3 - "$work" <<'TEXT'
import json, sys
runs = [json.load(open(f"{sys.argv[1]}/{name}/summary.json")) for name in ("hosts", "loopback")]
print("model_sha256", [run["model_sha256"][:16] for run in runs])
assert runs[0]["workers"] == 2 and runs[1]["workers"] == 1
assert runs[0]["backend"] == "gloo", "the hosts did not use the network"
assert runs[0]["model_sha256"] == runs[1]["model_sha256"], "the network changed the answer"
TEXT
  echo "network.sh: smoke test passed"
  exit 0
fi

[ $kinds = yes ] && out=$work
mkdir -p "$out"
python3 benchmarks/network/table.py data "$out/data"

# Rounds for I steps a round: enough to average over, few enough to wait for. The first one is not counted.
rounds_for() {
  local many=(1 13 2 9 4 7 8 5 16 4) few=(1 6 2 5 4 4 8 4 16 3) k
  [ "$rate" != 0 ] && [ "$rate" -le 200 ] && [ "$model" = awd-lstm ] && many=("${few[@]}")
  for ((k = 0; k < ${#many[@]}; k += 2)); do [ "${many[k]}" = "$1" ] && echo "${many[k + 1]}" && return; done
  echo 3
}

record() { python3 benchmarks/network/table.py add "$out/results.jsonl" "$@"; }

for scenario in "${scenarios[@]}"; do
  case $scenario in
    lan) hosts=2 rate=1000 rtt=1 ;;
    wan) hosts=4 rate=100 rtt=20 ;;
    custom) ;;
    *) echo "network.sh: a scenario is one of lan, wan, got '$scenario'" >&2; exit 2 ;;
  esac
  make_network
  path=$(probe --packets "$(python3 -c "print(2000 if $loss else 0)")")
  echo "== $hosts hosts, $rate Mbit/s, round trip $rtt ms ($kind): measured $path"
  setting="{\"hosts\": $hosts, \"rate_mbit\": $rate, \"rtt_ms\": $rtt, \"jitter_ms\": $jitter, \"loss\": $loss, \"mtu\": $mtu,
    \"congestion\": \"$congestion\", \"slow_start_after_idle\": $idle, \"network\": \"$kind\", \"path\": $path}"
  for model in ${models//,/ }; do
    recipe=benchmarks/network/$model.toml
    [ -e "$recipe" ] || { echo "network.sh: a model is one of awd-lstm, resnet-20, got '$model'" >&2; exit 2; }
    sets=(--set clients.count="$hosts" --set data.root="\"$out/data\"")
    run() {  # method I rounds, then more arguments of tacet train: trains and records
      rm -rf "$work/run"
      train_on_hosts "$work/run" "$recipe" "${sets[@]}" --set algorithm.name="\"$1\"" --set algorithm.interval="$2" \
        --set schedule.iterations=$(($2 * $3)) "${@:4}"
      record "$setting" "$model" "$1" "$2" "$work/run"
    }
    if [ $kinds = yes ]; then
      # Clients' own vectors stay where they are, or the next worker's copy of them would be as large as a message.
      for interval in ${intervals//,/ }; do
        for kind_of_message in f32 bf16 int8; do
          echo "   algorithm.message = $kind_of_message:"
          both=(--set run.second_copy=false --set algorithm.message=$kind_of_message)
          run celgc "$interval" "$(rounds_for "$interval")" "${both[@]}"
          run celgc-overlap "$interval" "$(rounds_for "$interval")" "${both[@]}" --set algorithm.delay="$interval"
        done
      done
      continue
    fi
    run naive-clip 1 "$(rounds_for 1)"
    for interval in ${intervals//,/ }; do run celgc "$interval" "$(rounds_for "$interval")"; done
  done
  end_network
  [ $kinds = yes ] && continue
  echo "relay: $relay_figures"
  record "$setting" - relay 0 "$relay_figures"
done
[ $kinds = yes ] || python3 benchmarks/network/table.py write "$out/results.jsonl" "$out"
