// The mean of an AWD-LSTM's parameters (24 million floats in 14 tensors) among processes of this machine: tacet's through
// shared memory and over Gloo, one flat Gloo all-reduce, and a reduce and a broadcast for each tensor (as the scripts of
// CELGC's authors do). All are measured in turn, round by round, in one run; a round's time is that of its slowest process.
//   sync_benchmark [ROUNDS]    with 2 and with 4 processes
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "comm/rendezvous/store.h"
#include "engine/tree_sum.h"

namespace tacet {
namespace {

using Clock = std::chrono::steady_clock;

// Embedding, tied with the output; three layers: input and recurrent weights, two biases each; the output's bias.
std::vector<int64_t> awd_lstm() {
  std::vector<int64_t> sizes = {10000 * 400, 10000};
  for (const auto& [in, out] : {std::pair<int64_t, int64_t>{400, 1150}, {1150, 1150}, {1150, 400}}) {
    sizes.insert(sizes.end(), {4 * out * in, 4 * out * out, 4 * out, 4 * out});
  }
  return sizes;
}

struct Measured {
  double seconds = 0, faults = 0;
};

template <class Work>
Measured measure(c10d::ProcessGroupGloo& gloo, const Work& work) {
  const auto agree = [&](std::vector<double> values) {
    std::vector<at::Tensor> t = {at::tensor(values, at::kDouble)};
    c10d::AllreduceOptions most;
    most.reduceOp = c10d::ReduceOp::MAX;
    gloo.allreduce(t, most)->wait();
    return Measured{t[0][0].item<double>(), t[0][1].item<double>()};
  };
  const auto faults = [] {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    return static_cast<double>(used.ru_minflt);
  };
  agree({0, 0});  // all begin together
  const double before = faults();
  const auto start = Clock::now();
  work();
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return agree({seconds, faults() - before});
}

struct Row {
  const char* name;
  std::function<void()> work;
  std::vector<double> seconds = {};
  double faults = 0;  // of the last round
};

void worker(int rank, int size, const int (&ports)[2], const std::string& file, int rounds) {
  at::set_num_threads(1);
  auto options = c10d::ProcessGroupGloo::Options::create(std::chrono::seconds(60));
  options->devices = {c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")};
  const auto gloo =
      c10::make_intrusive<c10d::ProcessGroupGloo>(c10::make_intrusive<c10d::FileStore>(file, size), rank, size, options);
  GlooOptions join;
  join.rank = rank;
  join.size = size;
  join.port = ports[0];
  join.hosted = true;
  const auto over_gloo = gloo_group(join);
  join.port = ports[1];
  SharedOptions here;
  here.required = true;
  const auto shared = share_memory(gloo_group(join), here);
  SumShape shape;
  int64_t d = 0;
  for (const int64_t n : awd_lstm()) d += n;
  shape.parts = {d};
  shape.divided = d;
  shape.divisor = static_cast<float>(size);
  const at::Tensor y = at::rand({d}).add_(rank);
  const Leaf leaf = [&](int64_t) { return std::vector<const float*>{y.data_ptr<float>()}; };
  SumBuffers buffers;
  at::Tensor x, flat = y.clone(), each = y.clone();
  const auto mean = [&](Group& group) { x = tree_sum(group, block_bounds(size, size), shape, leaf, buffers); };

  std::vector<Row> rows;
  rows.push_back({"tacet through shared memory", [&] { mean(*shared); }});
  rows.push_back({"tacet over gloo", [&] { mean(*over_gloo); }});
  rows.push_back({"gloo all-reduce, flat", [&] {
                    std::vector<at::Tensor> t = {flat};
                    gloo->allreduce(t, {})->wait();
                  }});
  rows.push_back({"gloo reduce + broadcast each", [&] {
                    int64_t first = 0;
                    for (const int64_t n : awd_lstm()) {
                      std::vector<at::Tensor> t = {each.narrow(0, first, n)};
                      gloo->reduce(t, {})->wait();
                      gloo->broadcast(t, {})->wait();
                      first += n;
                    }
                  }});
  const auto run = [&](Row& row, bool counts) {
    const Measured m = measure(*gloo, row.work);
    if (counts) row.seconds.push_back(m.seconds), row.faults = m.faults;
  };
  mean(*over_gloo);
  const at::Tensor expected = x.clone();
  mean(*shared);
  if (!x.equal(expected)) std::printf("DIFFERENT BITS on rank %d\n", rank);
  for (int r = -2; r < rounds; ++r) {
    for (Row& row : rows) run(row, r >= 0);
    flat.copy_(y), each.copy_(y);
  }
  if (rank != 0) return;
  std::printf("\n%d processes, %.1f million floats, median of %d rounds\n", size, static_cast<double>(d) / 1e6, rounds);
  const auto median = [](std::vector<double> v) {
    std::sort(v.begin(), v.end());
    return v[v.size() / 2];
  };
  const double ours = median(rows[0].seconds);
  for (const Row& row : rows) {
    std::printf("  %-30s %8.1f ms   %5.2f x   %6.0f minor faults\n", row.name, 1e3 * median(row.seconds),
                median(row.seconds) / ours, row.faults);
  }
}

void run(int size, int rounds) {
  std::string file = (std::filesystem::temp_directory_path() / "sync_benchmark.XXXXXX").string();
  if (::mkstemp(file.data()) < 0) std::abort();
  int ends[2];
  if (::pipe(ends) != 0) std::abort();
  const pid_t host = ::fork();
  if (host == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const StoreServer one("127.0.0.1", 0), other("127.0.0.1", 0);
    const int mine[2] = {one.port(), other.port()};
    if (::write(ends[1], mine, sizeof mine) != sizeof mine) ::_exit(1);
    for (;;) ::pause();
  }
  int ports[2];
  if (::read(ends[0], ports, sizeof ports) != sizeof ports) std::abort();
  for (int rank = 0; rank < size; ++rank) {
    if (::fork() != 0) continue;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    worker(rank, size, ports, file, rounds);
    std::fflush(stdout);
    ::_exit(0);
  }
  for (int k = 0; k < size; ++k) ::wait(nullptr);
  ::kill(host, SIGKILL);
  ::waitpid(host, nullptr, 0);
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace tacet

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 9;
  for (const int size : {2, 4}) tacet::run(size, rounds);
}
