// See membership.h. The keys at the rendezvous are in run_keys.h.
#include "tacet/membership.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "comm/gloo/term.h"
#include "comm/rendezvous/store.h"
#include "comm/run_keys.h"
#include "tacet/error.h"

namespace tacet {
namespace {

using std::chrono::milliseconds;

constexpr double kSilenceSeconds = 2;   // limit for a living worker to say so, and for one that waits to join to come
constexpr double kProposalSeconds = 3;  // turn of each worker to write down the list
constexpr int kMostAttempts = 10;       // terms in a row whose workers could not be connected
constexpr auto kPause = milliseconds(10);

struct Slot {
  int64_t id = 0;
  int worker = 0, size = 0;
};

std::string text_of(const Slot& s) {
  return std::to_string(s.id) + " " + std::to_string(s.worker) + " " + std::to_string(s.size) + "\n";
}

std::vector<Slot> slots_in(const std::string& text) {
  std::istringstream in(text);
  std::vector<Slot> slots;
  for (Slot s; in >> s.id >> s.worker >> s.size;) slots.push_back(s);
  return slots;
}

// Returns the number, or nothing where the text is no whole number > 0. Values of others at the rendezvous are not trusted.
std::optional<int64_t> number_in(const std::string& text) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < 1) return std::nullopt;
  return value;
}

std::string short_number(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

}  // namespace

struct Membership::State {
  explicit State(const MembershipOptions& o)
      : options(o),
        key{keys_of_run(o.place.run)},
        client(std::make_shared<StoreClient>(o.place.address, o.place.port, o.place.timeout_seconds, o.place.token)),
        watcher(std::make_shared<StoreClient>(o.place.address, o.place.port, o.place.timeout_seconds, o.place.token)) {
    take_id();
    thread = std::thread([this] { watch(); });
  }

  ~State() {
    {
      const std::lock_guard lock(mutex);
      ending = true;
    }
    changed.notify_all();
    thread.join();
  }

  void take_id() {
    if (id > 0) client->will(key.left(id), "");
    const bool again = id > 0;
    const int64_t before = id;
    const int64_t now = client->add(key("ids"), 1);
    {
      const std::lock_guard lock(mutex);
      id = now;
    }
    client->will(key.left(id), "1");
    if (again) client->set(key.left(before), "1");
  }

  std::optional<std::string> value(const std::string& name) {
    if (!client->check({name})) return std::nullopt;
    return client->get(name, milliseconds(1000));
  }

  // Returns the number of the latest decided term; 0 means none yet.
  int64_t latest_term() {
    const auto text = value(key("term"));
    if (!text) return 0;
    if (const auto number = number_in(*text)) return *number;
    throw PeerLost(-1, "the rendezvous at " + options.place.address + ":" + std::to_string(options.place.port) +
                           " gives \"" + text->substr(0, 20) + "\" for the number of a term; it serves something else");
  }

  // Returns the number of the latest run that all workers have come to, or 0.
  int64_t latest_run() {
    const auto text = value(kLatestRun);
    return text ? number_in(*text).value_or(0) : 0;
  }

  // Returns true if the run is done, or all workers have left it, as after an error that their script catches.
  bool has_ended() { return client->check({key("done")}) || (options.place.run > 0 && latest_run() > options.place.run); }

  bool has_left(int64_t other) {
    if (gone.count(other) > 0) return true;
    if (!client->check({key.left(other)})) return false;
    gone.insert(other);
    return true;
  }

  // ---- joining ----

  // Waits until the term under way is over, as long as its round takes. Returns the term to sign in to, which is the next
  // one; 0 when the run has ended. Throws PeerLost where none of its workers hears of this one in time: they are stuck.
  int64_t wait_for_turn() {
    const int64_t current = latest_term();
    if (current == 0) return 1;
    client->set(key("join/" + std::to_string(client->add(key("joins"), 1))), std::to_string(id));
    const auto those = slots_in(client->get(key(current, "members"), milliseconds(1000)));
    const auto start = Clock::now();
    for (bool heard = false;;) {
      if (has_ended()) return 0;
      heard = heard || client->check({key.heard(id)});
      if (!heard && since(start) > options.place.timeout_seconds)
        throw PeerLost(-1, "none of the workers of the round under way has answered" + within());
      if (std::all_of(those.begin(), those.end(), [&](const Slot& s) { return has_left(s.id); }))
        client->set(key(current, "broken"), std::to_string(id));
      try {
        client->wait({key(current, "broken")}, milliseconds(200));
        return current + 1;
      } catch (const StoreTimeout&) {
      }
    }
  }

