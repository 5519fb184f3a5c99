// Texts as subword indices and back: a SentencePiece vocabulary (Kudo, Richardson, EMNLP 2018) by byte-pair encoding
// (Sennrich, Haddow, Birch, ACL 2016), read from a file or learned from the training texts. SentencePiece runs as its own
// programs (spm_train, spm_encode, spm_export_vocab): Debian's library of it exports a copy of Protocol Buffers that can't
// live in one process with libtorch's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tacet {

class Subwords {
 public:
  // A model file. Throws UserError when it can't be read, or lacks one of <pad>, <unk>, <s> and </s>.
  static Subwords from_file(const std::string& path);

  // The bytes of a model file. `place` names them in messages, else as above.
  static Subwords from_bytes(const std::string& bytes, const std::string& place);

  // Learns `size` pieces (fewer where the texts give fewer): <pad> 0, <unk> 1, <s> 2, </s> 3, then pieces. The result is a
  // function of the texts and the size. It is kept in ~/.cache/tacet/subwords under a name made from a hash of both and read
  // from there the next time; a cache that can't be written is done without. Throws UserError when the texts give no
  // vocabulary or the programs are missing.
  static Subwords learned(int64_t size, const std::vector<std::string>& texts);

  // One list of pieces for each text. A text holds no line end.
  std::vector<std::vector<int32_t>> encode(const std::vector<std::string>& texts) const;
  // The text that the pieces stand for; an unknown piece is " ⁇ ", special ones are left out.
  std::string decode(const std::vector<int32_t>& pieces) const;

  std::string model() const;  // the bytes of the model file
  int64_t size() const { return static_cast<int64_t>(pieces_.size()); }
  int32_t pad = 0, unknown = 1, begin = 2, end = 3;

 private:
  Subwords() = default;
  std::string model_;                   // path
  std::vector<std::string> pieces_;     // by index
  std::shared_ptr<const void> folder_;  // keeps the model's temporary folder, where there is no cache
};

}  // namespace tacet
