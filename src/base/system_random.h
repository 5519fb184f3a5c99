// Random bytes of the operating system, for what nobody may be able to guess. What has to be repeatable takes a Stream.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tacet {

// Fills memory with bytes of getrandom(2). Waits until the system has gathered enough of them, once after its start. Throws
// std::runtime_error where the system has none.
void fill_system_random(void* out, size_t bytes);

uint64_t system_random_word();

}  // namespace tacet
