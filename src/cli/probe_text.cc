// Prints of `tacet probe`: the figures of probe.json in a few tables and sentences.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "base/wrapped.h"
#include "cli/probe_command.h"
#include "report/text_table.h"

namespace tacet {
namespace {

using nlohmann::json;

std::string number_or_dash(const json& j) { return j.is_number() ? fmt::format("{:.4g}", j.get<double>()) : "-"; }
std::string at_key(const json& j, const char* key) {
  return j.is_object() && j.contains(key) ? number_or_dash(j[key]) : "-";
}

std::string interval_cell(const json& j) {
  return j.contains("low") && j["low"].is_number() ? at_key(j, "low") + " … " + at_key(j, "high") : "-";
}

std::string told_of(const json& j) {
  for (const char* key : {"missing", "what"})
    if (j.contains(key)) return (std::string(key) == "missing" ? "missing: " : "") + j[key].get<std::string>();
  return "-";
}

std::string constant_rows(const json& constants, int width) {
  Table table{{{.head = "constant", .words = true}, {.head = "value"}, {.head = "95 % interval"}}};
  std::string notes;
  for (const json& c : constants) {
    const auto name = c["name"].get<std::string>();
    table.columns[0].cells.push_back(name);
    table.columns[1].cells.push_back(at_key(c, "value"));
    table.columns[2].cells.push_back(interval_cell(c));
    std::string note = name + ": " + told_of(c);
    if (c.contains("interval_missing")) note += "; " + c["interval_missing"].get<std::string>();
    notes += wrapped(visible(note), 0, static_cast<size_t>(width));
  }
  return draw(table, width) + "\n" + notes;
}

std::string fit_sentence(const json& smoothness) {
  if (smoothness.contains("missing")) return "smoothness: not measured: " + smoothness["missing"].get<std::string>();
  const json& fit = smoothness["fit"];
  if (fit.contains("missing")) return "smoothness: no line: " + fit["missing"].get<std::string>();
  const json& line = fit["line"];
  return fmt::format(
             "smoothness: L̂ = {} + {}·‖∇f‖ through {} pairs, R² {}, slope's interval {}; log-log slope {} ({}). Control: L̂ "
             "dealt "
             "at "
             "random gives a slope at least as steep with p = {}. {} pairs were left to rounding.",
             at_key(line["intercept"], "value"), at_key(line["slope"], "value"), at_key(line, "points"), at_key(line, "r2"),
             interval_cell(line["slope"]), at_key(fit["log_line"]["slope"], "value"),
             interval_cell(fit["log_line"]["slope"]), at_key(fit["control"], "p"), at_key(fit, "left_out")) +
         (smoothness["state"] == "nothing is carried" ? "" : " State " + smoothness["state"].get<std::string>() + ".");
}

std::string noise_rows(const json& noise, int width) {
  Table table{{{.head = "noise along", .words = true},
               {.head = "deviation"},
               {.head = "skewness"},
               {.head = "p symmetric"},
               {.head = "p one mode"}}};
  const auto row = [&](const std::string& name, const json& d) {
    table.columns[0].cells.push_back(name);
    table.columns[1].cells.push_back(number_or_dash(d["deviation"]));
    table.columns[2].cells.push_back(number_or_dash(d["skewness"]));
    table.columns[3].cells.push_back(at_key(d["symmetry"], "p"));
    table.columns[4].cells.push_back(at_key(d["dip"], "p"));
  };
  row("the gradient", noise["along_gradient"]);
  row("principal", noise["principal"]);
  for (size_t j = 0; j < noise["directions"].size(); ++j) row(fmt::format("direction {}", j), noise["directions"][j]);
  return draw(table, width);
}

std::string noise_sentence(const json& noise) {
  const json &scale = noise["scale"], &tail = noise["tail"];
  std::string text = fmt::format("noise: {} gradients of batch {} against the mean of {} others.", at_key(noise, "samples"),
                                 at_key(noise, "batch"), at_key(noise, "reference"));
  text += scale.contains("missing") ? " Noise scale: missing: " + scale["missing"].get<std::string>() + "."
          : scale["batch"].is_null()
              ? " Noise scale: the gradient is lost in the noise of these samples."
              : fmt::format(" Noise scale S/|G|²: a batch of {} (|G|² {}, S {}).", at_key(scale, "batch"),
                            at_key(scale, "gradient_square"), at_key(scale, "noise_trace"));
  text += tail.contains("missing")
              ? " Tail index: missing: " + tail["missing"].get<std::string>() + "."
              : fmt::format(" Tail index of its norm: {} ({}).", at_key(tail, "value"), interval_cell(tail));
  return text;
}

std::string with_bounds(const json& j) { return at_key(j, "value") + " (" + interval_cell(j) + ")"; }

std::string curvature_sentence(const json& c) {
  if (c.contains("missing")) return "curvature: not measured: " + c["missing"].get<std::string>();
  std::string text =
      fmt::format("curvature: the Hessian's largest eigenvalue by modulus is {}{} after {} products",
                  with_bounds(c["eigenvalue"]), c["converged"].get<bool>() ? "" : ", not settled,", at_key(c, "iterations"));
  const json& trace = c["trace"];
  text += trace.contains("missing")
              ? "; its trace: missing: " + trace["missing"].get<std::string>() + "."
              : fmt::format("; its trace {} from {} random vectors.", with_bounds(trace), at_key(trace, "samples"));
  return text + fmt::format(" Rounding may make {} of a product, half the step changes the eigenvalue by {}.",
                            at_key(c, "rounding"), at_key(c, "step_change"));
}

std::string rounds_sentence(const json& rounds) {
  std::string text = fmt::format("rounds: {} followed, clients looked at in {} of them.", at_key(rounds, "followed"),
                                 at_key(rounds, "measured"));
  const json &drift = rounds["drift"], &scale = rounds["scale"], &looks = rounds["looks"];
  if (!drift.contains("missing")) {
    text += fmt::format(" Largest distance of a client's model from the mean: {}", at_key(drift, "largest"));
    if (drift["largest_share_of_bound"].is_number())
      text += fmt::format(", at most {} of 2γI", at_key(drift, "largest_share_of_bound"));
    text += ".";
  }
  if (!looks.empty())
    text += fmt::format(" κ from {} to {}.", at_key(looks.front(), "kappa"), at_key(looks.back(), "kappa"));
  if (!looks.empty() && looks.back().contains("corrections")) {
    const json& last = looks.back()["corrections"];
    text += fmt::format(" Corrections last: cosine {} and length {} of the true ones.", at_key(last, "cosine"),
                        at_key(last, "ratio"));
  }
  if (!scale.contains("missing") && scale["batch"].is_number())
    text += fmt::format(" Noise scale of the rounds' first gradients, clients' differences included: {}.",
                        at_key(scale, "batch"));
  for (const json& note : rounds["notes"]) text += " Not looked at: " + note.get<std::string>() + ".";
  return text;
}

}  // namespace

std::string probe_text(const std::string& text, int width) {
  const json all = json::parse(text);
  const auto line = [&](const std::string& sentence) {
    return "\n" + wrapped(visible(sentence), 0, static_cast<size_t>(width));
  };
  std::string out =
      constant_rows(all["constants"], width) + line(fit_sentence(all["smoothness"])) + line(noise_sentence(all["noise"]));
  out += "\n" + noise_rows(all["noise"], width);
  out += line(rounds_sentence(all["rounds"])) + line(curvature_sentence(all["curvature"]));
  out +=
      line(fmt::format("{} s in all, {} s of them measuring smoothness, {} s clients along the run, {} s curvature; {} s a "
                       "gradient.",
                       at_key(all, "seconds"), at_key(all["smoothness"], "seconds"), at_key(all["rounds"], "seconds"),
                       at_key(all["curvature"], "seconds"), at_key(all, "step_seconds")));
  return out;
}

}  // namespace tacet
