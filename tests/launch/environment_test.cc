// Where a worker stands, as launchers other than our own tell it: the variables are those that real ones set.
#include "launch/environment.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

#include "support/error_of.h"

namespace tacet {
namespace {

using Variables = std::vector<std::pair<std::string, std::string>>;

class Scheduler : public testing::Test {
 protected:
  Scheduler() { set({}); }
  ~Scheduler() override { set({}); }
  void set(const Variables& values) {
    for (const char* name : {kToldVariable,
                             "RANK",
                             "WORLD_SIZE",
                             "MASTER_ADDR",
                             "MASTER_PORT",
                             "OMPI_COMM_WORLD_RANK",
                             "OMPI_COMM_WORLD_SIZE",
                             "OMPI_COMM_WORLD_LOCAL_SIZE",
                             "OMPI_MCA_orte_hnp_uri",
                             "PMIX_NAMESPACE",
                             "PMI_RANK",
                             "PMI_SIZE",
                             "MPI_LOCALNRANKS",
                             "SLURM_PROCID",
                             "SLURM_STEP_ID",
                             "SLURM_NTASKS",
                             "SLURM_STEP_NUM_TASKS",
                             "SLURM_NNODES",
                             "SLURM_STEP_NUM_NODES",
                             "SLURM_STEP_NODELIST",
                             "SLURM_JOB_NODELIST",
                             "SLURM_JOB_ID",
                             "SLURM_LAUNCH_NODE_IPADDR"})
      ::unsetenv(name);
    for (const auto& [name, value] : values) ::setenv(name.c_str(), value.c_str(), 1);
  }
  Placement place(Variables values, const Variables& more = {}) {
    values.insert(values.end(), more.begin(), more.end());
    set(values);
    return placement_from_environment().value();
  }
  std::string error(Variables values, const Variables& more = {}) {
    values.insert(values.end(), more.begin(), more.end());
    set(values);
    return test::error_of([] { placement_from_environment(); });
  }

