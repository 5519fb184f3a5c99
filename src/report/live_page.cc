// See live_page.h.
#include "report/live_page.h"

#include <filesystem>

#include <fmt/format.h>

#include "base/system_random.h"
#include "report/page.h"
#include "tacet/error.h"

namespace tacet {
namespace {

// Compares in a time that does not tell how much of the texts agrees.
bool same_text(const std::string& a, const std::string& b) {
  unsigned differences = a.size() != b.size();
  for (size_t k = 0; k < a.size() && k < b.size(); ++k)
    differences |= static_cast<unsigned char>(a[k]) ^ static_cast<unsigned char>(b[k]);
  return differences == 0;
}

}  // namespace

LivePage::LivePage(std::vector<std::string> dirs)
    : dirs_(std::move(dirs)), made_of_(mark()), page_(live_page_of(dirs_, made_of_)) {}

std::string LivePage::mark() const {
  std::string out;
  for (const std::string& dir : dirs_)
    for (const char* name : {"metrics.jsonl", "summary.json", "recipe.toml"}) {
      std::error_code error;
      const std::filesystem::path path = std::filesystem::path(dir) / name;
      const auto size = std::filesystem::file_size(path, error);
      const auto time = std::filesystem::last_write_time(path, error);
      out += error ? "-," : fmt::format("{:x}.{:x},", size, time.time_since_epoch().count());
    }
  return out;
}

std::string LivePage::page() {
  const std::lock_guard lock(mutex_);
  const std::string now = mark();
  if (now == made_of_ && trouble_.empty()) return page_;
  try {
    page_ = live_page_of(dirs_, now);
    made_of_ = now;
    trouble_.clear();
  } catch (const UserError& error) {
    trouble_ = error.what();
  }
  return page_;
}

std::string LivePage::new_trouble() {
  const std::lock_guard lock(mutex_);
  if (trouble_ == told_) return "";
  told_ = trouble_;
  return trouble_;
}

std::string random_token() { return fmt::format("{:016x}{:016x}", system_random_word(), system_random_word()); }

bool admitted(const std::string& token, const std::string& given, const std::string& host, const std::string& address) {
  if (!token.empty()) return same_text(token, given);
  const size_t end = host.starts_with("[") ? host.find(']') + 1 : host.find(':');
  const std::string name = host.substr(0, end);
  return name == "localhost" || name == "[::1]" || name == "127.0.0.1" || name == address;
}

}  // namespace tacet