  void sign_in(int64_t target) {
    // The will comes first, so that a worker in the list breaks its term by ending.
    if (willed > 0) client->will(key(willed, "broken"), "");
    willed = target;
    client->will(key(target, "broken"), std::to_string(id));
    const int64_t place = client->add(key(target, "came"), 1);
    client->set(key(target, "slot/" + std::to_string(place)), text_of({id, options.place.rank, options.place.size}));
  }

  // ---- the list of a term's workers ----

  std::vector<Slot> living_slots(int64_t target) {
    std::vector<Slot> living;
    const int64_t came = client->add(key(target, "came"), 0);
    for (int64_t k = 1; k <= came; ++k) {
      const auto text = value(key(target, "slot/" + std::to_string(k)));
      if (!text) continue;  // not written yet, or its worker ended in between
      for (const Slot& s : slots_in(*text))
        if (!has_left(s.id)) living.push_back(s);
    }
    return living;
  }

  std::string within() const { return " within " + short_number(options.place.timeout_seconds) + " s"; }

  // Returns the workers of the first term, by rank, or nothing as long as some are missing.
  std::optional<std::vector<Slot>> first_workers(const std::vector<Slot>& living, double waited) {
    std::map<int, Slot> by_rank;
    for (const Slot& s : living) {
      if (s.size != options.place.size)
        throw UserError("WORLD_SIZE must be the same for all workers, but it is " + std::to_string(options.place.size) +
                        " for worker " + std::to_string(options.place.rank) + " and " + std::to_string(s.size) +
                        " for worker " + std::to_string(s.worker));
      if (s.worker == options.place.rank && s.id < id && waited > kSilenceSeconds)
        throw UserError("RANK must differ from worker to worker, but " + std::to_string(s.worker) + " has come twice to " +
                        options.place.address + ":" + std::to_string(options.place.port));
      by_rank[s.worker] = s;
    }
    std::string missing;
    int first_missing = -1, count = 0;
    std::vector<Slot> chosen;
    for (int r = 0; r < options.place.size; ++r) {
      if (by_rank.count(r) > 0) {
        chosen.push_back(by_rank[r]);
        continue;
      }
      if (count++ == 0) first_missing = r;
      missing += (missing.empty() ? "" : ", ") + std::to_string(r);
    }
    if (count == 0 && chosen.size() == living.size()) return chosen;
    if (count > 0 && waited > options.place.timeout_seconds)
      throw PeerLost(first_missing, (count == 1 ? "worker " : "workers ") + missing + " did not come" + within());
    return std::nullopt;
  }

  // Returns the workers of a later term, or nothing as long as somebody may still come.
  std::optional<std::vector<Slot>> next_workers(int64_t target, const std::vector<Slot>& living, double waited,
                                                std::vector<std::string>& why) {
    const auto came = [&](int64_t other) {
      return std::any_of(living.begin(), living.end(), [&](const Slot& s) { return s.id == other; });
    };
    std::vector<Slot> chosen;
    std::set<int64_t> known;
    why.clear();
    for (const Slot& s : slots_in(client->get(key(target - 1, "members"), milliseconds(1000)))) {
      known.insert(s.id);
      if (came(s.id)) {
        chosen.push_back(s);
      } else if (has_left(s.id)) {
        why.push_back("worker " + std::to_string(s.worker) + " is gone");
      } else {
        const bool lives = client->check({key(target, "alive/" + std::to_string(s.id))});
        if (waited < (lives ? options.place.timeout_seconds : kSilenceSeconds)) return std::nullopt;
        why.push_back("worker " + std::to_string(s.worker) + " does not answer");
      }
    }
    std::vector<Slot> fresh;
    for (const Slot& s : living)
      if (known.count(s.id) == 0) fresh.push_back(s);
    std::sort(fresh.begin(), fresh.end(), [](const Slot& a, const Slot& b) { return a.worker < b.worker; });
    chosen.insert(chosen.end(), fresh.begin(), fresh.end());
    const int64_t joins = waited < kSilenceSeconds ? client->add(key("joins"), 0) : 0;
    for (int64_t k = 1; k <= joins; ++k) {
      const auto text = value(key("join/" + std::to_string(k)));
      if (!text) continue;
      const auto other = number_in(*text);
      if (other && known.count(*other) == 0 && !came(*other) && !has_left(*other)) return std::nullopt;
    }
    if (static_cast<int>(chosen.size()) < options.min_workers && waited < options.place.timeout_seconds &&
        !client->check({kNobodyComes}))
      return std::nullopt;
    return chosen;
  }

