// What lets a run go on without a worker: the way back, second copies, moving clients, and whole runs in which workers, each
// a thread with connections of its own, are lost at a chosen exchange or behind a chosen round. Processes that are really
// killed are in tests/cli.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <set>
#include <thread>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "comm/rendezvous/store.h"
#include "engine/client_sampling.h"
#include "support/temp_folder.h"
#include "tacet/error.h"
#include "tacet/membership.h"
#include "tacet/train.h"
#include "train/client_copies.h"
#include "train/even_work.h"
#include "train/round_backup.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Two kinds of clients' vectors, as a method and an objective might have, and what is the same on all ranks.
struct Vectors {
  PerClient momentum, position;
  Vec x = at::zeros({2});
  double round = 0;
  Visit visit() {
    return [this](StateVisitor& v) {
      v.global("x", x);
      v.number("round", round);
      v.clients("momentum", momentum);
      v.clients("position", position);
    };
  }
  void set(int client, float value) { momentum.put(client, at::full({3}, value)); }
};

std::string text_of(const ClientVectors& vectors) {
  std::string text;
  for (const auto& [client, v] : vectors) {
    text += std::to_string(client) + ":";
    for (const Vec& one : v) text += one.defined() ? " " + std::to_string(one[0].item<int64_t>()) : " -";
    text += "; ";
  }
  return text;
}

// ---- the way back ----

TEST(RoundBackup, PutsBackAllThatARoundChanged) {
  Vectors v;
  v.set(1, 5);
  v.round = 7;
  RoundBackup undo;
  undo.begin(v.visit());
  for (const int client : {1, 2}) undo.before(client);
  v.set(1, 6), v.set(2, 8);
  v.position.put(1, at::full({1}, 9, at::kLong));
  v.x.fill_(3), v.round = 8;
  undo.before(1);  // another turn of the same round: the first copy counts
  v.set(1, 7);
  EXPECT_EQ(undo.touched(), (std::set<int>{1, 2}));
  undo.roll_back(v.visit());
  EXPECT_EQ(text_of(copy_clients(v.visit(), {1, 2})), "1: 5 -; 2: - -; ");
  EXPECT_EQ(v.momentum.all().count(2), 0u) << "a client that had no vector has none again";
  EXPECT_EQ(v.x[0].item<float>(), 0);
  EXPECT_EQ(v.round, 7);
}

TEST(RoundBackup, RestoresOneClientAndLeavesTheOthers) {
  Vectors v;
  v.set(1, 5), v.set(2, 5);
  RoundBackup undo;
  undo.begin(v.visit());
  for (const int client : {1, 2}) undo.before(client);
  v.set(1, 6), v.set(2, 6);
  undo.restore(1);
  EXPECT_EQ(text_of(copy_clients(v.visit(), {1, 2})), "1: 5 -; 2: 6 -; ");
}

TEST(Pack, KeepsTypesShapesAndWhatIsAbsent) {
  const ClientVectors there = {{3, {at::arange(6, at::kLong).view({2, 3}), Vec()}},
                               {9, {Vec(), at::full({1}, 0.1, at::kDouble)}}};
  const ClientVectors back = unpack(pack(there));
  ASSERT_EQ(back.size(), 2u);
  EXPECT_TRUE(at::equal(back.at(3)[0], there.at(3)[0]));
  EXPECT_TRUE(at::equal(back.at(9)[1], there.at(9)[1]));
  EXPECT_FALSE(back.at(3)[1].defined() || back.at(9)[0].defined());
  EXPECT_EQ(pack({{4, {Vec(), Vec()}}}), "") << "clients without vectors take no room";
}

// ---- second copies ----

// Runs f(rank, group) on `ranks` threads.
void together(int ranks, const std::function<void(int, Group&)>& f) {
  auto groups = thread_groups(ranks, 20);
  std::vector<std::thread> threads;
  for (int q = 0; q < ranks; ++q) threads.emplace_back([&, q] { f(q, *groups[static_cast<size_t>(q)]); });
  for (std::thread& t : threads) t.join();
}

