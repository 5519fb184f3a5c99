// See meeting.h.
#include "launch/meeting.h"

#include <cstdlib>
#include <utility>

#include "comm/rendezvous/handshake.h"
#include "tacet/error.h"

namespace tacet {
namespace {

GlooOptions gloo_options(const Meeting& meeting) {
  GlooOptions options;
  options.rank = meeting.place.rank;
  options.size = meeting.place.size;
  options.address = meeting.place.address;
  options.port = meeting.place.port;
  options.interface_address = meeting.place.interface_address;
  options.hosted = meeting.place.hosted;
  options.store = meeting.place.store;
  options.token = meeting.token;
  options.timeout_seconds = meeting.timeout_seconds;
  options.run = meeting.run;
  return options;
}

}  // namespace

void require_token(const std::string& token, const Placement& place, const std::string& option, const std::string& way) {
  if (!token.empty() || is_loopback(place.interface_address)) return;
  throw UserError(option + ": workers on several machines (here at " + place.interface_address +
                  ") must share a secret, but none was given; make one with: (umask 077; openssl rand -hex 32 > token), "
                  "copy it to every machine, and give " +
                  way + " there");
}

bool placed_by_tacet() { return std::getenv(kToldVariable) != nullptr; }

Meeting placed_meeting(Placement place, const std::string& exchange, double timeout_seconds, int min_workers) {
  const bool launched = placed_by_tacet();
  place.hosted = place.hosted || launched;
  const std::string token = read_token("");
  if (!launched) require_token(token, place, "TACET_JOIN_TOKEN", "TACET_JOIN_TOKEN=$(cat token)");
  return {std::move(place), token, exchange, timeout_seconds, min_workers};
}

std::unique_ptr<Group> fixed_group(const Meeting& meeting) {
  std::unique_ptr<Group> group;
  try {
    group = gloo_group(gloo_options(meeting));
  } catch (const PeerLost& error) {
    throw PeerLost(error.rank, error.what() + how_placed(meeting.place));
  }
  if (meeting.exchange == "gloo") return group;
  SharedOptions shared;
  shared.timeout_seconds = meeting.timeout_seconds;
  shared.required = meeting.exchange == "shared";
  return share_memory(std::move(group), shared);
}

std::unique_ptr<Membership> membership_of(const Meeting& meeting) {
  try {
    return std::make_unique<Membership>(MembershipOptions{gloo_options(meeting), meeting.exchange, meeting.min_workers});
  } catch (const PeerLost& error) {
    throw PeerLost(error.rank, error.what() + how_placed(meeting.place));
  }
}

}  // namespace tacet
