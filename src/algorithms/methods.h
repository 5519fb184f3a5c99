// One declaration for each row of table.cc. The methods themselves are private to their files.
#pragma once

#include <memory>

#include "tacet/algorithm.h"

namespace tacet {

std::unique_ptr<Algorithm> make_adam(const Values& options);
std::unique_ptr<Algorithm> make_celgc(const Values& options);
std::unique_ptr<Algorithm> make_celgc_overlap(const Values& options);
std::unique_ptr<Algorithm> make_celgc_partial(const Values& options);
std::unique_ptr<Algorithm> make_episode(const Values& options);
std::unique_ptr<Algorithm> make_episode_pp(const Values& options);
std::unique_ptr<Algorithm> make_fed_adagrad(const Values& options);
std::unique_ptr<Algorithm> make_fed_adam(const Values& options);
std::unique_ptr<Algorithm> make_fed_ams(const Values& options);
std::unique_ptr<Algorithm> make_fed_lamb(const Values& options);
std::unique_ptr<Algorithm> make_fed_yogi(const Values& options);
std::unique_ptr<Algorithm> make_fedavg(const Values& options);
std::unique_ptr<Algorithm> make_fedprox(const Values& options);
std::unique_ptr<Algorithm> make_minibatch_clip(const Values& options);
std::unique_ptr<Algorithm> make_mixed_clip(const Values& options);
std::unique_ptr<Algorithm> make_naive_clip(const Values& options);
std::unique_ptr<Algorithm> make_normalized(const Values& options);
std::unique_ptr<Algorithm> make_scaffold(const Values& options);
std::unique_ptr<Algorithm> make_sgd(const Values& options);
std::unique_ptr<Algorithm> make_sgd_clip(const Values& options);
std::unique_ptr<Algorithm> make_sign_sgd(const Values& options);

}  // namespace tacet