TEST(SecondCopy, HasThePreviousRanksClientsAndOnlyThoseThatChangedAreSent) {
  together(3, [](int me, Group& group) {
    Vectors v;
    for (const int client : {2 * me, 2 * me + 1}) v.set(client, static_cast<float>(client));
    SecondCopy copy;
    copy.renew(group, copy_clients(v.visit(), {2 * me, 2 * me + 1}));
    const int before = (me + 2) % 3;
    const auto expected = [&](int first, int second) {
      return std::to_string(2 * before) + ": " + std::to_string(first) + " -; " + std::to_string(2 * before + 1) + ": " +
             std::to_string(second) + " -; ";
    };
    EXPECT_EQ(text_of(copy.clients()), expected(2 * before, 2 * before + 1));
    const int64_t sent = group.bytes_sent();
    for (const bool counts : {false, true}) {  // a round that did not count, and one that did
      v.set(2 * me + 1, 50);
      std::string changed = pack(copy_clients(v.visit(), {2 * me + 1}));
      copy.receive(group, changed, std::vector<int64_t>(3, static_cast<int64_t>(changed.size())));
      EXPECT_EQ(text_of(copy.clients()), expected(2 * before, 2 * before + 1)) << "before the round is committed";
      counts ? copy.commit() : copy.drop();
      copy.commit();  // nothing is left that could be
    }
    EXPECT_EQ(text_of(copy.clients()), expected(2 * before, 50));
    // Twice one client's vector of 3 floats, with its number, count, type and shape.
    EXPECT_LE(group.bytes_sent() - sent, 2 * (12 + 32));
    for (int q = 0; q < 3; ++q) EXPECT_TRUE(copy.had_any(q));
  });
}

// ---- who has what ----

struct Agreed {
  const char* name;
  std::vector<Claim> claims;
  std::vector<bool> holds;
  int root;
  double rounds;
  std::vector<bool> adopt;
};

class Agree : public testing::TestWithParam<Agreed> {};