  // Waits until the workers of the term are written down, or writes them. Returns true if this worker is one of them.
  bool decide(int64_t target) {
    const auto start = Clock::now();
    std::vector<std::string> why;
    for (;; std::this_thread::sleep_for(kPause)) {
      if (const auto text = value(key(target, "members"))) return adopt(target, *text);
      const auto living = living_slots(target);
      const auto me = std::find_if(living.begin(), living.end(), [&](const Slot& s) { return s.id == id; });
      if (me == living.end()) return false;  // the others took this worker for lost
      const double waited = since(start);
      const auto chosen = target == 1 ? first_workers(living, waited) : next_workers(target, living, waited, why);
      const bool my_turn = waited > kProposalSeconds * static_cast<double>(me - living.begin());
      if (chosen && my_turn) {
        std::string text, words;
        for (const Slot& s : *chosen) text += text_of(s);
        for (const auto& line : why) words += line + "\n";
        client->compare_set(key(target, "losses"), "", words.empty() ? "\n" : words);
        client->compare_set(key(target, "members"), "", text);
      }
      if (waited > options.place.timeout_seconds + kProposalSeconds * static_cast<double>(living.size() + 1))
        throw PeerLost(-1, "the workers could not agree who goes on" + within());
    }
  }

  bool adopt(int64_t target, const std::string& text) {
    if (latest_term() < target) client->set(key("term"), std::to_string(target));
    if (target == 1 && latest_run() < options.place.run) client->set(kLatestRun, std::to_string(options.place.run));
    std::vector<Worker> found;
    bool mine = false;
    for (const Slot& s : slots_in(text)) {
      found.push_back({s.id, s.worker});
      mine = mine || s.id == id;
    }
    if (!mine) return false;
    workers = std::move(found);
    losses.clear();
    std::istringstream words(client->get(key(target, "losses"), milliseconds(1000)));
    for (std::string line; std::getline(words, line);)
      if (!line.empty()) losses.push_back(line);
    return true;
  }

  // ---- the term under way ----

  void enter(int64_t target) {
    {
      const std::lock_guard lock(mutex);
      term = target;
      broken = false;
      waiting = false;
      for (const Worker& w : workers) joined.insert(w.id);
    }
    changed.notify_all();
  }

  int64_t leave() {
    client->set(key(term, "broken"), std::to_string(id));
    broken = true;
    return term + 1;
  }

