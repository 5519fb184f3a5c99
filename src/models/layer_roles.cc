// See layer_roles.h.
#include "models/layer_roles.h"

#include <algorithm>
#include <string>

namespace tacet {
namespace {

bool begins(const std::string& name, const char* with) { return name.rfind(with, 0) == 0; }

// Returns the role by the names that models commonly use.
Role role_of(const std::string& name, size_t dimensions) {
  const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
  const auto is_in = [&](const std::string& module) { return ("." + name).find("." + module + ".") != std::string::npos; };
  if (dimensions < 2) return Role::vector;
  if (has("embed") || is_in("wte") || is_in("wpe") || name == "encoder.weight") return Role::embedding;
  const bool attention = has("multihead") || has("multi_head");  // torch's name of it in a decoder's layer
  return (has("head") && !attention) || name == "decoder.weight" ? Role::head : Role::matrix;
}

// Makes the last matrix the head of a classifier: a model without embeddings, or one that says so.
void find_head(std::vector<Layer>& layers) {
  const auto is = [](Role role) { return [=](const Layer& l) { return l.role == role; }; };
  const auto last = std::find_if(layers.rbegin(), layers.rend(), is(Role::matrix));
  if (last == layers.rend() || std::any_of(layers.begin(), layers.end(), is(Role::head))) return;
  const bool embeds = std::any_of(layers.begin(), layers.end(), is(Role::embedding));
  if (!embeds || begins(last->name, "classifier")) last->role = Role::head;
}

}  // namespace

void give_roles(std::vector<Layer>& layers) {
  for (Layer& layer : layers) layer.role = role_of(layer.name, layer.shape.size());
  find_head(layers);
}

}  // namespace tacet
