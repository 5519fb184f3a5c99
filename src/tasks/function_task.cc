// See function_task.h.
#include "tasks/function_task.h"

#include "problems/function_objective.h"

namespace tacet {

std::unique_ptr<Objective> make_function_objective(const Recipe& recipe, int clients) {
  const auto noise = read_options<Noise>(recipe.data);
  return make_function_objective(make_problem(recipe.model, static_cast<uint64_t>(recipe.run.integer("seed")), clients),
                                 noise, noise.samples);
}

}  // namespace tacet
