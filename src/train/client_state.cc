// See client_state.h.
#include "train/client_state.h"

#include <cassert>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>

#include "base/files.h"
#include "tacet/error.h"

namespace tacet {
namespace {

// The vectors of a state, in a mapping of an unlinked file.
struct MappedVectors {
  Fd file;
  std::shared_ptr<float> data;  // unmapped with the last vector that lies in it
  int64_t n = 0;                // of a vector
  std::vector<bool> has_room;   // by slot
};

MappedVectors map_file(const std::string& folder, size_t slots, int64_t n) {
  const size_t bytes = slots * static_cast<size_t>(n) * sizeof(float);
  std::error_code ignored;  // mkstemp complains about the folder
  std::filesystem::create_directories(folder, ignored);
  std::string path = (std::filesystem::path(folder) / "client-state.XXXXXX").string();
  const auto failed = [&] {
    return UserError("run.client_state: " + path + " can't be made with " + std::to_string(bytes) +
                     " bytes: " + std::strerror(errno));
  };
  Fd file(mkostemp(path.data(), O_CLOEXEC));
  if (file.get() < 0) throw failed();
  unlink(path.c_str());
  void* at = MAP_FAILED;
  if (ftruncate(file.get(), static_cast<off_t>(bytes)) == 0)
    at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (at == MAP_FAILED) throw failed();
  std::shared_ptr<float> data(static_cast<float*>(at), [bytes](float* p) { munmap(p, bytes); });
  return {std::move(file), std::move(data), n, std::vector<bool>(slots)};
}

// Gives a slot its room on the disk. Without it a write on a full disk would end the process by SIGBUS.
void make_room(MappedVectors& vectors, size_t slot, const std::string& folder, int client) {
  if (vectors.has_room[slot]) return;
  const auto bytes = static_cast<off_t>(static_cast<size_t>(vectors.n) * sizeof(float));
  int error = 0;
  do {
    error = posix_fallocate(vectors.file.get(), static_cast<off_t>(slot) * bytes, bytes);
  } while (error == EINTR);
  if (error != 0)
    throw UserError("run.client_state: " + folder + " must have room for the vector of client " + std::to_string(client) +
                    ", " + std::to_string(bytes) + " bytes: " + std::strerror(error));
  vectors.has_room[slot] = true;
}

}  // namespace

void SpillClientState::clients(const std::string&, PerClient& value) {
  value.allocate_with(
      [folder = folder_, first = first_, last = last_, file = std::make_shared<MappedVectors>()](int client, int64_t n) {
        assert(first <= client && client < last);
        if (!file->data) *file = map_file(folder, static_cast<size_t>(last - first), n);
        if (n != file->n) return at::zeros({n});  // vectors of another size are kept in memory
        make_room(*file, static_cast<size_t>(client - first), folder, client);
        float* slot = file->data.get() + static_cast<int64_t>(client - first) * n;
        return at::from_blob(
            slot, {n}, [keep = file->data](void*) {}, at::TensorOptions(at::kFloat));
      });
}

}  // namespace tacet
