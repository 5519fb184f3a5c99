// Puts the page together: tables and recipes are plain HTML made here, so they need no script; the figures are drawn by
// page.js from the JSON that page_data gives. Every text that comes from a run passes through escaped() or embedded().
#include "report/page.h"

#include <fmt/format.h>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <set>

#include "base/files.h"
#include "base/system_random.h"
#include "report/assets.h"
#include "report/compare.h"
#include "report/page_data.h"

namespace tacet {
namespace {

using nlohmann::json;

// Text for an element or a quoted attribute. Control characters, which HTML forbids, become U+FFFD.
std::string escaped(std::string_view s) {
  std::string out;
  for (char c : s) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default: {
        bool control = (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7F;
        out += control ? std::string("\xEF\xBF\xBD") : std::string(1, c);
      }
    }
  }
  return out;
}

// JSON for inside a <script> element: no character of it can end the element or open another.
std::string embedded(const json& value) {
  std::string out;
  for (char c : value.dump(-1, ' ', false, json::error_handler_t::replace)) {
    if (c == '<' || c == '>' || c == '&') {
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out;
}

// The tables are written for any terminal; a page can show the sign for "times".
std::string typeset(std::string head) {
  if (head == "CxW") return "C×W";
  if (head.ends_with(" x")) head.replace(head.size() - 1, 1, "×");
  return head;
}
std::string typeset(const Column& column, std::string cell) {
  size_t times = cell.find('x');
  if (column.head == "CxW" && times != std::string::npos) cell.replace(times, 1, "×");
  return cell;
}

// A run's name with the key to its lines in the figures, which page.js draws.
std::string run_label(size_t run, const std::string& name) {
  return fmt::format("<i class=\"key\" data-run=\"{}\"></i><span class=\"label\">{}</span>", run, escaped(name));
}

// Where the runs are in a table: each row is one, or each column after the first.
enum class Runs { kInRows, kInColumns };

std::string html_table(const Table& table, Runs runs, const std::string& label) {
  auto style = [](const Column& column) { return column.words ? " class=\"words\"" : ""; };
  std::string out = fmt::format("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n", escaped(label));
  out += "<table>\n<thead><tr>";
  for (size_t c = 0; c < table.columns.size(); ++c) {
    const Column& column = table.columns[c];
    bool run = runs == Runs::kInColumns && c > 0;
    out += fmt::format("<th scope=\"col\"{}>{}</th>", style(column),
                       run ? run_label(c - 1, column.head) : escaped(typeset(column.head)));
  }
  out += "</tr></thead>\n<tbody>\n";
  for (size_t r = 0; r < table.columns[0].cells.size(); ++r) {
    const Column& first = table.columns[0];
    out += fmt::format("<tr><th scope=\"row\"{}>{}</th>", style(first),
                       runs == Runs::kInRows ? run_label(r, first.cells[r]) : escaped(first.cells[r]));
    for (size_t c = 1; c < table.columns.size(); ++c) {
      const Column& column = table.columns[c];
      bool none = column.cells[r] == "-", best = !column.best.empty() && column.best[r] && !none;
      std::string cell = none ? "<span class=\"none\">–</span>" : escaped(typeset(column, column.cells[r]));
      out += fmt::format("<td{}>{}</td>", style(column), best ? "<b>" + cell + "</b>" : cell);
    }
    out += "</tr>\n";
  }
  return out + "</tbody>\n</table>\n</div>\n";
}

std::string column_help(const std::vector<Table>& tables) {
  std::string out = "<details><summary>What the columns mean</summary>\n<dl class=\"help\">\n";
  for (const Table& table : tables) {
    for (size_t c = 1; c < table.columns.size(); ++c) {
      out +=
          fmt::format("<dt>{}</dt><dd>{}</dd>\n", escaped(typeset(table.columns[c].head)), escaped(table.columns[c].help));
    }
  }
  return out + "</dl></details>\n";
}

std::string join(const std::vector<std::string>& parts, const char* between) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : between) + part;
  return out;
}

// Returns "lstm on ptb", or the name of an objective of a program's own; empty where the run doesn't tell.
std::string subject(const Run& run) {
  const auto name = [&](const char* table) { return text(run.summary, table, recipe_value(run.recipe, table, "name")); };
  const std::string model = name("model"), data = name("data");
  return !model.empty() && !data.empty() ? model + " on " + data : name("objective");
}

// Returns the facts that the runs share, in one line: "lstm on ptb · celgc · 8 clients on 2 workers".
std::string lede(const std::vector<Run>& runs) {
  std::set<std::string> tasks, methods, places;
  for (const Run& run : runs) {
    Facts f = facts(run);
    if (const std::string task = subject(run); !task.empty()) tasks.insert(task);
    if (!f.algorithm.empty()) methods.insert(f.algorithm);
    if (std::isfinite(f.clients) && std::isfinite(f.workers)) {
      places.insert(fmt::format("{:.0f} client{} on {:.0f} worker{}", f.clients, f.clients == 1 ? "" : "s", f.workers,
                                f.workers == 1 ? "" : "s"));
    }
  }
  std::vector<std::string> parts;
  for (const auto* set : {&tasks, &methods, &places}) {
    if (set->empty() || set->size() > 4) continue;
    parts.push_back(join({set->begin(), set->end()}, ", "));
  }
  return join(parts, " · ");
}

std::string heading(const std::vector<Run>& runs) {
  static const char* const kWords[] = {"No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten"};
  if (runs.size() == 1) return runs[0].name;
  std::string count = runs.size() <= 10 ? kWords[runs.size()] : fmt::format("{}", runs.size());
  return count + " runs compared";
}

std::string scalar(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// One run's recipe and the facts of its summary that no table shows.
std::string run_details(const Run& run, size_t index) {
  std::string out = fmt::format("<details><summary>{}</summary>\n<dl>\n", run_label(index, run.name));
  auto row = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) out += fmt::format("<dt>{}</dt><dd>{}</dd>\n", escaped(name), escaped(value));
  };
  row("status", facts(run).status);
  for (const char* key : {"algorithm", "objective", "model", "data", "parameters", "iterations", "model_sha256"}) {
    if (run.summary.contains(key)) row(key, scalar(run.summary[key]));
  }
  if (run.summary.contains("versions") && run.summary["versions"].is_object()) {
    std::vector<std::string> versions;
    for (const auto& [name, value] : run.summary["versions"].items()) versions.push_back(name + " " + scalar(value));
    row("versions", join(versions, ", "));
  }
  out += "</dl>\n";
  out += run.recipe.empty() ? "<p class=\"note\">The folder holds no recipe.toml.</p>\n"
                            : fmt::format("<pre tabindex=\"0\"><code>{}</code></pre>\n", escaped(run.recipe));
  return out + "</details>\n";
}