TEST_P(Agree, AllComeToTheSame) {
  const Agreed& c = GetParam();
  for (size_t q = 0; q < c.claims.size(); ++q) {
    const Agreement a = agree(c.claims, static_cast<int>(q));
    EXPECT_EQ(a.holds, c.holds);
    EXPECT_EQ(a.root, c.root);
    EXPECT_EQ(a.rounds, c.rounds);
    EXPECT_EQ(a.adopt, c.adopt[q]) << "rank " << q;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Claims, Agree,
    testing::Values(
        Agreed{"nobody_has_begun", {{}, {}}, {false, false}, -1, 0, {false, false}},
        Agreed{"a_new_worker_has_nothing", {{}, {true, 7, 3, 0}}, {false, true}, 1, 7, {false, false}},
        Agreed{"one_has_committed_and_one_has_not", {{true, 7, 3, 0}, {true, 8, 3, 0}}, {true, true}, 0, 8, {false, false}},
        Agreed{"one_moved_on_and_one_did_not_hear_of_it",
               {{true, 7, 4, 0}, {true, 7, 3, 4}},
               {true, true},
               0,
               7,
               {false, true}},
        Agreed{"all_have_staged", {{true, 7, 3, 4}, {true, 7, 3, 4}}, {true, true}, 0, 7, {true, true}},
        Agreed{"one_has_not_staged", {{true, 7, 3, 4}, {true, 7, 3, 0}}, {true, true}, 0, 7, {false, false}},
        Agreed{"staged_for_a_new_worker_and_not_by_all",
               {{false, 7, 0, 4}, {true, 7, 3, 0}},
               {false, true},
               1,
               7,
               {false, false}},
        Agreed{"only_the_new_worker_is_left", {{false, 7, 0, 4}, {}}, {true, false}, 0, 7, {true, false}},
        Agreed{
            "a_new_worker_staged_an_older_one", {{false, 7, 0, 4}, {true, 9, 5, 0}}, {false, true}, 1, 9, {false, false}}),
    [](const auto& of) { return of.param.name; });

// ---- moving clients ----

// A placement is left as it was by a move that did not come to its end.
TEST(ClientCopies, WhatIsStagedChangesNothingUntilItIsAdopted) {
  together(2, [](int me, Group& group) {
    Vectors v;
    ClientCopies homes(4, true);
    for (const int client : {2 * me, 2 * me + 1}) v.set(client, static_cast<float>(10 + client));
    homes.stage(group, 1, {100, 101}, copy_clients(v.visit(), {2 * me, 2 * me + 1}), 5);
    EXPECT_EQ(homes.number(), 0);
    homes.adopt(v.visit());
    EXPECT_EQ(homes.number(), 1);
    const std::string own = text_of(copy_clients(v.visit(), {0, 1, 2, 3})), second = text_of(homes.second().clients());

    // Worker 101 is gone and 102 has come: the first one has all, as it keeps the second copy.
    const std::set<int64_t> holders = {100};
    const ClientVectors mine = homes.fetch(group, v.visit(), holders, me == 0 ? 100 : -1);
    EXPECT_EQ(text_of(mine), me == 0 ? "0: 10 -; 1: 11 -; " : "2: 12 -; 3: 13 -; ");
    EXPECT_TRUE(homes.complete(holders));
    EXPECT_FALSE(homes.complete({}));
    homes.stage(group, 2, {100, 102}, mine, 6);
    EXPECT_EQ(text_of(copy_clients(v.visit(), {0, 1, 2, 3})), own);
    EXPECT_EQ(text_of(homes.second().clients()), second);
    EXPECT_EQ(homes.staged(), 2);
    EXPECT_EQ(homes.staged_rounds(), 6);
    homes.forget();
    EXPECT_EQ(homes.staged(), 0);
    EXPECT_EQ(homes.number(), 1);
  });
}

TEST(ClientCopies, NeighboursLostTogetherTakeTheirClientsWithThem) {
  together(4, [](int me, Group& group) {
    Vectors v;
    ClientCopies homes(4, true);
    if (me == 1) v.set(1, 5);  // no other client has a vector
    homes.stage(group, 1, {10, 11, 12, 13}, copy_clients(v.visit(), {me}), 1);
    homes.adopt(v.visit());
    struct {
      std::set<int64_t> left;
      bool complete;
    } cases[] = {{{10, 12, 13}, true}, {{10, 11, 13}, true}, {{10, 13}, false}, {{11}, true}, {{12}, true}, {{10}, false}};
    for (const auto& c : cases) EXPECT_EQ(homes.complete(c.left), c.complete) << *c.left.begin();
  });
}

// ---- whole runs ----

// A worker is lost at its exchange-th exchange of a term, before it takes part in it; with `pause` it only stops there,
// until the others have gone on without it.
struct Fault {
  int worker;
  int64_t term;
  int exchange;
  bool pause = false;
};

struct Died {};

struct Events {
  std::atomic<int64_t> latest_term{0};
};

class Mortal : public Group {
 public:
  Mortal(std::unique_ptr<Group> group, int dies_at, std::function<void()> die)
      : group_(std::move(group)), dies_at_(dies_at), die_(std::move(die)) {}
  int rank() const override { return group_->rank(); }
  int size() const override { return group_->size(); }
  void exchange(const std::vector<std::vector<Piece>>& to, const std::vector<std::vector<Piece>>& from) override {
    if (++exchanges_ == dies_at_) die_();
    group_->exchange(to, from);
  }
  int64_t bytes_sent() const override { return group_->bytes_sent(); }
  std::string backend() const override { return group_->backend(); }

 private:
  std::unique_ptr<Group> group_;
  const int dies_at_;
  const std::function<void()> die_;
  int exchanges_ = 0;
};

class MortalMembership : public Membership {
 public:
  MortalMembership(const MembershipOptions& options, std::vector<Fault> faults, Events& events)
      : Membership(options), worker_(options.place.rank), faults_(std::move(faults)), events_(events) {}
  std::unique_ptr<Group> form() override {
    auto group = Membership::form();
    if (!group) return group;
    events_.latest_term = std::max<int64_t>(events_.latest_term, term());
    for (const Fault& f : faults_) {
      if (f.worker != worker_ || f.term != term()) continue;
      const auto pause = [this, now = term()] {
        for (int k = 0; k < 2000 && events_.latest_term <= now; ++k)
          std::this_thread::sleep_for(std::chrono::milliseconds(10));
      };
      return std::make_unique<Mortal>(
          std::move(group), f.exchange, f.pause ? std::function<void()>(pause) : [] { throw Died(); });
    }
    return group;
  }

 private:
  const int worker_;
  const std::vector<Fault> faults_;
  Events& events_;
};

// Does not let a round of the term end before a new worker asks to join. Adds the warnings to `warnings`.
class Holding : public Observer {
 public:
  Holding(const Membership& membership, int64_t term, std::vector<std::string>& warnings)
      : membership_(membership), term_(term), warnings_(warnings) {}
  std::function<void(int64_t round)> after_round;  // is called first, if there is one
  void warning(const std::string& line) override { warnings_.push_back(line); }
  void progress(const Progress& p) override {
    if (after_round) after_round(p.round);
    for (int k = 0; k < 2000 && membership_.term() == term_ && !membership_.someone_waits(); ++k)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }

 private:
  const Membership& membership_;
  const int64_t term_;
  std::vector<std::string>& warnings_;
};

constexpr int kRounds = 6;

const std::string celgc = "name = \"celgc\"\neta = 0.05\ngamma = 0.1\ninterval = 2\nmomentum = 0.9\n";

Recipe run_recipe(const std::string& algorithm = celgc, const std::string& clients = "count = 5\n") {
  return parse_recipe(
      "[data]\nname = \"noise\"\nnoise.kind = \"gaussian\"\nnoise.scale = 0.5\nsamples = 20\n[model]\n"
      "name = \"exponential\"\nrate = 1\n[algorithm]\n" +
          algorithm + "[clients]\n" + clients + "[schedule]\nrounds = " + std::to_string(kRounds) +
          "\n[run]\ncheckpoint_every = 0\neval_every = 1\nthreads = 1\n",
      "test.toml");
}

struct Outcome {
  std::vector<std::string> ended;  // by worker: the status, "died", or what was thrown
  Vec x;
  std::vector<json> lines;            // of metrics.jsonl
  std::vector<std::string> warnings;  // of all workers
  json summary;
  std::string folder;

  std::vector<int> rounds() const {
    std::vector<int> found;
    for (const json& line : lines)
      if (line["event"] == "round") found.push_back(line["round"]);
    return found;
  }
};

class Runs : public testing::Test {
 protected:
  // hold: in this term worker 0 does not begin another round before a new worker asks to join.
  Outcome run(int workers, const std::vector<Fault>& faults, int min_workers = 1, int64_t hold = 0) {
    const std::string out = folder_ / std::to_string(count_++);
    if (count_ == 1) first_ = out;
    StoreServer store("127.0.0.1", 0);
    Events events;
    Outcome outcome;
    outcome.folder = out;
    outcome.ended.resize(static_cast<size_t>(workers));
    std::vector<std::thread> threads;
    std::mutex mutex;
    for (int q = 0; q < workers; ++q) {
      threads.emplace_back([&, q] {
        std::string ended;
        std::vector<std::string> warnings;
        Result result;
        MembershipOptions options;
        options.place.rank = q;
        options.place.size = workers;
        options.place.port = store.port();
        options.place.hosted = true;
        options.place.timeout_seconds = 1;
        options.exchange = "gloo";
        options.min_workers = min_workers;
        const auto live = [&](const Recipe& recipe, bool rejoin) {
          try {
            MortalMembership membership(options, faults, events);
            Holding observer(membership, q == 0 ? hold : 0, warnings);
            if (after_round_) observer.after_round = [&](int64_t round) { after_round_(q, round, out); };
            result = train(recipe, membership, {.out = out, .rejoin = rejoin}, observer);
            ended = result.status;
          } catch (const Died&) {
            ended = "died";
          } catch (const std::exception& e) {
            ended = e.what();
          }
        };
        live(recipe_, false);
        if (ended == "died" && rejoins_with_) live(*rejoins_with_, true);
        const std::lock_guard lock(mutex);
        outcome.ended[static_cast<size_t>(q)] = ended;
        outcome.warnings.insert(outcome.warnings.end(), warnings.begin(), warnings.end());
        if (ended == "done") outcome.x = result.x;
      });
    }
    for (std::thread& t : threads) t.join();
    std::ifstream log(fs::path(out) / "metrics.jsonl");
    for (std::string line; std::getline(log, line);) outcome.lines.push_back(json::parse(line));
    std::ifstream summary(fs::path(out) / "summary.json");
    if (summary) outcome.summary = json::parse(summary);
    return outcome;
  }

  Vec straight() {
    Observer quiet;
    return train(recipe_, *single_group(), {}, quiet).x;
  }

  void expect_undisturbed(const Outcome& o, const Vec& x, const std::string& what) {
    std::vector<int> all;
    for (int r = 1; r <= kRounds; ++r) all.push_back(r);
    ASSERT_TRUE(o.x.defined()) << what << ": " << json(o.ended);
    EXPECT_TRUE(at::equal(o.x, x)) << what;
    EXPECT_EQ(o.rounds(), all) << what;
  }

  Recipe recipe_ = run_recipe();
  std::optional<Recipe> rejoins_with_;  // workers that died come back, with this
  std::string first_;                   // the folder of the first run
  // Is called on the leader behind each round, with the run's folder. May throw Died.
  std::function<void(int worker, int64_t round, const std::string& out)> after_round_;

 private:
  const test::TempFolder folder_;
  std::atomic<int> count_{0};
};

std::string text_of(const std::vector<Fault>& faults) {
  std::string text;
  for (const Fault& f : faults)
    text += "worker " + std::to_string(f.worker) + (f.pause ? " stops" : " dies") + " at exchange " +
            std::to_string(f.exchange) + " of term " + std::to_string(f.term) + "; ";
  return text;
}

// Runs all, a few at a time: they mostly wait.
void side_by_side(const std::vector<std::vector<Fault>>& all, const std::function<void(const std::vector<Fault>&)>& f) {
  std::atomic<size_t> next{0};
  std::vector<std::thread> lanes;
  for (int k = 0; k < 8; ++k)
    lanes.emplace_back([&] {
      for (size_t n = next++; n < all.size(); n = next++) f(all[n]);
    });
  for (std::thread& t : lanes) t.join();
}

TEST_F(Runs, ALossAtAnyExchangeChangesNothing) {
  const Vec x = straight();
  std::vector<std::vector<Fault>> all;
  for (int exchange = 1; exchange <= 40; ++exchange) all.push_back({{exchange % 3 == 0 ? 1 : 0, 1, exchange}});
  side_by_side(all, [&](const auto& faults) { expect_undisturbed(run(2, faults), x, text_of(faults)); });
}

// Four of six clients take part. Where three of them live together, one takes its turn on the other worker, which then has
// its momentum until the round's end.
TEST_F(Runs, ALossAtAnyExchangeChangesNothingWhereClientsAreGuests) {
  recipe_ = run_recipe(celgc, "count = 6\nparticipating = 4\n");
  int guests = 0;
  for (int64_t r = 0; r < kRounds; ++r) {
    const auto sampled = sample_clients(client_sampling(recipe_.clients, 6), 1, r);
    guests += static_cast<int>(even_work(sampled, {2, 2, 2, 2}, 6, 2).guests.size());
  }
  ASSERT_GT(guests, 0);
  const Vec x = straight();
  std::vector<std::vector<Fault>> all;
  for (int exchange = 1; exchange <= 60; ++exchange) all.push_back({{exchange % 3 == 0 ? 1 : 0, 1, exchange}});
  side_by_side(all, [&](const auto& faults) { expect_undisturbed(run(2, faults), x, text_of(faults)); });
  side_by_side(all, [&](const auto& faults) { expect_undisturbed(run(3, faults), x, text_of(faults)); });
}

// A worker is lost, and while the others move its clients and some of their own a second one is lost, at each exchange of
// the move and of the round behind it. (Vectors that were put into their new places before all had them were lost with it.)
TEST_F(Runs, ASecondLossAtAnyExchangeBetweenSharingAndSettlingLosesNothing) {
  const Vec x = straight();
  std::vector<std::vector<Fault>> all;
  for (const int second : {1, 2, 3})
    for (int exchange = 1; exchange <= 20; ++exchange) all.push_back({{0, 1, 30}, {second, 2, exchange}});
  side_by_side(all, [&](const auto& faults) {
    const Outcome o = run(4, faults);
    expect_undisturbed(o, x, text_of(faults));
    if (faults[1].worker != 2) return;  // a neighbour may take with it what only it had
    EXPECT_EQ(o.summary["faults"]["rounds_repeated"], 0) << text_of(faults);
  });
}

// Worker 1 stops at an exchange of a round, maybe with the line of that round in its hands, comes back as a new worker, and
// then is the only one left to write.
TEST_F(Runs, LinesOfARoundThatWasRepeatedByOthersAreForgotten) {
  const Vec x = straight();
  std::vector<std::vector<Fault>> all;
  for (int exchange = 24; exchange <= 36; ++exchange) all.push_back({{1, 1, exchange, true}, {0, 3, 24}});
  side_by_side(all, [&](const auto& faults) {
    const Outcome o = run(2, faults, 1, 2);
    expect_undisturbed(o, x, text_of(faults));
    EXPECT_EQ(o.ended[0], "died") << text_of(faults);
    EXPECT_EQ(o.ended[1], "done") << text_of(faults);
  });
}

// Somebody has changed the recipe's file meanwhile. The new worker hears of it, and the others go on.
TEST_F(Runs, AJoinerThatDiffersIsSentAway) {
  rejoins_with_ = recipe_;
  rejoins_with_->algorithm.set("eta", 0.25);
  const Outcome o = run(3, {{2, 1, 30}}, 1, 2);
  expect_undisturbed(o, straight(), "a joiner that differs");
  EXPECT_EQ(o.ended[0], "done");
  EXPECT_EQ(o.ended[1], "done");
  EXPECT_EQ(
      o.ended[2],
      "the recipe's algorithm.eta must be the same for all workers, but it is 0.05 for worker 0 and 0.25 for worker 2");
}

TEST_F(Runs, NeighboursLostTogetherSendTheRunBackToWhatIsSaved) {
  const Outcome o = run(3, {{1, 1, 30}, {2, 1, 30}});
  expect_undisturbed(o, straight(), "two at once");
  ASSERT_EQ(o.summary["faults"]["lost"], 2);
  EXPECT_GT(o.summary["faults"]["rounds_repeated"], 0);
}

// I follows the run's own times, and a worker is lost around the decision of round 8. Each decision is there once, and one
// worker that repeats them ends with the same bits.
TEST_F(Runs, DecisionsOnTheIntervalOutliveALoss) {
  const std::string keys = "name = \"celgc\"\neta = 0.05\ngamma = 0.1\nmomentum = 0.9\ninterval = \"auto\"\n";
  recipe_ = run_recipe(keys + "interval_max = 8\n");
  recipe_.schedule.set("rounds", int64_t{18});
  std::vector<std::vector<Fault>> all;
  for (int exchange = 20; exchange <= 60; exchange += 4) all.push_back({{exchange % 3, 1, exchange}});
  side_by_side(all, [&](const auto& faults) {
    const Outcome o = run(3, faults);
    ASSERT_TRUE(o.x.defined()) << text_of(faults) << json(o.ended);
    std::vector<int> rounds;
    for (const json& line : o.lines)
      if (line["event"] == "interval") rounds.push_back(line["round"]);
    EXPECT_EQ(rounds, (std::vector<int>{8, 16})) << text_of(faults);
    EXPECT_EQ(o.summary["faults"]["lost"], 1) << text_of(faults);
    Recipe repeating = run_recipe(keys + "interval_file = \"" + o.folder + "/interval.json\"\n");
    repeating.schedule.set("rounds", int64_t{18});
    Observer quiet;
    EXPECT_TRUE(at::equal(train(repeating, *single_group(), {}, quiet).x, o.x)) << text_of(faults);
  });
}

// Cuts a file behind its first lines.
void keep_lines(const std::string& file, int count) {
  std::ifstream in(file);
  std::string line;
  for (int k = 0; k < count; ++k) std::getline(in, line);
  fs::resize_file(file, static_cast<uintmax_t>(in.tellg()));
}

// The leader's host vanishes, and more lines were not on the disk than the others keep. Then the next leader is lost, too.
TEST_F(Runs, LinesThatALostHostTakesWithItAreCountedAndNoneComesTwice) {
  recipe_.schedule.set("rounds", int64_t{340});
  const auto own_lines = [](const Outcome& of) {  // those that an undisturbed run has, too
    return std::count_if(of.lines.begin(), of.lines.end(), [](const json& line) { return line["event"] != "membership"; });
  };
  const auto all = own_lines(run(3, {}));
  after_round_ = [](int worker, int64_t round, const std::string& out) {
    const bool first = worker == 0 && round == 300, second = worker == 1 && round == 320;
    if (first) keep_lines(out + "/metrics.jsonl", 10);
    if (first || second) throw Died();
  };
  const Outcome o = run(3, {});
  EXPECT_EQ(o.ended, (std::vector<std::string>{"died", "died", "done"}));
  const auto lost = all - own_lines(o);
  EXPECT_GE(lost, 300 - 10 - 256);
  std::vector<std::string> told;
  for (const std::string& line : o.warnings)
    if (line.find("metrics.jsonl") != std::string::npos) told.push_back(line);
  ASSERT_EQ(told.size(), 1u) << json(o.warnings);
  EXPECT_NE(told[0].find("/metrics.jsonl: " + std::to_string(lost) + " lines are lost"), std::string::npos) << told[0];
  std::set<std::string> different;
  for (const json& line : o.lines) EXPECT_TRUE(different.insert(line.dump()).second) << line;
  const std::vector<int> rounds = o.rounds();
  ASSERT_FALSE(rounds.empty());
  EXPECT_TRUE(std::adjacent_find(rounds.begin(), rounds.end(), std::greater_equal<>()) == rounds.end());
  EXPECT_EQ(rounds.back(), 340);
}

// A log that can't be read is not one without lines. A link to itself is such a file to root as well.
TEST_F(Runs, ALogThatCannotBeReadIsAnErrorAndStaysAsItIs) {
  after_round_ = [](int worker, int64_t round, const std::string& out) {
    if (worker != 0 || round != 3) return;
    fs::remove(out + "/metrics.jsonl");
    fs::create_symlink("metrics.jsonl", out + "/metrics.jsonl");
    throw Died();
  };
  const Outcome o = run(2, {});
  EXPECT_EQ(o.ended[0], "died");
  EXPECT_NE(o.ended[1].find("metrics.jsonl: can't be read"), std::string::npos) << o.ended[1];
  EXPECT_TRUE(fs::is_symlink(o.folder + "/metrics.jsonl"));
  EXPECT_EQ(o.summary["status"], "failed");
}

TEST_F(Runs, TheSummaryAddsUpTheFaults) {
  const json none = run(2, {}).summary["faults"], two = run(3, {{1, 1, 30}, {0, 2, 24}}).summary["faults"];
  EXPECT_EQ(none, json::parse(R"({"groups": 0, "lost": 0, "rounds_repeated": 0, "seconds": 0.0})"));
  EXPECT_EQ(two["groups"], 2);
  EXPECT_EQ(two["lost"], 2);
  EXPECT_EQ(two["rounds_repeated"], 0);
  EXPECT_GT(two["seconds"], 0);
}

TEST_F(Runs, WithTooFewWorkersThereIsACheckpointAndAnErrorThatSaysSo) {
  const Outcome o = run(2, {{1, 1, 30}}, 2);
  EXPECT_NE(o.ended[0].find("run.min_workers: 2 workers are needed, only 1 are left"), std::string::npos) << o.ended[0];
  EXPECT_EQ(o.summary["status"], "failed");
  EXPECT_EQ(o.summary["faults"]["lost"], 1);
  const auto rounds = o.rounds().size();
  EXPECT_TRUE(rounds > 0 && rounds < kRounds) << rounds;
  recipe_.run.set("min_workers", int64_t{1});
  Observer quiet;
  EXPECT_TRUE(at::equal(train(recipe_, *single_group(), {.out = first_, .resume = true}, quiet).x, straight()));
}

}  // namespace
}  // namespace tacet
