// A report page that follows its runs while they go on, and the rule of who may see it. Nothing of HTTP is here.
#pragma once

#include <mutex>
#include <string>
#include <vector>

namespace tacet {

// The page of some runs, made anew where their files have changed. Several threads may ask.
class LivePage {
 public:
  // Throws UserError as read_runs does.
  explicit LivePage(std::vector<std::string> dirs);

  // Returns a text that differs after the runs' files have changed.
  std::string mark() const;
  // Returns the page. Where the files can't be read, as in the middle of a copy, it is the last one that could.
  std::string page();
  // Returns why the files could not be read, once for each reason; empty where there is nothing new.
  std::string new_trouble();

 private:
  const std::vector<std::string> dirs_;
  std::mutex mutex_;
  std::string made_of_, page_, trouble_, told_;
};

// Returns 32 hexadecimal digits of the system's randomness.
std::string random_token();

// Returns true if a request may see the page. With a token it must bring it. Without one it must have been sent to a name of
// this machine, or to the `address` that the server was told (`host` is its header Host), so that no page of another site
// reads this one by a name of its own.
bool admitted(const std::string& token, const std::string& given, const std::string& host, const std::string& address);

}  // namespace tacet