std::string notices(const std::vector<Run>& runs) {
  std::string out;
  for (const Run& run : runs) {
    std::string status = facts(run).status;
    if (status == "done") continue;
    out += fmt::format("<p class=\"notice\"><b>{}</b> is {}: the page shows it as far as it got.</p>\n", escaped(run.name),
                       escaped(status));
  }
  std::set<std::string> versions;
  for (const Run& run : runs)
    if (run.summary.contains("versions")) versions.insert(text(run.summary["versions"], "tacet", "unknown"));
  if (versions.size() > 1)
    out += fmt::format("<p class=\"notice\">The runs were made by several versions of tacet: {}.</p>\n",
                       escaped(join({versions.begin(), versions.end()}, ", ")));
  if (uneven(runs))
    out += "<p class=\"notice\">The runs ended at different epochs: their last figures are not for equal work.</p>\n";
  return out;
}

std::string tables(const std::vector<Run>& runs) {
  Table summary = summary_table(runs), relative = relative_table(runs), epochs = epoch_table(runs);
  std::string out = "<section aria-labelledby=\"summary\">\n<h2 id=\"summary\">Summary</h2>\n" + notices(runs);
  out += html_table(summary, Runs::kInRows, "Summary of the runs");
  if (runs.size() > 1) out += "<p class=\"note\">Bold is the best of a column.</p>\n";
  if (!relative.columns.empty()) {
    out += fmt::format("<h3>Relative to {}</h3>\n", escaped(runs[0].name)) +
           html_table(relative, Runs::kInRows, "Relative to the first run");
  }
  if (!epochs.columns.empty()) {
    out += "<details><summary>Training loss at equal epochs</summary>\n" +
           html_table(epochs, Runs::kInColumns, "Training loss at equal epochs") + "</details>\n";
  }
  return out + column_help({summary, relative}) + "</section>\n";
}

