// The advice of `tacet doctor` on machines that are made up, each with one thing off, and the report around it.
#include "cli/doctor_command.h"

#include <gtest/gtest.h>

#include <functional>

#include <nlohmann/json.hpp>

namespace tacet {
namespace {

using Level = Advice::Level;

// A machine on which nothing is to be mended.
DoctorFacts good_machine() {
  DoctorFacts f;
  f.versions = {"0.1.0",
                "abc",
                "1.13.1",
                "2.6.0",
                {"OpenBLAS 0.3.21", "/usr/lib/libblas.so", "OpenMP", "Zen"},
                {"Made Up 3000", 8, true, true, true, false}};
  f.cores = 8;
  f.paths = {{"products", "onednn", ""}, {"convolutions", "onednn", ""}};
  f.bf16 = true;
  f.openmp = {"/usr/lib/libgomp.so.1"};
  f.memory = {64e9, 32e9, 0};
  f.memory_speed = {24e6, 0.001, "arrays", ""};
  f.loopback = {{1e9, 0.5, "one connection", ""}, 2e-5, 1000};
  f.interfaces = {{"lo", "127.0.0.1", 0, true}, {"eth0", "10.0.0.5", 1e9, false}};
  f.host = {"node1", {"10.0.0.5"}, true};
  f.address = "10.0.0.5";
  f.data_folder = "/home/ann/.cache/tacet";
  f.data = {{"sotu", "part of tacet"}, {"ptb", "/home/ann/.cache/tacet/ptb"}, {"mnist", ""}};
  f.disks = {{"runs", "runs", 50e9, 100e9, true}, {"data", "/home/ann/.cache/tacet", 50e9, 100e9, true}};
  return f;
}

// A fault, and the advice that must be the only one: its level, its part, and words that it holds.
struct Off {
  std::function<void(DoctorFacts&)> spoil;
  Level level;
  std::string about;
  std::vector<std::string> words;
};

std::vector<Off> things_that_are_off() {
  return {
      {[](DoctorFacts& f) { f.versions.processor.avx2 = f.versions.processor.avx512 = false; },
       Level::warning,
       "processor",
       {"AVX2"}},
      {[](DoctorFacts& f) { f.versions.processor.avx512 = false; }, Level::note, "processor", {"AVX-512"}},
      {[](DoctorFacts& f) { f.cores = 2; }, Level::note, "processor", {"2 of 8 cores"}},
      {[](DoctorFacts& f) { f.bf16 = false; }, Level::note, "processor", {"run.dtype", "bf16"}},
      {[](DoctorFacts& f) { f.versions.onednn = ""; }, Level::warning, "kernels", {"libdnnl-dev"}},
      {[](DoctorFacts& f) {
         f.paths[0] = {"products", "libtorch", "8 of 64 scores are wrong"};
       },
       Level::warning,
       "kernels",
       {"products", "8 of 64 scores are wrong", "libtorch"}},
      {[](DoctorFacts& f) { f.wrong = "no product is right"; }, Level::fatal, "kernels", {"no product is right"}},
      {[](DoctorFacts& f) { f.versions.blas.name = "reference BLAS"; }, Level::warning, "blas", {"libopenblas0-openmp"}},
      {[](DoctorFacts& f) { f.versions.blas.threads = "its own"; }, Level::warning, "blas", {"libopenblas0-openmp"}},
      {[](DoctorFacts& f) { f.openmp.push_back("/opt/torch/libgomp-1.so"); },
       Level::warning,
       "openmp",
       {"/usr/lib/libgomp.so.1", "/opt/torch/libgomp-1.so"}},
      {[](DoctorFacts& f) { f.memory.available = 500e6; }, Level::warning, "memory", {"500 MB"}},
      {[](DoctorFacts& f) { f.memory.available = 50e6; }, Level::fatal, "memory", {"50 MB"}},
      {[](DoctorFacts& f) { f.memory.limit = 4e9; }, Level::note, "memory", {"4 GB"}},
      {[](DoctorFacts& f) {
         f.memory_speed = {0, 0, "", "no room"};
       },
       Level::warning,
       "memory",
       {"no room"}},
      {[](DoctorFacts& f) { f.loopback.stream.error = "no way"; },
       Level::warning,
       "loopback",
       {"no way", "ip link set lo up"}},
      {[](DoctorFacts& f) { f.host.addresses = {"127.0.1.1"}; },
       Level::warning,
       "hosts",
       {"node1 is 127.0.1.1", "\"10.0.0.5 node1\"", "MASTER_ADDR=10.0.0.5"}},
      {[](DoctorFacts& f) {
         f.host.addresses = {"10.0.0.5", "127.0.0.2"};
       },
       Level::warning,
       "hosts",
       {"127.0.0.2"}},
      {[](DoctorFacts& f) {
         f.host = {"node1", {}, false};
       },
       Level::warning,
       "hosts",
       {"resolver did not answer"}},
      {[](DoctorFacts& f) { f.host.addresses = {}; },
       Level::note,
       "hosts",
       {"no address for node1", "MASTER_ADDR=10.0.0.5"}},
      {[](DoctorFacts& f) { f.address = ""; }, Level::note, "hosts", {"no way to other machines"}},
      {[](DoctorFacts& f) { f.data.resize(1); }, Level::note, "data", {"tacet data fetch"}},
      {[](DoctorFacts& f) { f.data_folder = ""; }, Level::warning, "data", {"$TACET_DATA"}},
      {[](DoctorFacts& f) { f.disks[0].writable = false; }, Level::warning, "disk", {"runs can't be written", "--out"}},
      {[](DoctorFacts& f) { f.disks[1].free = 1e6; }, Level::warning, "disk", {"1 MB", "$TACET_DATA"}},
  };
}

TEST(Doctor, AdvisesNothingWhereNothingIsOff) {
  EXPECT_TRUE(advice_for(good_machine()).empty());
  const std::string text = doctor_text(good_machine(), {}, 80, false);
  EXPECT_NE(text.find("nothing is to be mended"), std::string::npos) << text;
}

TEST(Doctor, AdvisesOnEachThingThatIsOff) {
  for (const Off& off : things_that_are_off()) {
    DoctorFacts facts = good_machine();
    off.spoil(facts);
    const std::vector<Advice> advice = advice_for(facts);
    ASSERT_EQ(advice.size(), 1u) << off.about << ": " << off.words[0];
    EXPECT_EQ(advice[0].level, off.level) << advice[0].text;
    EXPECT_EQ(advice[0].about, off.about);
    for (const std::string& word : off.words) EXPECT_NE(advice[0].text.find(word), std::string::npos) << advice[0].text;
  }
}

TEST(Doctor, ShowsItsAdviceInTheReport) {
  for (const Off& off : things_that_are_off()) {
    DoctorFacts facts = good_machine();
    off.spoil(facts);
    const auto advice = advice_for(facts);
    const std::string text = doctor_text(facts, advice, 100, false);
    EXPECT_NE(text.find(off.level == Level::note ? "           · " : "           ! "), std::string::npos) << text;
    const auto json = nlohmann::json::parse(doctor_json(facts, advice));
    EXPECT_EQ(json["can_train"], off.level != Level::fatal);
    EXPECT_EQ(json["advice"][0]["level"], name_of(off.level));
  }
}

TEST(Doctor, IsColouredOnlyWhereAsked) {
  DoctorFacts facts = good_machine();
  facts.versions.blas.threads = "its own";
  const auto advice = advice_for(facts);
  EXPECT_EQ(doctor_text(facts, advice, 80, false).find('\x1b'), std::string::npos);
  EXPECT_NE(doctor_text(facts, advice, 80, true).find("\x1b[33m!"), std::string::npos);
}

TEST(Doctor, FitsTheTerminal) {
  DoctorFacts facts = good_machine();
  facts.host.addresses = {"127.0.1.1"};
  for (const int width : {40, 60, 100}) {
    std::istringstream lines(doctor_text(facts, advice_for(facts), width, false));
    for (std::string line; std::getline(lines, line);)
      EXPECT_TRUE(line.find(' ', 13) == std::string::npos || line.size() <= static_cast<size_t>(width) + 4) << line;
  }
}

TEST(Doctor, TellsNumbersInJson) {
  const auto json = nlohmann::json::parse(doctor_json(good_machine(), {}));
  EXPECT_EQ(json["memory"]["bytes_per_second"], 24e9);
  EXPECT_EQ(json["loopback"]["round_trip_seconds"], 2e-5);
  EXPECT_EQ(json["data"]["sets"][2]["found"], false);
  EXPECT_EQ(json["hosts"]["interfaces"][0]["bits_per_second"], nullptr);
  EXPECT_EQ(json["can_train"], true);
}

}  // namespace
}  // namespace tacet