  const Variables open_mpi = {{"OMPI_COMM_WORLD_RANK", "2"},
                              {"OMPI_COMM_WORLD_SIZE", "4"},
                              {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"},
                              {"PMIX_NAMESPACE", "714997761"}};
  const Variables hydra = {{"PMI_RANK", "1"}, {"PMI_SIZE", "3"}, {"MPI_LOCALNRANKS", "3"}};
  const Variables srun = {{"SLURM_PROCID", "3"},
                          {"SLURM_NTASKS", "8"},
                          {"SLURM_STEP_ID", "0"},
                          {"SLURM_JOB_ID", "812"},
                          {"SLURM_NNODES", "1"},
                          {"SLURM_JOB_NODELIST", "node7"},
                          {"SLURM_LAUNCH_NODE_IPADDR", "127.0.0.3"}};
};

TEST_F(Scheduler, OnOneMachineTheyMeetOnLoopback) {
  struct Case {
    Variables variables;
    int rank, size;
  };
  for (const auto& [variables, rank, size] : std::vector<Case>{{open_mpi, 2, 4}, {hydra, 1, 3}, {srun, 3, 8}}) {
    const Placement p = place(variables);
    EXPECT_EQ(p.rank, rank);
    EXPECT_EQ(p.size, size);
    EXPECT_EQ(p.address, "127.0.0.1");
    EXPECT_EQ(p.interface_address, "127.0.0.1");
    EXPECT_GE(p.port, 20000);
    EXPECT_LT(p.port, 30000);
    EXPECT_FALSE(p.hosted);
    EXPECT_EQ(place(variables).port, p.port);  // all ranks must come to the same
  }
}

TEST_F(Scheduler, AnotherJobHasAnotherPort) {
  EXPECT_NE(place(srun).port, place(srun, {{"SLURM_JOB_ID", "813"}}).port);
  EXPECT_NE(place(srun).port, place(srun, {{"SLURM_STEP_ID", "1"}}).port);
  EXPECT_NE(place(open_mpi).port, place(open_mpi, {{"PMIX_NAMESPACE", "714997762"}}).port);
}

TEST_F(Scheduler, OnSeveralMachinesTheyMeetAtTheFirst) {
  // Names of this machine's own loopback stand for the nodes': they can be resolved.
  EXPECT_EQ(place(srun, {{"SLURM_NNODES", "2"}, {"SLURM_JOB_NODELIST", "127.0.0.[5-6]"}}).address, "127.0.0.5");
  EXPECT_EQ(place(srun, {{"SLURM_NNODES", "2"}, {"SLURM_STEP_NODELIST", "127.0.0.[6,8]"}}).address, "127.0.0.6");
  EXPECT_EQ(place(srun, {{"SLURM_NNODES", "2"}, {"SLURM_JOB_NODELIST", ""}}).address, "127.0.0.3");
  const Placement named = place(srun, {{"SLURM_NNODES", "2"}, {"MASTER_ADDR", "127.0.0.9"}, {"MASTER_PORT", "4711"}});
  EXPECT_EQ(named.address, "127.0.0.9");
  EXPECT_EQ(named.port, 4711);
  // The address is taken over, or named where there is no way to it from here.
  set(open_mpi);
  ::setenv("OMPI_COMM_WORLD_LOCAL_SIZE", "2", 1);
  ::setenv("OMPI_MCA_orte_hnp_uri", "714997760.0;tcp://127.0.0.1,203.0.113.5:44989;tcp6://[::1]:1", 1);
  std::string address;
  const std::string said = test::error_of([&] { address = placement_from_environment()->address; });
  EXPECT_NE((address + said).find("203.0.113.5"), std::string::npos) << address << said;
  EXPECT_NE(error(open_mpi, {{"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}}).find("MASTER_ADDR must be"), std::string::npos);
  EXPECT_NE(error(hydra, {{"MPI_LOCALNRANKS", "1"}}).find("MASTER_ADDR must be"), std::string::npos);
  EXPECT_NE(error(hydra, {{"MPI_LOCALNRANKS", "1"}, {"MASTER_ADDR", "127.0.0.1"}}).find("MASTER_PORT must be"),
            std::string::npos);
}

TEST_F(Scheduler, AWorkerThatWaitsInVainSaysWhatItBelieved) {
  struct Case {
    Variables variables;
    std::vector<std::string> words;
  };
  const Variables hand = {{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_PORT", "29500"}};
  const auto at = [&](const std::string& address) {
    Variables all = hand;
    all.emplace_back("MASTER_ADDR", address);
    return all;
  };
  const Case cases[] = {
      {at("127.0.0.1"),
       {"worker 1 of 2 by RANK=1, WORLD_SIZE=2, MASTER_ADDR=127.0.0.1, MASTER_PORT=29500", "this machine only"}},
      {at("localhost"), {"\"localhost\" is 127.0.0.1, a loopback address", "/etc/hosts", "MASTER_ADDR"}},
      {open_mpi, {"worker 2 of 4 by OMPI_COMM_WORLD_RANK=2, OMPI_COMM_WORLD_SIZE=4", "unset these variables"}},
      {srun, {"SLURM_PROCID="}}};
  for (const Case& c : cases) test::expect_mentions(how_placed(place(c.variables)), c.words);
}

// A worker's own variables are its launcher's. What the user gave is handed on.
TEST_F(Scheduler, ALaunchedWorkerTellsOfItsLaunchersVariables) {
  Variables launched = {{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_PORT", "29500"}, {"MASTER_ADDR", "127.0.0.1"}};
  launched.emplace_back(kToldVariable, "SLURM_PROCID=1");
  test::expect_mentions(how_placed(place(launched)), {"by SLURM_PROCID=1"});
  launched.back().second = "";
  EXPECT_EQ(how_placed(place(launched)), "");
}

TEST_F(Scheduler, OneProcessAloneIsNotPlaced) {
  for (const Variables& variables :
       {Variables{{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "1"}},
        Variables{{"PMI_RANK", "0"}, {"PMI_SIZE", "1"}, {"MPI_LOCALNRANKS", "1"}},
        Variables{{"SLURM_PROCID", "0"}, {"SLURM_STEP_ID", "0"}, {"SLURM_NTASKS", "1"}},
        Variables{{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}}}) {  // a batch script, outside srun
    set(variables);
    EXPECT_FALSE(placement_from_environment().has_value()) << variables[0].first;
  }
}

TEST_F(Scheduler, WhoDecides) {
  Variables all = open_mpi;
  for (const Variables* more : {&hydra, &srun}) all.insert(all.end(), more->begin(), more->end());
  EXPECT_EQ(place(all).from, "OMPI_COMM_WORLD_RANK");
  EXPECT_EQ(place(hydra, srun).from, "PMI_RANK");  // Hydra starts its helpers with srun
  EXPECT_EQ(place(all, {{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "127.0.0.1"}, {"MASTER_PORT", "1"}}).from,
            "RANK");
}

TEST_F(Scheduler, Mistakes) {
  EXPECT_EQ(error(open_mpi, {{"OMPI_COMM_WORLD_RANK", "4"}}),
            "environment: OMPI_COMM_WORLD_RANK must be a whole number from 0 to 3, got '4'");
  EXPECT_EQ(error(srun, {{"SLURM_NTASKS", "many"}}),
            "environment: SLURM_NTASKS must be a whole number from 1 to 2000, got 'many'");
  EXPECT_EQ(error(srun, {{"SLURM_NNODES", "2"}, {"SLURM_JOB_NODELIST", "node[1-2"}}),
            "environment: SLURM's list of nodes must have a ] for every [, got 'node[1-2'");
}

TEST(FirstHost, OfSlurmsLists) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", ""},
      {"node1", "node1"},
      {"node1,node2", "node1"},
      {"node[1-4]", "node1"},
      {"node[003-007,010],login", "node003"},
      {"node[5,7]", "node5"},
      {"login,node[1-4]", "login"},
      {"rack[2-3]-node[08-09]", "rack2-node08"},
      {"gpu[12]-ib", "gpu12-ib"},
  };
  for (const auto& [list, host] : cases) EXPECT_EQ(first_host(list), host) << list;
}

}  // namespace
}  // namespace tacet