// Returns the page; `data` is what the figures draw. A live one, with the mark of what it shows, may ask the server that it
// came from, and nobody else.
std::string page_text(const std::vector<Run>& runs, const json& data, const std::optional<std::string>& live_mark) {
  std::string title = escaped(heading(runs));
  std::string out = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  out += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  out += "<meta name=\"color-scheme\" content=\"light dark\">\n";
  // The page is complete: a browser that obeys this loads nothing from anywhere.
  out += fmt::format(
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; {}script-src 'unsafe-inline'; "
      "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\n",
      live_mark ? "connect-src 'self'; " : "");
  if (live_mark)
    out += fmt::format("<meta name=\"tacet-live\" content=\"2\">\n<meta name=\"tacet-mark\" content=\"{}\">\n",
                       escaped(*live_mark));
  out += fmt::format("<title>{} · tacet report</title>\n<link rel=\"icon\" href=\"data:,\">\n", title);
  out += fmt::format("<style>{}\n{}</style>\n</head>\n<body>\n", kUplotCss, kPageCss);
  out +=
      "<header>\n<div class=\"bar\"><p class=\"mark\">tacet report<span id=\"live-state\"></span></p><div "
      "id=\"theme\"></div></div>\n";
  out += fmt::format("<h1>{}</h1>\n<p class=\"lede\">{}</p>\n</header>\n<main>\n", title, escaped(lede(runs)));
  out += tables(runs);
  out += "<section aria-labelledby=\"figures\">\n<h2 id=\"figures\">Figures</h2>\n";
  out += "<p class=\"note\">Drag across a figure to zoom all of them, double-click to see the whole again.";
  if (runs.size() > 1) out += " A click on a name hides its line.";
  out += "</p>\n<div id=\"controls\"></div>\n";
  out +=
      "<noscript><p class=\"notice\">The figures are drawn by a script inside this page; the tables don't need "
      "it.</p></noscript>\n";
  out += "<div id=\"plots\"></div>\n</section>\n";
  out += "<section aria-labelledby=\"recipes\">\n<h2 id=\"recipes\">Recipes</h2>\n";
  for (size_t k = 0; k < runs.size(); ++k) out += run_details(runs[k], k);
  const size_t points = points_of_page(runs.size());
  out += "</section>\n<section aria-labelledby=\"sources\">\n<h2 id=\"sources\">Sources</h2>\n";
  out += fmt::format(
      "<p>Everything shown here is also in the runs&#39; folders: <code>metrics.jsonl</code> holds every round, epoch and "
      "evaluation, "
      "<code>summary.json</code> the totals, <code>recipe.toml</code> what to run again. A series of more than {} rounds is "
      "drawn as "
      "the means of {} equal bins of consecutive rounds. Values that are missing, infinite or not numbers leave gaps, as "
      "does a bin with one that is infinite or no number. "
      "Seconds count "
      "training only; communications count collectives; an epoch is one pass over the training set by all clients "
      "jointly.</p>\n",
      points, points);
  out += fmt::format(
      "<details><summary>Licence of uPlot, which draws the figures</summary><pre tabindex=\"0\">{}</pre></details>\n",
      escaped(kUplotLicense));
  out += "</section>\n</main>\n<p id=\"live\" class=\"hidden\" role=\"status\"></p>\n";
  out += fmt::format("<script type=\"application/json\" id=\"data\">{}</script>\n", embedded(data));
  out += fmt::format("<script>{}</script>\n<script>{}</script>\n<script>{}</script>\n</body>\n</html>\n", kUplotJs,
                     kSeriesJs, kPageJs);
  return out;
}

std::string page_of(const std::vector<std::string>& dirs, const std::optional<std::string>& live_mark) {
  std::vector<json> data;
  const size_t limit = points_of_page(dirs.size());
  const std::vector<Run> runs = read_runs(dirs, [&](Run& run) {
    data.push_back(run_data(run, limit));
    shorten(run);
  });
  return page_text(runs, page_data(runs, std::move(data)), live_mark);
}

void write_page(const std::string& page, const std::string& path) {
  // Two reports may be written side by side, also by two machines.
  AtomicFile file(path, fmt::format("{}.{}.part", path, system_random_word()));
  file.write(page);
  file.commit();
}

}  // namespace

std::string report_page(const std::vector<Run>& runs) { return page_text(runs, page_data(runs), {}); }

std::string report_page(const std::vector<Run>& runs, std::vector<json> each) {
  return page_text(runs, page_data(runs, std::move(each)), {});
}

std::string report_page_of(const std::vector<std::string>& dirs) { return page_of(dirs, {}); }
std::string live_page_of(const std::vector<std::string>& dirs, const std::string& mark) { return page_of(dirs, mark); }

void write_report(const std::vector<Run>& runs, const std::string& path) { write_page(report_page(runs), path); }

int cmd_report(const std::vector<std::string>& dirs, const std::string& out) {
  std::string path = out;
  if (path.empty()) path = dirs.size() == 1 ? (std::filesystem::path(dirs[0]) / "report.html").string() : "report.html";
  write_page(report_page_of(dirs), path);
  fmt::print("{}\n", path);
  return 0;
}

}  // namespace tacet
