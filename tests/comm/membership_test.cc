// Who is in which term, as workers are lost, come back and stay silent. Workers are threads, each with connections of its
// own; one is lost when its membership is destroyed, as a process's connections end with it.
#include "tacet/membership.h"

#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "comm/rendezvous/store.h"
#include "tacet/error.h"

namespace tacet {
namespace {

using std::chrono::milliseconds;

// What a worker finds when it forms a term: its number, the members' numbers and ids by rank, who is lost.
struct Found {
  int64_t term = 0;
  std::vector<int> workers;
  std::vector<int64_t> ids;
  std::vector<std::string> losses;
  std::string thrown;  // or "ended"
};

class Worker {
 public:
  Worker(int port, int number, int size, double timeout, int min_workers, int run = 0) {
    MembershipOptions o;
    o.place.rank = number;
    o.place.size = size;
    o.place.port = port;
    o.place.hosted = true;
    o.place.timeout_seconds = timeout;
    o.place.run = run;
    o.exchange = "gloo";
    o.min_workers = min_workers;
    membership = std::make_unique<Membership>(o);
  }
  ~Worker() { leave(true); }
  // As an exception does it: a group that is destroyed otherwise takes leave of the others first.
  void leave(bool for_good) {
    struct Leaving {
      Worker& w;
      bool for_good;
      ~Leaving() {
        w.group.reset();
        if (for_good) w.membership.reset();
      }
    };
    try {
      const Leaving leaving{*this, for_good};
      throw PeerLost(-1, "");
    } catch (const PeerLost&) {
    }
  }
  Found form() {
    Found f;
    try {
      leave(false);
      group = membership->form();
      f.term = membership->term();
      for (const auto& w : membership->workers()) f.workers.push_back(w.number), f.ids.push_back(w.id);
      f.losses = membership->losses();
      if (!group) f.thrown = "ended";
    } catch (const std::exception& e) {
      f.thrown = e.what();
    }
    return f;
  }
  std::unique_ptr<Membership> membership;
  std::unique_ptr<Group> group;
};

struct MembershipTest : testing::Test {
  StoreServer store{"127.0.0.1", 0};
  std::map<int, std::unique_ptr<Worker>> workers;
  double timeout = 20;
  int min_workers = 1;
  int run = 0;  // of the workers that are added from now on

