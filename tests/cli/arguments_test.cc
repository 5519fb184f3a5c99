// The arguments of `tacet train` as a command line, and back.
#include "cli/arguments.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>

namespace tacet {
namespace {

TrainArguments parsed(std::vector<std::string> line) {
  TrainArguments arguments;
  CLI::App app;
  declare(app, arguments);
  std::reverse(line.begin(), line.end());  // as CLI11 takes them
  app.parse(line);
  return arguments;
}

TrainArguments all_but_hosts() {
  TrainArguments a;
  a.recipe = "a b.toml";
  a.out = "runs/x";
  a.sets = {"data.name=sotu", "clients.count=3", "algorithm.etas=[1, 2]"};
  a.workers = 4;
  a.resume = a.quiet = a.dry_run = a.json = a.launched = a.rejoin = a.token_from_input = true;
  a.join_token = "token";
  return a;
}

TEST(Arguments, ComeBackFromTheirWords) {
  const TrainArguments a = all_but_hosts();
  EXPECT_EQ(parsed(words(a)), a);
  TrainArguments b;
  b.recipe = "r.toml";
  EXPECT_EQ(words(b), std::vector<std::string>{"r.toml"});
  EXPECT_EQ(parsed(words(b)), b);
  b.hosts = "a,user@b";
  b.ssh = "ssh -p 7";
  b.port = 4000;
  EXPECT_EQ(parsed(words(b)), b);
  TrainArguments c;
  c.recipe = "r.toml";
  c.workers = kWorkersAuto;
  EXPECT_EQ(parsed(words(c)), c);
}

TEST(Arguments, OfWorkersSayNothingOfWhoStartsThem) {
  const TrainArguments w = for_workers(all_but_hosts(), "folder");
  EXPECT_EQ(words(w),
            (std::vector<std::string>{"a b.toml", "--out", "folder", "--set", "data.name=sotu", "--set", "clients.count=3",
                                      "--set", "algorithm.etas=[1, 2]", "--resume", "--quiet"}));
}

}  // namespace
}  // namespace tacet
