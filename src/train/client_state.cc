// See client_state.h.
#include "train/client_state.h"

#include <cassert>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <sys/mman.h>
#include <unistd.h>

#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>

#include "base/files.h"
#include "tacet/error.h"

namespace tacet {
namespace {

// Returns a shared mapping of an unlinked file of `bytes`. It is unmapped with the last vector that lies in it.
std::shared_ptr<float> map_file(const std::string& folder, size_t bytes) {
  std::error_code ignored;  // mkstemp complains about the folder
  std::filesystem::create_directories(folder, ignored);
  std::string path = (std::filesystem::path(folder) / "client-state.XXXXXX").string();
  const auto failed = [&] {
    return UserError("run.client_state: " + path + " can't be made with " + std::to_string(bytes) +
                     " bytes: " + std::strerror(errno));
  };
  const Fd file(mkstemp(path.data()));
  if (file.get() < 0) throw failed();
  unlink(path.c_str());
  void* at = MAP_FAILED;
  if (ftruncate(file.get(), static_cast<off_t>(bytes)) == 0)
    at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (at == MAP_FAILED) throw failed();
  return {static_cast<float*>(at), [bytes](float* p) { munmap(p, bytes); }};
}

}  // namespace

void SpillClientState::clients(const std::string&, PerClient& value) {
  struct File {
    std::shared_ptr<float> data;
    int64_t n = 0;
  };
  value.allocate_with(
      [folder = folder_, first = first_, last = last_, file = std::make_shared<File>()](int client, int64_t n) {
        assert(first <= client && client < last);
        if (!file->data) {
          file->n = n;
          file->data = map_file(folder, static_cast<size_t>(last - first) * static_cast<size_t>(n) * sizeof(float));
        }
        if (n != file->n) return at::zeros({n});  // vectors of another size are kept in memory
        float* slot = file->data.get() + static_cast<int64_t>(client - first) * n;
        return at::from_blob(
            slot, {n}, [keep = file->data](void*) {}, at::TensorOptions(at::kFloat));
      });
}

}  // namespace tacet
