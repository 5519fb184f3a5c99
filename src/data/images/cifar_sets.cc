// The data sets CIFAR-10 and CIFAR-100: their keys and the files they expect. Reading one file is in cifar.h.
#include <algorithm>
#include <filesystem>

#include "data/files/locate.h"
#include "data/images/cifar.h"
#include "tacet/image_data.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

// Returns the files of these names; with `partial` those that are there, and for "test_batch" any that starts so.
std::vector<std::string> cifar_files(const fs::path& folder, const std::vector<std::string>& names, bool partial) {
  std::vector<std::string> files;
  std::error_code ignored;
  for (const std::string& name : names)
    if (fs::exists(folder / name, ignored))
      files.push_back((folder / name).string());
    else if (!partial)
      throw DataMissing((folder / name).string() +
                        ": does not exist, though other files of the data set are in that folder; data.partial = true takes "
                        "what is there");
  if (files.empty()) {
    const std::string stem = fs::path(names.front()).stem().string();
    for (const auto& entry : fs::directory_iterator(folder, ignored))
      if (entry.path().filename().string().rfind(stem, 0) == 0) files.push_back(entry.path().string());
    std::sort(files.begin(), files.end());
  }
  if (files.empty()) throw DataMissing((folder / names.front()).string() + ": does not exist");
  return files;
}

struct CifarOptions {
  bool partial = false;
  void options(OptionList& o) {
    o.flag("partial", partial, false, "take what is there of the files, for trying things out on a part of the data");
  }
};

ImageData load_cifar(const Values& data, bool ten) {
  const bool partial = read_options<CifarOptions>(data).partial;
  const std::vector<std::string> train =
      ten ? std::vector<std::string>{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                                     "data_batch_5.bin"}
          : std::vector<std::string>{"train.bin"};
  const std::vector<std::string> test = {ten ? "test_batch.bin" : "test.bin"};
  const fs::path folder =
      find_folder(data, ten ? "cifar-10" : "cifar-100", ten ? "cifar-10-batches-bin" : "cifar-100-binary", train);
  ImageData set;
  set.place = folder.string();
  CifarFormat format{.label_bytes = ten ? 1 : 2, .classes = ten ? 10 : 100};
  set.shape = {3, 32, 32, format.classes};
  format.records = partial ? 0 : ten ? 10000 : 50000;
  const auto read = [&](const std::vector<std::string>& names) {
    const std::vector<std::string> files = cifar_files(folder, names, partial);
    set.files.insert(set.files.end(), files.begin(), files.end());
    return read_cifar(files, format);
  };
  set.train = read(train);
  format.records = partial ? 0 : 10000;
  set.test = read(test);
  if (ten) {
    set.mean = {0.4914, 0.4822, 0.4465}, set.deviation = {0.2470, 0.2435, 0.2616};
    set.classes = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
  } else {
    set.mean = {0.5071, 0.4865, 0.4409}, set.deviation = {0.2673, 0.2564, 0.2762};
  }
  return set;
}

DatasetInfo cifar_row(bool ten, std::string summary, std::vector<std::string> files) {
  std::vector<Option> own = options_of<CifarOptions>();
  own.insert(own.begin(), root_option());
  return {
      .name = ten ? "cifar-10" : "cifar-100",
      .paper = "Krizhevsky, 2009, Learning Multiple Layers of Features from Tiny Images; no explicit licence, research use",
      .summary = std::move(summary),
      .task = "classification",
      .options = image_options(own, {.crop_padding = 4, .flip = true}),
      .files = std::move(files),
      .images = [ten](const Values& data) { return load_cifar(data, ten); }};
}

}  // namespace

namespace built_in {

std::vector<DatasetInfo> cifar_sets() {
  return {
      cifar_row(true, "small photographs, 32 × 32 in colour, 10 classes, 50,000 training and 10,000 test images",
                {"cifar-10-batches-bin/ of the binary version: data_batch_1.bin … data_batch_5.bin", "test_batch.bin"}),
      cifar_row(false, "small photographs, 32 × 32 in colour, 100 classes, 50,000 training and 10,000 test images",
                {"cifar-100-binary/ of the binary version: train.bin", "test.bin"}),
  };
}

}  // namespace built_in
}  // namespace tacet
