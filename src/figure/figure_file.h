// A figure as a file of recipes/figures describes it: its curves, its axes, and how it is drawn. Nothing is run or drawn
// here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tacet/options.h"

namespace tacet {

// One curve, or one group of bars: runs that differ in their seed only, at each value of the figure's parameter.
struct FigureCurve {
  std::string label;
  std::string recipe;              // the path of its recipe; empty where it has runs
  std::vector<std::string> sets;   // "table.key=value", the figure's before its own
  std::vector<std::string> grids;  // "table.key=a,b,c", from which the best values are taken; empty: it is not tuned
  std::vector<std::string> runs;   // folders of runs that are there already
  std::string place;               // the begin of messages about it
  std::vector<std::vector<std::string>> tuned;  // the best of the grids by value of the parameter, where each has its own
  size_t shared_sets = 0;                       // the number of the figure's sets, which are the first ones
};

struct Figure {
  std::string source;             // its file
  std::string title, caption;     // texts on it and under it
  std::string kind = "curves";    // see kFigureKinds
  std::string x = "epoch";        // see kFigureAxes
  std::string y = "train_loss";   // a key of metrics.jsonl, or train_set_loss and kin for those of "train" lines
  std::vector<std::string> also;  // further keys, each drawn as a figure of its own
  std::vector<std::string> over;  // further axes, over each of which every key is drawn as well
  bool log_x = false, log_y = false;
  std::optional<double> target;     // value of y to be reached
  std::string seeds;                // "1..3"; empty: the recipes' own
  std::string best = "train_loss";  // the figure of summary.json that decides among a grid's values
  std::string parameter;            // "algorithm.interval"; empty: none
  std::vector<Value> values;        // the parameter's
  bool tunes_each = false;          // each value of the parameter has its own best of a grid
  std::string x_label, y_label;     // empty: made from x and y
  std::vector<FigureCurve> curves;
};

// Returns a number, whole or not; nothing where the value is none.
std::optional<double> as_number(const Value& value);

// Reads a figure's file. Paths in it are relative to it. Throws UserError with place, allowed and given.
Figure read_figure(const std::string& path);

// Returns the figure of one of its further keys. Target and logarithm of y are those of its first key, and go.
Figure with_key(Figure figure, const std::string& key);

// Returns the figure over one of its further axes. The label of its first axis and a logarithm of x go.
Figure with_axis(Figure figure, const std::string& axis);

// Returns the path of the file that a name means: a file itself, or NAME.toml below recipes/figures here or where tacet is
// installed. Throws UserError that lists the names there are.
std::string find_figure(const std::string& name);

}  // namespace tacet
