// The parts of c10d that libtorch's versions have differently. No other file asks for the version.
#pragma once

namespace tacet {

// Asks for the store's plain sockets. libtorch 2 prefers libuv, which Debian's is built without.
template <class Options>
void without_libuv(Options& options) {
  if constexpr (requires { options.useLibUV; }) options.useLibUV = false;
}

}  // namespace tacet
