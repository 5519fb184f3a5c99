// The message of the error that a call throws, and what it must mention.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tacet/error.h"

namespace tacet::test {

// Returns the message of the UserError that the call throws, or "" if it throws none. Other exceptions pass.
template <class Call>
std::string error_of(Call&& call) {
  try {
    call();
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

// Fails the test for every part that the message does not contain.
inline void expect_mentions(const std::string& message, const std::vector<std::string>& parts) {
  EXPECT_NE(message, "") << "nothing was thrown";
  for (const std::string& part : parts)
    EXPECT_NE(message.find(part), std::string::npos) << "\"" << part << "\" is not in: " << message;
}

}  // namespace tacet::test
