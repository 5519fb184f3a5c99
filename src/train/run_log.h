// The record of a run in its folder: the lines of metrics.jsonl and their twins for TensorBoard, summary.json, recipe.toml,
// the model. Rank 0 writes. The other ranks keep the last lines, because rank 0 may be lost before it has written them. All
// figures come from the run's state, and no file is read back for them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/round_setup.h"
#include "tacet/membership.h"
#include "tacet/train.h"
#include "train/interval_record.h"
#include "train/run_folder.h"
#include "train/tensorboard.h"
#include "train/training.h"

namespace tacet {

class Group;

class RunLog {
 public:
  // `folder` is the run's; empty records nothing. `keeps_recent` says that another worker may have to write this one's
  // lines.
  RunLog(Training& run, std::string folder, bool keeps_recent);

  // Sets the workers from now on. Borrows `group`, which is null while a new group is being formed.
  void use(const Group* group) { group_ = group; }
  bool on() const { return !folder_.empty(); }
  bool writes() const;  // true if this worker owns the files
  std::string file(const char* name) const;

  // ---- the files ----

  // Creates the folder's files, or continues those that a resume finds.
  void open(bool resume);
  // Makes the files of a run under way this worker's. Copies and renames the log. A worker that was taken for lost and wakes
  // up in the middle of a write then writes into a file that nobody reads any more. Throws UserError, and then changes
  // nothing, where the log can't be read. REQUIRES: drop_lost() on all ranks.
  void acquire();
  void close() { log_ = MetricsLog(); }
  void write_summary(const std::string& status, const nlohmann::json& more);
  // Writes down that the run has failed, if it had begun. Throws nothing.
  void failed(const std::string& why);
  // Writes the final model and the last summary. Sets result.model_sha256. `page_faults` are those of a step; negative means
  // unknown.
  void finish(Result& result, double page_faults);

  // ---- the lines: kept until their round is committed ----

  bool wants_round() const;  // true if the round just finished gets a line
  // `more` are the driver's own figures of the round, by name.
  void record_round(const RoundReport& report, Rates rates, double exchange_seconds,
                    const std::map<std::string, double>& more);
  // Adds the worker that kept the others waiting to the line of the round.
  void record_straggler(int worker, double waited);
  void record_epoch();
  void record_evaluation(const char* event, const std::string& split);
  // Writes a line of another kind, with figures of its own. Figures that are not finite become null.
  void record(const char* event, const std::map<std::string, double>& figures);
  // Writes what a decision on I made of `before`. `repeated` says that it was made before.
  void record_interval(const IntervalDecision& d, int before, bool repeated);
  void record_membership(int64_t term, const std::vector<std::string>& lost, double seconds, int64_t repeated);

  void mark() { marked_ = lines_; }  // marks the begin of a round
  void commit();                     // makes the lines so far part of the run
  void flush();                      // writes the lines that wait
  void roll_back();                  // forgets the lines since the mark
  void forget_pending() { pending_.clear(); }

  // Returns the decision on I after that round where this worker owns the files and interval.json has it: the run has been
  // there before, and goes on from an earlier checkpoint.
  std::optional<IntervalDecision> interval_decision(int64_t round) const;

  // ---- for the workers of a new group, who must all count the same lines ----

  int64_t lines() const { return lines_; }
  int64_t lines_in_file() const;  // 0 where this worker does not write; throws UserError where they can't be read
  std::string recent() const;     // the last lines
  void set_lines(int64_t lines);
  // Counts no more lines than the leader's file can get, which has `there` now. Returns the number of the others: the lost
  // leader's host had not put them on the disk, and they are older than the recent ones.
  int64_t drop_lost(int64_t there);
  void set_recent(const std::string& text);

 private:
  nlohmann::json line(const char* event) const;
  void write_intervals();

  Training& run_;
  const std::string folder_;
  const bool keeps_recent_;
  const bool counts_tokens_;  // a sample is a token
  const Group* group_ = nullptr;
  MetricsLog log_;
  TensorBoardLog events_;
  bool opened_ = false;                  // a failure is written down from here on
  std::vector<nlohmann::json> pending_;  // lines of the round under way
  std::vector<std::string> recent_;      // the last lines that were flushed
  int64_t lines_ = 0, marked_ = 0;       // lines flushed so far; lines before the round under way
  double data_wait_written_ = 0;         // seconds that the lines report so far
};

}  // namespace tacet
