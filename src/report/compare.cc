// Turns runs into tables and tables into text. A figure that a run doesn't tell is NaN up to the last step, which prints
// "-".
#include "report/compare.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>

namespace tacet {
namespace {

using nlohmann::json;

double or_else(double value, double otherwise) { return std::isnan(value) ? otherwise : value; }

// The latest finite value of `key` in a run's lines, whatever their event.
double latest(const Run& run, std::string_view key) {
  double value = kUnknown, at = -1;
  for (const auto* lines : {&run.rounds, &run.epochs, &run.evals}) {
    for (auto line = lines->rbegin(); line != lines->rend(); ++line) {
      double found = number(*line, key), iteration = or_else(number(*line, "iteration"), 0);
      if (std::isnan(found)) continue;
      if (iteration >= at) value = found, at = iteration;
      break;
    }
  }
  return value;
}

// "exact" is a function's own value: what selects where there is no data to validate on.
bool is_split(const json& line, const std::string& split) {
  const std::string own = text(line, "split", "valid");
  return own == split || (own == "exact" && split == "valid");
}

// The evaluations on one set, in order, one an iteration.
std::vector<json> of_split(const Run& run, const char* split) {
  std::vector<json> kept;
  for (const json& line : run.evals) {
    if (!is_split(line, split)) continue;
    if (!kept.empty() && number(kept.back(), "iteration") == number(line, "iteration")) {
      bool was = kept.back().value("averaged", json(false)) == true, is = line.value("averaged", json(false)) == true;
      if (is || !was) kept.back() = line;
    } else {
      kept.push_back(line);
    }
  }
  return kept;
}

Scores scores(const Run& run, const char* key, bool higher_is_better) {
  Scores s;
  auto collect = [&](const char* split, double& last, double& best) {
    for (const json& line : of_split(run, split)) {
      double value = number(line, key);
      if (!std::isfinite(value)) continue;
      last = value;
      if (std::isnan(best) || (higher_is_better ? value > best : value < best)) best = value;
    }
  };
  collect("valid", s.valid, s.valid_best);
  collect("test", s.test, s.test_best);
  if (run.evals.empty()) {  // metrics.jsonl may have been left behind when a run was copied
    s.valid = number(run.summary.value("final", json::object()), key);
    s.valid_best = number(run.summary.value("best", json::object()), key);
  }
  return s;
}

double last_train_loss(const Run& run) {
  if (!run.epochs.empty()) return number(run.epochs.back(), "train_loss");
  double sum = 0;
  int count = 0;
  for (const json& line : run.rounds) {
    double value = number(line, "train_loss");
    if (std::isfinite(value)) sum += value, ++count;
  }
  if (count > 0) return sum / count;
  return number(run.summary.value("final", json::object()), "train_loss");
}

// -- cells
// ------------------------------------------------------------------------------------------------------------------

std::string count_cell(double x) {
  if (!std::isfinite(x)) return "-";
  return std::fabs(x) < 1e9 ? fmt::format("{:.0f}", x) : fmt::format("{:.2e}", x);
}

// How the numbers of a column are written. One choice for all rows of a column, so that the decimal points line up.
enum class Style { kCount, kEpochs, kLoss, kPerplexity, kAccuracy, kAmount, kRatio, kChange };

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

// -- text
// -------------------------------------------------------------------------------------------------------------------

// Characters a terminal shows for UTF-8 text, counting a code point as one.
int columns_of(const std::string& s) {
  return static_cast<int>(std::count_if(s.begin(), s.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; }));
}

// Names come from folders: no escape sequence of theirs may reach the terminal.
std::string printable(std::string s) {
  for (char& c : s) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  // C1 controls, which some terminals obey, are U+0080 to U+009F.
  for (size_t k = 0; k + 1 < s.size(); ++k) {
    if (s[k] == '\xC2' && static_cast<unsigned char>(s[k + 1]) < 0xA0) s.replace(k, 2, "?");
  }
  return s;
}

// The first and last characters of s around "~", `width` columns in all.
std::string shorten(const std::string& s, int width) {
  int have = columns_of(s);
  if (have <= width) return s;
  int head = (width - 1) / 2, tail = width - 1 - head, at = 0;
  std::string out;
  for (char c : s) {
    if ((c & 0xC0) != 0x80) {
      if (at == head) out += '~';
      ++at;
    }
    if (at <= head || at > have - tail) out += c;
  }
  return out;
}

std::string pad(const std::string& s, int width, bool left) {
  std::string space(static_cast<size_t>(std::max(0, width - columns_of(s))), ' ');
  return left ? s + space : space + s;
}

constexpr int kGap = 2;

std::string draw(Table table, int width) {
  if (table.columns.empty()) return "";
  int widest_name = std::max(12, width / 3);
  std::vector<int> widths;
  for (Column& column : table.columns) {
    column.head = shorten(printable(column.head), widest_name);
    int w = columns_of(column.head);
    for (std::string& cell : column.cells) {
      cell = shorten(printable(cell), widest_name);
      w = std::max(w, columns_of(cell));
    }
    widths.push_back(w);
  }
  std::string out;
  for (size_t from = 1; from < table.columns.size();) {
    int used = widths[0];
    size_t to = from;
    while (to < table.columns.size() && (to == from || used + kGap + widths[to] <= width)) used += kGap + widths[to++];
    if (!out.empty()) out += '\n';
    auto line = [&](auto&& cell) {
      std::string s = pad(cell(table.columns[0]), widths[0], table.columns[0].words);
      for (size_t c = from; c < to; ++c)
        s += std::string(kGap, ' ') + pad(cell(table.columns[c]), widths[c], table.columns[c].words);
      s.erase(s.find_last_not_of(' ') + 1);
      out += s + '\n';
    };
    line([](const Column& c) { return c.head; });
    out += std::string(static_cast<size_t>(used), '-') + '\n';
    for (size_t r = 0; r < table.columns[0].cells.size(); ++r) line([&](const Column& c) { return c.cells[r]; });
    from = to;
  }
  return out;
}

}  // namespace

