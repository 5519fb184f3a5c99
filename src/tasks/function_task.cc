// See function_task.h.
#include "tasks/function_task.h"

#include <utility>

#include "problems/function_objective.h"

namespace tacet {

std::unique_ptr<Objective> make_function_objective(const Recipe& recipe, int clients) {
  const auto noise = read_options<Noise>(recipe.data);
  Problem problem = make_problem(recipe.model, static_cast<uint64_t>(recipe.run.integer("seed")), clients);
  if (clients == 1 && recipe.model.has("heterogeneity") && recipe.model.number("heterogeneity") > 0)
    problem.notes.push_back("model.heterogeneity has no effect: there is one client (clients.count)");
  return make_function_objective(std::move(problem), noise, noise.samples);
}

}  // namespace tacet
