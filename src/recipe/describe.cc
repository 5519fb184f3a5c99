// Plain text and Markdown from the tables of methods, models, data sets and recipe keys.
#include "recipe/describe.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <stdexcept>

#include "base/wrapped.h"
#include "tacet/algorithm.h"
#include "tacet/recipe.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

// The facts about a method, model or data set that a reader sees.
struct Card {
  std::string name, paper, summary;
  std::vector<std::string> notes;  // one sentence each
  const std::vector<Option>* options;
};

std::string cost(const AlgorithmInfo& m) {
  if (m.vectors_sent(1) == 0) return "It never talks.";
  const auto number = [](double v) {
    std::ostringstream out;
    out << v << (v == 1 ? " vector" : " vectors");
    return out.str();
  };
  const double one = m.vectors_sent(1), many = m.vectors_sent(8);
  std::string sent = one == many       ? number(one)
                     : many == 8 * one ? (one == 1 ? "I vectors" : number(one) + " times I")
                                       : number(one) + " (I = 1) or " + number(many) + " (I = 8)";
  if (m.numbers_sent > 0) sent += " and " + std::to_string(m.numbers_sent) + (m.numbers_sent == 1 ? " number" : " numbers");
  if (!m.parts.empty()) sent += " divided by `" + m.parts + "`";
  const std::string talks = m.collectives(8) == 8 ? "every step" : m.collectives(8) == 2 ? "twice a round" : "once a round";
  return "Talks " + talks + "; a client sends " + sent + " a round.";
}

std::vector<Card> method_cards() {
  std::vector<Card> cards;
  for (const AlgorithmInfo& m : algorithms()) {
    cards.push_back({m.name, m.paper, m.summary, {cost(m)}, &m.options});
    cards.back().notes.push_back("Use: " + m.use);
    if (m.every_client) cards.back().notes.push_back("Every client takes part in every round.");
    if (m.single_client) cards.back().notes.push_back("It runs on one client only.");
  }
  return cards;
}

std::vector<Card> model_cards() {
  std::vector<Card> cards;
  for (const ModelInfo& m : models()) cards.push_back({m.name, m.paper, m.summary, {"Task: " + m.task + "."}, &m.options});
  return cards;
}

std::vector<Card> dataset_cards() {
  std::vector<Card> cards;
  for (const DatasetInfo& e : datasets()) {
    cards.push_back({e.name, e.paper, e.summary, {"Task: " + e.task + "."}, &e.options});
    if (e.files.empty()) {
      cards.back().notes.push_back("Part of tacet, nothing to fetch.");
      continue;
    }
    std::string files = "Files: ";
    for (size_t k = 0; k < e.files.size(); ++k) files += (k ? "; " : "") + e.files[k];
    cards.back().notes.push_back(files + ".");
  }
  return cards;
}

std::vector<Card> objective_cards() {
  std::vector<Card> cards;
  for (const ObjectiveInfo& o : objectives()) cards.push_back({o.name, "", o.summary, {}, &o.options});
  return cards;
}

// Returns the text with a capital and a full stop.
std::string sentence(std::string text) {
  if (text.empty()) return text;
  if (text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text.back() == '.' ? text : text + ".";
}

std::string describe_cards(const std::vector<Card>& cards, int width) {
  const auto line = static_cast<size_t>(std::max(width, 40));
  std::string out;
  for (const Card& card : cards) {
    if (!out.empty()) out += '\n';
    out += card.name + "\n";
    for (const std::string& text : {card.paper, card.summary})
      if (!text.empty()) out += wrapped(sentence(text), 2, line);
    for (const std::string& note : card.notes) out += wrapped(note, 2, line);
    for (const Option& option : *card.options)
      out += wrapped(option.name + ": " + describe(option), 4, line) + wrapped(option.doc, 8, line);
  }
  return out;
}

std::string list_cards(const std::vector<Card>& cards, int width) {
  size_t longest = 0;
  for (const Card& card : cards) longest = std::max(longest, card.name.size());
  std::string out;
  for (const Card& card : cards) {
    std::string entry = wrapped(sentence(card.summary), longest + 2, static_cast<size_t>(std::max(width, 40)));
    out += entry.replace(0, card.name.size(), card.name);  // in place of the first line's blanks
  }
  return out;
}

// Returns the card of that name, or with an empty name all. REQUIRES: there is such a card.
std::vector<Card> chosen(std::vector<Card> cards, const std::string& name) {
  if (!name.empty()) std::erase_if(cards, [&](const Card& card) { return card.name != name; });
  return cards;
}

std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

std::string markdown_default(const Option& option) {
  if (!option.fallback) return option.required ? "required" : "none";
  const std::string all = describe(option);
  const std::string before = describe_range(option) + ", default ";
  std::string out = "`";
  out += all.substr(before.size());
  return out + "`";
}

std::string markdown_options(const std::vector<Option>& options) {
  std::string out = "| key | value | default | meaning |\n|---|---|---|---|\n";
  for (const Option& o : options)
    out +=
        "| `" + o.name + "` | " + cell(describe_range(o)) + " | " + cell(markdown_default(o)) + " | " + cell(o.doc) + " |\n";
  return out;
}

// Returns the cards as Markdown. Entries with equal keys share one table, and the later ones name the first.
std::string markdown_cards(const std::vector<Card>& cards) {
  std::string out;
  std::map<std::string, std::string> shown;  // table to the entry that has it
  for (const Card& card : cards) {
    if (!out.empty()) out += '\n';
    out += "#### " + card.name + "\n\n" + sentence(card.summary);
    for (const std::string& note : card.notes) out += " " + note;
    const std::string table = markdown_options(*card.options);
    const auto [first, fresh] = shown.emplace(table, card.name);
    out += " Source: " + sentence(card.paper) + "\n\n" + (fresh ? table : "Keys: those of " + first->second + ".\n");
  }
  return out;
}

}  // namespace

std::string describe_methods(int width, const std::string& name) {
  if (!name.empty()) find_algorithm(name);
  return describe_cards(chosen(method_cards(), name), width);
}
std::string describe_models(int width, const std::string& name) {
  if (!name.empty()) find_model(name);
  return describe_cards(chosen(model_cards(), name), width);
}
std::string list_methods(int width) { return list_cards(method_cards(), width); }
std::string list_models(int width) { return list_cards(model_cards(), width); }
std::string describe_datasets(int width) { return describe_cards(dataset_cards(), width); }
std::string describe_objectives(int width) { return describe_cards(objective_cards(), width); }

const std::vector<std::string>& generated_sections() {
  static const std::vector<std::string> names = {"datasets", "models", "algorithms", "clients", "schedule", "run"};
  return names;
}

std::string markdown_section(const std::string& section) {
  if (section == "clients") return markdown_options(client_options());
  if (section == "schedule") return markdown_options(schedule_options());
  if (section == "run") return markdown_options(run_options());
  if (section == "algorithms") return markdown_cards(method_cards());
  if (section == "models") return markdown_cards(model_cards());
  if (section == "datasets") return markdown_cards(dataset_cards());
  throw std::logic_error("docs/reference/recipes.md has no generated section \"" + section + "\"");
}

}  // namespace tacet