  void add(int number, int size) {
    workers[number] = std::make_unique<Worker>(store.port(), number, size, timeout, min_workers, run);
  }
  void start(int size) {
    for (int q = 0; q < size; ++q) add(q, size);
    for (const auto& [q, f] : form()) ASSERT_EQ(f.thrown, "") << q;
  }
  // All, or the given ones, form a term at once.
  std::map<int, Found> form(std::vector<int> which = {}) {
    if (which.empty())
      for (const auto& [q, w] : workers) which.push_back(q);
    std::map<int, std::future<Found>> under_way;
    for (const int q : which) under_way[q] = std::async(std::launch::async, [w = workers.at(q).get()] { return w->form(); });
    std::map<int, Found> found;
    for (auto& [q, f] : under_way) found[q] = f.get();
    return found;
  }
  void wait_until(const std::function<bool()>& condition) {
    for (int k = 0; k < 2000 && !condition(); ++k) std::this_thread::sleep_for(milliseconds(10));
    EXPECT_TRUE(condition());
  }
  StoreClient client() { return StoreClient("127.0.0.1", store.port(), 10); }
};

TEST_F(MembershipTest, TheFirstEpochHasAllInTheOrderOfTheirNumbers) {
  for (const int q : {2, 0, 1}) add(q, 3);
  for (const auto& [q, f] : form()) {
    EXPECT_EQ(f.term, 1);
    EXPECT_EQ(f.workers, (std::vector<int>{0, 1, 2}));
    EXPECT_TRUE(f.losses.empty());
    EXPECT_EQ(workers[q]->group->rank(), q);
  }
}

struct Loss {
  const char* name;
  std::vector<int> lost, left;
  std::vector<std::string> losses;
};

class Losses : public MembershipTest, public testing::WithParamInterface<Loss> {};

TEST_P(Losses, TheOthersGoOnInTheirOldOrder) {
  start(4);
  for (const int q : GetParam().lost) workers.erase(q);
  for (const auto& [q, w] : workers) wait_until([&w = w] { return w->membership->broken().load(); });
  for (const auto& [q, f] : form()) {
    EXPECT_EQ(f.thrown, "");
    EXPECT_EQ(f.term, 2);
    EXPECT_EQ(f.workers, GetParam().left);
    EXPECT_EQ(f.losses, GetParam().losses);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Of, Losses,
    testing::Values(Loss{"one", {2}, {0, 1, 3}, {"worker 2 is gone"}},
                    Loss{"the_first", {0}, {1, 2, 3}, {"worker 0 is gone"}},
                    Loss{"neighbours_at_once", {1, 2}, {0, 3}, {"worker 1 is gone", "worker 2 is gone"}},
                    Loss{"all_but_one", {0, 1, 3}, {2}, {"worker 0 is gone", "worker 1 is gone", "worker 3 is gone"}}),
    [](const auto& of) { return of.param.name; });

TEST_F(MembershipTest, AWorkerThatComesBackIsANewOneBehindTheOthers) {
  start(3);
  const auto before = workers[0]->membership->workers();
  workers.erase(1);
  form();
  add(1, 3);
  EXPECT_FALSE(workers[0]->membership->someone_waits());
  auto back = std::async(std::launch::async, [&] { return workers[1]->form(); });
  for (const int q : {0, 2}) wait_until([&] { return workers[q]->membership->someone_waits(); });
  const auto others = form({0, 2});
  const Found f = back.get();
  EXPECT_EQ(f.term, 3);
  EXPECT_EQ(f.workers, (std::vector<int>{0, 2, 1}));
  EXPECT_EQ(others.at(0).ids, f.ids);
  EXPECT_TRUE(f.losses.empty());
  for (const auto& m : before) EXPECT_NE(m.id, f.ids[2]) << "an id is used once";
}

TEST_F(MembershipTest, AWorkerThatDoesNotComeIsLeftBehindAndComesBackAsANewOne) {
  timeout = 1;
  start(2);
  const auto id = workers[1]->membership->workers()[1].id;
  const auto one = form({0});  // worker 1 lives but does not come: no longer than the time limit
  EXPECT_EQ(one.at(0).workers, std::vector<int>{0});
  EXPECT_EQ(one.at(0).losses, std::vector<std::string>{"worker 1 does not answer"});
  EXPECT_TRUE(workers[0]->membership->holds_lease(2));
  EXPECT_FALSE(workers[1]->membership->holds_lease(1)) << "the others have decided on another term";
  auto back = std::async(std::launch::async, [&] { return workers[1]->form(); });
  wait_until([&] { return workers[0]->membership->someone_waits(); });
  const auto both = form({0});
  const Found f = back.get();
  EXPECT_EQ(f.term, 3);
  EXPECT_EQ(both.at(0).workers, (std::vector<int>{0, 1}));
  EXPECT_NE(f.ids[1], id);
}

TEST_F(MembershipTest, WithTooFewTheOthersWaitForMoreUntilTheyHearThatNobodyComes) {
  min_workers = 2;
  start(2);
  workers.erase(1);
  auto waiting = std::async(std::launch::async, [&] { return workers[0]->form(); });
  EXPECT_EQ(waiting.wait_for(milliseconds(500)), std::future_status::timeout);
  client().set(kNobodyComes, "1");
  EXPECT_EQ(waiting.get().workers, std::vector<int>{0});  // long before the limit of 20 s: the driver says what is wrong
}

TEST_F(MembershipTest, WhoComesWhenTheRunIsDoneIsToldSo) {
  start(2);
  workers.erase(1);
  form();
  workers[0]->membership->finish();
  add(1, 2);
  EXPECT_EQ(workers[1]->form().thrown, "ended");
}

TEST_F(MembershipTest, ARunAfterAnotherFindsNothingOfIt) {
  for (run = 1; run <= 3; ++run) {
    start(2);
    for (const auto& [q, w] : workers) {
      EXPECT_EQ(w->membership->term(), 1);
      EXPECT_TRUE(w->membership->losses().empty());
    }
    workers[0]->membership->finish();
    workers.clear();
  }
}

// A worker that is started again goes through its script's runs from the first one on.
TEST_F(MembershipTest, WhoComesToARunThatAllHaveLeftIsToldSo) {
  for (run = 1; run <= 2; ++run) {
    workers.clear();  // run 1 is not done: the script has caught its error
    start(2);
  }
  workers.erase(1);
  EXPECT_EQ(form().at(0).workers, std::vector<int>{0});
  run = 1;
  add(1, 2);
  EXPECT_EQ(workers[1]->form().thrown, "ended");
  run = 2;
  add(1, 2);
  auto back = std::async(std::launch::async, [&] { return workers[1]->form(); });
  wait_until([&] { return workers[0]->membership->someone_waits(); });
  EXPECT_EQ(form({0}).at(0).workers, (std::vector<int>{0, 1}));
  EXPECT_EQ(back.get().workers, (std::vector<int>{0, 1}));
}

// The term's only worker, id 9, has its connection and says nothing, as a stopped process does.
TEST_F(MembershipTest, WhoFindsOnlyWorkersThatAreStuckWaitsNoLongerThanTheLimit) {
  timeout = 1;
  client().set("tacet/ids", "9");
  client().set("tacet/e1/members", "9 0 1\n");
  client().set("tacet/term", "1");
  add(1, 2);
  EXPECT_NE(workers[1]->form().thrown.find("none of the workers of the round under way has answered within 1 s"),
            std::string::npos);
}

TEST_F(MembershipTest, TwoWorkersOfOneNumberAreAMistake) {
  timeout = 3;
  add(0, 2);
  Worker twin(store.port(), 0, 2, timeout, 1);
  auto first = std::async(std::launch::async, [&] { return workers[0]->form(); });
  auto second = std::async(std::launch::async, [&] { return twin.form(); });
  const std::string said = first.get().thrown + second.get().thrown;
  EXPECT_NE(said.find("RANK must differ from worker to worker, but 0 has come twice"), std::string::npos) << said;
}

// Keys that no worker wrote: they are passed over, or the error says what is there. Nobody hangs.
struct Garbage {
  const char* name;
  std::vector<std::pair<std::string, std::string>> keys;
  const char* said;  // empty: the term is formed
};

class GarbageKeys : public MembershipTest, public testing::WithParamInterface<Garbage> {};

TEST_P(GarbageKeys, HarmNobody) {
  timeout = 3;
  for (const auto& [key, value] : GetParam().keys) client().set("tacet/" + key, value);
  for (int q = 0; q < 2; ++q) add(q, 2);
  for (const auto& [q, f] : form()) {
    if (*GetParam().said)
      EXPECT_NE(f.thrown.find(GetParam().said), std::string::npos) << f.thrown;
    else
      EXPECT_EQ(f.thrown, "");
  }
  if (*GetParam().said) return;
  workers.erase(1);
  const Found f = form().at(0);
  EXPECT_EQ(f.thrown, "");
  EXPECT_EQ(f.workers, std::vector<int>{0});
}

INSTANTIATE_TEST_SUITE_P(
    Of, GarbageKeys,
    testing::Values(Garbage{"term_is_a_word", {{"term", "soon"}}, "gives \"soon\" for the number of a term"},
                    Garbage{"term_is_negative", {{"term", "-4"}}, "gives \"-4\" for the number of a term"},
                    Garbage{"term_is_too_large", {{"term", std::string(400, '9')}}, "for the number of a term"},
                    Garbage{"a_slot_is_noise", {{"e1/came", "1"}, {"e1/slot/1", std::string("\0\xff;", 3)}}, ""},
                    Garbage{"a_join_is_noise", {{"joins", "1"}, {"join/1", "me too"}}, ""},
                    Garbage{"a_worker_has_left_that_never_came", {{"left/77", "1"}}, ""}),
    [](const auto& of) { return of.param.name; });

}  // namespace
}  // namespace tacet
