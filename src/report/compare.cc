// See compare.h. A figure that a run doesn't tell is NaN up to the last step, which prints "-".
#include "report/compare.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>

#include "base/places.h"
#include "base/terminal.h"
#include "report/compare_json.h"
#include "report/json_text.h"
#include "report/text_table.h"
#include "report/time_to_target.h"

namespace tacet {
namespace {

using nlohmann::json;

// The styles of numbers in a column. All rows of a column have one, so that the decimal points line up.
enum class Style { kCount, kEpochs, kLoss, kPerplexity, kAccuracy, kAmount, kRatio, kChange };

std::string count_cell(double x) {
  if (!std::isfinite(x)) return "-";
  return std::fabs(x) < 1e9 ? fmt::format("{:.0f}", x) : fmt::format("{:.2e}", x);
}

// Longer numbers are written with an exponent.
constexpr double kLong = 1e7;

std::string real_cell(double x, int decimals) {
  double size = std::fabs(x);
  bool vanishes = size > 0 && size < 0.5 * std::pow(10.0, -decimals);
  return size >= kLong || vanishes ? fmt::format("{:.2e}", x) : fmt::format("{:.{}f}", x, decimals);
}

int decimals_of(const std::vector<double>& values, Style style) {
  double largest = 0, smallest_ratio = 1;
  for (double v : values) {
    if (std::isfinite(v) && std::fabs(v) < kLong) largest = std::max(largest, std::fabs(v));
    if (v > 0) smallest_ratio = std::min(smallest_ratio, v);
  }
  if (style == Style::kRatio) return smallest_ratio < 0.01 ? 4 : smallest_ratio < 1 ? 3 : 2;
  int most = style == Style::kLoss ? 4 : style == Style::kAmount ? 1 : 2;
  return largest >= 1e4 ? 0 : largest >= 1e3 ? std::min(most, 1) : most;
}

std::vector<std::string> cells_of(const std::vector<double>& values, Style style) {
  int decimals = decimals_of(values, style);
  std::vector<std::string> cells;
  for (double x : values) {
    if (!std::isfinite(x)) {
      cells.push_back("-");
    } else if (style == Style::kCount) {
      cells.push_back(count_cell(x));
    } else if (style == Style::kEpochs) {
      cells.push_back(x == std::round(x) ? fmt::format("{:.0f}", x) : fmt::format("{:.2f}", x));
    } else if (style == Style::kAccuracy) {
      cells.push_back(fmt::format("{:.2f}", 100 * x));
    } else if (style == Style::kChange) {
      cells.push_back(fmt::format("{:+.2f}", std::fabs(x) < 5e-5 ? 0.0 : 100 * x));
    } else {
      cells.push_back(real_cell(x, decimals));
    }
  }
  return cells;
}

std::string word_cell(const std::string& s) { return s.empty() ? "-" : s; }

enum class Better { kNone, kLow, kHigh };

// A column of numbers; it is left out when no run knows its own.
struct NumberColumn {
  std::string head, help;
  std::function<double(const Facts&)> value;
  Style style = Style::kCount;
  Better better = Better::kNone;
};

void add(Table& table, const std::vector<Facts>& rows, const NumberColumn& spec, bool always = false) {
  std::vector<double> values;
  for (const Facts& row : rows) values.push_back(spec.value(row));
  bool known = std::any_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
  if (!known && !always) return;
  Column column{spec.head, spec.help, cells_of(values, spec.style), false, {}};
  if (spec.better != Better::kNone && rows.size() > 1 && known) {
    double top = kUnknown;
    for (double v : values) {
      if (std::isfinite(v) && (std::isnan(top) || (spec.better == Better::kLow ? v < top : v > top))) top = v;
    }
    // Equal in print is equal: a reader can't see why one of two like numbers would be stressed.
    std::string winner;
    for (size_t k = 0; k < values.size(); ++k) {
      if (values[k] == top) winner = column.cells[k];
    }
    for (const std::string& cell : column.cells) column.best.push_back(cell == winner);
  }
  table.columns.push_back(std::move(column));
}

void add(Table& table, const std::vector<Facts>& rows, const std::string& head, const std::string& help,
         const std::function<std::string(const Facts&)>& cell) {
  Column column{head, help, {}, true, {}};
  for (const Facts& row : rows) column.cells.push_back(word_cell(cell(row)));
  table.columns.push_back(std::move(column));
}

Column name_column(const std::vector<Run>& runs) {
  Column column{"run", "The run's folder.", {}, true, {}};
  for (const Run& run : runs) column.cells.push_back(run.name);
  return column;
}

std::vector<Facts> all_facts(const std::vector<Run>& runs) {
  std::vector<Facts> rows;
  for (const Run& run : runs) rows.push_back(facts(run));
  return rows;
}

bool any_known(const std::vector<Facts>& rows, Scores Facts::*kind) {
  return std::any_of(rows.begin(), rows.end(),
                     [&](const Facts& f) { return std::isfinite((f.*kind).valid) || std::isfinite((f.*kind).test); });
}

void add_scores(Table& table, const std::vector<Facts>& rows, Scores Facts::*kind, const std::string& unit,
                const std::string& long_name, Better better, Style style) {
  add(table, rows,
      {"valid " + unit, "Last " + long_name + " on the validation set.", [=](const Facts& f) { return (f.*kind).valid; },
       style, better});
  add(table, rows,
      {"best " + unit, "Best " + long_name + " on the validation set.", [=](const Facts& f) { return (f.*kind).valid_best; },
       style, better});
  add(table, rows,
      {"test " + unit, "Last " + long_name + " on the test set.", [=](const Facts& f) { return (f.*kind).test; }, style,
       better});
  // A run that never saw a validation set is followed on the test set, as many papers do.
  bool follows_test = std::any_of(rows.begin(), rows.end(), [&](const Facts& f) {
    return std::isnan((f.*kind).valid) && std::isfinite((f.*kind).test_best) && (f.*kind).test_best != (f.*kind).test;
  });
  if (!follows_test) return;
  add(table, rows,
      {"best test " + unit, "Best " + long_name + " on the test set.", [=](const Facts& f) { return (f.*kind).test_best; },
       style, better});
}

// The scores that say most about these runs.
Scores Facts::*main_scores(const std::vector<Facts>& rows) {
  if (any_known(rows, &Facts::perplexity)) return &Facts::perplexity;
  return any_known(rows, &Facts::accuracy) ? &Facts::accuracy : &Facts::loss;
}

}  // namespace

Table summary_table(const std::vector<Run>& runs) {
  std::vector<Facts> rows = all_facts(runs);
  Table table{{name_column(runs)}};
  if (std::any_of(rows.begin(), rows.end(), [](const Facts& f) { return f.status != "done"; })) {
    add(table, rows, "status", "How the run ended; unfinished: it has written no summary yet.",
        [](const Facts& f) { return f.status; });
  }
  add(table, rows, "algorithm", "The method, as the recipe names it.", [](const Facts& f) { return f.algorithm; });
  add(table, rows, "I", "Interval: local steps between two communications, as the recipe sets it.",
      [](const Facts& f) { return f.interval; });
  table.columns.back().words = false;
  if (std::any_of(rows.begin(), rows.end(), [](const Facts& f) { return !f.local_epochs.empty(); })) {
    add(table, rows, "E", "Local epochs of a client between two communications, where the recipe sets them in place of I.",
        [](const Facts& f) { return f.local_epochs; });
    table.columns.back().words = false;
  }
  add(table, rows, "CxW", "Clients x workers (processes).", [](const Facts& f) {
    return std::isnan(f.clients) && std::isnan(f.workers) ? "" : count_cell(f.clients) + "x" + count_cell(f.workers);
  });
  table.columns.back().words = false;
  add(table, rows,
      {"epochs", "Passes over the training set by all clients jointly.", [](const Facts& f) { return f.epochs; },
       Style::kEpochs},
      true);
  if (std::any_of(rows.begin(), rows.end(), [](const Facts& f) { return f.extra_samples > 0; }))
    add(table, rows,
        {"extra", "Training samples of gradients that belong to no local step; no epoch counts them.",
         [](const Facts& f) { return f.extra_samples; }, Style::kCount});
  add(table, rows,
      {"train loss", "Training loss (nats), mean over the last finished epoch, or since the start where none has finished.",
       [](const Facts& f) { return f.train_loss; }, Style::kLoss, Better::kLow},
      true);
  bool other = any_known(rows, &Facts::perplexity) || any_known(rows, &Facts::accuracy);
  add_scores(table, rows, &Facts::perplexity, "ppl", "perplexity", Better::kLow, Style::kPerplexity);
  add_scores(table, rows, &Facts::accuracy, "acc%", "accuracy (%)", Better::kHigh, Style::kAccuracy);
  if (!other) add_scores(table, rows, &Facts::loss, "loss", "loss", Better::kLow, Style::kLoss);
  add(table, rows, {"rounds", "Communication rounds of the method.", [](const Facts& f) { return f.rounds; }, Style::kCount},
      true);
  add(table, rows,
      {"comms", "Communications: collectives so far.", [](const Facts& f) { return f.communications; }, Style::kCount},
      true);
  add(table, rows,
      {"MB/worker", "Megabytes (10^6 bytes) that a worker sent on the wire.",
       [](const Facts& f) { return f.bytes_sent / 1e6; }, Style::kAmount},
      true);
  add(table, rows,
      {"MB/client", "Megabytes (10^6 bytes) that one client's messages hold.",
       [](const Facts& f) { return f.client_bytes / 1e6; }, Style::kAmount});
  add(table, rows,
      {"seconds", "Seconds of training, without evaluation.", [](const Facts& f) { return f.seconds; }, Style::kAmount},
      true);
  return table;
}

Table relative_table(const std::vector<Run>& runs) {
  if (runs.size() < 2) return {};
  std::vector<Facts> rows = all_facts(runs);
  const Facts base = rows[0];
  Table table{{name_column(runs)}};
  auto ratio = [&](const char* head, const char* help, double Facts::*field) {
    double below = base.*field;
    add(table, rows, {head, help, [=](const Facts& f) { return below > 0 ? f.*field / below : kUnknown; }, Style::kRatio},
        true);
  };
  auto change = [&](const std::string& head, const char* help, const std::function<double(const Facts&)>& value) {
    double from = value(base);
    add(table, rows,
        {head, help, [=](const Facts& f) { return from != 0 ? (value(f) - from) / std::fabs(from) : kUnknown; },
         Style::kChange});
  };
  change("train loss %", "Difference of the training loss from the first run's, in percent of it.",
         [](const Facts& f) { return f.train_loss; });
  Scores Facts::*kind = main_scores(rows);
  std::string unit = kind == &Facts::perplexity ? "ppl" : kind == &Facts::accuracy ? "acc" : "loss";
  change("best " + unit + " %", "Difference of the best validation figure from the first run's, in percent of it.",
         [=](const Facts& f) { return or_else((f.*kind).valid_best, (f.*kind).test_best); });
  ratio("comms x", "Communications as a multiple of the first run's.", &Facts::communications);
  ratio("MB x", "Bytes sent per worker as a multiple of the first run's.", &Facts::bytes_sent);
  ratio("time x", "Seconds of training as a multiple of the first run's.", &Facts::seconds);
  return table;
}

Table epoch_table(const std::vector<Run>& runs) {
  constexpr size_t kLines = 12;
  std::vector<std::map<long, double>> losses;
  std::map<long, int> owners;
  for (const Run& run : runs) {
    std::map<long, double> own;
    for (const json& line : run.epochs) {
      // A line stands where its round ended, which may be some way into the next epoch.
      double epoch = number(line, "epoch_finished"), loss = number(line, "train_loss");
      if (std::isnan(epoch)) epoch = std::floor(number(line, "epoch") + 1e-9);
      if (std::isfinite(epoch) && std::isfinite(loss)) own[std::lround(epoch)] = loss;
    }
    for (const auto& [epoch, loss] : own) ++owners[epoch];
    losses.push_back(std::move(own));
  }
  std::vector<long> common;
  for (const auto& [epoch, count] : owners) {
    if (count > 1) common.push_back(epoch);
  }
  if (common.empty()) return {};
  std::vector<long> shown;
  for (long step : {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10000, 100000}) {
    shown.clear();
    for (long epoch : common) {
      if (epoch % step == 0 || epoch == common.front() || epoch == common.back()) shown.push_back(epoch);
    }
    if (shown.size() <= kLines) break;
  }
  Table table{{Column{"epoch", "Passes over the training set.", {}, false, {}}}};
  for (long epoch : shown) table.columns[0].cells.push_back(fmt::format("{}", epoch));
  auto loss_of = [](const std::map<long, double>& own, long epoch) {
    auto found = own.find(epoch);
    return found == own.end() ? kUnknown : found->second;
  };
  for (size_t r = 0; r < runs.size(); ++r) {
    Column column{runs[r].name, "Training loss (nats), mean over the epoch.", {}, false, {}};
    std::vector<double> values;
    for (long epoch : shown) {
      double lowest = kUnknown;
      for (const auto& own : losses) lowest = std::fmin(lowest, loss_of(own, epoch));
      values.push_back(loss_of(losses[r], epoch));
      column.best.push_back(values.back() == lowest);
    }
    column.cells = cells_of(values, Style::kLoss);
    table.columns.push_back(std::move(column));
  }
  return table;
}

bool uneven(const std::vector<Run>& runs) {
  double low = kUnknown, high = kUnknown;
  for (const Run& run : runs) {
    double epochs = facts(run).epochs;
    if (!std::isfinite(epochs)) continue;
    if (!(low <= epochs)) low = epochs;
    if (!(high >= epochs)) high = epochs;
  }
  return high > low * 1.01;
}

std::string compare_table(const std::vector<Run>& runs, int width) {
  width = std::max(width, 40);
  std::string out = draw(summary_table(runs), width);
  if (uneven(runs)) out += "The runs ended at different epochs: their last figures are not for equal work.\n";
  if (std::string block = draw(relative_table(runs), width); !block.empty()) {
    out += fmt::format("\nRelative to {}\n", shorten(printable(runs[0].name), width - 12)) + block;
  }
  if (std::string block = draw(epoch_table(runs), width); !block.empty()) {
    out += "\nTraining loss at equal epochs\n" + block;
  }
  return out;
}

int cmd_compare(const std::vector<std::string>& dirs, const std::string& target, bool as_json) {
  const int columns = std::atoi(variable("COLUMNS").c_str());
  const int width = terminal_width(STDOUT_FILENO, columns > 0 ? columns : 80);
  const std::vector<Run> runs = read_runs(dirs);
  json figures = as_json ? compare_json(runs) : json();
  std::string text = as_json ? "" : compare_table(runs, width);
  if (!target.empty()) {
    const RunTarget to = parse_target(target);
    const std::vector<SpeedUpGroup> groups = speed_ups(to, runs);
    if (as_json)
      figures["target"] = target_json(to, groups);
    else
      text += target_text(to, groups, width);
  }
  if (as_json) text = json_text(figures);
  std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace tacet