  std::unique_ptr<Group> form() {
    stranded = term > 0;
    std::string failure;
    for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
      bool in = false;
      int64_t target = term > 0 ? leave() : 0;
      while (!in) {
        if (target == 0) target = wait_for_turn();
        if (target == 0 || has_ended()) return nullptr;
        sign_in(target);
        in = decide(target);
        if (!in) {  // the others went on without this worker, which rejoins as a new one
          client->will(key(std::exchange(willed, 0), "broken"), "");
          take_id();
          target = 0;
        }
      }
      enter(target);
      GlooOptions place = options.place;
      place.hosted = true;
      place.size = static_cast<int>(workers.size());
      place.rank = static_cast<int>(
          std::find_if(workers.begin(), workers.end(), [&](const Worker& w) { return w.id == id; }) - workers.begin());
      GlooTerm of{.name = "e" + std::to_string(target)};
      for (const Worker& w : workers) of.workers.push_back(w.number);
      of.is_over = [this, target] { return term != target || broken; };
      try {
        auto group = gloo_term(place, of);
        SharedOptions shared;
        shared.timeout_seconds = place.timeout_seconds;
        shared.required = options.exchange == "shared";
        if (options.exchange != "gloo") group = share_memory(std::move(group), shared);
        stranded = false;
        return group;
      } catch (const PeerLost& lost) {
        failure = lost.what();
      }
    }
    throw PeerLost(-1, "the workers could not be connected: " + failure);
  }

  // ---- a thread that hears of the term's end while others compute ----

  void watch() {
    int64_t told = 0, seen_joins = 0, asked_in = 0;
    std::set<int64_t> asked;
    try {
      for (;;) {
        int64_t now = 0, me = 0;
        {
          std::unique_lock lock(mutex);
          changed.wait_for(lock, milliseconds(100), [&] { return ending || (term > 0 && term != told); });
          if (ending) return;
          now = term;
          me = id;
        }
        if (now == 0 || now == told) continue;
        // A worker that asked in an older term has joined this one or asks again.
        if (std::exchange(asked_in, now) != now) asked.clear();
        try {
          watcher->wait({key(now, "broken")}, milliseconds(100));
          const std::lock_guard lock(mutex);
          if (term == now) {
            broken = true;
            watcher->set(key(now + 1, "alive/" + std::to_string(me)), "1");
            told = now;
          }
        } catch (const StoreTimeout&) {
          watch_joins(seen_joins, asked);
        }
      }
    } catch (const std::exception&) {
      // The rendezvous is gone. The term goes on without it. Forming the next one will fail.
    }
  }

  void watch_joins(int64_t& seen, std::set<int64_t>& asked) {
    const int64_t joins = watcher->add(key("joins"), 0);
    while (seen < joins && watcher->check({key("join/" + std::to_string(seen + 1))}))
      if (const auto other = number_in(watcher->get(key("join/" + std::to_string(++seen)), milliseconds(1000)))) {
        watcher->set(key.heard(*other), "1");
        asked.insert(*other);
      }
    const std::lock_guard lock(mutex);
    std::erase_if(asked, [&](int64_t other) { return joined.count(other) > 0 || watcher->check({key.left(other)}); });
    waiting = !asked.empty();
  }

  const MembershipOptions options;
  const RunKeys key;
  std::shared_ptr<StoreClient> client, watcher;
  std::vector<Worker> workers;
  std::vector<std::string> losses;
  std::set<int64_t> gone;  // ids known to have left
  int64_t willed = 0;      // the term that ends with this worker's connection
  int64_t id = 0;

  std::mutex mutex;  // guards the members below, and id, which the thread reads
  std::condition_variable changed;
  std::atomic<int64_t> term{0};
  std::atomic<bool> broken{false}, waiting{false};
  std::set<int64_t> joined;
  bool ending = false, stranded = false;
  std::thread thread;
};

Membership::Membership(const MembershipOptions& options) : state_(std::make_unique<State>(options)) {}
Membership::~Membership() = default;
std::unique_ptr<Group> Membership::form() { return state_->form(); }
const std::vector<Membership::Worker>& Membership::workers() const { return state_->workers; }
int64_t Membership::term() const { return state_->term; }
int Membership::min_workers() const { return state_->options.min_workers; }
const std::vector<std::string>& Membership::losses() const { return state_->losses; }
const std::atomic<bool>& Membership::broken() const { return state_->broken; }
bool Membership::someone_waits() const { return state_->waiting; }
bool Membership::stranded() const { return state_->stranded; }
bool Membership::holds_lease(int64_t term) const {
  try {
    return !state_->watcher->check({state_->key(term + 1, "members")});
  } catch (const std::exception&) {
    return false;  // without the rendezvous a later term can't be ruled out
  }
}
void Membership::finish() { state_->client->set(state_->key("done"), "1"); }

}  // namespace tacet
