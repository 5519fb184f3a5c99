// See run_claim.h.
#include "train/run_claim.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/system_random.h"
#include "comm/collectives.h"
#include "tacet/group.h"
#include "tacet/train.h"
#include "train/run_folder.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

// A process that was killed holds its locks until the system has taken it apart.
constexpr double kEndingSeconds = 3;
constexpr auto kPause = std::chrono::milliseconds(50);

std::string path_in(const std::string& folder) { return (fs::path(folder) / kClaimName).string(); }

// The text of a claim's file.
struct Holder {
  std::string run, process, host;
};

Holder holder_of(const std::string& path) {
  Holder holder;
  try {
    for (const std::string& line : read_lines(path)) std::istringstream(line) >> holder.run >> holder.process >> holder.host;
  } catch (const UserError&) {
    // It may be another user's, or be written right now. The lock counts, not the text.
  }
  return holder;
}

std::string described(const Holder& holder) {
  return holder.process.empty() ? "another process" : "process " + holder.process + " on " + holder.host;
}

std::string random_name() {
  char text[20];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(system_random_word()));
  return text;
}

// Says who holds the claim, for people and for workers of the same run.
void write_holder(int file, const std::string& run) {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  const std::string text = run + " " + std::to_string(::getpid()) + " " + host + "\n";
  if (::ftruncate(file, 0) == 0 && write_all(file, text)) ::fsync(file);  // the lock counts, not the text
}

// Returns true if the path still leads to the open file.
bool leads_to(const std::string& path, int file) {
  struct stat there {
  }, here{};
  return ::stat(path.c_str(), &there) == 0 && ::fstat(file, &here) == 0 && there.st_dev == here.st_dev &&
         there.st_ino == here.st_ino;
}

// Returns 0 when the lock was got, or errno.
int lock(int file, int kind) {
  while (::flock(file, kind | LOCK_NB) != 0)
    if (errno != EINTR) return errno;
  return 0;
}

}  // namespace

UserError in_use(const std::string& folder, const std::string& holder) {
  return UserError("--out: " + folder + " is in use by another run (" + holder + "): wait for its end, or give a new name");
}

std::string claimed_by(const std::string& folder) {
  const std::string path = path_in(folder);
  for (const auto until = after(kEndingSeconds);; std::this_thread::sleep_for(kPause)) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0 || lock(file.get(), LOCK_SH) != EWOULDBLOCK) return "";
    if (Clock::now() >= until) return described(holder_of(path));
  }
}

RunClaim::~RunClaim() {
  std::error_code ignored;
  // Under another file of that name another worker has the claim.
  const std::string path = path_in(options_.out);
  if (file_.get() >= 0 && leads_to(path, file_.get())) fs::remove(path, ignored);
  if (made_folder_) fs::remove(options_.out, ignored);  // fails unless it is empty
}

void RunClaim::settle(Group& group, bool begins) {
  if (options_.out.empty()) return;
  if (group.rank() == 0 && run_.empty()) run_ = random_name();
  run_ = all_to_all(group, std::vector<std::string>(static_cast<size_t>(group.size()), run_)).front();
  if (group.rank() != 0) return;
  take();
  if (begins && !options_.rejoin) check_contents(options_.out, options_.resume);
}

void RunClaim::take() {
  const std::string path = path_in(options_.out);
  if (file_.get() >= 0 && leads_to(path, file_.get())) return;
  file_.reset();
  for (const auto until = after(kEndingSeconds);; std::this_thread::sleep_for(kPause)) {
    std::error_code error;
    made_folder_ = fs::create_directories(options_.out, error) || made_folder_;
    if (error) throw UserError("--out: " + options_.out + " can't be created: " + error.message());
    if (take_free(path)) return;
    const Holder holder = holder_of(path);
    if (holder.run == run_) return take_from_lost_leader(path);
    if (Clock::now() >= until) throw in_use(options_.out, described(holder));
  }
}

// Returns false where somebody else holds the claim.
bool RunClaim::take_free(const std::string& path) {
  for (;;) {
    Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (file.get() < 0 && errno == ENOENT) return false;  // another one that wrote nothing has removed its folder
    if (file.get() < 0) throw UserError(path + ": can't be written: " + std::strerror(errno));
    const int error = lock(file.get(), LOCK_EX);
    if (error == EWOULDBLOCK) return false;
    if (!leads_to(path, file.get())) continue;  // its holder has removed it meanwhile
    if (error != 0) {
      // A network file system may have no locks. Its runs are not protected from each other.
      std::error_code ignored;
      fs::remove(path, ignored);
      return true;
    }
    write_holder(file.get(), run_);
    file_ = std::move(file);
    return true;
  }
}

// The leader before is lost to the others and may live. What it holds is then no longer the file of that name.
void RunClaim::take_from_lost_leader(const std::string& path) {
  const std::string side = path + ".part";
  Fd file(::open(side.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.get() < 0 || lock(file.get(), LOCK_EX) != 0)
    throw UserError(side + ": can't be written and locked: " + std::strerror(errno));
  write_holder(file.get(), run_);
  std::error_code error;
  fs::rename(side, path, error);
  if (error) throw UserError(path + ": can't be put in place: " + error.message());
  file_ = std::move(file);
}

}  // namespace tacet