Facts facts(const Run& run) {
  const json& s = run.summary;
  Facts f;
  f.status = text(s, "status", "unfinished");
  f.algorithm = text(s, "algorithm", recipe_value(run.recipe, "algorithm", "name"));
  f.interval = recipe_value(run.recipe, "algorithm", "interval");
  f.clients = number(s, "clients");
  f.workers = number(s, "workers");
  json last = s.value("final", json::object());
  f.epochs = or_else(latest(run, "epoch"), number(last, "epoch"));
  f.train_loss = last_train_loss(run);
  f.perplexity = scores(run, "eval_perplexity", false);
  f.accuracy = scores(run, "eval_accuracy", true);
  f.loss = scores(run, "eval_loss", false);
  f.rounds = or_else(latest(run, "round"), number(s, "rounds"));
  f.iterations = or_else(latest(run, "iteration"), number(s, "iterations"));
  f.communications = or_else(latest(run, "communications"), number(s, "communications"));
  f.bytes_sent = or_else(latest(run, "bytes_sent"), number(s, "bytes_sent"));
  f.client_bytes = or_else(latest(run, "client_bytes"), number(last, "client_bytes"));
  f.seconds = or_else(latest(run, "seconds"), number(s, "seconds"));
  if (f.status == "done") {  // the summary of a finished run has the last word: it also counts what follows the last line
    f.rounds = or_else(number(s, "rounds"), f.rounds);
    f.iterations = or_else(number(s, "iterations"), f.iterations);
    f.communications = or_else(number(s, "communications"), f.communications);
    f.bytes_sent = or_else(number(s, "bytes_sent"), f.bytes_sent);
    f.seconds = or_else(number(s, "seconds"), f.seconds);
  }
  return f;
}

std::vector<json> held_out(const Run& run) {
  bool valid = std::any_of(run.evals.begin(), run.evals.end(), [](const json& line) { return is_split(line, "valid"); });
  return of_split(run, valid ? "valid" : "test");
}

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
  add(table, rows, "CxW", "Clients x workers (processes).", [](const Facts& f) {
    return std::isnan(f.clients) && std::isnan(f.workers) ? "" : count_cell(f.clients) + "x" + count_cell(f.workers);
  });
  table.columns.back().words = false;
  table.columns[table.columns.size() - 2].words = false;
  add(table, rows,
      {"epochs", "Passes over the training set by all clients jointly.", [](const Facts& f) { return f.epochs; },
       Style::kEpochs},
      true);
  add(table, rows,
      {"train loss", "Training loss (nats), mean over the last finished epoch.", [](const Facts& f) { return f.train_loss; },
       Style::kLoss, Better::kLow},
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
      double epoch = number(line, "epoch"), loss = number(line, "train_loss");
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

int cmd_compare(const std::vector<std::string>& dirs) {
  std::vector<Run> runs = read_runs(dirs);
  int width = 80;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    width = size.ws_col;
  } else if (const char* columns = std::getenv("COLUMNS")) {
    int given = std::atoi(columns);
    if (given > 0) width = given;
  }
  std::string table = compare_table(runs, width);
  std::fputs(table.c_str(), stdout);
  return 0;
}

}  // namespace tacet
