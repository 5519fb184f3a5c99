// A data set of one's own, and a program that trains on it as `tacet` does on the built-in ones: noisy images of a lit row
// (class 0) or a lit column (class 1). Sharing them out to clients, batches and evaluation are tacet's.
#include <vector>

#include <ATen/ops/empty.h>

#include <tacet/command.h>
#include <tacet/image_data.h>
#include <tacet/registry.h>

using namespace tacet;

struct BarOptions {
  int64_t images = 2000, side = 8;
  double noise = 100;
  void options(OptionList& o) {
    o.integer("images", images, images, within(8, 1e6), "training images; a fifth as many are for validation and for test");
    o.integer("side", side, side, within(2, 1000), "height and width");
    o.number("noise", noise, noise, within(0, 255), "brightest value of the background");
  }
};

ImageSplit bars(const BarOptions& o, int64_t count, int split) {
  Stream draw(1, Stream::everyone, Purpose::partition, split, 0);
  at::Tensor bytes = at::empty({count, o.side, o.side}, at::kByte);
  auto* pixel = bytes.data_ptr<uint8_t>();
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < count; ++i) {
    labels.push_back(static_cast<int32_t>(draw.below(2)));
    const auto lit = static_cast<int64_t>(draw.below(static_cast<uint64_t>(o.side)));
    for (int64_t y = 0; y < o.side; ++y)
      for (int64_t x = 0; x < o.side; ++x) {
        const bool on = (labels.back() == 0 ? y : x) == lit;
        *pixel++ = on ? 255 : static_cast<uint8_t>(o.noise * draw.uniform());
      }
  }
  return split_of_bytes(bytes, labels, 2, "bars");
}

ImageData read_bars(const Values& data) {
  const auto o = read_options<BarOptions>(data);
  ImageData set;
  set.shape = {.channels = 1, .height = o.side, .width = o.side, .classes = 2};
  set.train = bars(o, o.images, 0);
  set.valid = bars(o, o.images / 5 + 1, 1);
  set.test = bars(o, o.images / 5 + 1, 2);
  set.mean = {0.3};
  set.deviation = {0.3};
  set.classes = {"row", "column"};
  return set;
}

int main(int argc, char** argv) {
  add_dataset({.name = "bars",
               .paper = "this example",
               .summary = "noisy images of a lit row or a lit column",
               .task = "classification",
               .options = image_options(options_of<BarOptions>()),
               .images = read_bars});
  return command(argc, argv);
}
