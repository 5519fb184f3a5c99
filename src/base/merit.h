// The direction in which a figure of merit gets better. Which figures there are is not known here.
#pragma once

#include <string>

namespace tacet {

// Returns true for accuracies and BLEU. All other figures are losses, norms or distances, which get better as they fall.
inline bool higher_is_better(const std::string& figure) { return figure.ends_with("accuracy") || figure.ends_with("bleu"); }

}  // namespace tacet
