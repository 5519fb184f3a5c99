// What holds for a Group whatever carries its messages, and what is special to the backends inside one process.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <thread>

#include "comm/workers.h"
#include "support/test_name.h"
#include "tacet/error.h"

namespace tacet {
namespace {

std::vector<std::string> run_threads(int size, const Job& job, double timeout_seconds = 30) {
  auto groups = thread_groups(size, timeout_seconds);
  std::vector<std::string> said(size);
  std::vector<std::thread> threads;
  for (int r = 0; r < size; ++r) {
    threads.emplace_back([&, r] {
      try {
        said[r] = job(*groups[r]);
      } catch (const PeerLost& e) {
        said[r] = "lost " + std::to_string(e.rank) + ": " + e.what();
      } catch (const std::exception& e) {
        said[r] = std::string("error: ") + e.what();
      }
      groups[r].reset();
    });
  }
  for (auto& thread : threads) thread.join();
  return said;
}

std::vector<std::string> run(const std::string& backend, int size, const Job& job) {
  if (backend == "single") return {job(*single_group())};
  if (backend == "threads") return run_threads(size, job);
  Workers workers(30, Host::kTacet, backend == "gloo" ? HostOf() : backend == "shared" ? one_host : two_hosts);
  workers.start_all(size, job);
  return workers.all_said();
}

std::vector<std::string> all_ok(int size) { return std::vector<std::string>(size, "ok"); }

// piece(p, q) gives the sizes of what p sends to q.
template <typename F>
Plan plan_of(int size, F piece) {
  Plan plan(size, std::vector<std::vector<int>>(size));
  for (int p = 0; p < size; ++p) {
    for (int q = 0; q < size; ++q) {
      if (p != q) plan[p][q] = piece(p, q);
    }
  }
  return plan;
}

struct Case {
  const char* backend;
  int size;
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.backend << "_" << c.size; }

class EveryBackend : public testing::TestWithParam<Case> {
 protected:
  void expect_ok(const std::vector<Plan>& plans) {
    const Job job = [&](Group& group) {
      for (const Plan& plan : plans) {
        if (const auto result = carry_out(group, plan); result != "ok") return result;
      }
      return std::string("ok");
    };
    EXPECT_EQ(run(GetParam().backend, GetParam().size, job), all_ok(GetParam().size));
  }
  int size() const { return GetParam().size; }
};

INSTANTIATE_TEST_SUITE_P(, EveryBackend,
                         testing::Values(Case{"single", 1}, Case{"threads", 1}, Case{"threads", 2}, Case{"threads", 3},
                                         Case{"threads", 5}, Case{"gloo", 1}, Case{"gloo", 2}, Case{"gloo", 3},
                                         Case{"gloo", 4}, Case{"shared", 2}, Case{"shared", 3}, Case{"shared", 5},
                                         Case{"shared+gloo", 3}, Case{"shared+gloo", 4}),
                         [](const auto& param_info) { return test::test_name(testing::PrintToString(param_info.param)); });

TEST_P(EveryBackend, TellsItsPlace) {
  const auto said = run(GetParam().backend, size(), [](Group& group) {
    return group.backend() + " " + std::to_string(group.rank()) + "/" + std::to_string(group.size());
  });
  for (int r = 0; r < size(); ++r) {
    EXPECT_EQ(said[r], std::string(GetParam().backend) + " " + std::to_string(r) + "/" + std::to_string(size()));
  }
}

TEST_P(EveryBackend, DeliversOnePieceToEverybody) {
  expect_ok({plan_of(size(), [](int p, int q) { return std::vector<int>{10 * p + q + 1}; })});
}

TEST_P(EveryBackend, DeliversSeveralPiecesOfOddSizesAndEmptyOnes) {
  expect_ok({plan_of(size(), [](int p, int q) { return std::vector<int>{0, 1, 1023 + p, 0, 7 + q, 4097, 0}; })});
}

TEST_P(EveryBackend, DeliversPiecesLargerThanOneMessage) {
  expect_ok({plan_of(size(), [](int p, int q) { return std::vector<int>{(1 << 20) + 3 * p + q, 5}; })});
}

TEST_P(EveryBackend, SendsNothingToThoseWithoutPieces) {
  expect_ok({plan_of(size(), [](int p, int q) { return q == (p + 1) % 4 ? std::vector<int>{p + 3} : std::vector<int>{}; }),
             plan_of(size(), [](int, int) { return std::vector<int>{}; })});
}

// The same memory for everybody, behind pieces of their own: several slots long, ten times.
TEST_P(EveryBackend, SendsOnePieceToAll) {
  const Job job = [](Group& group) {
    const int n = group.size(), me = group.rank();
    for (int k = 0; k < 10; ++k) {
      const int64_t length = k % 3 == 0 ? 5 : 300001 + k;
      std::vector<float> common(length, static_cast<float>(100 * k + me)), own(n), heard(n);
      std::vector<std::vector<float>> all(n, std::vector<float>(length));
      std::vector<std::vector<Piece>> to(n), from(n);
      for (int q = 0; q < n; ++q) {
        if (q == me) continue;
        own[q] = static_cast<float>(me * n + q);
        to[q] = {{&own[q], 1}, {common.data(), length}};
        from[q] = {{&heard[q], 1}, {all[q].data(), length}};
      }
      group.exchange(to, from);
      for (int q = 0; q < n; ++q) {
        if (q == me) continue;
        if (heard[q] != static_cast<float>(q * n + me)) return "the own piece from " + std::to_string(q) + " is wrong";
        for (const float x : all[q])
          if (x != static_cast<float>(100 * k + q)) return "exchange " + std::to_string(k) + " is wrong";
      }
    }
    return std::string("ok");
  };
  EXPECT_EQ(run(GetParam().backend, size(), job), all_ok(size()));
}

TEST_P(EveryBackend, KeepsManyExchangesApart) {
  std::vector<Plan> plans;
  for (int k = 0; k < 300; ++k) {
    plans.push_back(plan_of(size(), [&](int p, int q) { return std::vector<int>((p + q + k) % 3, k % 5); }));
  }
  expect_ok(plans);
}

TEST_P(EveryBackend, RefusesPiecesForItself) {
  const auto said = run(GetParam().backend, size(), [](Group& group) {
    float x = 0;
    std::vector<std::vector<Piece>> to(group.size()), from(group.size());
    to[group.rank()].push_back({&x, 1});
    try {
      group.exchange(to, from);
    } catch (const std::logic_error& e) {
      return std::string(e.what());
    }
    return std::string("nothing thrown");
  });
  EXPECT_EQ(said[0], "exchange: worker 0 can't talk to itself, but to[0] is not empty");
}

TEST_P(EveryBackend, RefusesTheWrongNumberOfPeers) {
  const auto said = run(GetParam().backend, size(), [](Group& group) {
    try {
      group.exchange(std::vector<std::vector<Piece>>(group.size() + 1), std::vector<std::vector<Piece>>(group.size()));
    } catch (const std::logic_error& e) {
      return std::string(e.what());
    }
    return std::string("nothing thrown");
  });
  EXPECT_EQ(said[0], "exchange: to must have an entry for each of the " + std::to_string(size()) + " workers, got " +
                         std::to_string(size() + 1));
}

std::vector<Plan> some_plans(int size) {
  const auto piece =
      rc::gen::weightedOneOf<int>({{1, rc::gen::just(0)}, {4, rc::gen::inRange(1, 70)}, {1, rc::gen::just(70001)}});
  std::vector<Plan> plans(*rc::gen::inRange(1, 6));
  for (auto& plan : plans) {
    plan = plan_of(size, [&](int, int) { return *rc::gen::container<std::vector<int>>(*rc::gen::inRange(0, 5), piece); });
  }
  return plans;
}

void carry_out_any_plans(const std::string& backend, int size) {
  const auto plans = some_plans(size);
  const auto said = run(backend, size, [&](Group& group) {
    for (const Plan& plan : plans) {
      if (const auto result = carry_out(group, plan); result != "ok") return result;
    }
    return std::string("ok");
  });
  RC_ASSERT(said == all_ok(size));
}

RC_GTEST_PROP(AnyPlans, OverThreads, ()) { carry_out_any_plans("threads", *rc::gen::inRange(1, 6)); }

class AnyPlan : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Over, AnyPlan, testing::Values("gloo", "shared", "shared+gloo"),
                         [](const auto& param_info) { return test::test_name(param_info.param); });

TEST_P(AnyPlan, BetweenProcesses) {
  // Connecting takes far longer than the messages, so one group carries out many plans; worker 0 draws them for all.
  constexpr int kSize = 3;
  std::vector<Plan> plans;
  rc::check("draw", [&] {
    for (auto& plan : some_plans(kSize)) plans.push_back(std::move(plan));
  });
  ASSERT_GE(plans.size(), 100u);
  const auto said = run(GetParam(), kSize, [&](Group& group) {
    for (const Plan& plan : plans) {
      if (const auto result = carry_out(group, plan); result != "ok") return result;
    }
    return std::string("ok");
  });
  EXPECT_EQ(said, all_ok(kSize));
}

TEST(Threads, ADestroyedEndpointWakesTheOthers) {
  const auto said = run_threads(3, [](Group& group) {
    return group.rank() == 1 ? "left" : carry_out(group, plan_of(3, [](int, int) { return std::vector<int>{2}; }));
  });
  const std::string lost = "lost 1: worker 1 is gone: its endpoint was destroyed";
  EXPECT_EQ(said, (std::vector<std::string>{lost, "left", lost}));
}

TEST(Threads, ADestroyedEndpointDoesNotDisturbThoseWhoDoNotNeedIt) {
  const auto said = run_threads(3, [](Group& group) {
    if (group.rank() == 1) return std::string("left");
    return carry_out(group,
                     plan_of(3, [](int p, int q) { return p == 1 || q == 1 ? std::vector<int>{} : std::vector<int>{2}; }));
  });
  EXPECT_EQ(said, (std::vector<std::string>{"ok", "left", "ok"}));
}

TEST(Threads, ASilentEndpointIsNamedAfterTheTimeLimit) {
  auto groups = thread_groups(2, 0.05);
  float x = 0;
  try {
    groups[0]->exchange({{}, {}}, {{}, {{&x, 1}}});
    FAIL() << "nothing thrown";
  } catch (const PeerLost& e) {
    EXPECT_EQ(e.rank, 1);
    EXPECT_STREQ(e.what(), "worker 1 did not answer within 0.05 s");
  }
}

TEST(Threads, SizesThatDiffer) {
  const auto said = run_threads(2, [](Group& group) {
    // Worker 0 sends 3 and 4 floats, worker 1 expects 3 and 5.
    std::vector<float> x(5);
    std::vector<std::vector<Piece>> to(2), from(2);
    std::vector<Piece>& own = group.rank() == 0 ? to[1] : from[0];
    own.push_back({x.data(), 3});
    own.push_back({x.data(), group.rank() == 0 ? 4 : 5});
    group.exchange(to, from);
    return std::string("ok");
  });
  EXPECT_EQ(said[1], "error: exchange: worker 0 sends pieces of [12, 16] bytes, but worker 1 expects [12, 20]");
}

TEST(Threads, AFailureIsBlamedOnWhoCausedIt) {
  // 0 waits for 1, which waits for 2, which is wrong about sizes. 0 must hear of 2.
  const auto said = run_threads(3, [](Group& group) {
    float x = 0;
    std::vector<std::vector<Piece>> to(3), from(3);
    if (group.rank() == 0) from[1] = {{&x, 1}};
    if (group.rank() == 1) from[2] = {{&x, 1}};
    if (group.rank() == 2) to[2] = {{&x, 1}};
    group.exchange(to, from);
    return std::string("ok");
  });
  const std::string lost = "lost 2: worker 2 is gone: exchange: worker 2 can't talk to itself, but to[2] is not empty";
  EXPECT_EQ(said[0], lost);
  EXPECT_EQ(said[1], lost);
}

}  // namespace
}  // namespace tacet
