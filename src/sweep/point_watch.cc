// See point_watch.h.
#include "sweep/point_watch.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "report/runs.h"

namespace tacet {

PointWatch::PointWatch(const Point& point, std::string metrics, double limit)
    : epochs_(point.epochs),
      last_round_(point.rounds),
      iterations_(point.iterations),
      path_(std::move(metrics)),
      limit_(limit) {}

void PointWatch::look() {
  std::error_code error;
  const auto size = std::filesystem::file_size(path_, error);
  if (error) return;
  if (static_cast<std::streamoff>(size) < offset_) {  // a run that goes on has cut its log
    offset_ = 0;
    rounds_ = high_ = 0;
  }
  std::ifstream in(path_, std::ios::binary);
  in.seekg(offset_);
  for (std::string line; std::getline(in, line) && !in.eof();) {
    offset_ += static_cast<std::streamoff>(line.size()) + 1;
    read_line(line);
  }
}

void PointWatch::read_line(const std::string& line) {
  const nlohmann::json value = nlohmann::json::parse(line, nullptr, false);
  if (!value.is_object() || text(value, "event") != "round") return;
  ++rounds_;
  const auto share = [&](const char* key, double end) { return end > 0 ? number(value, key) / end : 0; };
  const double done = std::max({share("epoch", epochs_), share("round", last_round_), share("iteration", iterations_)});
  if (done >= 0) fraction_ = std::min(1.0, done);
  const double loss = number(value, "train_loss");
  if (rounds_ == 1) first_loss_ = loss;
  const bool high = limit_ > 0 && first_loss_ > 0 && loss > limit_ * first_loss_;
  high_ = high ? high_ + 1 : 0;
  if (high_ >= kRounds && divergence_.empty())
    divergence_ = fmt::format(
        "the training loss was above {:g} times that of the first round ({:.4g}) in {} rounds in a row, {:.4g} in round "
        "{:g}",
        limit_, first_loss_, kRounds, loss, number(value, "round"));
}

}  // namespace tacet
