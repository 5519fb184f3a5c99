// Tables of what a recipe can name: methods, models and data sets, each with its keys. A program may add its own to them; it
// does so before it reads a recipe. Built-in rows stand beside the code they describe.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "tacet/options.h"

namespace tacet {

struct AlgorithmInfo;  // tacet/algorithm.h

// Adds a method, so that recipes can name it. Throws std::logic_error for a name that is taken or a row that is not whole.
void add_algorithm(AlgorithmInfo row);
// Returns all methods: the built-in ones, then those that were added. References to rows stay valid.
const std::deque<AlgorithmInfo>& algorithms();
// Throws UserError naming the nearest method.
const AlgorithmInfo& find_algorithm(const std::string& name);

struct Entry {
  std::string name;
  std::string paper;    // or the origin and licence of a data set
  std::string summary;  // one sentence
  std::string task;     // "language-model", …: a model trains on data of the same task
  std::vector<Option> options;
  std::vector<std::string> files;  // data sets: the files expected under root; empty when embedded
};

const std::vector<Entry>& models();
const std::vector<Entry>& datasets();
// Each throws UserError naming the nearest entry.
const Entry& find_model(const std::string& name);
const Entry& find_dataset(const std::string& name);

}  // namespace tacet
