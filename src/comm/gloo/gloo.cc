// The group of workers that c10d's ProcessGroupGloo connects. Messages go straight from and into the caller's memory. Each
// wait has a limit, and each failure becomes PeerLost with the worker that caused it. c10d's collectives are not used, since
// their sums depend on the number of workers.
#include <ATen/ops/from_blob.h>
#include <signal.h>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <exception>
#include <sstream>

#include "base/clock.h"
#include "comm/check_exchange.h"
#include "comm/gloo/c10d_store.h"
#include "comm/gloo/c10d_version.h"
#include "comm/gloo/term.h"
#include "comm/rendezvous/handshake.h"
#include "comm/rendezvous/store.h"
#include "comm/run_keys.h"
#include "tacet/error.h"

namespace tacet {
namespace {

using std::chrono::milliseconds;

// A piece travels in messages of at most this size. The time limit is for one message, so a long piece over a slow network
// is not mistaken for a silent worker.
constexpr int64_t kMessageBytes = int64_t{4} << 20;

// A message's tag has the number of its exchange and its own number between its two ranks. Tag 0 is the final barrier's.
constexpr int kExchangeBits = 15, kMessageBits = 16;
constexpr int kBarrierTag = 0;

// Blocks SIGPIPE while it lives, for this thread and the threads it starts, and drops the signals that came. gloo writes
// with writev(), and writing to a lost worker raises SIGPIPE, which would end the process.
class NoBrokenPipeSignal {
 public:
  NoBrokenPipeSignal() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoBrokenPipeSignal() {
    const timespec now{};
    if (!was_pending_) {
      while (sigtimedwait(&pipe_, nullptr, &now) < 0 && errno == EINTR) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoBrokenPipeSignal(const NoBrokenPipeSignal&) = delete;
  NoBrokenPipeSignal& operator=(const NoBrokenPipeSignal&) = delete;

 private:
  sigset_t pipe_, before_;
  bool was_pending_;
};

std::string key_of(const std::string& what, int rank) { return "tacet/" + what + "/" + std::to_string(rank); }

class GlooGroup : public Group {
 public:
  explicit GlooGroup(const GlooOptions& options, const GlooTerm& term = {})
      : options_(options),
        term_(term),
        timeout_(static_cast<int64_t>(options.timeout_seconds * 1000)),
        unwinding_(std::uncaught_exceptions()) {
    const NoBrokenPipeSignal quiet;
    if (options_.size == 1) return;
    const auto deadline = Clock::now() + timeout_;
    open_store();
    if (term_.name.empty()) meet(deadline);
    if (options_.store == "tcpstore" && !options_.token.empty()) prove_through_store();
    connect();
  }

  ~GlooGroup() override {
    const NoBrokenPipeSignal quiet;
    // A rank that leaves first would reset connections that the others still set up or read from (pytorch#57469), so all
    // leave together. After a failure, here or elsewhere in this thread, a rank leaves at once, and the others notice by
    // that.
    if (group_ && !failed_ && std::uncaught_exceptions() <= unwinding_) {
      try {
        std::vector<char> mine(options_.size, 1), theirs(options_.size);
        std::vector<Message> messages;
        for (const bool receive : {true, false}) {
          for (int q = 0; q < options_.size; ++q) {
            if (q != options_.rank) post(messages, q, {receive ? &theirs[q] : &mine[q], 1}, receive, kBarrierTag);
          }
          if (!receive || !server_) continue;
          // A worker that has left looks for the next run's rendezvous at the same place, and must not come to this one.
          finish(messages);
          messages.clear();
          server_.reset();
        }
        finish(messages);
      } catch (const std::exception&) {
        // A worker is gone. Nothing is left to be sent, so nobody waits for it.
      }
    }
    group_.reset();
  }

  int rank() const override { return options_.rank; }
  int size() const override { return options_.size; }
  int64_t bytes_sent() const override { return sent_; }
  std::string backend() const override { return "gloo"; }

  // Agrees on the worker that was lost first. One lost worker makes the others give up one by one, and the last of them
  // would blame the first. So the first to notice writes the number down at the rendezvous, and all others believe it as
  // long as they reach the rendezvous.
  PeerLost lost(int lost_rank, const std::string& how, bool silent) override {
    std::string text = how;
    const bool host_is_silent = silent && lost_rank == 0 && !options_.hosted;
    if (client_ && !host_is_silent) {
      try {
        const std::string mine = std::to_string(lost_rank) + " " + text;
        const std::string agreed = client_->compare_set(keys_of_run(options_.run) + "/lost" + term_.name, "", mine);
        int first = 0;
        const auto end = std::from_chars(agreed.data(), agreed.data() + agreed.size(), first).ptr;
        // A worker that is named wrongly (it was slow, say) does not name itself.
        if (first != rank() && *end == ' ') {
          lost_rank = first;
          text = end + 1;
        }
      } catch (const std::exception&) {
        // The rendezvous is gone too, so this worker's own view has to do.
      }
    }
    failed_ = std::make_unique<PeerLost>(lost_rank, "worker " + std::to_string(name_of(lost_rank)) + " " + text);
    return *failed_;
  }

  void exchange(const std::vector<std::vector<Piece>>& to, const std::vector<std::vector<Piece>>& from) override {
    check_exchange(rank(), size(), to, from);
    if (failed_) throw PeerLost(failed_->rank, failed_->what());
    if (!group_) return;
    const NoBrokenPipeSignal quiet;
    exchanges_ = exchanges_ % ((1 << kExchangeBits) - 1) + 1;
    std::vector<Message>
        messages;  // a destroyed message is withdrawn from gloo, so no failure leaves the caller's memory in use
    post_all(messages, from, true);
    post_all(messages, to, false);
    finish(messages);
    for (const auto& pieces : to) {
      for (const Piece& piece : pieces) sent_ += piece.bytes;
    }
  }

 private:
  struct Message {
    int rank;
    c10::intrusive_ptr<c10d::Work> work;
  };

  void open_store() {
    std::string prefix = keys_of_run(options_.run);
    if (options_.store == "tcpstore") {
      c10d::TCPStoreOptions tcp;
      tcp.port = static_cast<uint16_t>(options_.port);
      tcp.waitWorkers = false;
      tcp.timeout = timeout_;
      without_libuv(tcp);
      try {
        store_ = c10::make_intrusive<c10d::TCPStore>(options_.address, tcp);
      } catch (const std::exception& e) {
        throw PeerLost(-1, "no rendezvous at " + place() + " within " + seconds_text(options_.timeout_seconds) + ": " +
                               first_line(e.what()));
      }
      // torchrun starts the workers again beside the old store, whose keys of the last attempt must not be met.
      if (const char* attempt = std::getenv("TORCHELASTIC_RESTART_COUNT")) prefix += std::string("/attempt_") + attempt;
    } else {
      if (!options_.hosted && options_.rank == 0)
        server_ = std::make_unique<StoreServer>(options_.address, options_.port, StoreLimits{}, options_.token);
      client_ = std::make_shared<StoreClient>(options_.address, options_.port, options_.timeout_seconds, options_.token);
      store_ = c10::make_intrusive<C10dStore>(client_, connect_limit(), term_.is_over);
      if (!term_.name.empty()) prefix += "/" + term_.name;
    }
    store_ = c10::make_intrusive<c10d::PrefixStore>(prefix, store_);
  }

  milliseconds connect_limit() const {
    return term_.name.empty() ? timeout_
                              : std::min(timeout_, milliseconds(static_cast<int64_t>(1000 * term_.connect_seconds)));
  }
  int name_of(int q) const { return term_.workers.empty() ? q : term_.workers[static_cast<size_t>(q)]; }

  std::string place() const { return options_.address + ":" + std::to_string(options_.port); }

  // Waits for a worker's sign. Once the time is over it asks without waiting: a wait of a millisecond, which is less than an
  // answer takes on a busy machine, would miss a worker that has come. (c10d takes a wait of 0 for one without limit.)
  bool came(int q, milliseconds left) {
    try {
      if (left <= milliseconds(0)) return store_->check({key_of("size", q)});
      store_->wait({key_of("size", q)}, left);
      return true;
    } catch (const PeerLost&) {
      throw;
    } catch (const std::exception&) {
      return false;
    }
  }

  // Signs in and waits for the others, so that a missing worker can be named. gloo could not tell.
  void meet(Clock::time_point deadline) {
    const auto sign = [](const std::string& text) { return std::vector<uint8_t>(text.begin(), text.end()); };
    if (store_->add(key_of("came", rank()), 1) != 1) {
      throw UserError("RANK must differ from worker to worker, but " + std::to_string(rank()) + " has come twice to " +
                      place());
    }
    store_->set(key_of("size", rank()), sign(std::to_string(size())));
    std::vector<int> missing;
    for (int q = 0; q < size(); ++q) {
      if (!came(q, std::chrono::ceil<milliseconds>(deadline - Clock::now()))) {
        missing.push_back(q);
        continue;
      }
      const auto theirs = store_->get(key_of("size", q));
      if (theirs != sign(std::to_string(size()))) {
        throw UserError("WORLD_SIZE must be the same for all workers, but it is " + std::to_string(size()) + " for worker " +
                        std::to_string(rank()) + " and " + std::string(theirs.begin(), theirs.end()) + " for worker " +
                        std::to_string(q));
      }
    }
    if (missing.empty()) return;
    std::string names;
    for (const int q : missing) names += (names.empty() ? "" : ", ") + std::to_string(q);
    throw PeerLost(missing[0], (missing.size() == 1 ? "worker " : "workers ") + names + " did not come within " +
                                   seconds_text(options_.timeout_seconds));
  }

  // Proves to the others that this worker knows the token, and checks theirs, since c10d's store lets everybody in. Each
  // proof is for the challenges of all.
  void prove_through_store() {
    const auto sign = [](const std::string& text) { return std::vector<uint8_t>(text.begin(), text.end()); };
    const auto read = [&](const std::string& what, int q) {
      const auto bytes = store_->get(key_of(what, q));
      return std::string(bytes.begin(), bytes.end());
    };
    store_->set(key_of("challenge", rank()), sign(random_challenge()));
    std::string challenges;
    for (int q = 0; q < size(); ++q) challenges += read("challenge", q);
    store_->set(key_of("proof", rank()), sign(proof(options_.token, std::to_string(rank()), challenges)));
    for (int q = 0; q < size(); ++q) {
      if (!same_proof(read("proof", q), proof(options_.token, std::to_string(q), challenges)))
        throw UserError("rendezvous: the join token must be the same for all workers, but worker " + std::to_string(q) +
                        " has another one than worker " + std::to_string(rank()));
    }
  }

  void connect() {
    auto gloo = c10d::ProcessGroupGloo::Options::create(connect_limit());
    gloo->threads = 1;  // threads serve collectives only; messages need none
    try {
      gloo->devices = {c10d::ProcessGroupGloo::createDeviceForHostname(options_.interface_address)};
    } catch (const std::exception& e) {
      throw UserError("a worker's own address must be one of this machine's addresses, got '" + options_.interface_address +
                      "'");
    }
    try {
      group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store_, rank(), size(), gloo);
    } catch (const PeerLost&) {
      throw;
    } catch (const std::exception& e) {
      throw PeerLost(-1, std::string("the workers could not be connected: ") + first_line(e.what()));
    }
  }

  static std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

  void post_all(std::vector<Message>& messages, const std::vector<std::vector<Piece>>& pieces, bool receive) {
    for (int q = 0; q < size(); ++q) {
      int count = 0;
      for (const Piece& piece : pieces[q]) {
        for (int64_t first = 0; first < piece.bytes; first += kMessageBytes, ++count) {
          if (count >= 1 << kMessageBits) throw std::logic_error("exchange: more than 65536 messages for one worker");
          post(messages, q, {piece.data + first, std::min(kMessageBytes, piece.bytes - first)}, receive,
               exchanges_ << kMessageBits | count);
        }
      }
    }
  }

  void post(std::vector<Message>& messages, int q, Piece part, bool receive, int tag) {
    std::vector<at::Tensor> tensor = {at::from_blob(part.data, {part.bytes}, at::kByte)};
    try {
      messages.push_back({q, receive ? group_->recv(tensor, q, tag) : group_->send(tensor, q, tag)});
    } catch (const std::exception& e) {
      fail(q, e.what(), false);
    }
  }

  void finish(const std::vector<Message>& messages) {
    for (const Message& message : messages) {
      const auto start = Clock::now();
      try {
        message.work->wait(timeout_);
      } catch (const std::exception& e) {
        fail(message.rank, e.what(), Clock::now() - start >= timeout_);
      }
    }
  }

  // Throws PeerLost that names the worker, now and in all later calls. gloo closes all connections of a group after a
  // failure.
  [[noreturn]] void fail(int q, const std::string& why, bool silent) {
    std::string text =
        silent ? "did not answer within " + seconds_text(options_.timeout_seconds) : "is gone: connection closed";
    if (!silent && why.find("closed") == std::string::npos && why.find("reset") == std::string::npos) {
      text = "is gone: " + first_line(why);
    }
    throw lost(q, text, silent);
  }

  const GlooOptions options_;
  const GlooTerm term_;
  const milliseconds timeout_;
  const int unwinding_;                  // exceptions in flight when the group was made
  std::unique_ptr<StoreServer> server_;  // outlives what the client and the group ask of it
  std::shared_ptr<StoreClient> client_;
  c10::intrusive_ptr<c10d::Store> store_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
  std::unique_ptr<PeerLost> failed_;
  int exchanges_ = 0;  // 1 … 2^15−1, then 1 again
  int64_t sent_ = 0;
};

}  // namespace

std::unique_ptr<Group> gloo_term(const GlooOptions& options, const GlooTerm& term) {
  return std::make_unique<GlooGroup>(options, term);
}

std::unique_ptr<Group> gloo_group(const GlooOptions& options) {
  const auto need = [](bool good, const std::string& what) {
    if (!good) throw UserError("workers: " + what);
  };
  need(options.size >= 1, "their number must be at least 1, got " + std::to_string(options.size));
  need(options.rank >= 0 && options.rank < options.size,
       "a rank must be from 0 to " + std::to_string(options.size - 1) + ", got " + std::to_string(options.rank));
  need(options.size == 1 || (options.port >= 1 && options.port <= 65535),
       "the rendezvous port must be from 1 to 65535, got " + std::to_string(options.port));
  need(options.timeout_seconds >= 0.001 && options.timeout_seconds <= 1e6,
       "the time limit must be from 0.001 to 1000000 seconds, got " + std::to_string(options.timeout_seconds));
  need(options.store == "tacet" || options.store == "tcpstore",
       "the rendezvous must be one of tacet, tcpstore, got '" + options.store + "'");
  need(options.store == "tacet" || options.hosted, "a rendezvous of kind tcpstore must be hosted by somebody else");
  return std::make_unique<GlooGroup>(options);
}

}  // namespace tacet
