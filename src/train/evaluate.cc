// See evaluate.h.
#include "train/evaluate.h"

#include <map>

#include "tacet/group.h"

namespace tacet {

Score evaluate_all(Objective& objective, Group& group, const std::string& split, const Vec& x) {
  std::vector<double> mine;
  for (int unit = group.rank(); unit < objective.units(split); unit += group.size()) {
    const Score s = objective.evaluate(split, unit, x);
    mine.insert(mine.end(), {static_cast<double>(unit), s.loss, s.correct, s.count, static_cast<double>(s.more.size())});
    mine.insert(mine.end(), s.more.begin(), s.more.end());
  }
  const std::vector<double> all = all_gather(group, mine);
  std::map<int, Score> by_unit;
  for (size_t k = 0; k + 5 <= all.size();) {
    const auto further = all.begin() + static_cast<ptrdiff_t>(k + 5), end = further + static_cast<ptrdiff_t>(all[k + 4]);
    by_unit[static_cast<int>(all[k])] = {all[k + 1], all[k + 2], all[k + 3], {further, end}};
    k = static_cast<size_t>(end - all.begin());
  }
  Score sum;
  for (const auto& [unit, s] : by_unit) {
    sum.loss += s.loss;
    sum.correct += s.correct;
    sum.count += s.count;
    sum.more.resize(s.more.size());
    for (size_t k = 0; k < s.more.size(); ++k) sum.more[k] += s.more[k];
  }
  objective.evaluated(split, sum);
  return sum;
}

}  // namespace tacet
